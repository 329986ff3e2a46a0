"""The shapes of a cell's states, told from the cell and the shapes of what it reads."""

from __future__ import annotations

from typing import Any

from nodegraph.gmodule import GModule
from nodegraph.nn.module import Module

ODD_SIZE = 10_007
"""A size that no module asks for: one that takes it takes any size, and tells nothing."""


def state_shapes(cell: GModule, given: dict[int, tuple[int, ...]], feeder: dict[int, int]) -> dict[int, Any]:
    """The shape of each state (batch, ...), by the place of its node; one that cannot be told is left out.

    `given` has the shapes of the cell's other inputs at one step, by the places of their nodes, and `feeder` for the
    place of each state that of the node whose output it is one step later, so that both have one shape. What is known
    is followed through the graph; and a module that takes one size only, because of its weights or its other inputs,
    tells the shape of an input that is not known yet.
    """
    if not all(given.values()):
        return {}
    batch = next(iter(given.values()))[0]
    sources: list[list[Any]] = [above or [("input", place)] for place, above in enumerate(cell.parent_places)]
    known: dict[Any, Any] = {("input", place): (max(batch, 1), *shape[1:]) for place, shape in given.items()}
    before = 0
    while len(known) > before:
        before = len(known)
        for place, node in enumerate(cell.nodes):
            _follow(node.module, place, sources[place], known, max(batch, 1))
        for state, source in feeder.items():
            for one, other in ((("input", state), source), (source, ("input", state))):
                if one in known:
                    known.setdefault(other, known[one])
    found = {place: known["input", place] for place in feeder if ("input", place) in known}
    return {place: (batch, *shape[1:]) for place, shape in found.items() if isinstance(shape, tuple)}


def _follow(module: Module, place: int, sources: list[Any], known: dict[Any, Any], batch: int) -> None:
    """Add to the known shapes what a node tells: those of its inputs, and that of its output."""
    missing = [source for source in sources if source not in known]
    if missing:
        shape = _only_fitting(module, [known.get(source) for source in sources], batch)
        if shape is None:
            return
        known.update(dict.fromkeys(missing, shape))
    output = _output_shape(module, [known[source] for source in sources])
    if output is not None:
        known.setdefault(place, output)


def _only_fitting(module: Module, shapes: list[Any], batch: int) -> Any:
    """The shape that the module takes in the place of each None; None itself unless there is exactly one."""
    sizes = {size for parameter in module.parameters()[0] for size in parameter.shape}
    candidates = {shape for shape in shapes if isinstance(shape, tuple)} | {(batch, size) for size in sizes}

    def fits(candidate: tuple[int, ...]) -> bool:
        return _output_shape(module, [candidate if shape is None else shape for shape in shapes]) is not None

    fitting = [candidate for candidate in candidates if fits(candidate)]
    return fitting[0] if len(fitting) == 1 and not fits((batch, ODD_SIZE)) else None


def _output_shape(module: Module, shapes: list[Any]) -> Any:
    """The output's shape, None for inputs that the module does not take."""
    try:
        return module.output_shape(shapes if len(shapes) > 1 else shapes[0])
    except Exception:  # Anybody's module may be asked about any shape here, and may refuse it in its own way.
        return None
