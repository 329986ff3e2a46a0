"""Products with weights as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.layout import as_given, on_rows


@converts(nn.Linear)
def linear(conversion: Conversion, module: nn.Linear, x: StandIn) -> StandIn:
    return product(conversion, x, module.weight, module.bias)


def product(conversion: Conversion, x: StandIn, weight: np.ndarray, bias: np.ndarray | None) -> StandIn:
    """x W' + b."""
    rows = on_rows(x, 1)
    biases = [] if bias is None else [bias]
    y = conversion.apply("Gemm", rows, weight, *biases, shape=(rows.shape[0], len(weight)), transB=1)
    return as_given(y, x, 1)


@converts(nn.PartialLinear)
def partial_linear(conversion: Conversion, module: nn.PartialLinear, x: StandIn) -> StandIn:
    bias = None if module.bias is None else module.bias[module.partition]
    return product(conversion, x, module.weight[module.partition], bias)


@converts(nn.LinearWeightNorm)
def linear_weight_norm(conversion: Conversion, module: nn.LinearWeightNorm, x: StandIn) -> StandIn:
    return product(conversion, x, module.weight_matrix(), module.bias)


@converts(nn.WeightNorm)
def weight_norm(conversion: Conversion, module: nn.WeightNorm, x: Any) -> Any:
    inner = module.modules[0]
    inner.weight = module._as_weight(module.v * (module.g / module._lengths()))
    return conversion.call(inner, x)


@converts(nn.Bilinear)
def bilinear(conversion: Conversion, module: nn.Bilinear, input: list[StandIn]) -> StandIn:
    y = np.einsum("bi,kij,bj->bk", input[0], module.weight, input[1])
    return y if module.bias is None else y + module.bias
