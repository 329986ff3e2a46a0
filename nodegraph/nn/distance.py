"""Distances and similarities: of the input to learned vectors, and of two inputs to each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.nn.constant import numbers
from nodegraph.nn.init import uniform
from nodegraph.nn.parametric import Parametric, VectorMap, size, times
from nodegraph.nn.pointwise import number
from nodegraph.nn.product import PairModule
from nodegraph.random import generator


class Cosine(VectorMap):
    """y_j = (w_j . x) / (||w_j|| ||x||), the cosine of the angle to each weight: (batch, in) -> (batch, out).

    `weight` (out, in) is drawn from the uniform distribution on +-1/sqrt(out). Also (in,) -> (out,).

    >>> cosine = Cosine(2, 1)
    >>> cosine.weight[0] = [0, 2]
    >>> cosine.forward(np.array([[0.0, 3.0], [5.0, 0.0]]))
    array([[1.],
           [0.]])

    Source: torch/nn, Cosine.lua. Torch7 leaves the scale out of parts of the weights' gradient.
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        self.set_sizes(input_size, output_size)
        self.spread = self.output_size
        self.allocate(weight=(self.output_size, self.input_size))
        self.reset()

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return input @ self.weight.T / (length(self.weight)[:, 0] * length(input))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        n = length(input)
        along = input * ((grad_output * self.output).sum(-1, keepdims=True) / n)
        return ((grad_output / length(self.weight)[:, 0]) @ self.weight - along) / n

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        n = length(self.weight)
        along = self.weight * ((gradients * self.update_output(rows)).sum(0)[:, None] / n)
        self.grad_weight += times((gradients.T @ (rows / length(rows)) - along) / n, scale)


def length(vectors: np.ndarray) -> np.ndarray:
    """The lengths of the vectors along the last axis, which stays as one of size 1; never quite zero."""
    return np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12


class Euclidean(VectorMap):
    """y_j = ||x - w_j||, the distance to each weight: (batch, in) -> (batch, out), or (in,) -> (out,).

    `weight` (in, out) holds the w_j in its columns; it is drawn from the uniform distribution on +-1/sqrt(in). Where
    the distance is 0, the gradient is 0.

    >>> euclidean = Euclidean(2, 1)
    >>> euclidean.weight[:, 0] = [3, 4]
    >>> euclidean.forward(np.zeros((1, 2)))
    array([[5.]])

    Source: torch/nn, Euclidean.lua.
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        self.set_sizes(input_size, output_size)
        self.allocate(weight=(self.input_size, self.output_size))
        self.reset()

    def offsets(self, input: np.ndarray) -> np.ndarray:
        """x - w_j: (batch, in, out)."""
        return input[..., None] - self.weight

    def weighted(self, offsets: np.ndarray) -> np.ndarray:
        """The offsets from the centres as they are measured."""
        return offsets

    def pull(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        """The gradient with respect to the weighted offsets."""
        weighted = self.weighted(self.offsets(input))
        distance = np.linalg.norm(weighted, axis=-2, keepdims=True)
        return weighted * (grad_output[..., None, :] / (distance + 1e-7))

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return np.linalg.norm(self.weighted(self.offsets(input)), axis=-2)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return self.weighted(self.pull(input, grad_output)).sum(-1)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        self.grad_weight -= times(self.weighted(self.pull(rows, gradients)).sum(0), scale)


class WeightedEuclidean(Euclidean):
    """y_j = ||c_j (x - w_j)||, with a factor for each component: (batch, in) -> (batch, out), or (in,) -> (out,).

    `weight` and `diag_cov` (in, out) hold the w_j and c_j in their columns; the first is drawn from the uniform
    distribution on +-1/sqrt(in), the second starts at 1. Where the distance is 0, the gradient is 0.

    >>> euclidean = WeightedEuclidean(2, 1)
    >>> euclidean.weight[:, 0], euclidean.diag_cov[:, 0] = [3, 4], [2, 2]
    >>> euclidean.forward(np.zeros((1, 2)))
    array([[10.]])

    Source: torch/nn, WeightedEuclidean.lua. Torch7 leaves the scale out of the factors' gradient for a single vector.
    """

    parameter_names = ("weight", "diag_cov")
    diag_cov: np.ndarray
    grad_diag_cov: np.ndarray

    def __init__(self, input_size: int, output_size: int) -> None:
        self.set_sizes(input_size, output_size)
        shape = (self.input_size, self.output_size)
        self.allocate(weight=shape, diag_cov=shape)
        self.reset()

    def reset(self, std: float | None = None) -> WeightedEuclidean:
        """Draw the weight as in Euclidean and set the factors to 1."""
        super().reset(std)
        self.diag_cov.fill(1)
        return self

    def weighted(self, offsets: np.ndarray) -> np.ndarray:
        return self.diag_cov * offsets

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        super().acc_grad_parameters(input, grad_output, scale)
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        self.grad_diag_cov += times((self.pull(rows, gradients) * self.offsets(rows)).sum(0), scale)


class CosineDistance(PairModule):
    """y = a . b / (||a|| ||b||), the cosine of the angle, of each pair: [(batch, n), (batch, n)] -> (batch,).

    Also [(n,), (n,)] -> (1,). 1e-12 is added to each squared length.

    >>> CosineDistance().forward([np.array([1.0, 0.0]), np.array([2.0, 0.0])])
    array([1.])

    Source: torch/nn, CosineDistance.lua.
    """

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a * b).sum(1) / np.sqrt(squares(a) * squares(b))[:, 0]

    def derivatives(self, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        aa, bb = squares(a), squares(b)
        both = np.sqrt(aa * bb)
        return b / both - a * (y[:, None] / aa), a / both - b * (y[:, None] / bb)


def squares(rows: np.ndarray) -> np.ndarray:
    """The squared length of each row, never quite zero: (batch, n) -> (batch, 1)."""
    return (rows * rows).sum(1, keepdims=True) + 1e-12


class PairwiseDistance(PairModule):
    """y = (sum_i |a_i - b_i|^p)^(1/p), the p-norm of each difference: [(batch, n), (batch, n)] -> (batch,).

    Also [(n,), (n,)] -> (1,). Components that are equal have gradient 0.

    >>> PairwiseDistance(1).forward([np.array([[1.0, 2.0]]), np.array([[4.0, 6.0]])])
    array([7.])

    Source: torch/nn, PairwiseDistance.lua. As there, the gradient has y + 1e-6 for y, and so is exact only as far as y
    is large beside that. Torch7 draws the gradient of equal components at random for p = 1, and its gradient for p
    below 2 other than 1 is that of no norm.
    """

    def __init__(self, p: float = 2) -> None:
        if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 < p < math.inf:
            raise ArgumentError(f"p must be a positive number, got {p!r}")
        self.norm = float(p)

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (np.abs(a - b) ** self.norm).sum(1) ** (1 / self.norm)

    def derivatives(self, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        difference, power = a - b, self.norm - 1
        size = np.where(difference == 0, 0 * difference, np.abs(difference) ** power)
        derivative = np.sign(difference) * size * (y + 1e-6)[:, None] ** -power
        return derivative, -derivative


class Kmeans(Parametric):
    """The index of the nearest of k centres, counted from 0: (batch, dim) -> (batch,), integers.

    `weight` (k, dim) holds the centres, drawn from the uniform distribution on +-1, or taken from data by `init_random`
    or `init_kmeans_plus`. The module is its own criterion: `loss` is the sum of the squared distances to the nearest
    centres at the last forward, the gradient of the weight is scale/n times the sum over the n rows nearest to a centre
    of (centre - row), so that a step down the gradient moves each centre towards the mean of its rows. What comes
    in as the gradient of the output is ignored, and the gradient of the input is zero. `cluster_sample_count` holds n
    for each centre after a backward. A `scale` given here takes the place of that given to backward.

    >>> kmeans = Kmeans(2, 1)
    >>> kmeans.weight[:] = [[0], [10]]
    >>> kmeans.forward(np.array([[1.0], [8.0], [9.0]])), float(kmeans.loss)
    (array([0, 1, 1]), 6.0)

    Source: torch/nn, Kmeans.lua.
    """

    parameter_names = ("weight",)
    buffer_names = ("cluster_sample_count",)

    def __init__(self, k: int, dim: int, scale: float | None = None) -> None:
        if scale is not None and not number(scale, "scale") > 0:
            raise ArgumentError(f"scale must be positive, got {scale!r}")
        self.k, self.dim, self.scale, self.p, self.loss = size(k, "k"), size(dim, "dim"), scale, 0.95, 0.0
        self.allocate(weight=(self.k, self.dim))
        self.cluster_sample_count = np.zeros(self.k)
        self.reset()

    def reset(self, bound: float | None = None) -> Kmeans:
        """Draw the centres from the uniform distribution on +-bound, on +-1 by default."""
        uniform(self.weight, 1 if bound is None else bound)
        return self

    def init_random(self, input: np.ndarray) -> Kmeans:
        """Take rows of the input, all different ones, as centres."""
        input = self._samples(input)
        self.weight[...] = input[generator().choice(len(input), self.k, replace=False)]
        return self

    def init_kmeans_plus(self, input: np.ndarray, p: float | None = None) -> Kmeans:
        """Take rows of the input that lie far apart as centres, one after the other.

        Each is drawn from the share 1 - p of the rows that are farthest from the centres before it.
        """
        self.p = self.p if p is None else number(p, "p")
        if not 0 <= self.p <= 1:
            raise ArgumentError(f"p must lie between 0 and 1, got {self.p!r}")
        input = self._samples(input)
        candidates = max(1, math.ceil((1 - self.p) * len(input)))
        nearest = np.full(len(input), np.inf)
        chosen = generator().integers(len(input))
        for k in range(self.k):
            self.weight[k] = input[chosen]
            nearest = np.minimum(nearest, ((input - input[chosen]) ** 2).sum(1))
            chosen = np.argsort(-nearest, kind="stable")[generator().integers(candidates)]
        return self

    def _samples(self, input: Any) -> np.ndarray:
        input = numbers(input)
        self.output_shape(input.shape)
        if len(input) < self.k:
            raise InputError(f"{self.describe()} needs at least {self.k} rows to start from, got {len(input)}")
        return input

    def update_output(self, input: np.ndarray) -> np.ndarray:
        squares = ((input[:, None] - self.weight) ** 2).sum(2)
        self.loss = squares.min(1).sum()
        return squares.argmin(1)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return np.zeros_like(input)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        members = (self.output == np.arange(self.k)[:, None]).astype(self.weight.dtype)
        self.cluster_sample_count[...] = members.sum(1)
        n = self.cluster_sample_count[:, None]
        scale = scale if self.scale is None else self.scale
        self.grad_weight += (n * self.weight - members @ input) * scale / (n + 1e-7)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) != 2 or shape[1] != self.dim:
            raise ShapeError(f"expected an array of shape (batch, {self.dim})")
        return shape[:1]
