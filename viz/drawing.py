"""draw: a picture of a model."""

from __future__ import annotations

from typing import Any

from nodegraph.errors import ArgumentError, StateError
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Module
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.boxes import What
from nodegraph.viz.diagram import Diagram
from nodegraph.viz.dot import DotWriter
from nodegraph.viz.grouping import fitting
from nodegraph.viz.shape_trace import as_shape
from nodegraph.viz.themes import THEMES

DIRECTIONS = ("forward", "backward")
DETAILS = ("structure", "shapes", "values", "schedule")


def draw(
    model: Module,
    direction: str = "forward",
    detail: str = "structure",
    input_shapes: Any = None,
    depth: int | None = None,
    theme: str = "light",
    failed: Node | None = None,
) -> Diagram:
    """A picture of a GModule, a Recurrent, or any other module.

    Inputs and outputs are ellipses, parametrised modules are blocks, pointwise ones have round corners, views a
    dashed outline. A box shows the node's name, its module, its equation and the number of its parameters; modules
    that share parameters bear the same letter. Nested GModules and containers are frames; below `depth` of them they
    are folded into one box. The cell of a Recurrent has its feedback as dashed edges, its loops framed.

    `direction` is "forward", or "backward" for the graph along which gradients flow. `detail` adds to the
    "structure": "shapes" those of all values, for inputs of `input_shapes` (a tuple, or a list of them for several
    inputs) or as in the last run; "values" the range and mean of all values of the last run, or of the gradients,
    with NaN and infinity in red; "schedule" the stages of a Recurrent in the order in which they run. `theme` is
    "light" or "dark". The node `failed` is marked in red, with the shapes that came in; so is a node that cannot take
    the shapes it is given.

    >>> x = nn.Identity()().annotate(name="x")
    >>> from nodegraph import GModule
    >>> diagram = draw(GModule(x, nn.Tanh()(x)), detail="shapes", input_shapes=(2, 3))
    >>> diagram.save("picture.svg")  # doctest: +SKIP

    Raises ArgumentError for an argument that makes no sense, ShapeError for shapes that a Recurrent cannot take, and
    StateError for values without a run.
    """
    _check(model, direction, detail, depth, theme, failed)
    shapes = None if input_shapes is None else _shapes_for(model, as_shape(input_shapes))
    if detail == "values":
        if failed is None:
            _check_run(model, direction)
        shapes = None
    if detail == "shapes" and shapes is None and model.output is None and failed is None:
        raise ArgumentError('detail="shapes" needs input_shapes, or a run of the model before')
    what = What(
        backward=direction == "backward",
        shapes=detail in ("shapes", "values"),
        values=detail == "values",
        runs=detail == "values" or (detail == "shapes" and shapes is None and failed is None),
        schedule=detail == "schedule",
        depth=depth,
        failed=failed,
    )
    scene = fitting(model, shapes, what)
    if what.values and what.backward:
        scene.notes.append("the numbers are gradients")
    if what.shapes and isinstance(model, Recurrent):
        scene.notes.append("shapes are those of one step" + ", numbers are over all steps" * what.values)
    return Diagram(DotWriter(scene, theme, what.backward).source())


def _check(model: Any, direction: str, detail: str, depth: Any, theme: str, failed: Any) -> None:
    if not isinstance(model, Module):
        raise ArgumentError(f"draw takes a module, such as a GModule, got {model!r}")
    choices = {"direction": (direction, DIRECTIONS), "detail": (detail, DETAILS), "theme": (theme, THEMES)}
    for name, (value, known) in choices.items():
        if value not in list(known):
            raise ArgumentError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
        raise ArgumentError(f"depth must be a whole number from 0 on, or None for no limit, got {depth!r}")
    if failed is not None and not isinstance(failed, Node):
        raise ArgumentError(f"failed must be a node, got {failed!r}")
    if detail == "schedule" and not isinstance(model, Recurrent):
        raise ArgumentError('detail="schedule" is for a Recurrent: only its cell runs in stages')


def _shapes_for(model: Module, shapes: Any) -> Any:
    """The shapes, which must be as many as the model has inputs."""
    if isinstance(model, Recurrent):
        model.at_a_step(shapes)
    n = len(model.inputs) if isinstance(model, GModule) else 1
    if n > 1 and (not isinstance(shapes, list) or len(shapes) != n):
        raise ArgumentError(f"the graph has {n} inputs, so input_shapes must be a list of {n} shapes")
    return shapes


def _check_run(model: Module, direction: str) -> None:
    if model.output is None:
        raise StateError('detail="values" needs a run: call forward first')
    if direction == "backward" and model.grad_input is None:
        raise StateError('detail="values" of the backward graph needs a run: call backward first')
