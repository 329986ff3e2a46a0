"""Tables: lists of tensors, taken apart, put together and computed with."""

from __future__ import annotations

import functools
import operator
from typing import Any

import torch
from torch import Tensor

from nodegraph import nn, table
from nodegraph.export.torch.layer import ANY, function
from nodegraph.nn.view import batched_axis

# Pointwise functions of a table


@function(nn.CAddTable, inline=True, spread=True, rowwise=ANY)
def add(first: Tensor, *others: Tensor) -> Tensor:
    return functools.reduce(operator.add, [first, *(x.reshape_as(first) for x in others)])


@function(nn.CMulTable, inline=True, spread=True, rowwise=ANY)
def multiply(first: Tensor, *others: Tensor) -> Tensor:
    return functools.reduce(operator.mul, [first, *(x.reshape_as(first) for x in others)])


@function(nn.CMaxTable, inline=True, spread=True, rowwise=ANY)
def maximum(first: Tensor, *others: Tensor) -> Tensor:
    """The largest; the gradient goes to the first of those that are equal, where torch.maximum divides it."""
    for x in others:
        x = x.reshape_as(first)
        first = torch.where((first >= x) | torch.isnan(first), first, x)
    return first


@function(nn.CMinTable, inline=True, spread=True, rowwise=ANY)
def minimum(first: Tensor, *others: Tensor) -> Tensor:
    for x in others:
        x = x.reshape_as(first)
        first = torch.where((first <= x) | torch.isnan(first), first, x)
    return first


@function(nn.CAddTensorTable, spread=True)
def add_to_each(v: Tensor, xs: list[Tensor]) -> list[Tensor]:
    return [x.reshape_as(v) + v for x in xs]


@function(nn.MixtureTable, settings="axis", spread=True)
def mixture(gater: Tensor, experts: Any, axis: int | None) -> Tensor:
    if isinstance(experts, Tensor):
        experts = experts.unbind(gater.dim() - 1 if axis is None else axis)
    gates = [
        gater[..., i].reshape(gater.shape[:-1] + (1,) * (x.dim() - gater.dim() + 1)) for i, x in enumerate(experts)
    ]
    return functools.reduce(operator.add, [g * x for g, x in zip(gates, experts)])


# From a tensor to a table and back


@function(nn.SplitTable, settings="axis n_input_dims")
def split(x: Tensor, axis: int, n_input_dims: int | None) -> list[Tensor]:
    return list(x.unbind(batched_axis(axis, n_input_dims, x.dim())))


@function(nn.JoinTable, settings="axis n_input_dims")
def join(xs: list[Tensor], axis: int, n_input_dims: int | None) -> Tensor:
    return torch.cat(xs, batched_axis(axis, n_input_dims, xs[0].dim()))


@function(nn.StackTable, settings="axis", inline=True)
def stack(xs: list[Tensor], axis: int) -> Tensor:
    return torch.stack(xs, axis)


# Views of tables


@function(nn.Identity, inline=True, rowwise=ANY)
def identity(value: Any) -> Any:
    return value


@function(nn.SelectTable, nn.Part, settings="index", inline=True, rowwise=ANY)
def select(values: list[Any], index: int) -> Any:
    return values[index]


@function(nn.NarrowTable, settings="offset length")
def narrow(values: list[Any], offset: int, length: int) -> list[Any]:
    start = offset + len(values) if offset < 0 else offset
    return values[start : start + length]


@function(nn.JustTable, inline=True, rowwise=ANY)
def just_table(value: Any) -> list[Any]:
    return [value]


@function(nn.JustElement, inline=True, rowwise=ANY)
def just_element(values: list[Any]) -> Any:
    return values[0]


@function(nn.FlattenTable)
def flatten(values: list[Any]) -> list[Tensor]:
    return list(table.leaves(values))


@function(nn.ZipTable)
def zip_table(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows)]


@function(nn.ZipTableOneToMany, spread=True)
def zip_one_to_many(value: Any, others: list[Any]) -> list[list[Any]]:
    return [[value, other] for other in others]
