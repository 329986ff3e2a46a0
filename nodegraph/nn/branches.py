"""Containers whose modules all take the same input: ConcatTable, Concat, DepthConcat."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError, StateError
from nodegraph.nn.container import Container
from nodegraph.nn.module import Module
from nodegraph.nn.view import axis_of, integer

Window = tuple[slice, ...]


class ConcatTable(Container):
    """What each module makes of the same input, as a table; the gradients of the input add up.

    >>> ConcatTable(nn.Identity(), nn.Tanh()).forward(np.zeros(2))
    [array([0., 0.]), array([0., 0.])]

    Source: torch/nn, ConcatTable.lua.
    """

    def update_output(self, input: Any) -> Any:
        self.saved = [self.call(i, input) for i in range(len(self.modules))]
        return [call.output for call in self.saved]

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        gradients = [self.back(i, gradient) for i, gradient in enumerate(grad_output)]
        return table.fill(functools.reduce(table.add, gradients, None), input)

    def output_shape(self, shape: Any) -> Any:
        return [self.child_shape(i, shape) for i in range(len(self.modules))]

    def rowwise(self, shape: Any) -> bool:
        return all(module.rowwise(shape) for module in self.modules)


class Concat(ConcatTable):
    """What each module makes of the same input, one after the other along an axis.

    (batch, in) -> (batch, out1 + out2 + ...) for axis 1 and modules that give (batch, out1), (batch, out2), ...

    >>> Concat(1, nn.Linear(4, 3), nn.Linear(4, 2)).forward(np.zeros((5, 4))).shape
    (5, 5)

    Source: torch/nn, Concat.lua.
    """

    padded = False

    def __init__(self, axis: int, *modules: Module) -> None:
        super().__init__(*modules)
        self.arguments = ((axis,), {})
        self.axis = integer(axis, "axis")

    def update_output(self, input: Any) -> np.ndarray:
        return put_together(super().update_output(input), self.axis, self.padded)

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        _, windows = side_by_side([call.output.shape for call in self.saved], self.axis, self.padded)
        return super().update_grad_input(input, [grad_output[window] for window in windows])

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return side_by_side(super().output_shape(shape), self.axis, self.padded)[0]

    def rowwise(self, shape: Any) -> bool:
        return super().rowwise(shape) and axis_of(self.axis, len(self.output_shape(shape))) > 0


class DepthConcat(Concat):
    """Concat for outputs of different sizes: along all other axes the smaller ones are centred among zeros.

    (in, height, width) -> (out1 + out2 + ..., greatest height, greatest width) for axis 0. An odd rest goes to the
    end.

    >>> DepthConcat(0, nn.Narrow(1, 0, 3), nn.Narrow(1, 0, 1)).forward(np.ones((1, 3)))
    array([[1., 1., 1.],
           [0., 1., 0.]])

    Source: torch/nn, DepthConcat.lua; Szegedy et al., Going deeper with convolutions, 2014. Torch7 leaves the scale
    out of the gradients of the parameters.
    """

    padded = True


def side_by_side(shapes: list[Any], axis: int, padded: bool = False) -> tuple[tuple[int, ...], list[Window]]:
    """The shape of arrays put one after the other along an axis, and the window of each in it.

    `padded` allows different sizes along the other axes, and centres the smaller ones.

    >>> side_by_side([(2, 3), (2, 1)], 1)[0]
    (2, 4)
    """
    if not shapes:
        raise StateError("the container has no modules: add some first")
    if any(isinstance(shape, list) or len(shape) != len(shapes[0]) for shape in shapes):
        raise ShapeError("expected modules that give arrays with the same number of axes")
    axis = axis_of(axis, len(shapes[0]))
    whole = [max(sizes) for sizes in zip(*shapes)]
    if not padded and any(s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise ShapeError(f"expected modules that give one shape but for axis {axis}: {table.describe_shape(shapes)}")
    windows, end = [], 0
    for shape in shapes:
        starts = [(size - own) // 2 for size, own in zip(whole, shape)]
        starts[axis], end = end, end + shape[axis]
        windows.append(tuple(slice(start, start + own) for start, own in zip(starts, shape)))
    whole[axis] = end
    return tuple(whole), windows


def put_together(arrays: list[np.ndarray], axis: int, padded: bool = False) -> np.ndarray:
    """The arrays one after the other along an axis, as `side_by_side` says."""
    shape, windows = side_by_side(table.shape(arrays), axis, padded)
    output = np.zeros(shape, np.result_type(*arrays))
    for window, part in zip(windows, arrays):
        output[window] = part
    return output
