"""Modules that select elements by numbers that come as input: Index and MaskedSelect."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import InputError, ShapeError
from nodegraph.nn.lookup import whole
from nodegraph.nn.module import Module
from nodegraph.nn.view import axis_of, integer


class Index(Module):
    """The slices of x along an axis that an index names: [x (m, ...), index (n,)] -> (n, ...) for axis 0.

    A slice may be named several times; its gradients add up, and the index has gradient zero. InputError for an
    index that is not a whole number from 0 to m - 1.

    >>> Index(0).forward([np.array([10.0, 20.0, 30.0]), np.array([2, 0, 2])])
    array([30., 10., 30.])

    Source: torch/nn, Index.lua.
    """

    parameter_names = ()

    def __init__(self, axis: int) -> None:
        self.axis = integer(axis, "axis")

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        x, index = input
        axis = axis_of(self.axis, x.ndim)
        self.saved = whole(index, x.shape[axis])
        return np.take(x, self.saved, axis)

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        grad_input = table.zeros_like(input)
        np.add.at(np.moveaxis(grad_input[0], self.axis, 0), self.saved, np.moveaxis(grad_output, self.axis, 0))
        return grad_input

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        x, index = two_arrays(shape, "an array and an index")
        axis = axis_of(self.axis, len(x))
        if len(index) != 1:
            raise ShapeError("expected an index of one axis")
        return x[:axis] + index + x[axis + 1 :]


class MaskedSelect(Module):
    """The elements of x where the mask, an array of the same shape, is 1 or True: [x, mask] -> (count,).

    The mask has gradient zero. As the output's length depends on the mask, no output shape can be told beforehand.
    InputError for a mask with other values than 0 and 1.

    >>> MaskedSelect().forward([np.array([1.0, 2.0, 3.0]), np.array([True, False, True])])
    array([1., 3.])

    Source: torch/nn, MaskedSelect.lua.
    """

    parameter_names = ()

    def check_input(self, input: Any) -> None:
        x, mask = two_arrays(table.shape(input), "an array and a mask")
        if x != mask:
            raise ShapeError("expected a mask of the array's shape")

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        x, mask = input
        self.saved = mask == 1
        if not np.all(self.saved | (mask == 0)):
            raise InputError("expected a mask of zeros and ones")
        return x[self.saved]

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        grad_input = table.zeros_like(input)
        grad_input[0][self.saved] = grad_output
        return grad_input


def two_arrays(shape: Any, what: str) -> list[tuple[int, ...]]:
    """The shapes of a table of two arrays, or ShapeError."""
    if not isinstance(shape, list) or len(shape) != 2 or any(isinstance(s, list) for s in shape):
        raise ShapeError(f"expected a table of {what}")
    return shape
