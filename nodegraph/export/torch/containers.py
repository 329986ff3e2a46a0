"""Containers, whose children have the names 0, 1, ... as in torch.nn.Sequential."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer


@register(nn.Sequential, nn.Maxout)
def sequential(module: nn.Sequential, converter: Converter) -> torch.nn.Sequential:
    return torch.nn.Sequential()


class Container(Layer):
    """Base of the others."""

    def children_in_order(self) -> list[torch.nn.Module]:
        return list(self._modules.values())


@register(nn.ConcatTable)
class ConcatTable(Container):
    """What each module makes of the same input, as a table."""

    def forward(self, input: Any) -> list[Any]:
        return [module(input) for module in self.children_in_order()]


@register(nn.Concat)
class Concat(ConcatTable):
    """The same, one after the other along an axis."""

    settings = "axis"

    def forward(self, input: Any) -> Tensor:
        return torch.cat(super().forward(input), self.axis)


@register(nn.DepthConcat)
class DepthConcat(ConcatTable):
    """The same for outputs of different sizes: the smaller ones are centred among zeros."""

    settings = "axis"

    def forward(self, input: Any) -> Tensor:
        parts = super().forward(input)
        axis = self.axis % parts[0].dim()
        whole = [max(sizes) for sizes in zip(*[part.shape for part in parts])]
        return torch.cat([F.pad(part, self.border(part, whole, axis)) for part in parts], axis)

    def border(self, part: Tensor, whole: list[int], axis: int) -> list[int]:
        """The zeros before and after each axis, the last axis first, as F.pad takes them."""
        border: list[int] = []
        for i in reversed(range(part.dim())):
            missing = 0 if i == axis else whole[i] - part.shape[i]
            border += [missing // 2, missing - missing // 2]
        return border


@register(nn.ParallelTable)
class ParallelTable(Container):
    """Module i applied to value i of a table."""

    def forward(self, input: list[Any]) -> list[Any]:
        return [module(part) for module, part in zip(self.children_in_order(), input, strict=True)]


@register(nn.MapTable)
class MapTable(Container):
    """The one module applied to each value of a table; where they are not shared, each value's own."""

    settings = "shared"

    def forward(self, input: list[Any]) -> list[Any]:
        modules = self.children_in_order()
        if self.shared:
            return [modules[0](part) for part in input]
        return [module(part) for module, part in zip(modules[: len(input)], input, strict=True)]


@register(nn.Parallel)
class Parallel(Container):
    """Module i applied to slice i of the input along one axis, the outputs joined along another."""

    settings = "input_axis output_axis"

    def forward(self, input: Tensor) -> Tensor:
        slices = input.unbind(self.input_axis)
        parts = [module(part) for module, part in zip(self.children_in_order(), slices, strict=True)]
        return torch.cat(parts, self.output_axis)


@register(nn.Decorator, nn.NaN, nn.Profile)
class Decorator(Container):
    """The module inside. What only watches (NaN, Profile) watches here no more."""

    def forward(self, input: Any) -> Any:
        return self._modules["0"](input)


@register(nn.MaskZero)
class MaskZero(Container):
    """The module inside, and zeros for the samples that are all zeros."""

    settings = "n_input_dim"

    def forward(self, input: Any) -> Any:
        x = input
        while not isinstance(x, Tensor):
            x = x[0]
        counts = (x.reshape(*x.shape[: x.dim() - self.n_input_dim], -1) != 0).any(-1)
        return masked(self._modules["0"](input), counts)


def masked(value: Any, counts: Tensor) -> Any:
    """The arrays of a value with zeros where a sample does not count."""
    if isinstance(value, (list, tuple)):
        return [masked(part, counts) for part in value]
    return torch.where(counts.reshape(*counts.shape, *[1] * (value.dim() - counts.dim())), value, 0)


@register(nn.PrintSize)
class PrintSize(Layer):
    """The input, of which nothing is printed here."""

    def forward(self, input: Any) -> Any:
        return input


@register(nn.Bottle)
class Bottle(Container):
    """The module inside, with the first axes of the input merged into one for it."""

    settings = "n_input_dim n_output_dim"

    def forward(self, input: Tensor) -> Tensor:
        extra = max(input.dim() - self.n_input_dim, 0)
        if not extra:
            return self._modules["0"](input)
        output = self._modules["0"](input.flatten(0, extra))
        return output.reshape(*input.shape[:extra], -1, *output.shape[1:])
