"""Debug mode: a picture of the graph when a run fails, and on request a stop at the first NaN or infinity."""

from __future__ import annotations

import itertools
import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, NodegraphError, NonFiniteError

if TYPE_CHECKING:
    from nodegraph.nn.module import Call, Module


class Mode:
    """What debug mode is set to; `folder` is None while it is off."""

    folder: pathlib.Path | None = None
    stop_at_nan = False


mode = Mode()


def debug(on: bool = True, folder: str | os.PathLike[str] = ".", stop_at_nan: bool = False) -> Debugging:
    """Switch debug mode on or off; as a context, `with nodegraph.debug(): ...`, until its end.

    While it is on, a forward or backward that raises at a node of a graph also writes an SVG with that node in red
    into `folder`, under a name that is not taken; the error's message and its `picture` say where it is. With
    `stop_at_nan` the first NaN or infinity that any module computes, forward or backward, raises NonFiniteError,
    which names the module, and how its inputs range; this looks at every number, and costs accordingly.

    >>> import tempfile
    >>> from nodegraph import GModule
    >>> x = nn.Identity()().annotate(name="x")
    >>> net = GModule(x, nn.Log()(x).annotate(name="y"))
    >>> with tempfile.TemporaryDirectory() as folder, debug(folder=folder, stop_at_nan=True):
    ...     try:
    ...         net.forward(np.array([1.0, 0.0]))
    ...     except NonFiniteError as error:
    ...         print(error.node.name, error.picture.name)
    y nodegraph-error.svg
    """
    if not isinstance(on, bool):
        raise ArgumentError(f"debug takes True or False, and its folder by name, got {on!r}")
    return Debugging(pathlib.Path(folder) if on else None, on and stop_at_nan)


class Debugging:
    """Debug mode from its making on; when used as a context, until that ends."""

    def __init__(self, folder: pathlib.Path | None, stop_at_nan: bool) -> None:
        self._before = mode.folder, mode.stop_at_nan
        mode.folder, mode.stop_at_nan = folder, stop_at_nan

    def __enter__(self) -> Debugging:
        return self

    def __exit__(self, *exception: Any) -> None:
        mode.folder, mode.stop_at_nan = self._before


# The picture


def report(error: NodegraphError, model: Module, input: Any, direction: str) -> NodegraphError:
    """In debug mode, draw the node where a run of the model failed, and say in the error where the picture is."""
    if mode.folder is None or error.node is None or error.picture is not None:
        return error
    try:
        error.picture = _draw(error, model, input, direction, mode.folder)
        note = f"picture: {error.picture}"
    except Exception as trouble:
        note = f"no picture, for drawing it raised {type(trouble).__name__}: {trouble}"
    error.args = (f"{error}\n  {note}",)
    return error


def _draw(error: NodegraphError, model: Module, input: Any, direction: str, folder: pathlib.Path) -> pathlib.Path:
    """The picture's path; it shows the whole model, or the values in the graph where a number was not finite."""
    from nodegraph.viz import draw

    node: Any = error.node
    graph: Any = error.graph
    graphs = [module.nodes for module in model.list_modules() if hasattr(module, "nodes")]
    drawn, detail, shapes = model, "shapes", table.shape(input)
    if isinstance(error, NonFiniteError) and graph.tape is not None:
        drawn, detail, shapes = graph, "values", None
        if error.call is not None and error.call.module is node.module:
            graph.tape.calls[graph.nodes.index(node)] = error.call
    elif not any(node in nodes for nodes in graphs):
        drawn, shapes = graph, None
    with debug(False):
        diagram = draw(drawn, direction=direction, detail=detail, input_shapes=shapes, failed=node)
        path = _new_file(folder.absolute())
        try:
            diagram.save(path)
        except Exception:
            path.unlink()
            raise
    return path


def _new_file(folder: pathlib.Path) -> pathlib.Path:
    """An empty file under the first free name, so that nobody else takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nodegraph-error.svg"
    for number in itertools.count(2):
        try:
            path.touch(exist_ok=False)
            break
        except FileExistsError:
            path = folder / f"nodegraph-error-{number}.svg"
    return path


# The stop at the first number that is none


def check_output(call: Call) -> None:
    """NonFiniteError if the output of a call has a NaN or an infinity."""
    _check("its output", call.output, call, ("its input", call.input))


def check_grad_input(call: Call) -> None:
    """The same for the gradient of the input."""
    came_in = ("the gradient that came in", call.grad_output)
    _check("the gradient of its input", call.grad_input, call, ("its input", call.input), came_in)


def check_grad_parameters(call: Call) -> None:
    """The same for the gradients of the parameters."""
    came_in = ("the gradient that came in", call.grad_output)
    for name in call.module.own_parameter_names():
        gradient = getattr(call.module, "grad_" + name)
        _check(f"the gradient of its {name}", gradient, call, ("its input", call.input), came_in)


def _check(what: str, value: Any, call: Call, *others: tuple[str, Any]) -> None:
    leaves = _arrays(value)
    if all(np.isfinite(leaf).all() for leaf in leaves):
        return
    numbers = np.concatenate([leaf.ravel() for leaf in leaves])
    parts = [f"{what} has {_not_finite(numbers)} among {numbers.size} numbers"]
    for name, other in others:
        arrays = _arrays(other)
        for i, array in enumerate(arrays):
            parts.append(f"{name}{f' {i}' if len(arrays) > 1 else ''} {_range(array)}")
    for name in call.module.own_parameter_names():
        parameter = getattr(call.module, name)
        if not np.isfinite(parameter).all():
            parts.append(f"its {name} has {_not_finite(parameter)}")
    error = NonFiniteError("; ".join(parts))
    error.call = call
    raise error


def _arrays(value: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in table.leaves(value) if leaf is not None]


def _range(array: np.ndarray) -> str:
    """How the numbers of an array range, in words."""
    finite = array[np.isfinite(array)]
    ranges = f"ranges from {finite.min():.4g} to {finite.max():.4g}" if finite.size else ""
    has = f"has {_not_finite(array)}" if finite.size < array.size else ""
    return " and ".join(part for part in (ranges, has) if part) or "is empty"


def _not_finite(array: np.ndarray) -> str:
    """How many numbers are NaN or infinite, such as `2 NaN and 1 inf`."""
    counts = {"NaN": np.isnan(array).sum(), "inf": np.isposinf(array).sum(), "-inf": np.isneginf(array).sum()}
    return " and ".join(f"{count} {name}" for name, count in counts.items() if count)
