"""The shapes that go in and out of every module in a model, without running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, NodegraphError
from nodegraph.nn.module import Module


@dataclass
class ShapeCall:
    """A module with the shape of its input and of its output, and the same for the modules that it used inside.

    `output` is None where it cannot be told.
    """

    module: Module
    input: Any
    output: Any = None
    inside: list[ShapeCall] = field(default_factory=list)


class Untold(NotImplementedError):
    """A module neither tells its output's shape nor can be run on zeros."""


def trace_shapes(model: Module, shape: Any) -> ShapeCall:
    """The shapes in a model for an input of this shape, as `output_shape` finds them.

    A module without an `output_shape` is tried on zeros; where that fails, too, what comes after it stays unknown.
    Raises ShapeError where the shapes do not fit.

    >>> call = trace_shapes(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), (5, 4))
    >>> [(inner.module, inner.output) for inner in call.inside]
    [(Linear(4, 3), (5, 3)), (Tanh(), (5, 3))]
    """
    root = ShapeCall(model, shape)
    with _listening(model, root):
        try:
            model.output_shape(as_shape(shape))
        except Untold:
            pass
        except NodegraphError as error:
            if not isinstance(error.__cause__, Untold):
                raise
    return root.inside[0]


def as_shape(value: Any) -> Any:
    """A shape as the library has it: a tuple of sizes for an array, a list for a table.

    >>> as_shape([2, 3]), as_shape(((2, 3), [4]))
    ((2, 3), [(2, 3), (4,)])
    """
    if isinstance(value, (list, tuple)):
        if all(isinstance(part, (int, np.integer)) and part >= 0 for part in value):
            return tuple(int(part) for part in value)
        if all(isinstance(part, (list, tuple)) for part in value):
            return [as_shape(part) for part in value]
    raise ArgumentError(f"a shape is a tuple of sizes, such as (1, 3), or a list of them for several, not {value!r}")


@contextmanager
def _listening(model: Module, root: ShapeCall) -> Iterator[None]:
    """For a while, have every module's `output_shape` noted in the call that is going on around it."""
    modules, path = [module for module in model.list_modules() if isinstance(module, Module)], [root]
    for module in modules:
        module.output_shape = _noted(module, path)
    try:
        yield
    finally:
        for module in modules:
            del module.output_shape


def _noted(module: Module, path: list[ShapeCall]) -> Callable[[Any], Any]:
    rule = module.output_shape

    def output_shape(shape: Any) -> Any:
        call = ShapeCall(module, shape)
        path[-1].inside.append(call)
        path.append(call)
        try:
            call.output = rule(shape)
        except Untold:
            raise
        except NotImplementedError:
            call.output = _tried(module, shape)
        finally:
            path.pop()
        return call.output

    return output_shape


def _tried(module: Module, shape: Any) -> Any:
    """The output's shape for zeros, run on a copy so that the module's last run is not forgotten."""
    copy = object.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    try:
        return table.shape(copy.update_output(_zeros(shape)))
    except Exception as error:
        raise Untold(f"{type(module).__name__} does not tell its output's shape") from error


def _zeros(shape: Any) -> Any:
    return [_zeros(part) for part in shape] if isinstance(shape, list) else np.zeros(shape)
