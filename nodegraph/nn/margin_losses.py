"""Losses that are zero as soon as the right answer wins by a margin, and the soft margin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.classification_losses import ClassCriterion, labels
from nodegraph.nn.criterion import Criterion, optional_weights, real
from nodegraph.nn.pointwise import number
from nodegraph.nn.regression_losses import PointwiseCriterion
from nodegraph.nn.view import integer


class MarginCriterion(PointwiseCriterion):
    """The hinge loss of two classes, 1 and -1: mean max(0, margin - t x).

    >>> MarginCriterion().forward(np.array([2.0, 0.5]), np.array([1.0, -1.0]))
    0.75

    Source: torch/nn, MarginCriterion.lua.
    """

    def __init__(self, margin: float = 1) -> None:
        self.margin = number(margin, "margin")

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.maximum(0, self.margin - x * t)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(x * t < self.margin, -t, 0)


class SoftMarginCriterion(PointwiseCriterion):
    """The logistic loss of two classes, 1 and -1: mean log(1 + exp(-t x)).

    >>> round(SoftMarginCriterion().forward(np.array([2.0]), np.array([1.0])), 4)
    0.1269

    Source: torch/nn, SoftMarginCriterion.lua. Torch7 overflows for large -t x; here the stable form is computed.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        z = -x * t
        return np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return -t / (1 + np.exp(x * t))


class MultiMarginCriterion(ClassCriterion):
    """Each class should stay behind the right one, t: sum over i != t of w_t max(0, margin - x_t + x_i)^p / classes.

    (batch, classes) and classes (batch,), or (classes,) and one class; the mean over the batch. `p` is 1 or 2,
    `weights` are one for each class.

    >>> MultiMarginCriterion().forward(np.array([0.5, 0.25, 0.0, 0.75]), np.array(0))
    0.625

    Source: torch/nn, MultiMarginCriterion.lua; there classes count from 1.
    """

    def __init__(self, p: int = 1, weights: np.ndarray | None = None, margin: float = 1) -> None:
        if integer(p, "p") not in (1, 2):
            raise ArgumentError(f"p must be 1 or 2, got {p!r}")
        self.p, self.weights, self.margin = p, optional_weights(weights), number(margin, "margin")

    def update_output(self, input: np.ndarray, target: np.ndarray) -> float:
        excess, factor = self._excess(input, target)
        return (excess**self.p * factor).sum()

    def update_grad_input(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        excess, factor = self._excess(input, target)
        gradient = ((excess > 0) if self.p == 1 else 2 * excess) * factor
        gradient[np.arange(len(target)), target] = -gradient.sum(1)
        return gradient

    def _excess(self, x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each class is inside the margin, 0 for the right one; and the factor of each row in the whole."""
        rows = np.arange(len(x))
        excess = np.maximum(0, self.margin - x[rows, target][:, None] + x)
        excess[rows, target] = 0
        factor = np.full((len(x), 1), 1 / (x.size if self.size_average else x.shape[1]), x.dtype)
        if self.weights is not None:
            factor *= self.weights.astype(x.dtype, copy=False)[target][:, None]
        return excess, factor


class MultiLabelMarginCriterion(Criterion):
    """Each wrong class should stay behind each right one: sum over right t, wrong i of max(0, 1 - x_t + x_i) / classes.

    Input and target (batch, classes) or (classes,); the mean over the batch. A row of the target lists the right
    classes and then -1, which ends the list; what stands after it is not looked at.

    >>> MultiLabelMarginCriterion().forward(np.array([1.0, 0.0, 0.5]), np.array([0, 2, -1]))
    0.16666666666666666

    Source: torch/nn, MultiLabelMarginCriterion.lua; there classes count from 1, and 0 ends the list.
    """

    def __init__(self) -> None:
        pass

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(shape, list) or len(shape) not in (1, 2) or target_shape != shape:
            raise ShapeError("expected an array of shape (batch, classes) or (classes,) and a target of that shape")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.atleast_2d(real(input)), labels(np.atleast_2d(target), input.shape[-1], lowest=-1)

    def update_output(self, input: np.ndarray, target: np.ndarray) -> float:
        return sum(float(excess.sum()) for _, _, excess in self._excesses(input, target)) * self._factor(input)

    def update_grad_input(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        gradient = np.zeros(input.shape, input.dtype)
        for rows, right, excess in self._excesses(input, target):
            inside = excess > 0
            gradient[rows] += inside
            gradient[rows, right] -= inside.sum(1)
        return gradient * self._factor(input)

    def _factor(self, x: np.ndarray) -> float:
        return 1 / (x.size if self.size_average else x.shape[1])

    def _excesses(self, x: np.ndarray, target: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each place in the lists: the rows that have a class there, that class, how far wrong ones are inside."""
        listed = np.logical_and.accumulate(target >= 0, axis=1)
        is_right = np.zeros(x.shape, bool)
        is_right[np.nonzero(listed)[0], target[listed]] = True
        for place in range(listed.sum(1).max()):
            rows = np.nonzero(listed[:, place])[0]
            right = target[rows, place]
            excess = np.maximum(0, 1 - x[rows, right][:, None] + x[rows])
            yield rows, right, np.where(is_right[rows], 0, excess)
