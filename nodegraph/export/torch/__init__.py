"""PyTorch: `to_torch` makes a torch.nn.Module of a module, `load_torch` brings its numbers back."""

from nodegraph.export.torch import (
    activation,
    containers,
    convolution,
    criterions,
    elementwise,
    formula,
    graph,
    images,
    linear,
    normalisation,
    pooling,
    recurrent,
    regularisation,
    sparse,
    steps,
    tables,
    views,
)
from nodegraph.export.torch.conversion import load_torch, register, to_torch

__all__ = ["load_torch", "register", "to_torch"]
