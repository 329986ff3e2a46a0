"""Content: all that a page shows of a run, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nodegraph.gmodule import GModule, parts_for
from nodegraph.over_time import step
from nodegraph.recurrent import Recurrent
from nodegraph.viz.labels import visible
from nodegraph.viz.scene import Box, Edge
from nodegraph.viz.walkthrough.explanations import Names, source, wiring_line
from nodegraph.viz.walkthrough.loss import Loss
from nodegraph.viz.walkthrough.notes import Notes
from nodegraph.viz.walkthrough.numbers import DETAILS, Store, plain
from nodegraph.viz.walkthrough.over_time import over_time as seen_over_time
from nodegraph.viz.walkthrough.parameter_gradients import parameter_gradients, total_gradients
from nodegraph.viz.walkthrough.picture import Picture
from nodegraph.viz.walkthrough.recording import Record, Recorder, follow
from nodegraph.viz.walkthrough.sentences import INPUT, sentences

LETTERS = {"weight": "W", "bias": "b"}

LARGEST = 2_600_000
"""So many characters of numbers at most, where less detail makes that possible."""


def content(
    model: GModule | Recurrent,
    recorder: Recorder,
    picture: Picture,
    loss: Loss,
    notes: Notes,
    shown: Sequence[str] | None,
) -> dict[str, Any]:
    """The page's data.

    `boxes` and `edges` are the picture's. `runs` has an entry for each step in time, a graph alone has one: `outputs`,
    `gradients` of the outputs and `parameters`' gradients for each box, `values` and `backward` for each edge, as
    references into `arrays`, whose numbers are in `numbers`. What flows on an edge that feeds back at step t comes from
    step t - 1.
    """
    scene, records, steps = recorder.scene, recorder.records, recorder.n_steps or 1
    index = {box: i for i, box in enumerate(scene.boxes)}
    ends = Ends(model, recorder, loss.grad_output)

    def run(t: int, store: Store) -> dict[str, Any]:
        return {
            "outputs": [store.add(records[box].at("output", t)) for box in scene.boxes],
            "gradients": [store.add(records[box].at("grad_output", t)) for box in scene.boxes],
            "values": [store.add(_value_on(edge, recorder, ends, t)) for edge in scene.edges],
            "backward": [store.add(_gradient_on(edge, recorder, ends, t)) for edge in scene.edges],
            "parameters": {
                index[box]: {LETTERS.get(name, name): store.add(g) for name, g in gradients.items()}
                for box in scene.boxes
                if (gradients := _parameter_gradients(records[box], t)) is not None
            },
        }

    store = _store_for(run, steps)
    edges = [
        {"tail": index[edge.tail], "head": index[edge.head], "ids": picture.edge_ids[edge], "part": edge.part}
        | ({"feedback": True, "final": store.add(ends.final.get(edge))} if edge.feedback else {})
        for edge in scene.edges
    ]
    runs = [run(t, store) for t in range(steps)]
    return {
        "model": {"kind": visible(model.kind), "parameters": sum(a.size for a in model.named_parameters().values())},
        "boxes": [_box(box, records[box], recorder, picture, notes, store) for box in scene.boxes],
        "edges": edges,
        "runs": runs,
        "loss": {"about": loss.sentence, "equation": loss.equation, "notes": notes.of(None, "")}
        | ({} if loss.value is None else {"value": plain(loss.value)}),
        "overTime": seen_over_time(model, recorder, loss.grad_output, store, shown) if recorder.n_steps else None,
        "arrays": store.entries,
        "numbers": store.numbers,
    }


def _store_for(run: Callable[[int, Store], Any], steps: int) -> Store:
    """A store with as much detail as leaves the page small enough, judged by the step in the middle."""
    for detail in DETAILS:
        tried = Store(detail)
        run(steps // 2, tried)
        if tried.size * steps <= LARGEST:
            break
    return Store(detail)


def _box(box: Box, record: Record, recorder: Recorder, picture: Picture, notes: Notes, store: Store) -> dict[str, Any]:
    """What a page tells of a box, whatever the step in time."""
    found: dict[str, Any] = {"id": picture.box_ids[box], "kind": box.kind, "title": box.name or box.module or box.note}
    if box.kind == "output":
        return found
    about = INPUT if box.kind == "input" else sentences(record.module)
    found |= {"about": about[0], "aboutBackward": about[1], "module": box.module, "note": box.note}
    if box.step is not None:
        found["step"] = box.step
    if box.description:
        found["description"] = box.description
    if record.module is not None and box.kind != "input":
        names = Names(record.module, record.operands, box.name)
        found |= {"equation": names.equation, "derivatives": names.gradients, "symbols": names.symbols}
        found |= {"output": names.output, "source": source(record.module), "tag": box.tag}
        found["parameters"] = {
            LETTERS.get(name, name): store.add(getattr(record.module, name))
            for name in record.module.own_parameter_names()
        }
        if recorder.n_steps and record.module.own_parameter_names() and (totals := total_gradients(record)):
            found["totals"] = {LETTERS.get(name, name): store.add(g) for name, g in totals.items()}
    if box.node is not None and (line := wiring_line(box.node)):
        found |= {"place": box.node.place, "line": line}
    for phase in ("forward", "backward"):
        if told := notes.of(box, phase):
            found.setdefault("notes", {})[phase] = told
    return found


def _parameter_gradients(record: Record, t: int) -> dict[str, Any] | None:
    if record.module is None or record.calls is None or not record.module.own_parameter_names():
        return None
    return parameter_gradients(record, t)


def _value_on(edge: Edge, recorder: Recorder, ends: Ends, t: int) -> Any:
    if edge in ends.of:
        return ends.at(ends.outputs, edge, t)
    head = recorder.records[edge.head]
    return head.at("output", t) if edge.feedback else follow(head.at("input", t), recorder.paths[edge])


def _gradient_on(edge: Edge, recorder: Recorder, ends: Ends, t: int) -> Any:
    """The gradient that flows back on an edge at step t; None where there is none."""
    if edge in ends.of:
        return ends.at(ends.gradients, edge, t)
    return follow(recorder.records[edge.head].at("grad_input", t), recorder.paths[edge])


class Ends:
    """Where a run ends: the values of the model's outputs and the gradients that the loss gave them.

    `of` has for each edge to an output the number of that; `final` for each edge that feeds back the gradient that was
    given to the final state.
    """

    def __init__(self, model: GModule | Recurrent, recorder: Recorder, grad_output: Any) -> None:
        self.paths, self.over_time = recorder.paths, isinstance(model, Recurrent)
        boxes = [box for box in recorder.scene.boxes if box.kind == "output"]
        self.of = {edge: boxes.index(edge.head) for edge in recorder.scene.edges if edge.head in boxes}
        places = model.wiring.sequences + model.wiring.fed_from if self.over_time else list(model.outputs)
        self.outputs, self.gradients = parts_for(places, model.output), parts_for(places, grad_output)
        self.final: dict[Edge, Any] = {}
        if self.over_time:
            states = {model.cell.inputs[k]: i for i, k in enumerate(model.wiring.fed_to, len(model.wiring.sequences))}
            feeding = [edge for edge in recorder.scene.edges if edge.feedback and edge.head.node in states]
            self.final = {edge: self.gradients[states[edge.head.node]] for edge in feeding}

    def at(self, values: list[Any], edge: Edge, t: int) -> Any:
        """What of the outputs' values, or of their gradients, is on an edge at step t."""
        value = values[self.of[edge]]
        return follow(step(value, t) if self.over_time else value, self.paths[edge])
