"""Normalisation: over a batch, of each sample by itself, of images by their surroundings."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer, function


@register(nn.BatchNormalization, nn.SpatialBatchNormalization, nn.VolumetricBatchNormalization)
class BatchNormalization(Layer):
    """PyTorch's batch normalisation, but a batch of one sample goes by the running averages, as in evaluation."""

    settings = "eps momentum spatial"

    def forward(self, input: Tensor) -> Tensor:
        batch = input if input.dim() == 2 + len(self.spatial) else input.unsqueeze(0)
        uses_batch = self.training and len(batch) > 1
        output = F.batch_norm(
            batch, self.running_mean, self.running_var, self.weight, self.bias, uses_batch, self.momentum, self.eps
        )
        return output.reshape(input.shape)


@register(nn.LayerNormalization)
def layer_normalisation(module: nn.LayerNormalization, converter: Converter) -> torch.nn.LayerNorm:
    n = module.n_output
    return torch.nn.LayerNorm(n, eps=module.eps / n, elementwise_affine=module.affine, device="meta")


@function(nn.Normalize, settings="p eps")
def normalise(x: Tensor, p: float, eps: float) -> Tensor:
    magnitude = torch.where(x == 0, 0.0, x.abs())
    if p == math.inf:
        norm = magnitude.gather(-1, magnitude.argmax(-1, keepdim=True)) + eps
    else:
        norm = ((torch.where(x == 0, 1.0, magnitude) ** p * (x != 0)).sum(-1, keepdim=True) + eps) ** (1 / p)
    return x / norm


def around(x: Tensor, kernel: Tensor) -> Tensor:
    """The sum of what lies around each place, weighted by the kernel, over as many last axes as the kernel has."""
    border = [n // 2 for n in reversed(kernel.shape) for _ in range(2)]
    windows = F.pad(x, border)
    for axis, n in enumerate(kernel.shape):
        windows = windows.unfold(axis - kernel.dim() + x.dim(), n, 1)
    return (windows * kernel).sum(list(range(-kernel.dim(), 0)))


@function(nn.SpatialCrossMapLRN, settings="size alpha beta k")
def cross_map(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    squares = around(x * x, torch.ones(size, 1, 1).to(x))
    return x * (k + alpha / size * squares) ** (-beta)


class KernelNormalization(Layer):
    """Base of the two that compare each place with a weighted mean over all planes and the places around it."""

    def mean(self, x: Tensor) -> Tensor:
        """The weighted mean around each place: (..., planes, h, w) -> (..., 1, h, w)."""
        x = x.sum(-3, keepdim=True)
        if self.kernel.dim() == 2:
            return around(x, self.kernel)
        return around(around(x, self.kernel.unsqueeze(0)), self.kernel.unsqueeze(1))

    def coefficient(self, input: Tensor) -> Tensor:
        """How much of the weights lies inside the image, at each place."""
        return self.mean(torch.ones_like(input.detach()))


@register(nn.SpatialSubtractiveNormalization)
class SpatialSubtractiveNormalization(KernelNormalization):
    """x less the weighted mean around each place."""

    def forward(self, input: Tensor) -> Tensor:
        return input - self.mean(input) / self.coefficient(input)


@register(nn.SpatialDivisiveNormalization)
class SpatialDivisiveNormalization(KernelNormalization):
    """x divided by the root of the weighted mean square around each place, where that exceeds a threshold."""

    settings = "threshold thresval"

    def forward(self, input: Tensor) -> Tensor:
        squares, coefficient = self.mean(input * input), self.coefficient(input)
        kept = torch.sqrt(squares.detach()) / coefficient > self.threshold
        deviation = torch.sqrt(torch.where(kept, squares, 1.0))
        return input / torch.where(kept, deviation / coefficient, self.thresval)


@register(nn.SpatialContrastiveNormalization)
class SpatialContrastiveNormalization(Layer):
    """The two, one after the other."""

    def forward(self, input: Tensor) -> Tensor:
        return self._modules["1"](self._modules["0"](input))
