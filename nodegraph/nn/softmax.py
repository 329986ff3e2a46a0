"""The soft-max family."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import as_numbers

SAFE = 32.0
"""Exponentials of numbers smaller than this, and their sums, lose nothing to overflow or underflow, even in float32."""


class SoftMaxFamily(Module):
    """Base of the modules that normalise over classes.

    The classes are the only axis of 1-D, the last of 2-D, the first of 3-D and the second of 4-D input, as in Torch.
    """

    parameter_names = ()

    def axis(self, ndim: int) -> int:
        """The axis along which the outputs add up to 1, for so many axes."""
        return (0, 1, 0, 1)[ndim - 1]

    def rowwise(self, shape: Any) -> bool:
        return len(shape) in (2, 4)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or not 1 <= len(shape) <= 4:
            raise ShapeError("expected an array of 1 to 4 axes")
        if shape[self.axis(len(shape))] == 0:
            raise ShapeError(f"expected at least one class along axis {self.axis(len(shape))}")
        return shape


class SoftMax(SoftMaxFamily):
    """y_i = exp(x_i) / sum_j exp(x_j), positive and adding up to 1: (batch, classes) -> (batch, classes).

    The classes are the only axis of 1-D input, the last of 2-D, the first of 3-D and the second of 4-D input.

    >>> SoftMax().forward(np.array([0.0, 0.0]))
    array([0.5, 0.5])

    Source: torch/nn, SoftMax.lua.
    """

    def update_output(self, input: np.ndarray) -> np.ndarray:
        axis = self.axis(input.ndim)
        output = np.exp(bounded(input, axis))
        output *= 1 / total(output, axis)
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        axis = self.axis(input.ndim)
        mean = np.expand_dims(np.vecdot(self.output, grad_output, axis=axis), axis)
        grad_input = grad_output - mean
        grad_input *= self.output
        return grad_input


class SoftMin(SoftMax):
    """y_i = exp(-x_i) / sum_j exp(-x_j), the soft-max of -x: (batch, classes) -> (batch, classes).

    The classes are the only axis of 1-D input, the last of 2-D, the first of 3-D and the second of 4-D input.

    >>> SoftMin().forward(np.array([0.0, np.log(3)]))
    array([0.75, 0.25])

    Source: torch/nn, SoftMin.lua.
    """

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return super().update_output(-as_numbers(input))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return super().update_grad_input(input, -grad_output)


class SpatialSoftMax(SoftMax):
    """Soft-max over the planes of an image, at each place: (batch, classes, height, width) or without the batch.

    The same as SoftMax, and like it the module takes 1-D and 2-D input, too.

    >>> SpatialSoftMax().forward(np.zeros((4, 1, 2)))[:, 0, 0]
    array([0.25, 0.25, 0.25, 0.25])

    Source: torch/nn, SpatialSoftMax.lua.
    """


class LogSoftMax(SoftMaxFamily):
    """y_i = x_i - log(sum_j exp(x_j)): (batch, classes) -> (batch, classes).

    The classes are the only axis of 1-D input, the last of 2-D, the first of 3-D and the second of 4-D input.

    >>> LogSoftMax().forward(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])

    Source: torch/nn, LogSoftMax.lua.
    """

    def update_output(self, input: np.ndarray) -> np.ndarray:
        axis = self.axis(input.ndim)
        x = bounded(input, axis)
        output = x - np.log(total(np.exp(x), axis))
        return np.minimum(output, 0, out=output)  # rounding must not make a probability larger than 1

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        grad_input = np.exp(self.output)
        grad_input *= total(grad_output, self.axis(input.ndim))
        return np.subtract(grad_output, grad_input, out=grad_input)


class SpatialLogSoftMax(LogSoftMax):
    """Log-soft-max over the planes of an image, at each place: (batch, classes, height, width) or without the batch.

    The same as LogSoftMax, and like it the module takes 1-D and 2-D input, too.

    >>> SpatialLogSoftMax().forward(np.zeros((2, 1, 2)))[:, 0, 0]
    array([-0.69314718, -0.69314718])

    Source: torch/nn, SpatialLogSoftMax.lua.
    """


def bounded(x: np.ndarray, axis: int) -> np.ndarray:
    """The input, less its maximum along the axis unless all exponentials fit anyway; soft-max does not change by that.

    The extremes of the whole array cost a tenth of a maximum for each row. Booleans count as numbers.
    """
    x = as_numbers(x)
    if x.size == 0 or (-SAFE < x.min() and x.max() < SAFE):
        return x
    return x - x.max(axis, keepdims=True)


def total(x: np.ndarray, axis: int) -> np.ndarray:
    """The sum along the axis, which stays with length 1; along a short last axis einsum is several times quicker."""
    if axis == x.ndim - 1:
        return np.einsum("...j->...", x)[..., np.newaxis]
    return x.sum(axis, keepdims=True)
