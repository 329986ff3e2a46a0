"""Losses of scores for classes, where the target is the right class, counted from 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.nn.criterion import Criterion, optional_weights, real
from nodegraph.nn.regression_losses import MSECriterion
from nodegraph.nn.softmax import LogSoftMax
from nodegraph.nn.view import integer


class ClassCriterion(Criterion):
    """Base of the criterions whose input is (batch, classes) and whose target is (batch,); or (classes,) and a number.

    `prepare` gives the input as rows and the classes as integers. Classes may come as whole numbers of any type.
    """

    weights: np.ndarray | None = None
    ignore_index: int | None = None

    def check(self, shape: Any, target_shape: Any) -> None:
        shape = self.rows(shape, target_shape)
        if isinstance(target_shape, list) or len(target_shape) > 1 or math.prod(target_shape) != shape[0]:
            raise ShapeError("expected a target of one class for each row of the input")
        self.check_classes(shape[1])

    def check_classes(self, n: int) -> None:
        """ShapeError unless there may be so many classes."""
        if self.weights is not None and self.weights.size != n:
            raise ShapeError(f"expected {self.weights.size} classes, as many as there are weights")

    def rows(self, shape: Any, target_shape: Any) -> tuple[int, ...]:
        """The input's shape as (batch, classes); ShapeError if that cannot be."""
        if isinstance(shape, list) or len(shape) not in (1, 2):
            raise ShapeError("expected an array of shape (batch, classes) or (classes,)")
        return (1, *shape) if len(shape) == 1 else shape

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, Any]:
        x = real(input).reshape(self.rows(input.shape, target.shape))
        return x, labels(target.reshape(x.shape[:1] + x.shape[2:]), x.shape[1], ignored=self.ignore_index)


def labels(target: np.ndarray, n: int, ignored: int | None = None, lowest: int = 0) -> np.ndarray:
    """The target as integers from `lowest` to n - 1, or `ignored`; InputError names a value that is none of these."""
    whole = target if target.dtype.kind in "iu" else np.nan_to_num(target, nan=0.5)
    classes = whole.astype(np.intp)
    if whole is not target and (classes != target).any():
        raise InputError(f"the target is {target[classes != target][0]} somewhere; a class is a whole number")
    wrong = (classes < lowest) | (classes >= n)
    if ignored is not None:
        wrong &= classes != ignored
    if wrong.any():
        other = f", and {lowest} ends a row" if lowest < 0 else ""
        raise InputError(f"class {classes[wrong][0]} is out of range: the {n} classes are 0 to {n - 1}{other}")
    return classes


class ClassNLLCriterion(ClassCriterion):
    """The negative log-likelihood of the right class: -sum w_t x_t / sum w_t, where x are log-probabilities.

    (batch, classes) and classes (batch,), or (classes,) and one class. The network ends in LogSoftMax, or use
    CrossEntropyCriterion. `weights`, one for each class, count some classes more than others; the average divides by
    the weights of the samples at hand. Samples whose target is `ignore_index` are left out. With `size_average` False
    the sum is not divided. InputError for a class that does not exist.

    >>> x = np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    >>> round(ClassNLLCriterion().forward(x, np.array([0, 1])), 4)
    0.2899

    Source: torch/nn, ClassNLLCriterion.lua; there classes count from 1.
    """

    def __init__(self, weights: np.ndarray | None = None, size_average: bool = True, ignore_index: int = -100) -> None:
        super().__init__(size_average)
        self.weights, self.ignore_index = optional_weights(weights), integer(ignore_index, "ignore_index")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The rows, and for each its class and its share of the whole: 0 for a sample that is left out."""
        x, classes = super().prepare(input, target)
        kept = classes != self.ignore_index
        classes = np.where(kept, classes, 0)
        shares = kept.astype(x.dtype)
        if self.weights is not None:
            shares *= self.weights.astype(x.dtype, copy=False)[classes]
        total = float(shares.sum())
        if self.size_average and total:
            shares /= total
        return x, (classes, shares)

    def log_probabilities(self, x: np.ndarray) -> np.ndarray:
        """The logarithms of the probabilities that the input stands for."""
        return x

    def update_output(self, input: np.ndarray, target: tuple[np.ndarray, np.ndarray]) -> float:
        classes, shares = target
        right = np.take_along_axis(self.log_probabilities(input), np.expand_dims(classes, 1), 1)
        return -np.where(shares == 0, 0, shares * np.squeeze(right, 1)).sum()

    def update_grad_input(self, input: np.ndarray, target: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        classes, shares = target
        gradient = np.zeros(input.shape, input.dtype)
        np.put_along_axis(gradient, np.expand_dims(classes, 1), np.expand_dims(-shares, 1), 1)
        return gradient


class CrossEntropyCriterion(ClassNLLCriterion):
    """LogSoftMax and ClassNLLCriterion in one: -sum w_t log softmax(x)_t / sum w_t, where x are scores.

    (batch, classes) and classes (batch,), or (classes,) and one class; further axes may have length 1.
    Arguments as for ClassNLLCriterion.

    >>> round(CrossEntropyCriterion().forward(np.array([[2.0, 0.0, 0.0]]), np.array([0])), 4)
    0.2395

    Source: torch/nn, CrossEntropyCriterion.lua.
    """

    def rows(self, shape: Any, target_shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list):
            return super().rows(shape, target_shape)
        is_batch = len(shape) == 2 and math.prod(target_shape) == shape[0]
        squeezed = shape if is_batch else tuple(size for size in shape if size != 1)
        return super().rows(squeezed or (1,), target_shape)

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(target_shape, list):
            raise ShapeError("expected a target that is an array, not a table")
        super().check(shape, tuple(size for size in target_shape if size != 1))

    def log_probabilities(self, x: np.ndarray) -> np.ndarray:
        return LogSoftMax().update_output(x)

    def update_grad_input(self, input: np.ndarray, target: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        shares = np.expand_dims(target[1], 1)
        return super().update_grad_input(input, target) + np.exp(self.log_probabilities(input)) * shares


class SpatialClassNLLCriterion(ClassNLLCriterion):
    """ClassNLLCriterion for a class at each place of a picture.

    (batch, classes, height, width) and classes (batch, height, width). Arguments as for ClassNLLCriterion.

    >>> x = np.log(np.full((1, 4, 2, 2), 0.25))
    >>> round(SpatialClassNLLCriterion().forward(x, np.zeros((1, 2, 2), int)), 4)
    1.3863

    Source: torch/nn, SpatialClassNLLCriterion.lua, which has no `ignore_index`.
    """

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(shape, list) or len(shape) != 4:
            raise ShapeError("expected an array of shape (batch, classes, height, width)")
        if target_shape != (shape[0], *shape[2:]):
            raise ShapeError(f"expected a target of shape {(shape[0], *shape[2:])}, one class for each place")
        self.check_classes(shape[1])

    def rows(self, shape: Any, target_shape: Any) -> tuple[int, ...]:
        return shape


class ClassSimplexCriterion(ClassCriterion, MSECriterion):
    """The mean square error between an input and the corner of a regular simplex that stands for its class.

    (batch, n_classes) and classes (batch,), or (n_classes,) and one class. `simplex` (n_classes, n_classes) holds the
    corners, unit vectors as far from each other as can be; the last coordinate is 0. ArgumentError unless there are
    at least 2 classes.

    >>> criterion = ClassSimplexCriterion(2)
    >>> criterion.simplex
    array([[ 1.,  0.],
           [-1.,  0.]])
    >>> criterion.forward(np.array([1.0, 0.0]), np.array(1)), criterion.get_top_prediction(np.array([0.9, 0.3]))
    (2.0, array([0]))

    Source: torch/nn, ClassSimplexCriterion.lua; Mroueh, Poggio, Rosasco, Slotine, "Multiclass learning with simplex
    coding", 2012.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = integer(n_classes, "n_classes")
        if self.n_classes < 2:
            raise ArgumentError(f"n_classes must be at least 2, got {n_classes}")
        self.simplex = np.pad(simplex_corners(self.n_classes), ((0, 0), (0, 1)))

    def check_classes(self, n: int) -> None:
        if n != self.n_classes:
            raise ShapeError(f"expected {self.n_classes} numbers in a row")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, classes = super().prepare(input, target)
        return x, self.simplex.astype(x.dtype, copy=False)[classes]

    def get_predictions(self, input: np.ndarray) -> np.ndarray:
        """The products of the rows of the input with all corners: (batch, n_classes)."""
        rows = np.atleast_2d(real(np.asarray(input)))
        self.check(rows.shape, rows.shape[:1])
        return rows @ self.simplex.T.astype(rows.dtype, copy=False)

    def get_top_prediction(self, input: np.ndarray) -> np.ndarray:
        """The class of the largest product for each row of the input: (batch,)."""
        return self.get_predictions(input).argmax(1)


def simplex_corners(n: int) -> np.ndarray:
    """A regular simplex: n unit vectors in n - 1 dimensions, the inner product of each two of them -1/(n - 1)."""
    corners = np.zeros((n, n - 1))
    for k in range(n - 1):
        corners[k, k] = math.sqrt(1 - (corners[k, :k] ** 2).sum())
        corners[k + 1 :, k] = -(1 / (n - 1) + (corners[k, :k] ** 2).sum()) / corners[k, k]
    return corners
