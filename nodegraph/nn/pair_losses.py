"""Losses of pairs of inputs: how alike two things should be, or which one should rank higher."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.criterion import Criterion, real, signs
from nodegraph.nn.pointwise import number
from nodegraph.nn.regression_losses import PointwiseCriterion


class PairCriterion(Criterion):
    """Base of the criterions whose input is a table of two arrays of one shape."""

    def check(self, shape: Any, target_shape: Any) -> None:
        if not isinstance(shape, list) or len(shape) != 2 or isinstance(shape[0], list) or shape[0] != shape[1]:
            raise ShapeError("expected a table of two arrays of one shape")
        if isinstance(target_shape, list):
            raise ShapeError("expected a target that is an array, not a table")

    def prepare(self, input: list[np.ndarray], target: Any) -> tuple[list[np.ndarray], Any]:
        dtype = np.result_type(*map(real, input))
        return [x.astype(dtype, copy=False) for x in input], target


class CosineEmbeddingCriterion(PairCriterion):
    """The angle between two vectors: 1 - cos for the target 1, max(0, cos - margin) for -1; the mean over the batch.

    [(batch, n), (batch, n)] and (batch,), or [(n,), (n,)] and a number; the target is 1 (alike) or -1.

    >>> pair = [np.array([1.0, 0.0]), np.array([1.0, 1.0])]
    >>> round(CosineEmbeddingCriterion(0.5).forward(pair, np.array(-1)), 4)
    0.2071

    Source: torch/nn, CosineEmbeddingCriterion.lua; 1e-12 is added to the squares of the norms.
    """

    def __init__(self, margin: float = 0) -> None:
        self.margin = number(margin, "margin")

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        if len(shape[0]) not in (1, 2):
            raise ShapeError("expected two arrays of shape (batch, n) or (n,)")
        if len(target_shape) > 1 or math.prod(target_shape) != (shape[0][0] if len(shape[0]) == 2 else 1):
            raise ShapeError("expected a target of one number for each pair")

    def prepare(self, input: list[np.ndarray], target: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        rows = [np.atleast_2d(x) for x in super().prepare(input, target)[0]]
        return rows, signs(target.reshape(-1, 1), rows[0].dtype)

    def update_output(self, input: list[np.ndarray], target: np.ndarray) -> float:
        total = self._losses(input, target)[0].sum()
        return total / len(target) if self.size_average else total

    def update_grad_input(self, input: list[np.ndarray], target: np.ndarray) -> list[np.ndarray]:
        a, b = input
        losses, product, square_a, square_b = self._losses(input, target)
        factor = -target * (losses > 0) / np.sqrt(square_a * square_b)
        if self.size_average:
            factor *= 1 / len(target)
        return [(b - product / square_a * a) * factor, (a - product / square_b * b) * factor]

    def _losses(self, input: list[np.ndarray], target: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = input
        product, square_a, square_b = (_rows_product(*pair) for pair in ((a, b), (a, a), (b, b)))
        square_a += 1e-12
        square_b += 1e-12
        cosine = product / np.sqrt(square_a * square_b)
        losses = np.where(target == 1, 1 - cosine, np.maximum(0, cosine - self.margin))
        return losses, product, square_a, square_b


def _rows_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1, keepdims=True)


class L1HingeEmbeddingCriterion(PairCriterion):
    """The L1 distance d of two arrays: d for the target 1 (alike), max(0, margin - d) for -1; one pair, never averaged.

    Where the two are equal in an element the derivative is 0; Torch7 takes 1 or -1 at random.

    >>> pair = [np.array([1.0, 0.0]), np.array([1.0, 0.25])]
    >>> L1HingeEmbeddingCriterion().forward(pair, np.array(1)), L1HingeEmbeddingCriterion().forward(pair, np.array(-1))
    (0.25, 0.75)

    Source: torch/nn, L1HingeEmbeddingCriterion.lua.
    """

    size_average = False

    def __init__(self, margin: float = 1) -> None:
        self.margin = number(margin, "margin")

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        if math.prod(target_shape) != 1:
            raise ShapeError("expected a target of one number, 1 or -1")

    def prepare(self, input: list[np.ndarray], target: np.ndarray) -> tuple[list[np.ndarray], float]:
        return super().prepare(input, target)[0], float(signs(target.reshape(1), float)[0])

    def update_output(self, input: list[np.ndarray], target: float) -> float:
        distance = np.abs(input[0] - input[1]).sum()
        return distance if target == 1 else np.maximum(0, self.margin - distance)

    def update_grad_input(self, input: list[np.ndarray], target: float) -> list[np.ndarray]:
        difference = input[0] - input[1]
        gradient = np.sign(difference) * target
        if target == -1 and np.abs(difference).sum() > self.margin:
            gradient = np.zeros_like(difference)
        return [gradient, -gradient]


class HingeEmbeddingCriterion(PointwiseCriterion):
    """For distances x: x for the target 1 (alike), max(0, margin - x) for -1; the mean.

    >>> HingeEmbeddingCriterion().forward(np.array([0.5, 0.25]), np.array([1.0, -1.0]))
    0.625

    Source: torch/nn, HingeEmbeddingCriterion.lua.
    """

    def __init__(self, margin: float = 1) -> None:
        self.margin = number(margin, "margin")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, t = super().prepare(input, target)
        return x, signs(t, x.dtype)

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(t == 1, x, np.maximum(0, self.margin - x))

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where((t == -1) & (x > self.margin), 0, t)


class MarginRankingCriterion(PairCriterion):
    """The first should exceed the second by a margin if the target is 1, the second the first if it is -1.

    max(0, margin - t (x0 - x1)), the mean over the first axis of the target; [(batch,), (batch,)] and (batch,), or
    arrays of one element and a number.

    >>> MarginRankingCriterion(0.5).forward([np.array([2.0, 1.0]), np.array([1.0, 2.0])], np.array([1, 1]))
    0.75

    Source: torch/nn, MarginRankingCriterion.lua.
    """

    def __init__(self, margin: float = 1) -> None:
        self.margin = number(margin, "margin")

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        if math.prod(target_shape) != math.prod(shape[0]):
            raise ShapeError("expected a target of one number for each pair of elements")

    def prepare(self, input: list[np.ndarray], target: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        target = np.atleast_1d(target)
        xs = [x.reshape(target.shape) for x in super().prepare(input, target)[0]]
        return xs, target.astype(xs[0].dtype, copy=False)

    def update_output(self, input: list[np.ndarray], target: np.ndarray) -> float:
        total = np.maximum(0, self._excess(input, target)).sum()
        return total / len(target) if self.size_average else total

    def update_grad_input(self, input: list[np.ndarray], target: np.ndarray) -> list[np.ndarray]:
        gradient = np.where(self._excess(input, target) >= 0, target, 0)
        if self.size_average:
            gradient = gradient * (1 / len(target))
        return [-gradient, gradient]

    def _excess(self, input: list[np.ndarray], target: np.ndarray) -> np.ndarray:
        return self.margin - target * (input[0] - input[1])


class DistanceRatioCriterion(PairCriterion):
    """-log(exp(-x) / (exp(-x) + exp(-y))), without a target; the mean over the first axis.

    The input is [x, y]: x the distances of an anchor from samples that are like it, y from others that are not.

    >>> round(DistanceRatioCriterion().forward([np.array([1.0]), np.array([2.0])]), 4)
    0.3133

    Source: torch/nn, DistanceRatioCriterion.lua; Hoffer, Hubara, Ailon, "Deep unsupervised learning through spatial
    contrasting", 2016. Torch7 overflows for large distances; here the stable form is computed.
    """

    takes_target = False

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, None)
        if not shape[0]:
            raise ShapeError("expected two arrays with at least one axis")

    def prepare(self, input: list[np.ndarray], target: Any) -> tuple[list[np.ndarray], None]:
        return super().prepare(input, None)

    def update_output(self, input: list[np.ndarray], target: None) -> float:
        z = input[0] - input[1]
        total = (np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)).sum()
        return total / len(z) if self.size_average else total

    def update_grad_input(self, input: list[np.ndarray], target: None) -> list[np.ndarray]:
        gradient = 1 / (1 + np.exp(input[1] - input[0]))
        if self.size_average:
            gradient *= 1 / len(gradient)
        return [gradient, -gradient]
