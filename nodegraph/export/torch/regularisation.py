"""Dropout, noise, and modules that change the gradient alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn, table
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer, function


@register(nn.Dropout)
def dropout(module: nn.Dropout, converter: Converter) -> torch.nn.Module:
    """PyTorch's own where it is the same."""
    plain = not module.v1 and not module.stochastic_inference
    return torch.nn.Dropout(module.p) if plain else UnusualDropout(module)


class UnusualDropout(Layer):
    """Dropout that scales in evaluation instead of in training, or that drops in evaluation too."""

    settings = "p v1 stochastic_inference"

    def forward(self, input: Tensor) -> Tensor:
        kept = F.dropout(input, self.p, self.training or self.stochastic_inference)
        return (1 - self.p) * kept if self.v1 else kept


@register(nn.SpatialDropout, nn.VolumetricDropout)
class SpatialDropout(Layer):
    """Whole feature maps are dropped; nothing is scaled in training, all is in evaluation."""

    settings = "p stochastic_inference map_axes"

    def forward(self, input: Tensor) -> Tensor:
        if not self.training and not self.stochastic_inference:
            return (1 - self.p) * input
        axes = len(self.map_axes)
        return input * (torch.rand(input.shape[:-axes], device=input.device) >= self.p)[(...,) + (None,) * axes]


@register(nn.RReLU)
class RReLU(Layer):
    """x above 0, r x below, with a random slope r in training and its mean in evaluation."""

    settings = "lower upper"

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training)


@register(nn.WhiteNoise)
class WhiteNoise(Layer):
    """x plus normally distributed noise in training, plus its mean in evaluation."""

    settings = "mean std"

    def forward(self, input: Tensor) -> Tensor:
        return input + self.mean + self.std * torch.randn_like(input) if self.training else input + self.mean


class Reversed(torch.autograd.Function):
    """x, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return ctx.factor * gradient, None


@function(nn.GradientReversal, settings="lam")
def reverse_gradient(value: Any, lam: float) -> Any:
    return table.map(lambda x: Reversed.apply(x, -lam), value)


@function(nn.ZeroGrad)
def stop_gradient(value: Any) -> Any:
    return table.map(lambda x: Reversed.apply(x, 0.0), value)


class Penalised(torch.autograd.Function):
    """x, to whose gradient that of weight x sum |x| is added, or which has that gradient alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float, alone: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.alone = weight, alone
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        penalty = ctx.weight * torch.sign(x)
        return penalty if ctx.alone else gradient + penalty, None, None


@function(nn.L1Penalty, settings="l1weight size_average provide_output")
def penalise(x: Tensor, l1weight: float, size_average: bool, provide_output: bool) -> Tensor:
    return Penalised.apply(x, l1weight / max(x.numel(), 1) if size_average else l1weight, not provide_output)
