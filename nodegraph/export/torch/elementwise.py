"""Constants, types, reductions and products: functions of one or two tensors that keep no weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodegraph import nn, table
from nodegraph.export.torch.conversion import register
from nodegraph.export.torch.layer import ANY, Layer, function
from nodegraph.nn.view import batched_axis


def with_derivative(value: Tensor, x: Tensor, derivative: Tensor) -> Tensor:
    """The value, element by element, with a derivative with respect to x that is not quite its own."""
    return value.detach() + (x - x.detach()) * derivative.detach()


@function(nn.MulConstant, settings="constant_scalar", inline=True, rowwise=ANY)
def multiply(x: Tensor, constant_scalar: float) -> Tensor:
    return constant_scalar * x


@register(nn.Constant)
class Constant(Layer):
    """The value, for each sample of a batch if there is one."""

    settings = "n_input_dim"

    def forward(self, input: Any) -> Tensor:
        if self.n_input_dim is not None and input.dim() > self.n_input_dim:
            return self.value.expand(input.shape[0], *self.value.shape)
        return self.value


@register(nn.Parameters)
class Parameters(Layer):
    """The weight, whatever comes in."""

    def forward(self, input: Any) -> Tensor:
        return self.weight


@register(nn.Copy)
class Copy(Layer):
    """The same numbers in another type."""

    settings = "passes_on input_like output_like"

    def forward(self, input: Tensor) -> Tensor:
        return input if self.passes_on else input.to(as_dtype(self.output_like))


@register(nn.DontCast)
class DontCast(Layer):
    """The module inside, in a type of its own."""

    settings = "cast_in cast_out module_type type_around"

    def forward(self, input: Any) -> Any:
        output = self._modules["0"](cast(input, as_dtype(self.module_type)) if self.cast_in else input)
        return cast(output, self.type_around.dtype) if self.cast_out else output


def as_dtype(like: Any) -> torch.dtype:
    """PyTorch's type for one of NumPy's, or that of a tensor."""
    return like.dtype if isinstance(like, Tensor) else torch.from_numpy(np.empty(0, like)).dtype


def cast(value: Any, dtype: torch.dtype) -> Any:
    """The floating-point tensors of a value in another type."""
    return table.map(lambda x: x.to(dtype) if x.is_floating_point() else x, value)


# Reductions


@function(nn.Sum, settings="axis n_input_dims size_average squeeze")
def total(x: Tensor, axis: int, n_input_dims: int | None, size_average: bool, squeeze: bool) -> Tensor:
    axis = batched_axis(axis, n_input_dims, x.dim())
    keep = not squeeze or x.dim() == 1
    return x.mean(axis, keepdim=keep) if size_average else x.sum(axis, keepdim=keep)


@function(nn.Max, settings="axis n_input_dims squeeze")
def largest(x: Tensor, axis: int, n_input_dims: int | None, squeeze: bool) -> Tensor:
    """The first of the largest elements, which alone gets the gradient."""
    axis = batched_axis(axis, n_input_dims, x.dim())
    found = x.gather(axis, x.argmax(axis, keepdim=True))
    return found.squeeze(axis) if squeeze and x.dim() > 1 else found


@function(nn.Min, settings="axis n_input_dims squeeze")
def smallest(x: Tensor, axis: int, n_input_dims: int | None, squeeze: bool) -> Tensor:
    axis = batched_axis(axis, n_input_dims, x.dim())
    found = x.gather(axis, x.argmin(axis, keepdim=True))
    return found.squeeze(axis) if squeeze and x.dim() > 1 else found


# Products and comparisons of two tensors


def turned(matrix: Tensor, wanted: bool) -> Tensor:
    """The matrix, or each of a batch, transposed if that is wanted."""
    return matrix.transpose(-1, -2) if wanted else matrix


@function(nn.MM, settings="trans_a trans_b", inline=True, spread=True)
def matrix_product(a: Tensor, b: Tensor, trans_a: bool, trans_b: bool) -> Tensor:
    return torch.matmul(turned(a, trans_a), turned(b, trans_b))


@function(nn.MV, settings="trans", inline=True, spread=True)
def matrix_vector_product(matrix: Tensor, vector: Tensor, trans: bool) -> Tensor:
    return torch.matmul(turned(matrix, trans), vector.unsqueeze(-1)).squeeze(-1)


@function(nn.DotProduct, spread=True)
def dot_product(a: Tensor, b: Tensor) -> Tensor:
    return (torch.atleast_2d(a) * torch.atleast_2d(b)).sum(1)


@function(nn.CosineDistance, spread=True)
def cosine(a: Tensor, b: Tensor) -> Tensor:
    a, b = torch.atleast_2d(a), torch.atleast_2d(b)
    return (a * b).sum(1) / torch.sqrt(((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12))


@function(nn.PairwiseDistance, settings="norm", spread=True)
def pairwise_distance(a: Tensor, b: Tensor, norm: float) -> Tensor:
    """The p-norm of the differences, with Torch7's 1e-6 in its derivative, and a derivative of 0 at 0."""
    difference = torch.atleast_2d(a) - torch.atleast_2d(b)
    safe = torch.where(difference == 0, 1.0, difference)
    powers = torch.where(difference == 0, 0 * difference, safe.abs() ** norm).sum(1)
    distance = powers ** (1 / norm)
    return with_derivative(distance, powers, (distance + 1e-6) ** (1 - norm) / norm)
