"""Sequences along an axis, of one length or of different ones: turned round, and their last steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodegraph import nn
from nodegraph.export.torch.layer import function


def valid_steps(given: Tensor, steps: int, batch_first: bool) -> Tensor:
    """Which steps of which sequences count, (steps, batch), from lengths (batch,) or a mask."""
    if given.dim() == 1:
        return numbered(steps, given) < given
    return (given.T if batch_first else given) != 0


def numbered(steps: int, like: Tensor) -> Tensor:
    """The numbers of the steps: (steps, 1)."""
    return torch.arange(steps, device=like.device).unsqueeze(1)


def over(mask: Tensor, like: Tensor) -> Tensor:
    """The mask with axes of length 1 at its end, so that it has as many as `like`."""
    return mask.reshape(*mask.shape, *[1] * (like.dim() - mask.dim()))


def parts(input: Any, axis: int) -> tuple[Tensor, Tensor | None]:
    """x with the steps as its first axis, and which of them count; None for all."""
    if isinstance(input, Tensor):
        return input.movedim(axis, 0), None
    x = input[0].movedim(axis, 0)
    return x, valid_steps(input[1], len(x), batch_first=axis == 1)


def columns(valid: Tensor) -> Tensor:
    """The number of each sequence of the batch."""
    return torch.arange(valid.shape[1], device=valid.device)


@function(nn.Reverse, settings="axis")
def reverse(input: Any, axis: int) -> Tensor:
    x, valid = parts(input, axis)
    if valid is None:
        return input.flip(axis)
    in_order = torch.argsort((~valid).int(), dim=0, stable=True)  # Those that count first.
    rank = valid.cumsum(0) - 1
    last = valid.sum(0) - 1
    mirrored = torch.where(valid, in_order.gather(0, (last - rank).clamp(min=0)), numbered(len(x), x))
    return x[mirrored, columns(valid)].movedim(0, axis)


@function(nn.Last, settings="axis")
def last(input: Any, axis: int) -> Tensor:
    x, valid = parts(input, axis)
    if valid is None:
        return x[-1]
    if len(x) == 0:
        return x.sum(0)
    chosen = x[torch.where(valid, numbered(len(x), x), 0).amax(0), columns(valid)]
    return torch.where(over(valid.any(0), chosen), chosen, 0.0)
