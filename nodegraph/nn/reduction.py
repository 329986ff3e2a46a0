"""Reductions: one axis becomes a single number, its sum, mean, largest or smallest element."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape, flag
from nodegraph.nn.view import batched_axis, integer


class Reduction(Module):
    """Base of the modules that reduce one axis, which disappears: (batch, n) -> (batch,) for axis 1.

    When the input has one axis more than `n_input_dims`, a non-negative axis is counted from the second. A 1-D input
    gives an array of one element.
    """

    parameter_names = ()
    empty = False
    """Whether there is a result for an axis of length 0."""
    squeeze = True

    def __init__(self, axis: int = 0, n_input_dims: int | None = None) -> None:
        self.axis = integer(axis, "axis")
        self.n_input_dims = None if n_input_dims is None else integer(n_input_dims, "n_input_dims")

    def axis_in(self, shape: tuple[int, ...]) -> int:
        """The axis that is reduced in an array of this shape."""
        return batched_axis(self.axis, self.n_input_dims, len(shape))

    def reduced(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with length 1 along the axis."""
        axis = self.axis_in(shape)
        return (*shape[:axis], 1, *shape[axis + 1 :])

    def rowwise(self, shape: Any) -> bool:
        return self.axis_in(shape) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        axis = self.axis_in(array_shape(shape))
        if shape[axis] == 0 and not self.empty:
            raise ShapeError(f"expected at least one element along axis {axis}")
        reduced = self.reduced(shape)
        return reduced[:axis] + reduced[axis + 1 :] if self.squeeze and len(shape) > 1 else reduced


class Sum(Reduction):
    """y = sum of x along an axis, divided by its length with `size_average`: (batch, n) -> (batch,) for axis 1.

    With `squeeze` False the axis stays, with length 1. When the input has one axis more than `n_input_dims`, a
    non-negative axis is counted from the second. A 1-D input gives an array of one element.

    >>> Sum(1).forward(np.array([[1.0, 2.0], [3.0, 4.0]])), Sum().forward(np.array([1.0, 2.0]))
    (array([3., 7.]), array([3.]))

    Source: torch/nn, Sum.lua.
    """

    def __init__(
        self, axis: int = 0, n_input_dims: int | None = None, size_average: bool = False, squeeze: bool = True
    ) -> None:
        super().__init__(axis, n_input_dims)
        self.size_average, self.squeeze = flag(size_average, "size_average"), flag(squeeze, "squeeze")

    @property
    def empty(self) -> bool:
        """Whether the axis may have length 0, over which there is a sum, but no average."""
        return not self.size_average

    def update_output(self, input: np.ndarray) -> np.ndarray:
        axis = self.axis_in(input.shape)
        output = input.mean(axis) if self.size_average else input.sum(axis)
        return output.reshape(self.output_shape(input.shape))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        if self.size_average:
            grad_output = grad_output / input.shape[self.axis_in(input.shape)]
        grad_input = np.empty(input.shape, grad_output.dtype)
        grad_input[...] = grad_output.reshape(self.reduced(input.shape))
        return grad_input


class Mean(Sum):
    """y = mean of x along an axis: (batch, n) -> (batch,) for axis 1; `Sum` with `size_average`.

    When the input has one axis more than `n_input_dims`, a non-negative axis is counted from the second.

    >>> Mean(1).forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1.5, 3.5])

    Source: torch/nn, Mean.lua.
    """

    def __init__(self, axis: int = 0, n_input_dims: int | None = None) -> None:
        super().__init__(axis, n_input_dims, size_average=True)


class Extreme(Reduction):
    """Base of Max and Min: picks one element, the first of equal ones, which alone gets the gradient."""

    def index(self, input: np.ndarray, axis: int) -> np.ndarray:
        """Where the element that is picked stands along the axis."""
        raise NotImplementedError

    def update_output(self, input: np.ndarray) -> np.ndarray:
        axis = self.axis_in(input.shape)
        self.saved = self.index(input, axis).reshape(self.reduced(input.shape))
        return np.take_along_axis(input, self.saved, axis).reshape(self.output_shape(input.shape))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        grad_input = np.zeros(input.shape, grad_output.dtype)
        np.put_along_axis(grad_input, self.saved, grad_output.reshape(self.saved.shape), self.axis_in(input.shape))
        return grad_input


class Max(Extreme):
    """y = the largest element along an axis: (batch, n) -> (batch,) for axis 1.

    The gradient goes to that element, the first one where several are equal. When the input has one axis more than
    `n_input_dims`, a non-negative axis is counted from the second. A 1-D input gives an array of one element.

    >>> Max(1).forward(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([2., 4.])

    Source: torch/nn, Max.lua.
    """

    def index(self, input: np.ndarray, axis: int) -> np.ndarray:
        return input.argmax(axis)


class Min(Extreme):
    """y = the smallest element along an axis: (batch, n) -> (batch,) for axis 1.

    The gradient goes to that element, the first one where several are equal. When the input has one axis more than
    `n_input_dims`, a non-negative axis is counted from the second. A 1-D input gives an array of one element.

    >>> Min(1).forward(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([1., 3.])

    Source: torch/nn, Min.lua.
    """

    def index(self, input: np.ndarray, axis: int) -> np.ndarray:
        return input.argmin(axis)
