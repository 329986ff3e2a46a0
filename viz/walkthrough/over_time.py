"""What a Recurrent shows over all its steps at once: states and gates as heat maps, and how far gradients reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nodegraph import nn, table
from nodegraph.errors import ArgumentError
from nodegraph.nn.view import ViewModule
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.scene import Box
from nodegraph.viz.walkthrough.numbers import Store, plain
from nodegraph.viz.walkthrough.recording import Record, Recorder

SQUASHING = (nn.Sigmoid, nn.Tanh)


def over_time(
    model: Recurrent, recorder: Recorder, grad_output: Any, store: Store, names: Sequence[str] | None
) -> dict[str, Any]:
    """The heat maps, of the first sample of the batch, as (units, steps); and the norms of the states' gradients.

    Of the norms there are two kinds: those of the whole loss, and those of its gradient at the last step alone, which
    tell how far back that reaches. The second needs another backward, after which the model's gradients are those.
    """
    states = [model.cell.nodes[place] for place in model.wiring.feeder]
    boxes = {box.node: box for box in recorder.scene.boxes if box.node is not None and box.kind != "output"}
    if names is None:
        chosen = [box for box in boxes.values() if box.node in states] + _gates(model, boxes)
    else:
        chosen = [_named(recorder, name) for name in names]
    maps = [
        {"box": recorder.scene.boxes.index(box), "name": _name(model, box), "role": _role(box, states), "map": values}
        | ({"scale": 1} if _squashes(box.node) else {})
        for box in dict.fromkeys(chosen)
        if (values := _map(recorder.records[box], model.tape.steps, store)) is not None
    ]
    return {"maps": maps if names is not None else _by_layer(maps), "norms": _norms(model, states, grad_output)}


def _by_layer(maps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each layer's memory first, which runs along the top, then its gates, then its hidden state, where it ends.

    Layers without a hidden state besides the memory, such as a GRU's, end with that.
    """
    last = "state" if any(shown["role"] == "state" for shown in maps) else "belt"
    found: list[dict[str, Any]] = []
    layer: list[dict[str, Any]] = []
    ordered = sorted(maps, key=lambda shown: shown["box"])
    for shown in ordered:
        layer.append(shown)
        if shown["role"] == last or shown is ordered[-1]:
            layer.sort(key=lambda one: ("belt", "gate", "state").index(one["role"]))
            found += [{**layer[0], "first": True}, *layer[1:]]
            layer = []
    return found


def _role(box: Box, states: list[Node]) -> str:
    """A state that is a sum carries what it holds on, like a belt; any other one is made anew at each step."""
    if box.node not in states:
        return "gate"
    made = box.node.parents[1] if isinstance(box.node.module, nn.Where) else box.node  # the choice of a masked state
    return "belt" if isinstance(made.module, nn.CAddTable) else "state"


def _name(model: Recurrent, box: Box) -> str:
    """A box's name; that of a state without one is the name of the input that it feeds."""
    fed = zip(model.wiring.feeder, model.wiring.fed_to)
    inputs = [model.cell.inputs[i].name for place, i in fed if model.cell.nodes[place] is box.node]
    return box.name or next(filter(None, inputs), None) or box.module


def _named(recorder: Recorder, name: str) -> Box:
    for box in recorder.scene.boxes:
        if box.name == name and box.kind != "output":
            return box
    known = ", ".join(sorted({box.name for box in recorder.scene.boxes if box.name}))
    raise ArgumentError(f"over_time names {name!r}, which is not in the picture; the names are {known}")


def _gates(model: Recurrent, boxes: dict[Node, Box]) -> list[Box]:
    """The named nodes inside the loops that squash, or are a part of one that does, and have the size of a state."""
    sizes = {np.shape(state) for state in model.tape.states}
    inside = {model.cell.nodes[place] for stage in model.stages if stage.loop for place in stage.places}
    found = []
    for node in model.cell.nodes:
        if node.name and node in inside and node in boxes and _squashes(node):
            if np.shape(model.tape[node].output)[1:] in sizes:
                found.append(boxes[node])
    return found


def _squashes(node: Node | None) -> bool:
    """Whether a node's values lie between -1 and 1 because it squashes, or is a part of a node that does."""
    while node is not None and isinstance(node.module, ViewModule) and len(node.parents) == 1:
        node = node.parents[0]
    return node is not None and isinstance(node.module, SQUASHING)


def _map(record: Record, steps: int, store: Store) -> Any:
    """The values of the first sample as (units, steps); None for tables and for what is not (batch, units)."""
    values = [record.at("output", t) for t in range(steps)]
    if any(table.is_table(value) or np.ndim(value) != 2 for value in values):
        return None
    return store.add(np.ascontiguousarray(np.stack([value[0] for value in values], 1)), whole_columns=True)


def _norms(model: Recurrent, states: list[Node], grad_output: Any) -> list[dict[str, Any]]:
    """For each state the norms of its gradient over time, of the whole loss and of the last step's alone."""
    inputs = [model.cell.inputs[i].name for i in model.wiring.fed_to]
    names = [node.name or inputs[i] or f"state {i}" for i, node in enumerate(states)]
    found = [{"name": name, "all": _norm(model, node)} for name, node in zip(names, states)]
    model.backward(model._last.input, _last_alone(model, grad_output))
    for entry, node in zip(found, states):
        entry["last"] = _norm(model, node)
    return [entry for entry in found if entry["all"] is not None and entry["last"] is not None]


def _last_alone(model: Recurrent, grad_output: Any) -> Any:
    """The gradients with those of all sequences at all steps but the last left out."""
    n, ends = len(model.wiring.sequences), len(model.wiring.feeder)
    parts = [grad_output] if n + ends == 1 else [None] * (n + ends) if grad_output is None else list(grad_output)

    def last(gradient: Any) -> Any:
        if gradient is None:
            return None
        kept = np.zeros_like(gradient)
        kept[-1] = gradient[-1]
        return kept

    parts[:n] = [table.map(last, part) for part in parts[:n]]
    return parts[0] if len(parts) == 1 else parts


def _norm(model: Recurrent, node: Node) -> list[float | str] | None:
    gradient = model.tape[node].grad_output
    if gradient is None:
        return [0.0] * model.tape.steps
    if table.is_table(gradient):
        return None
    with np.errstate(all="ignore"):
        return [plain(float(np.sqrt((np.asarray(at, np.float64) ** 2).sum()))) for at in gradient]
