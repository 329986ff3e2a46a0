"""How many multiply-adds a module's forward takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nodegraph import nn


def multiply_adds(module: nn.Module, input: Any, output: Any) -> int | None:
    """The multiply-adds of one forward, for the shapes of input and output; None where they are not counted.

    Counted are the matrix products and convolutions, which is where the time goes; their biases are not. Views and
    lookups take none. Functions applied element by element, losses, poolings and normalisations are not counted, nor is
    a class that this table does not know.

    >>> multiply_adds(nn.Linear(4, 3), (10, 4), (10, 3)), multiply_adds(nn.Tanh(), (10, 4), (10, 4))
    (120, None)
    """
    for kind in type(module).__mro__:
        if kind in COUNTS:
            return COUNTS[kind](module, input, output)
    return None


def _convolution(module: nn.Convolution, input: Any, output: Any) -> int:
    """Each number of the output is a sum over a window of the input planes that it depends on."""
    return math.prod(output) * (module.n_input_plane // module.groups) * math.prod(module.windows.kernel)


def _full_convolution(module: nn.FullConvolution, input: Any, output: Any) -> int:
    """Each number of the input is multiplied into a window of every output plane."""
    image = input[0] if isinstance(input, list) else input
    return math.prod(image) * module.n_output_plane * math.prod(module.windows.kernel)


def _connections(module: nn.SpatialConvolutionMap, places: int) -> int:
    return places * len(module.conn_table) * math.prod(module.windows.kernel)


COUNTS: dict[type, Callable[[Any, Any, Any], int]] = {
    nn.Linear: lambda module, input, output: math.prod(output) * module.input_size,
    nn.LinearWeightNorm: lambda module, input, output: math.prod(output) * module.input_size,
    nn.Bilinear: lambda module, input, output: math.prod(output) * math.prod(module.input_sizes),
    nn.Convolution: _convolution,
    nn.FullConvolution: _full_convolution,
    nn.SpatialConvolutionMap: lambda module, input, output: _connections(module, math.prod(output) // output[-3]),
    nn.SpatialFullConvolutionMap: lambda module, input, output: _connections(module, math.prod(input) // input[-3]),
    nn.MM: lambda module, input, output: math.prod(output) * input[0][-2 if module.trans_a else -1],
    nn.MV: lambda module, input, output: math.prod(output) * input[1][-1],
    nn.DotProduct: lambda module, input, output: math.prod(input[0]),
    nn.ViewModule: lambda module, input, output: 0,
    nn.LookupTable: lambda module, input, output: 0,
    nn.OneHot: lambda module, input, output: 0,
}
"""Class -> the count for a module and the shapes of its input and output; a subclass counts as its base."""
