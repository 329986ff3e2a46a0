"""Losses of probabilities against probabilities, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import InputError, ShapeError
from nodegraph.nn.criterion import optional_weights
from nodegraph.nn.regression_losses import PointwiseCriterion

EPSILON = 1e-12


class LabelCriterion(PointwiseCriterion):
    """Base of the losses of several yes-or-no labels, with a weight for each label.

    With weights the target must be (labels,) or (batch, labels); the input has as many elements, in any shape. The
    average is over all elements and does not count the weights.
    """

    def __init__(self, weights: np.ndarray | None = None, size_average: bool = True) -> None:
        super().__init__(size_average)
        self.weights = optional_weights(weights)

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        if self.weights is not None:
            n = self.weights.size
            if len(target_shape) not in (1, 2) or target_shape[-1] != n:
                raise ShapeError(f"expected a target of {n} labels in a row, as many as there are weights")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return super().prepare(input if self.weights is None else input.reshape(target.shape), target)

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """The values times the weights, where there are any."""
        return values if self.weights is None else values * self.weights.astype(values.dtype, copy=False)


class BCECriterion(LabelCriterion):
    """Binary cross entropy: -mean w (t log(x + e) + (1 - t) log(1 - x + e)), with x and t in [0, 1] and e = 1e-12.

    `weights` are one for each label, that is for each element of the last axis: (labels,) or (batch, labels).
    InputError where an input is not in [0, 1].

    >>> round(BCECriterion().forward(np.array([0.9, 0.2]), np.array([1.0, 0.0])), 4)
    0.1643

    Source: torch/nn, BCECriterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self.weighted(-(np.log(x + EPSILON) * t + np.log(1 - x + EPSILON) * (1 - t)))

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self.weighted((x - t) / ((1 - x + EPSILON) * (x + EPSILON)))

    def update_output(self, input: np.ndarray, target: np.ndarray) -> float:
        return super().update_output(*_doubled(input, target))

    def update_grad_input(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        return super().update_grad_input(*_doubled(input, target)).astype(input.dtype, copy=False)

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, t = super().prepare(input, target)
        wrong = ~((x >= 0) & (x <= 1))
        if wrong.any():
            raise InputError(f"the input is {x[wrong][0]} somewhere; a probability lies between 0 and 1")
        return x, t


def _doubled(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In float64, as Torch7 computes: in float32, 1 + 1e-12 would be 1."""
    return x.astype(float, copy=False), t.astype(float, copy=False)


class MultiLabelSoftMarginCriterion(LabelCriterion):
    """Binary cross entropy of sigmoid(x), in its stable form: mean w (log(1 + exp(x)) - t x), with t in [0, 1].

    `weights` are one for each label, that is for each element of the last axis: (labels,) or (batch, labels).

    >>> round(MultiLabelSoftMarginCriterion().forward(np.array([2.0, -1.0]), np.array([1.0, 0.0])), 4)
    0.2201

    Source: torch/nn, MultiLabelSoftMarginCriterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self.weighted(np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0) - t * x)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self.weighted(1 / (1 + np.exp(-x)) - t)


class DistKLDivCriterion(PointwiseCriterion):
    """The Kullback-Leibler divergence of log-probabilities x from probabilities t: mean t (log t - x), 0 where t is 0.

    The mean is over all elements, not over samples.

    >>> round(DistKLDivCriterion().forward(np.log([0.5, 0.5]), np.array([1.0, 0.0])), 4)
    0.3466

    Source: torch/nn, DistKLDivCriterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(t > 0, t * (np.log(t) - x), 0)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(t > 0, -t, 0)

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        if shape != target_shape:
            raise ShapeError("expected a target of the input's shape")
