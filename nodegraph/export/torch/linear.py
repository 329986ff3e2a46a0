"""Layers with weights that multiply or are added: linear maps, distances to weights, lookup tables."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, cannot, register
from nodegraph.export.torch.elementwise import with_derivative
from nodegraph.export.torch.layer import ANY, Layer


@register(nn.Linear)
def linear(module: nn.Linear, converter: Converter) -> torch.nn.Linear:
    return torch.nn.Linear(module.input_size, module.output_size, module.bias is not None, device="meta")


@register(nn.PartialLinear)
class PartialLinear(Layer):
    """Some outputs of a linear map."""

    settings = "partition"

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight[self.partition], None if self.bias is None else self.bias[self.partition])


@register(nn.Bilinear)
class Bilinear(Layer):
    """y_k = a' W_k b + b_k for the two tensors of a table."""

    def forward(self, input: list[Tensor]) -> Tensor:
        return F.bilinear(input[0], input[1], self.weight, self.bias)


@register(nn.LinearWeightNorm)
class LinearWeightNorm(Layer):
    """A linear map whose weight is g v / ||v||, row by row."""

    settings = "eps"

    def forward(self, input: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(self.v, dim=1, keepdim=True).clamp(min=self.eps)
        return F.linear(input, self.v * (self.g / lengths), self.bias)


@register(nn.WeightNorm)
class WeightNorm(Layer):
    """The layer inside with the weight g v / ||v||, for each output."""

    settings = "output_axis"

    def forward(self, input: Any) -> Any:
        layer = self._modules["0"]
        first = layer.weight.movedim(self.output_axis, 0).shape
        lengths = torch.sqrt((self.v * self.v).sum(1, keepdim=True) + 1e-4)
        weight = (self.v * (self.g / lengths)).reshape(first).movedim(0, self.output_axis)
        return torch.func.functional_call(layer, {"weight": weight}, (input,))


# Weights for single elements


@register(nn.Add)
class Add(Layer):
    """x + b for each sample."""

    def forward(self, input: Tensor) -> Tensor:
        return (input.reshape(-1, self.bias.numel()) + self.bias).reshape(input.shape)


@register(nn.Mul)
class Mul(Layer):
    """w x, with one number w."""

    def forward(self, input: Tensor) -> Tensor:
        return input * self.weight.reshape(())


def fit(shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes in which an input and parameters of these sizes meet."""
    n = math.prod(sizes)
    if math.prod(shape) == n:
        return shape, shape
    if len(shape) == len(sizes) and all(mine in (1, theirs) for mine, theirs in zip(sizes, shape)):
        return shape, sizes
    return (shape[0], math.prod(shape[1:])), (1, n)


@register(nn.CAdd)
class CAdd(Layer):
    """x + b, element by element."""

    settings = "size"

    def forward(self, input: Tensor) -> Tensor:
        met, mine = fit(tuple(input.shape), self.size)
        return (input.reshape(met) + self.bias.reshape(mine)).reshape(input.shape)


@register(nn.CMul)
class CMul(Layer):
    """w x, element by element."""

    settings = "size"

    def forward(self, input: Tensor) -> Tensor:
        met, mine = fit(tuple(input.shape), self.size)
        return (input.reshape(met) * self.weight.reshape(mine)).reshape(input.shape)


# Distances to weights


@register(nn.Cosine)
class Cosine(Layer):
    """The cosine of the angle between the input and each row of the weight."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight) / (length(self.weight)[:, 0] * length(input))


def length(vectors: Tensor) -> Tensor:
    """The lengths of the vectors along the last axis, never quite zero."""
    return torch.linalg.vector_norm(vectors, dim=-1, keepdim=True) + 1e-12


def distance(offsets: Tensor) -> Tensor:
    """The length along the last axis but one, with Torch7's 1e-7 in its derivative, which is 0 at 0."""
    squares = (offsets * offsets).sum(-2)
    found = torch.sqrt(squares)
    return with_derivative(found, squares, 0.5 / (found + 1e-7))


@register(nn.Euclidean)
class Euclidean(Layer):
    """The distance of the input from each column of the weight."""

    def forward(self, input: Tensor) -> Tensor:
        return distance(input.unsqueeze(-1) - self.weight)


@register(nn.WeightedEuclidean)
class WeightedEuclidean(Layer):
    """The same with a factor for each component."""

    def forward(self, input: Tensor) -> Tensor:
        return distance(self.diag_cov * (input.unsqueeze(-1) - self.weight))


@cannot(nn.Kmeans)
def no_derivative(module: nn.Kmeans) -> str:
    return "its centres are trained by a rule that is no derivative of its output"


# Lookup


@register(nn.LookupTable)
class LookupTable(torch.nn.Embedding):
    """An embedding; indices may come as floating-point numbers."""

    first = 0

    def __init__(self, module: nn.LookupTable, converter: Converter) -> None:
        padding = None if module.padding_index is None else module.padding_index - module.first
        norm = 2.0 if module.norm_type is None else module.norm_type
        by_frequency = module.should_scale_grad_by_freq
        sizes = module.n_index, module.n_output
        super().__init__(*sizes, padding, module.max_norm, norm, by_frequency, device="meta")
        self.rowwise = () if by_frequency else ANY

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.long() - self.first)


@register(nn.LookupTableMaskZero)
class LookupTableMaskZero(LookupTable):
    """An embedding whose index -1 gives zeros."""

    first = -1

    def forward(self, input: Tensor) -> Tensor:
        present = (input.long() != self.first).unsqueeze(-1)
        return torch.where(present, super().forward(input), 0.0)


@register(nn.OneHot)
class OneHot(Layer):
    """A 1 at the index and zeros elsewhere."""

    settings, rowwise = "output_size one", ANY

    def forward(self, input: Tensor) -> Tensor:
        return F.one_hot(input.long(), self.output_size).to(self.one.dtype)
