"""Planes made larger: padding, up-sampling, and planes out of planes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer, function
from nodegraph.nn.upsampling import interpolate


@function(nn.SpatialZeroPadding, settings="pads", inline=True)
def zero_padding(x: Tensor, pads: tuple[tuple[int, int], ...]) -> Tensor:
    return F.pad(x, [n for pair in reversed(pads) for n in pair])


def padded(x: Tensor, pads: tuple[tuple[int, int], ...], reflected: bool) -> Tensor:
    """The last axes with elements from inside put around, or some cut off."""
    for axis, (before, after) in zip(range(-len(pads), 0), pads):
        n = x.shape[axis]
        place = torch.arange(-before, n + after, device=x.device)
        if reflected:
            place = place.abs()
            place = torch.where(place >= n, 2 * (n - 1) - place, place)
        x = x.index_select(axis, place.clamp(0, n - 1))
    return x


@function(nn.SpatialReflectionPadding, settings="pads")
def reflection_padding(x: Tensor, pads: tuple[tuple[int, int], ...]) -> Tensor:
    return padded(x, pads, reflected=True)


@function(nn.SpatialReplicationPadding, nn.VolumetricReplicationPadding, settings="pads")
def replication_padding(x: Tensor, pads: tuple[tuple[int, int], ...]) -> Tensor:
    return padded(x, pads, reflected=False)


@register(nn.UpSampling, nn.SpatialUpSamplingNearest, nn.SpatialUpSamplingBilinear)
class UpSampling(Layer):
    """Elements repeated, or interpolated between at places that, as in Torch7, are computed in float32."""

    settings = "linear scale_factor output_sizes"

    def __init__(self, module: nn.UpSampling, converter: Converter) -> None:
        super().__init__(module)
        self.axes = None if isinstance(module, nn.UpSampling) else len(module.axis_names)

    def forward(self, input: Tensor) -> Tensor:
        axes = self.axes or input.dim() - 2
        counts = list(self.output_sizes.values())[-axes:] if self.output_sizes else None
        for i, axis in enumerate(range(-axes, 0)):
            n = input.shape[axis]
            if not self.linear:
                input = input.repeat_interleave(self.scale_factor, axis)
            else:
                weights = interpolation(n, counts[i] if counts else n * self.scale_factor).to(input)
                input = torch.matmul(input.movedim(axis, -1), weights).movedim(-1, axis)
        return input


def interpolation(n: int, count: int) -> Tensor:
    """The matrix (n, count) by which `count` places are interpolated between n elements."""
    return torch.from_numpy(interpolate(n, count).apply(np.eye(n), -1))


@function(nn.PixelShuffle, settings="upscale_factor", inline=True)
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    return F.pixel_shuffle(x, upscale_factor)
