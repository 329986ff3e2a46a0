"""Pooling of sequences, images and volumes, and what undoes it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer, function

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
FRACTIONAL = {2: F.fractional_max_pool2d, 3: F.fractional_max_pool3d}


class Sliding(Layer):
    """Base of pooling over windows of a fixed size."""

    settings = "ceil_mode"

    def __init__(self, module: Any, converter: Converter) -> None:
        super().__init__(module)
        w = module.windows
        self.kernel, self.stride, self.padding, self.dilation = w.kernel, w.stride, w.padding, w.dilation


@register(nn.SpatialMaxPooling, nn.SpatialDilatedMaxPooling, nn.VolumetricMaxPooling, nn.VolumetricDilatedMaxPooling)
class MaxPooling(Sliding):
    """The maximum of each window; its places and the sizes of its input are kept for an un-pooling module."""

    remembers = False

    def forward(self, input: Tensor) -> Tensor:
        windows = self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        output, indices = MAX[len(self.kernel)](input, *windows, return_indices=True)
        if self.remembers:
            self.last = indices, input.shape
        return output


@register(nn.SpatialMaxUnpooling, nn.VolumetricMaxUnpooling)
class MaxUnpooling(Layer):
    """The values at the places where the last run of a max-pooling module found them, among zeros."""

    def __init__(self, module: Any, converter: Converter) -> None:
        super().__init__(module)
        pooling = converter.convert(module.pooling)
        pooling.remembers = True
        self.pooling = (pooling,)  # A tuple, so that it does not become a child.

    def forward(self, input: Tensor) -> Tensor:
        indices, shape = self.pooling[0].last
        axes = len(self.pooling[0].kernel)
        lead, sizes = shape[:-axes], shape[-axes:]
        flat = input.new_zeros(*lead, math.prod(sizes))
        return flat.scatter(-1, indices.reshape(*lead, -1), input.reshape(*lead, -1)).reshape(shape)


@register(nn.TemporalMaxPooling)
class TemporalMaxPooling(Sliding):
    """The maximum over frames: (batch, frames, features), or without the batch."""

    def forward(self, input: Tensor) -> Tensor:
        pooled = F.max_pool1d(input.transpose(-1, -2), self.kernel, self.stride, ceil_mode=self.ceil_mode)
        return pooled.transpose(-1, -2)


@register(nn.SpatialAveragePooling, nn.VolumetricAveragePooling)
class AveragePooling(Sliding):
    """The mean of each window."""

    settings = "ceil_mode count_include_pad"

    def forward(self, input: Tensor) -> Tensor:
        pool = F.avg_pool2d if len(self.kernel) == 2 else F.avg_pool3d
        return pool(input, self.kernel, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


@function(nn.SpatialAdaptiveMaxPooling, settings="counts", inline=True)
def adaptive_max(x: Tensor, counts: tuple[int, int]) -> Tensor:
    return F.adaptive_max_pool2d(x, counts)


@function(nn.SpatialAdaptiveAveragePooling, settings="counts", inline=True)
def adaptive_average(x: Tensor, counts: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(x, counts)


def root(sums: Tensor, power: float) -> Tensor:
    """The root of sums of powers, whose derivative is 0 where it is 0."""
    return sums if power == 1 else torch.where(sums == 0, 0.0, torch.where(sums == 0, 1.0, sums) ** (1 / power))


@register(nn.SpatialLPPooling)
class SpatialLPPooling(Sliding):
    """The p-norm of each window."""

    settings = "ceil_mode power"

    def forward(self, input: Tensor) -> Tensor:
        windows = self.kernel, self.stride, self.padding, self.ceil_mode
        return root(F.avg_pool2d(input**self.power, *windows, divisor_override=1), self.power)


@function(nn.FeatureLPPooling, settings="width stride power batch_mode")
def feature_lp_pooling(x: Tensor, width: int, stride: int, power: float, batch_mode: bool) -> Tensor:
    return root((x**power).unfold(int(batch_mode), width, stride).sum(-1), power)


@function(nn.TemporalDynamicKMaxPooling, settings="min_k factor")
def k_max_pooling(x: Tensor, min_k: int, factor: float) -> Tensor:
    k = max(min_k, math.ceil(factor * x.shape[-2]))
    places = torch.sort(x, dim=-2, descending=True, stable=True).indices.narrow(-2, 0, k)
    return x.gather(-2, places.sort(-2).values)


@register(nn.SpatialFractionalMaxPooling, nn.VolumetricFractionalMaxPooling)
class FractionalMaxPooling(Layer):
    """The maximum of windows at random places; the same ones at every run where they are fixed."""

    settings = "pool_sizes counts ratios fixed random_samples"

    def forward(self, input: Tensor) -> Tensor:
        axes = len(self.pool_sizes)
        counts = self.counts or [math.floor(n * r) for n, r in zip(input.shape[-axes:], self.ratios)]
        batch = input if input.dim() == axes + 2 else input.unsqueeze(0)
        drawn = (*batch.shape[:2], axes)
        samples = self.random_samples
        if not self.fixed or samples is None or tuple(samples.shape) != drawn:
            samples = torch.rand(drawn, dtype=input.dtype, device=input.device)
            if self.fixed:
                self.random_samples = samples
        if axes == 3:
            samples = samples.flip(-1)  # PyTorch takes the number for the first axis first in 3 dimensions, last in 2.
        pooled = FRACTIONAL[axes](batch, self.pool_sizes, counts, _random_samples=samples)
        return pooled.reshape(*input.shape[:-axes], *counts)
