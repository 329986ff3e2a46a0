"""Activation functions and the soft-max family, by PyTorch's own functions, which get the kinks and far ends right."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import register
from nodegraph.export.torch.layer import ANY, Layer, function

for ours, theirs in {
    nn.Sigmoid: torch.sigmoid,
    nn.Tanh: torch.tanh,
    nn.LogSigmoid: F.logsigmoid,
    nn.ReLU: torch.relu,
    nn.Exp: torch.exp,
    nn.Log: torch.log,
    nn.Square: torch.square,
}.items():
    function(ours, inline=True, rowwise=ANY)(theirs)


@function(nn.Abs, inline=True, rowwise=ANY)
def absolute(x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, -x)


@function(nn.Sqrt, inline=True, rowwise=ANY)
def square_root(x: Tensor) -> Tensor:
    """The root, whose derivative at 0 is 0."""
    return torch.where(x == 0, 0.0, torch.sqrt(torch.where(x == 0, 1.0, x)))


@function(nn.Power, settings="pow", inline=True, rowwise=ANY)
def power(x: Tensor, pow: float) -> Tensor:
    return torch.pow(x, pow)


@function(nn.SoftPlus, settings="beta threshold", inline=True, rowwise=ANY)
def softplus(x: Tensor, beta: float, threshold: float) -> Tensor:
    return F.softplus(x, beta, threshold)


@function(nn.ELU, settings="alpha", inline=True, rowwise=ANY)
def elu(x: Tensor, alpha: float) -> Tensor:
    return F.elu(x, alpha)


@function(nn.HardTanh, settings="min_val max_val", inline=True, rowwise=ANY)
def hardtanh(x: Tensor, min_val: float, max_val: float) -> Tensor:
    return F.hardtanh(x, min_val, max_val)


@function(nn.Threshold, settings="threshold val", inline=True, rowwise=ANY)
def threshold(x: Tensor, threshold: float, val: float) -> Tensor:
    return F.threshold(x, threshold, val)


@function(nn.SoftShrink, settings="lam", inline=True, rowwise=ANY)
def softshrink(x: Tensor, lam: float) -> Tensor:
    return F.softshrink(x, lam)


@function(nn.HardShrink, settings="lam", inline=True, rowwise=ANY)
def hardshrink(x: Tensor, lam: float) -> Tensor:
    return F.hardshrink(x, lam)


@function(nn.LeakyReLU, settings="negval", inline=True, rowwise=ANY)
def leaky_relu(x: Tensor, negval: float) -> Tensor:
    return F.leaky_relu(x, negval)


@function(nn.CReLU, settings="n_input_dims")
def crelu(x: Tensor, n_input_dims: int) -> Tensor:
    return torch.relu(torch.cat([x, -x], x.dim() - n_input_dims))


@function(nn.GatedLinearUnit, settings="axis", inline=True)
def gated_linear_unit(x: Tensor, axis: int) -> Tensor:
    return F.glu(x, axis)


@register(nn.PReLU)
class PReLU(Layer):
    """max(x, 0) + w min(x, 0), with one w or one for each plane."""

    settings = "n_output_plane"

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight
        if self.n_output_plane:
            weight = weight.reshape(-1, *[1] * max(input.dim() - 2, 0))
        return torch.where(input > 0, input, weight * input)


def class_axis(x: Tensor) -> int:
    """The axis of the classes: the first, or the second where a batch comes before it."""
    return 0 if x.dim() in (1, 3) else 1


@function(nn.SoftMax, rowwise=(2, 4))
def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, class_axis(x))


@function(nn.SoftMin, rowwise=(2, 4))
def softmin(x: Tensor) -> Tensor:
    return torch.softmax(-x, class_axis(x))


@function(nn.LogSoftMax, rowwise=(2, 4))
def log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(x, class_axis(x))
