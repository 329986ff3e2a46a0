"""k-max pooling over sequences."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import size


class TemporalDynamicKMaxPooling(Module):
    """The k largest values of each feature in a sequence, in the order in which they come.

    (batch, frames, features) -> (batch, k, features), or the same without batch, where k = max(min_k, ceil(factor x
    frames)) grows with the sequence. Of equal values the first are taken. `indices` holds their frames.

    >>> TemporalDynamicKMaxPooling(2).forward(np.array([[3.0], [1.0], [5.0], [4.0]]))
    array([[5.],
           [4.]])

    Source: torch/nn, TemporalDynamicKMaxPooling.lua; Kalchbrenner et al., A Convolutional Neural Network for Modelling
    Sentences (2014).
    """

    parameter_names = ()

    def __init__(self, min_k: int, factor: float | None = 0) -> None:
        self.min_k, self.factor = size(min_k, "min_k"), 0 if factor is None else factor
        if not isinstance(self.factor, Real) or not 0 <= self.factor <= 1:
            raise ArgumentError(f"factor must lie between 0 and 1, got {factor!r}")

    @property
    def indices(self) -> np.ndarray | None:
        """The frames that the last run took."""
        return self.saved

    def k(self, frames: int) -> int:
        """How many values are taken of a sequence."""
        return max(self.min_k, math.ceil(self.factor * frames))

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (2, 3) or shape[-2] < self.min_k:
            raise ShapeError(
                "expected an array of shape (batch, frames, features) or (frames, features) "
                f"with at least {self.min_k} frames"
            )
        return (*shape[:-2], self.k(shape[-2]), shape[-1])

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 3

    def update_output(self, input: np.ndarray) -> np.ndarray:
        largest = np.argsort(-input, -2, kind="stable")[..., : self.k(input.shape[-2]), :]
        self.saved = np.sort(largest, -2)
        return np.take_along_axis(input, self.saved, -2)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        grad_input = np.zeros(input.shape, grad_output.dtype)
        np.put_along_axis(grad_input, self.saved, grad_output, -2)
        return grad_input
