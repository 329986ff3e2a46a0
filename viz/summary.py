"""summary: a model as a table of its modules, with shapes, parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nodegraph import parameters as flat
from nodegraph import table
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Module
from nodegraph.nn.tables import Part
from nodegraph.recurrent import Recurrent
from nodegraph.viz.graph_text import node_names, own_text
from nodegraph.viz.multiply_adds import multiply_adds
from nodegraph.viz.shape_trace import ShapeCall, as_shape, trace_shapes


def summary(model: Module, input_shapes: Any = None) -> Summary:
    """A table of the modules in a model: name, class, output shape, number of parameters, multiply-adds of a forward.

    `input_shapes` is the shape of the input, or a list of shapes if there are several; without it the columns that
    depend on shapes are left out. What stands inside a module is indented below it; the parts of a split are left out.
    Parameters that several modules share are counted once, where they come first. Multiply-adds are those of matrix
    products and convolutions; `-` stands where nothing is counted, `?` where the shape of an output is not known.

    >>> x = nn.Identity()().annotate(name="x")
    >>> hidden = nn.Linear(4, 3)(x).annotate(name="hidden")
    >>> summary(GModule(x, nn.Tanh()(hidden)), (10, 4))
    GModule: (10, 4) -> (10, 3)
    name    module        output   parameters  multiply-adds
    --------------------------------------------------------
    x       Identity()    (10, 4)                          0
    hidden  Linear(4, 3)  (10, 3)          15            120
    2       Tanh()        (10, 3)                          -
    --------------------------------------------------------
    total                                  15            120

    Raises ShapeError for shapes that the model cannot take, ArgumentError for something else than a model.
    """
    if not isinstance(model, Module):
        raise ArgumentError(f"summary takes a module, got {type(model).__name__}")
    call = None if input_shapes is None else trace_shapes(model, as_shape(input_shapes))
    return Summary(model, call)


class Summary(str):
    """A summary as text; its `rows`, and the totals `parameters` and `multiply_adds` (None without shapes).

    Where shapes are not known, `multiply_adds` is the sum of the others.
    """

    rows: list[Row]
    parameters: int
    multiply_adds: int | None

    def __new__(cls, model: Module, call: ShapeCall | None) -> Summary:
        rows = list(Walk().rows("", model, [] if call is None else [call], 0, 1))
        if len(rows) > 1 and not rows[0].parameters and not rows[0].steps:
            rows = [row.outdented() for row in rows[1:]]
        text = super().__new__(cls, _text(model, call, rows))
        text.rows, text.parameters = rows, sum(row.parameters for row in rows)
        text.multiply_adds = None if call is None else sum(row.multiply_adds or 0 for row in rows)
        return text

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Row:
    """A module in a summary.

    `output` is None if the shape is not known; `parameters` counts those that no row above has, `shared` names the row
    that has them; `multiply_adds` is None where nothing is counted; a Recurrent has a number of `steps`.
    """

    name: str
    depth: int
    module: str
    output: str | None
    parameters: int
    shared: str | None
    multiply_adds: int | None
    holds_others: bool
    steps: int | None

    def outdented(self) -> Row:
        self.depth -= 1
        return self

    def cells(self) -> tuple[str, str, str, str, str]:
        parameters = f"{self.parameters:,}" if self.parameters else f"as {self.shared}" if self.shared else ""
        not_counted = "" if self.holds_others else "?" if self.output is None else "-"
        counted = not_counted if self.multiply_adds is None else f"{self.multiply_adds:,}"
        module = self.module + (f", {self.steps} steps" if self.steps else "")
        return "  " * self.depth + self.name, module, self.output or "?", parameters, counted


class Walk:
    """One way through a model, which remembers where each parameter came first."""

    def __init__(self) -> None:
        self.first: dict[tuple[Any, ...], str] = {}

    def rows(self, name: str, module: Module, calls: list[ShapeCall], depth: int, times: int) -> Iterator[Row]:
        """The rows of a module and of those inside, for its calls in one forward, which happens `times` times."""
        children = _named_children(module)
        known = [call for call in calls if call.output is not None]
        output = _cut(table.describe_shape(known[0].output)) if known else None
        counts = [] if children else [multiply_adds(module, call.input, call.output) for call in known]
        counted = times * sum(counts) if counts and None not in counts else None
        steps = module.at_a_step(calls[0].input)[0] if isinstance(module, Recurrent) and calls else None
        size, shared = self._parameters(name, module)
        yield Row(name, depth, _cut(own_text(module)), output, size, shared, counted, bool(children), steps)
        for child_name, child, inside in _with_calls(children, [part for call in calls for part in call.inside]):
            if not isinstance(child, Part):
                yield from self.rows(child_name, child, inside, depth + 1, times * (steps or 1))

    def _parameters(self, name: str, module: Module) -> tuple[int, str | None]:
        size, shared = 0, None
        for array in (getattr(module, attribute) for attribute in module.own_parameter_names()):
            if flat.key(array) in self.first:
                shared = self.first[flat.key(array)]
            else:
                self.first[flat.key(array)] = name
                size += array.size
        return size, shared


def _named_children(module: Module) -> list[tuple[str, Module]]:
    if isinstance(module, GModule):
        return [(name, node.module) for node, name in node_names(module).items()]
    if isinstance(module, Recurrent):
        return [("cell", module.cell)]
    return module.named_children()


def _with_calls(
    children: list[tuple[str, Module]], calls: list[ShapeCall]
) -> Iterator[tuple[str, Module, list[ShapeCall]]]:
    """The children, each with its calls: one after the other where that fits, else the first to be it has them all."""
    in_order = len(calls) <= len(children) and all(c.module is m for c, (_, m) in zip(calls, children))
    for i, (name, child) in enumerate(children):
        if in_order:
            yield name, child, calls[i : i + 1]
        else:
            yield name, child, [call for call in calls if call.module is child]
            calls = [call for call in calls if call.module is not child]


def _text(model: Module, call: ShapeCall | None, rows: list[Row]) -> str:
    cells = [("name", "module", "output", "parameters", "multiply-adds"), *(row.cells() for row in rows)]
    counted = f"{sum(row.multiply_adds or 0 for row in rows):,}"
    if any(row.output is None for row in rows):
        counted += " + ?"
    cells.append(("total", "", "", f"{sum(row.parameters for row in rows):,}", counted))
    lines = aligned([(*row[:2], row[3]) for row in cells], 2) if call is None else aligned(cells, 3)
    rule = "-" * max(map(len, lines))
    title = type(model).__name__
    if call is not None:
        output = "?" if call.output is None else table.describe_shape(call.output)
        title += f": {table.describe_shape(call.input)} -> {output}"
    notes = []
    if any(row.shared for row in rows):
        notes.append("as NAME: the parameters of that module, counted there")
    if any(row.steps for row in rows):
        notes.append("in a Recurrent: the shapes of one step, the multiply-adds of all steps")
    return "\n".join([title, lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])


def aligned(rows: list[Sequence[str]], words: int) -> list[str]:
    """The rows of a table as lines, its first columns of words to the left, the others of numbers to the right.

    >>> aligned([("a", "1"), ("bcd", "20")], words=1)
    ['a     1', 'bcd  20']
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    adjust = [str.ljust] * words + [str.rjust] * (len(widths) - words)
    return ["  ".join(place(*cell) for place, *cell in zip(adjust, row, widths)).rstrip() for row in rows]


def _cut(text: str, limit: int = 50) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
