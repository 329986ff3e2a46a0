"""The soft-max family."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module


class SoftMaxFamily(Module):
    """Base of the modules that normalise over classes.

    The classes are the only axis of 1-D input, the last of 2-D, the first of 3-D and the second of 4-D input, as in Torch.
    """

    parameter_names = ()

    def axis(self, ndim: int) -> int:
        return (0, 1, 0, 1)[ndim - 1]

    def rowwise(self, shape: Any) -> bool:
        return len(shape) in (2, 4)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or not 1 <= len(shape) <= 4:
            raise ShapeError("expected an array of 1 to 4 axes")
        return shape


class LogSoftMax(SoftMaxFamily):
    """y_i = x_i - log(sum_j exp(x_j)): (batch, classes) -> (batch, classes).

    >>> LogSoftMax().forward(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])

    Source: torch/nn, LogSoftMax.lua.
    """

    def update_output(self, input: np.ndarray) -> np.ndarray:
        axis = self.axis(input.ndim)
        shifted = input - input.max(axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        axis = self.axis(input.ndim)
        return grad_output - np.exp(self.output) * grad_output.sum(axis, keepdims=True)
