"""Normalisation of each sample by itself: to length 1 in some norm, or to mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import size, times
from nodegraph.nn.pointwise import flag, number


def epsilon(value: Any) -> float:
    """The small number that keeps a division from failing; ArgumentError if it is negative."""
    value = number(value, "eps")
    if value < 0:
        raise ArgumentError(f"eps must not be negative, got {value}")
    return value


class Normalize(Module):
    """y = x / (sum_i |x_i|^p + eps)^(1/p): (batch, n) -> (batch, n), or (n,) -> (n,), each row to length 1.

    For p = inf, y = x / (max_i |x_i| + eps). ArgumentError unless p is positive. As in Torch7, the gradient divides by
    |x_i| + eps instead of |x_i| for p < 2 and for p = inf, so there it is exact only as far as eps is small.

    >>> Normalize(2).forward(np.array([3.0, 4.0]))
    array([0.6, 0.8])

    Source: torch/nn, Normalize.lua.
    """

    parameter_names = ()

    def __init__(self, p: float, eps: float = 1e-10) -> None:
        self.p, self.eps = number(p, "p"), epsilon(eps)
        if self.p <= 0:
            raise ArgumentError(f"p must be positive, got {p}")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        magnitude = np.abs(input)
        if self.p == math.inf:
            norm = magnitude.max(-1, keepdims=True) + self.eps
        else:
            norm = ((magnitude**self.p).sum(-1, keepdims=True) + self.eps) ** (1 / self.p)
        self.saved = norm
        return input / norm

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        norm = self.saved
        along = np.vecdot(self.output, grad_output)[..., np.newaxis]
        return (grad_output - self._slope(input, norm) * along) / norm

    def _slope(self, x: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """The derivative of the norm with respect to x."""
        if self.p == math.inf:
            slope = np.zeros_like(self.output)
            largest = np.abs(x).argmax(-1)[..., np.newaxis]
            np.put_along_axis(slope, largest, np.take_along_axis(self.output, largest, -1), -1)
            return slope
        magnitude = np.abs(x) if self.p >= 2 else np.abs(x) + self.eps
        return x * magnitude ** (self.p - 2) / norm ** (self.p - 1)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 2

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (1, 2) or shape[-1] == 0:
            raise ShapeError("expected an array of shape (batch, n) or (n,) with n at least 1")
        return shape


class LayerNormalization(Module):
    """y = w c / sqrt((sum_i c_i^2 + eps) / n) + b, with c = x - mean(x): (batch, n) -> (batch, n), or (n,) -> (n,).

    Each row gets mean 0 and variance 1, then the gain `weight` (n,), at first 1, and the offset `bias` (n,), at first
    `bias`. With `affine` False there are neither. Note that eps is added to the sum of squares, not to the variance.

    >>> LayerNormalization(4).forward(np.array([1.0, 1.0, 3.0, 3.0])).round(6)
    array([-1., -1.,  1.,  1.])

    Source: torch/nn, LayerNormalization.lua (there a Sequential of six modules); Ba et al. 2016, arXiv:1607.06450. In a
    batch Torch7 subtracts the wrong means: from the i-th number, counted row by row, that of sample i modulo the batch
    size. Here, as in the paper, each sample has its own.
    """

    weight: Any
    bias: Any
    grad_weight: Any
    grad_bias: Any

    def __init__(self, n_output: int, bias: float = 0.0, eps: float = 1e-10, affine: bool = True) -> None:
        self.n_output = size(n_output, "n_output")
        self.initial_bias, self.eps, self.affine = number(bias, "bias"), epsilon(eps), flag(affine, "affine")
        for name in self.parameter_names:
            setattr(self, name, np.empty(self.n_output) if affine else None)
            setattr(self, "grad_" + name, np.zeros(self.n_output) if affine else None)
        self.reset()

    def reset(self) -> LayerNormalization:
        """Set the gain to 1 and the offset to the constructor's `bias`."""
        if self.affine:
            self.weight.fill(1)
            self.bias.fill(self.initial_bias)
        return self

    def update_output(self, input: np.ndarray) -> np.ndarray:
        centred = input - input.mean(-1, keepdims=True)
        deviation = np.sqrt((np.vecdot(centred, centred)[..., np.newaxis] + self.eps) / self.n_output)
        normalised = centred / deviation
        self.saved = normalised, deviation
        return normalised * self.weight + self.bias if self.affine else normalised

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        normalised, deviation = self.saved
        gradient = grad_output * self.weight if self.affine else grad_output
        along = np.vecdot(normalised, gradient)[..., np.newaxis] / self.n_output
        return (gradient - gradient.mean(-1, keepdims=True) - normalised * along) / deviation

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        if self.affine:
            gradients = np.atleast_2d(grad_output)
            self.grad_weight += times((gradients * self.saved[0]).sum(0), scale)
            self.grad_bias += times(gradients.sum(0), scale)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 2

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (1, 2) or shape[-1] != self.n_output:
            raise ShapeError(f"expected an array of shape (batch, {self.n_output}) or ({self.n_output},)")
        return shape
