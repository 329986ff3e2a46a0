"""Views: the same elements, chosen and laid out in another way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodegraph import nn, table
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Function, Layer, function
from nodegraph.nn.view import batched_axis


class AnyView(Layer):
    """A view of a class that is not known here, a user's own: its `view` is run on the places of the elements.

    Where the elements go depends on the input's shape alone, and is found once for each shape.
    """

    def __init__(self, module: nn.ViewModule, converter: Converter) -> None:
        super().__init__(module)
        self.module = module.clone().clear_state()
        self.found: dict[str, Any] = {}

    def forward(self, input: Any) -> Any:
        shapes = table.map(lambda x: tuple(x.shape), input)
        if str(shapes) not in self.found:
            self.found[str(shapes)] = self.places(input)
        elements = torch.cat([x.reshape(-1) for x in table.leaves(input)])
        return table.map(lambda places: elements[places.to(elements.device)], self.found[str(shapes)])

    def places(self, input: Any) -> Any:
        """The places of the output's elements among all elements of the input."""
        start = 0

        def numbered(x: Tensor) -> np.ndarray:
            nonlocal start
            start += x.numel()
            return np.arange(start - x.numel(), start).reshape(tuple(x.shape))

        return table.map(lambda x: torch.from_numpy(np.array(x)), self.module.view(table.map(numbered, input)))


register(nn.ViewModule, overridable="view update_grad_input")(AnyView)


@function(nn.Contiguous, inline=True)
def contiguous(x: Tensor) -> Tensor:
    return x.contiguous()


@register(nn.Narrow)
def narrow(module: nn.Narrow, converter: Converter) -> Layer:
    """A narrow whose length is given asks nothing of its input, one whose length is counted from the end does."""
    computes, inline = (narrow_from_end, False) if module.length < 0 else (narrow_by, True)
    return Function(module, computes, "axis start length", inline)


def narrow_by(x: Tensor, axis: int, start: int, length: int) -> Tensor:
    return torch.narrow(x, axis, start, length)


def narrow_from_end(x: Tensor, axis: int, start: int, length: int) -> Tensor:
    size = x.shape[axis]
    start = start + size if start < 0 else start
    return torch.narrow(x, axis, start, size - start + length + 1)


@function(nn.Select, settings="axis index", inline=True)
def select(x: Tensor, axis: int, index: int) -> Tensor:
    return torch.select(x, axis, index)


@function(nn.Reshape, settings="sizes batch_mode")
def reshape(x: Tensor, sizes: tuple[int, ...], batch_mode: bool | None) -> Tensor:
    if batch_mode is None:
        batch_mode = x.numel() != math.prod(sizes) or (x.dim() > 0 and x.shape[0] == 1)
    return x.reshape(*x.shape[:1], *sizes) if batch_mode else x.reshape(sizes)


@function(nn.View, settings="sizes num_input_dims")
def view(x: Tensor, sizes: tuple[int, ...], num_input_dims: int | None) -> Tensor:
    leading = 0 if num_input_dims is None else max(x.dim() - num_input_dims, 0)
    rows, width = math.prod(x.shape[:leading]), math.prod(x.shape[leading:])
    n = math.prod(size for size in sizes if size != -1)
    own = [width // n if size == -1 else size for size in sizes]
    if -1 not in sizes:
        rows *= width // n
    return x.reshape(own) if rows == 1 and not leading else x.reshape(rows, *own)


def leading(x: Tensor, num_input_dims: int | None) -> int:
    """The number of axes before those of a sample."""
    return 0 if num_input_dims is None else x.dim() - num_input_dims


@function(nn.Transpose, settings="pairs num_input_dims")
def transpose(x: Tensor, pairs: list[tuple[int, int]], num_input_dims: int | None) -> Tensor:
    before = leading(x, num_input_dims)
    for a, b in pairs:
        x = x.transpose(a + before if a >= 0 else a, b + before if b >= 0 else b)
    return x


@function(nn.Unsqueeze, settings="axis num_input_dims")
def unsqueeze(x: Tensor, axis: int, num_input_dims: int | None) -> Tensor:
    return x.unsqueeze(axis + leading(x, num_input_dims) if axis >= 0 else axis)


@function(nn.Squeeze, settings="axis num_input_dims")
def squeeze(x: Tensor, axis: int | None, num_input_dims: int | None) -> Tensor:
    if axis is None:
        batched = num_input_dims is not None and x.dim() == num_input_dims + 1
        dropped = list(range(1 if batched else 0, x.dim()))
    else:
        dropped = [batched_axis(axis, num_input_dims, x.dim())]
    kept = [n for i, n in enumerate(x.shape) if n != 1 or i not in dropped]
    return x.reshape(kept or x.shape[:1])


@function(nn.Replicate, settings="n axis n_input_dims")
def replicate(x: Tensor, n: int, axis: int, n_input_dims: int | None) -> Tensor:
    batched = n_input_dims is not None and x.dim() > n_input_dims
    place = (axis + 1 if batched and axis >= 0 else axis) % (x.dim() + 1)
    return x.unsqueeze(place).expand(*x.shape[:place], n, *x.shape[place:])


@function(nn.Collapse, settings="n_input_dims")
def collapse(x: Tensor, n_input_dims: int) -> Tensor:
    batch = x.shape[:1] if x.dim() > n_input_dims else ()
    return x.reshape(*batch, math.prod(x.shape[len(batch) :]))


@register(nn.Convert)
class Convert(Layer):
    """The axes in another order, the type of the module; see nodegraph.nn.Convert."""

    settings = "input_axes output_axes order flat type_like"

    def forward(self, input: Tensor) -> Tensor:
        x, unknown = input, self.input_axes == "b*"
        if not unknown:
            if x.dim() < len(self.input_axes):
                x = x.unsqueeze(self.input_axes.index("b"))
            x = x.permute(self.order)
            if self.output_axes == "b" and x.dim() > 1:
                x = x[:, 0]
        if self.flat:
            x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
        if not unknown and input.dim() < len(self.input_axes):
            x = x.squeeze(self.output_axes.index("b"))
        return x.to(self.type_like.dtype)


@function(nn.Padding, settings="axis pad n_input_dims value index")
def padding(x: Tensor, axis: int, pad: int, n_input_dims: int | None, value: float, index: int) -> Tensor:
    batched = n_input_dims is not None and x.dim() != n_input_dims
    axis = (axis + 1 if batched and axis >= 0 else axis) % x.dim()
    cut = index if pad < 0 else x.shape[axis] - index
    filling = x.new_full((*x.shape[:axis], abs(pad), *x.shape[axis + 1 :]), value)
    return torch.cat([x.narrow(axis, 0, cut), filling, x.narrow(axis, cut, x.shape[axis] - cut)], axis)


@function(nn.Index, settings="axis", spread=True)
def index(x: Tensor, places: Tensor, axis: int) -> Tensor:
    return x.index_select(axis, places.long())


@function(nn.MaskedSelect, spread=True)
def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_select(mask == 1)
