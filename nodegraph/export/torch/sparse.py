"""Linear layers whose input lists features by index and value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodegraph import nn
from nodegraph.export.torch.conversion import cannot, register
from nodegraph.export.torch.layer import Layer


class SparseLayer(Layer):
    """Base of the two: adds up for each sample its values times the weights of their features."""

    def total(self, weight: Tensor, keys: Tensor, values: Tensor, rows: Tensor, n: int) -> Tensor:
        """The output (n, out) for features of a weight (features, out), each in one of n rows."""
        products = values.unsqueeze(1) * weight[keys.long()]
        return torch.zeros(n, weight.shape[1]).to(products).index_add(0, rows, products) + self.bias


def rows_of(lengths: list[int], like: Tensor) -> Tensor:
    """The row of each of the entries, of which each row has so many."""
    return torch.repeat_interleave(torch.tensor(lengths, dtype=torch.long)).to(like.device)


@register(nn.SparseLinear)
class SparseLinear(SparseLayer):
    """Pairs of index and value: (nnz, 2), a table of such, or (batch, nnz, 2)."""

    settings = "do_grad_input"

    def forward(self, input: Any) -> Tensor:
        listed = isinstance(input, (list, tuple))
        pairs = torch.cat([x.reshape(-1, 2) for x in input]) if listed else input.reshape(-1, 2)
        parts = input if listed or input.dim() == 3 else [input]
        values = pairs[:, 1] if self.do_grad_input else pairs[:, 1].detach()
        values = torch.where(values == 0, 0.0, values)
        keys = torch.where(values == 0, 0.0, pairs[:, 0])
        output = self.total(self.weight.T, keys, values, rows_of([len(x) for x in parts], pairs), len(parts))
        return output if listed or input.dim() == 3 else output[0]


@register(nn.IndexLinear)
class IndexLinear(SparseLayer):
    """Keys and values: [keys, values], tables of them, or [keys, values, sizes]."""

    settings = "do_grad_input keys_offset"

    def forward(self, input: list[Any]) -> Tensor:
        keys, values, *sizes = input
        single = not sizes and not isinstance(keys, (list, tuple))
        if sizes:
            lengths = [int(n) for n in sizes[0].reshape(-1)]
        else:
            lengths = [len(keys)] if single else [len(part) for part in keys]
        if not single and not sizes:
            keys, values = torch.cat(list(keys)), torch.cat(list(values))
        values = values if self.do_grad_input else values.detach()
        keys = keys.long() + self.keys_offset
        output = self.total(self.weight, keys, values, rows_of(lengths, values), len(lengths))
        return output[0] if single or (sizes and sizes[0].dim() == 0) else output


@cannot(nn.SparseLinear)
def decaying(module: nn.SparseLinear) -> str | None:
    return "its weight_decay is no derivative of its output; the optimiser has one" if module.weight_decay else None


@cannot(nn.IndexLinear)
def normalising(module: nn.IndexLinear) -> str | None:
    return "with normalize its forward pass changes its weights" if module.normalize else None
