"""Convert: from one data format, such as 'bchw', to another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.view import array, placeholder

ANY = "b*"


class Convert(Module):
    """The input in another format, named by one letter for each axis, b being the batch; and in the module's type.

    - To a format of the same letters: the axes in the new order, such as 'bchw' to 'bhwc' or 'bf' to 'fb'.
    - To 'bf': all other axes as one. A batch axis that is not the first changes places with the first before.
    - From 'b' to 'bt': one more axis, of length 1.
    - From two axes, b and t or f, to 'b': the first of each row; an axis f must have length 1.

    A format without b gets it in front. The input may lack the batch axis, and then so does the output. Without
    formats only the type changes: the output is float64, or float32 once `float()` made the module so.

    >>> Convert("bchw", "bf").forward(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    >>> Convert("chw", "hwc").forward(np.zeros((3, 4, 5))).shape
    (4, 5, 3)
    >>> Convert().float().forward(np.array([1, 2]))
    array([1., 2.], dtype=float32)

    Raises ArgumentError for formats between which there is no conversion. Source: torch/nn, Convert.lua.
    """

    parameter_names = ()

    def __init__(self, input_shape: str | None = None, output_shape: str | None = None) -> None:
        if input_shape is None and output_shape is not None:
            raise ArgumentError("Convert needs the input's format if it is given the output's")
        self.input_axes = format_of(ANY if input_shape is None else input_shape)
        self.output_axes = self.input_axes if output_shape is None else format_of(output_shape)
        self.order, self.flat = conversion(self.input_axes, self.output_axes)
        self.type_like = np.empty(0)  # an array, and so what a cast of the module converts

    def update_output(self, input: np.ndarray) -> np.ndarray:
        x = self._reordered(input)
        return x.reshape(self._final(x.shape, input.ndim)).astype(self.type_like.dtype, copy=False)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        grad_input = table.zeros_like(input)
        place = self._reordered(grad_input)
        place[...] = grad_output.reshape(place.shape)
        return grad_input

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        x = array(placeholder(shape))
        n = len(self.input_axes)
        if self.input_axes != ANY and x.ndim not in (n, n - 1):
            raise ShapeError(f"expected an array of the axes {self.input_axes}, or of all of these but b")
        return self._final(self._reordered(x).shape, x.ndim)

    def rowwise(self, shape: Any) -> bool:
        if self.input_axes == ANY:
            return True
        return len(shape) == len(self.input_axes) and self.input_axes[0] == self.output_axes[0] == "b"

    def _reordered(self, x: np.ndarray) -> np.ndarray:
        """A view of the input or of its gradient, with a batch axis and the axes in their new order."""
        if self.input_axes == ANY:
            return x
        if x.ndim < len(self.input_axes):
            x = np.expand_dims(x, self.input_axes.index("b"))
        x = x.transpose(self.order)
        if self.output_axes != "b" or x.ndim == 1:
            return x
        if "f" in self.input_axes and x.shape[1] != 1:
            raise ShapeError("expected an axis f of length 1")
        return x[:, 0]

    def _final(self, shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
        """The output's shape for that of the reordered input, which came with `ndim` axes."""
        if self.flat:
            shape = (shape[0], math.prod(shape[1:]))
        if self.input_axes == ANY or ndim == len(self.input_axes):
            return shape
        batch = self.output_axes.index("b")
        return shape[:batch] + shape[batch + 1 :]


def format_of(given: Any) -> str:
    """A format with its batch axis; ArgumentError unless each axis has a letter of its own."""
    if not isinstance(given, str) or not given or len(set(given)) != len(given) or ("*" in given and given != ANY):
        raise ArgumentError(f"a format is a string with a letter of its own for each axis, got {given!r}")
    return given if "b" in given else "b" + given


def conversion(source: str, target: str) -> tuple[list[int], bool]:
    """The axes of one format in the order for the other, and whether all but the first then become one."""
    if set(source) == set(target):
        return [source.index(axis) for axis in target], False
    batch = source.index("b")
    order = list(range(len(source)))
    order[0], order[batch] = batch, 0
    if ANY not in (source, target):
        if target == "bf" or (source, target) == ("b", "bt"):
            return order, True
        if target == "b" and source in ("bt", "tb", "bf", "fb"):
            return order, False
    raise ArgumentError(f"there is no conversion from {source!r} to {target!r}")
