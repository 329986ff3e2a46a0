"""Batch normalisation: each feature to mean 0 and variance 1 over the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.normalisation import epsilon
from nodegraph.nn.parametric import size, times
from nodegraph.nn.pointwise import flag, number
from nodegraph.random import generator


class BatchNormalization(Module):
    """y = w (x - mean) / sqrt(variance + eps) + b for each feature: (batch, n) -> (batch, n).

    In training, mean and (biased) variance are those of the batch, and the averages `running_mean` and `running_var`
    (n,) go `momentum` of the way to the batch's mean and unbiased variance. In evaluation, and for a batch of one,
    these averages are used instead and stay as they are; in evaluation a single sample (n,) will do, too. `weight` (n,)
    is drawn from [0, 1), `bias` (n,) is 0; with `affine` False there are neither.

    >>> module = BatchNormalization(1, affine=False)
    >>> module.forward(np.array([[1.0], [3.0]])).round(3)
    array([[-1.], [ 1.]])
    >>> module.running_mean, module.running_var
    (array([0.2]), array([1.1]))

    Source: torch/nn, BatchNormalization.lua; Ioffe and Szegedy 2015, arXiv:1502.03167. Torch7 makes the
    caller's single sample a batch of one and returns one, too; here it is left alone and the output is a single sample.
    """

    buffer_names = ("running_mean", "running_var")
    spatial: tuple[str, ...] = ()
    """Names of the axes after the features."""

    weight: Any
    bias: Any
    grad_weight: Any
    grad_bias: Any

    def __init__(self, n_output: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        self.n_output, self.affine = size(n_output, "n_output"), flag(affine, "affine")
        self.eps, self.momentum = epsilon(eps), number(momentum, "momentum")
        if not 0 <= self.momentum <= 1:
            raise ArgumentError(f"momentum must be from 0 to 1, got {momentum}")
        self.running_mean, self.running_var = np.empty(self.n_output), np.empty(self.n_output)
        for name in self.parameter_names:
            setattr(self, name, np.empty(self.n_output) if affine else None)
            setattr(self, "grad_" + name, np.zeros(self.n_output) if affine else None)
        self.reset()

    def reset(self) -> BatchNormalization:
        """Draw the weight from [0, 1), set the bias to 0, and forget the running averages."""
        if self.affine:
            self.weight[...] = generator().random(self.n_output)
            self.bias.fill(0)
        self.running_mean.fill(0)
        self.running_var.fill(1)
        return self

    def update_output(self, input: np.ndarray) -> np.ndarray:
        uses_batch = self.train and len(input) > 1
        if uses_batch:
            axes = self._axes(input)
            mean = input.mean(axes)
            normalised = input - self._along(mean)
            variance = (normalised * normalised).mean(axes)
            self._average(mean, variance, input.size // self.n_output)
        else:
            normalised, variance = input - self._along(self.running_mean), self.running_var
        inverse = 1 / np.sqrt(variance + self.eps)
        if uses_batch and self.eps == 0:
            inverse[variance == 0] = 0
        normalised *= self._along(inverse)
        self.saved = normalised, inverse, uses_batch
        return normalised * self._along(self.weight) + self._along(self.bias) if self.affine else normalised

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        normalised, inverse, uses_batch = self.saved
        factor = self._along(inverse * self.weight if self.affine else inverse)
        if not uses_batch:
            return grad_output * factor
        axes = self._axes(input)
        along = (grad_output * normalised).mean(axes)
        grad_input = grad_output - self._along(grad_output.mean(axes))
        grad_input -= normalised * self._along(along)
        grad_input *= factor
        return grad_input

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        if self.affine:
            axes = self._axes(input)
            self.grad_weight += times((grad_output * self.saved[0]).sum(axes), scale)
            self.grad_bias += times(grad_output.sum(axes), scale)

    def _axes(self, x: np.ndarray) -> tuple[int, ...]:
        """All axes but that of the features."""
        features = x.ndim - 1 - len(self.spatial)
        return (*range(features), *range(features + 1, x.ndim))

    def _along(self, vector: np.ndarray) -> np.ndarray:
        """A vector of one number for each feature, shaped so that it goes along the axis of the features."""
        return vector.reshape(-1, *[1] * len(self.spatial))

    def _average(self, mean: np.ndarray, variance: np.ndarray, n: int) -> None:
        """Move the running averages, in place, towards those of a batch of n numbers for each feature."""
        for running, new in (self.running_mean, mean), (self.running_var, variance * (n / (n - 1))):
            running *= 1 - self.momentum
            running += self.momentum * new

    def rowwise(self, shape: Any) -> bool:
        return not self.train and len(shape) == 2 + len(self.spatial)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        after = len(self.spatial)
        batched = isinstance(shape, tuple) and len(shape) == 2 + after
        single = isinstance(shape, tuple) and len(shape) == 1 + after and not self.train
        if not (batched or single) or shape[-1 - after] != self.n_output or 0 in shape[len(shape) - after :]:
            sample = ", ".join([str(self.n_output), *self.spatial])
            raise ShapeError(f"expected an array of shape (batch, {sample}), in evaluation the batch may be left out")
        return shape


class SpatialBatchNormalization(BatchNormalization):
    """Batch normalisation of images: (batch, n, height, width), each plane over the batch and all places.

    Arguments and rules are those of BatchNormalization.

    >>> SpatialBatchNormalization(3).forward(np.zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)

    Source: torch/nn, SpatialBatchNormalization.lua.
    """

    spatial = ("height", "width")


class VolumetricBatchNormalization(BatchNormalization):
    """Batch normalisation of volumes: (batch, n, depth, height, width), each feature over the batch and all places.

    Arguments and rules are those of BatchNormalization.

    >>> VolumetricBatchNormalization(3).forward(np.zeros((2, 3, 4, 4, 4))).shape
    (2, 3, 4, 4, 4)

    Source: torch/nn, VolumetricBatchNormalization.lua.
    """

    spatial = ("depth", "height", "width")
