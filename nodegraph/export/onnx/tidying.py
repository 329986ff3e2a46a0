"""What is done with recorded operators before they are a graph: those not needed go, the others get names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from nodegraph.export.onnx.recording import Body, Operator, Value

STRUCTURAL = {
    "Concat", "Expand", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators that move numbers about and leave them alone."""


def prune(body: Body) -> None:
    """Take out the operators whose outputs nothing depends on, in the bodies inside, too."""
    needed = {id(value) for value in body.outputs}
    kept: list[Operator] = []
    for operator in reversed(body.operators):
        if not any(id(value) in needed for value in operator.outputs):
            continue
        kept.append(operator)
        needed |= {id(value) for value in operator.inputs}
        if operator.body:
            _prune_scan(operator, needed)
            needed |= {id(value) for inner in all_operators(operator.body) for value in inner.inputs}
            needed |= {id(value) for value in operator.body.outputs} | {id(value) for value in operator.inputs}
    body.operators = kept[::-1]


def _prune_scan(scan: Operator, needed: set[int]) -> None:
    """Take out what a Scan stacks and nobody reads, and the sequences that its steps do not read."""
    body = scan.body
    n_states = len(scan.inputs) - scan.attributes["num_scan_inputs"]
    used = [i for i, value in enumerate(scan.outputs) if i < n_states or id(value) in needed]
    scan.outputs, body.outputs = [scan.outputs[i] for i in used], [body.outputs[i] for i in used]
    prune(body)
    read = {id(value) for operator in all_operators(body) for value in operator.inputs}
    read |= {id(value) for value in body.outputs}
    used = [i for i, value in enumerate(body.inputs) if i < n_states or id(value) in read]
    used = used if len(used) > n_states else [*used, n_states]  # one must remain, to tell the number of steps
    scan.inputs, body.inputs = [scan.inputs[i] for i in used], [body.inputs[i] for i in used]
    scan.attributes["num_scan_inputs"] = len(used) - n_states


def all_operators(body: Body) -> Iterator[Operator]:
    """The operators of a body and of those inside, in order."""
    for operator in body.operators:
        yield operator
        if operator.body:
            yield from all_operators(operator.body)


def index_inputs(body: Body) -> set[int]:
    """The inputs of a graph, by their places, that are used for nothing but indices."""
    sources: dict[int, set[int]] = {id(value): {place} for place, value in enumerate(body.inputs)}
    numbers: set[int] = set()
    indices: set[int] = set()

    def follow(body: Body) -> None:
        for operator in body.operators:
            found = [sources.get(id(value), set()) for value in operator.inputs]
            if operator.body:
                sources.update((id(inner), found[i]) for i, inner in enumerate(operator.body.inputs))
                follow(operator.body)
                passed = [sources.get(id(value), set()) for value in operator.body.outputs]
            elif operator.kind == "Cast" and operator.outputs[0].dtype == np.int64:
                indices.update(*found)
                passed = [set()]
            elif operator.kind in STRUCTURAL:
                passed = [set().union(*found)] * len(operator.outputs)
            elif operator.kind == "Shape":
                passed = [set()]
            else:
                numbers.update(*found)
                passed = [set()] * len(operator.outputs)
            sources.update((id(value), places) for value, places in zip(operator.outputs, passed))

    follow(body)
    for value in body.outputs:
        numbers |= sources.get(id(value), set())
    return indices - numbers


def set_names(body: Body, taken: set[str]) -> dict[int, str]:
    """Names for the operators, by their ids, and for the values that have none.

    An operator that is all that is left of a module has the module's path as its name; several add their kinds to it.
    """
    operators = list(all_operators(body))
    per_scope = Counter(operator.scope for operator in operators)
    names: dict[int, str] = {}
    used: set[str] = set()
    for operator in operators:
        scope = operator.scope.strip(".").replace("..", ".")
        alone = scope and per_scope[operator.scope] == 1
        name = _unused(scope if alone else f"{scope}.{operator.kind}" if scope else operator.kind, used)
        names[id(operator)] = name
        for i, value in enumerate(operator.outputs):
            _name(value, name if len(operator.outputs) == 1 else f"{name}.{i}", taken)
        for value in operator.inputs:
            if value is not None and value.array is not None:
                _name(value, f"{name}.constant", taken)
        for value in operator.body.inputs if operator.body else []:
            _name(value, f"{name}.step", taken)
    return names


def _name(value: Value, wanted: str, taken: set[str]) -> None:
    if value.name is None:
        value.name = _unused(wanted, taken)


def _unused(wanted: str, used: set[str]) -> str:
    name, number = wanted, 1
    while name in used:
        name, number = f"{wanted}_{number}", number + 1
    used.add(name)
    return name
