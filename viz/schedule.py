"""schedule: the order in which the cell of a Recurrent runs, and what runs once for all steps, as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodegraph import table
from nodegraph.errors import ArgumentError
from nodegraph.recurrent import Recurrent
from nodegraph.viz.graph_text import node_names, node_texts
from nodegraph.viz.multiply_adds import multiply_adds
from nodegraph.viz.shape_trace import ShapeCall, as_shape, trace_shapes
from nodegraph.viz.summary import aligned


def schedule(recurrent: Recurrent, input_shapes: Any = None) -> Schedule:
    """The stages of a Recurrent in the order in which they run, with the nodes of each.

    The nodes on a cycle that the feedback makes run step by step; all others run once for all steps, where their
    modules are rowwise. With `input_shapes`, the shape of the input or a list of them, there are the shape of each
    output at one step, how often the node is called, and its multiply-adds, those of all steps together: `-` where
    none are counted, `?` where a shape is not known.

    >>> x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    >>> total = nn.CAddTable()([nn.Linear(3, 2)(x).annotate(name="Wx"), nn.Linear(2, 2)(h).annotate(name="Uh")])
    >>> from nodegraph import GModule
    >>> schedule(Recurrent(GModule([x, h], nn.Tanh()(total).annotate(name="new"))), [(10, 4, 3), (4, 2)])
    Recurrent over 10 steps
    stage and node         module                     output  calls  multiply-adds
    -------------------------------------------------------------------------------
    1: once for all steps
      x                    input 0, a sequence        (4, 3)
      Wx                   Linear(3, 2) <- x          (4, 2)      1            240
    2: step by step
      h                    input 1, fed back from new  (4, 2)
      Uh                   Linear(2, 2) <- h          (4, 2)     10            160
      4                    CAddTable() <- Wx, Uh      (4, 2)     10              -
      new                  Tanh() <- 4                (4, 2)     10              -
    -------------------------------------------------------------------------------
    total                                                        31            400
    of these step by step                                        30            160

    Raises ArgumentError for what is not a Recurrent, ShapeError for shapes that it cannot take.
    """
    if not isinstance(recurrent, Recurrent):
        raise ArgumentError(f"schedule takes a Recurrent, got {type(recurrent).__name__}")
    if input_shapes is None:
        return Schedule(recurrent, None, None)
    steps, at_a_step = recurrent.at_a_step(as_shape(input_shapes))
    return Schedule(recurrent, steps, trace_shapes(recurrent.cell, at_a_step))


@dataclass
class ScheduledNode:
    """A node in a schedule: the number of its stage, from 1, whether that is a loop, and what shapes tell."""

    name: str
    text: str
    stage: int
    loop: bool
    is_input: bool
    output: str = "?"
    calls: int | None = None
    multiply_adds: int | None = None

    def cells(self) -> list[str]:
        if self.is_input:
            return ["  " + self.name, self.text, self.output, "", ""]
        counted = "?" if self.output == "?" else "-" if self.multiply_adds is None else f"{self.multiply_adds:,}"
        return ["  " + self.name, self.text, self.output, f"{self.calls or '?'}", counted]


class Schedule(str):
    """A schedule as text; its `rows` are in the order in which they run."""

    rows: list[ScheduledNode]

    def __new__(cls, recurrent: Recurrent, steps: int | None, call: ShapeCall | None) -> Schedule:
        rows = list(_rows(recurrent, steps, [] if call is None else call.inside))
        title = type(recurrent).__name__ + ("" if steps is None else f" over {steps} step" + "s" * (steps > 1))
        text = super().__new__(cls, f"{title}\n{_text(rows, shapes=call is not None)}")
        text.rows = rows
        return text

    def __repr__(self) -> str:
        return str(self)


def _rows(recurrent: Recurrent, steps: int | None, calls: list[ShapeCall]) -> Iterator[ScheduledNode]:
    nodes, names, texts = recurrent.cell.nodes, node_names(recurrent.cell), node_texts(recurrent)
    for number, stage in enumerate(recurrent.wiring.stages, 1):
        for node, place in ((nodes[place], place) for place in stage.places if nodes[place] in texts):
            row = ScheduledNode(names[node], texts[node], number, stage.loop, node in recurrent.cell.inputs)
            if place < len(calls) and calls[place].output is not None:
                call, counted = calls[place], _multiply_adds(calls[place])
                row.output = table.describe_shape(call.output)
                if not row.is_input:
                    row.calls = 1 if not stage.loop and call.module.rowwise(call.input) else steps
                    row.multiply_adds = None if counted is None else counted * steps
            yield row


def _multiply_adds(call: ShapeCall) -> int | None:
    """Those of a module, or of all modules inside it; None if none are counted."""
    if not call.inside:
        return multiply_adds(call.module, call.input, call.output)
    counts = [count for count in map(_multiply_adds, call.inside) if count is not None]
    return sum(counts) if counts else None


def _text(rows: list[ScheduledNode], shapes: bool) -> str:
    lines = [["stage and node", "module", "output", "calls", "multiply-adds"]]
    for before, row in zip([None, *rows], rows):
        if before is None or before.stage != row.stage:
            lines.append([f"{row.stage}: {'step by step' if row.loop else 'once for all steps'}", "", "", "", ""])
        lines.append(row.cells())
    for name, counted in [("total", rows), ("of these step by step", [row for row in rows if row.loop])]:
        sums = [sum(n or 0 for n in numbers) for numbers in zip(*((r.calls, r.multiply_adds) for r in counted))]
        lines.append([name, "", "", *(f"{n:,}" for n in sums or [0, 0])])
    shown = aligned(lines, 3) if shapes else aligned([line[:2] for line in lines[:-2]], 2)
    rule = "-" * max(map(len, shown))
    return "\n".join([shown[0], rule, *shown[1:-2], rule, *shown[-2:]] if shapes else [shown[0], rule, *shown[1:]])
