"""Modules that take indices, and layers of which the input lists features by index, as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn, table
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.recording import NotRecordable
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.view import axis_of


def lookup_rows(conversion: Conversion, weight: np.ndarray, indices: StandIn, offset: int = 0) -> StandIn:
    """The rows of a weight that indices name."""
    recorder = conversion.recorder
    places = StandIn(recorder, recorder.index(indices))
    shape = (*indices.shape, *weight.shape[1:])
    return conversion.apply("Gather", weight, places + offset if offset else places, shape=shape, axis=0)


@converts(nn.LookupTable)
def lookup_table(conversion: Conversion, module: nn.LookupTable, x: StandIn) -> StandIn:
    weight = module.weight
    if module.max_norm is not None:
        order = 2 if module.norm_type is None else module.norm_type
        norms = np.linalg.norm(weight, order, axis=1)
        factors = np.where(norms > module.max_norm, module.max_norm / (norms + 1e-7), 1)
        weight = (weight * factors[:, None]).astype(weight.dtype)
    return lookup_rows(conversion, weight, x)


@converts(nn.LookupTableMaskZero)
def lookup_table_mask_zero(conversion: Conversion, module: nn.LookupTableMaskZero, x: StandIn) -> StandIn:
    weight = module.weight
    if weight[0].any():
        weight = np.concatenate([np.zeros_like(weight[:1]), weight[1:]])
    return lookup_rows(conversion, weight, x, offset=1)


@converts(nn.OneHot)
def one_hot(conversion: Conversion, module: nn.OneHot, x: StandIn) -> StandIn:
    recorder, n = conversion.recorder, module.output_size
    # onnxruntime has no OneHot of float64; zeros and ones lose nothing in float32.
    values = recorder.value(np.array([0, 1], np.float32))
    indices = recorder.index(x if x.ndim else x.reshape(1))
    shape = (*indices.shape, n)
    rows = recorder.add("OneHot", indices, recorder.integers(n), values, shape=shape, dtype=np.float32, axis=-1)
    return StandIn(recorder, recorder.cast(rows, module.one.dtype)).reshape(*x.shape, n)


@converts(nn.Index)
def index(conversion: Conversion, module: nn.Index, input: list[StandIn]) -> StandIn:
    return np.take(input[0], input[1], axis_of(module.axis, input[0].ndim))


@converts(nn.MaskedSelect)
def masked_select(conversion: Conversion, module: nn.MaskedSelect, input: list[StandIn]) -> StandIn:
    x, mask = input
    recorder = conversion.recorder
    chosen = recorder.cast(np.ravel(mask), np.dtype(bool))
    count = Size.named(f"selected_by_{'.'.join(recorder.scope) or 'mask'}", 7)
    return conversion.apply("Compress", np.ravel(x), chosen, shape=(count,), axis=0)


@converts(nn.SparseLinear)
def sparse_linear(conversion: Conversion, module: nn.SparseLinear, input: Any) -> StandIn:
    if table.is_table(input):
        return np.stack([sparse_linear(conversion, module, x) for x in input])
    values = input[..., 1]
    rows = _rows(conversion, module.weight.T, input[..., 0], values)
    return (rows * np.expand_dims(values, -1)).sum(-2) + module.bias


def _rows(conversion: Conversion, weight: np.ndarray, indices: StandIn, values: StandIn) -> StandIn:
    """The rows of features, where a feature of value 0 may have any index."""
    present = np.where(values == 0, 0.0, indices)
    return lookup_rows(conversion, np.ascontiguousarray(weight), present)


@converts(nn.IndexLinear)
def index_linear(conversion: Conversion, module: nn.IndexLinear, input: Any) -> StandIn:
    if module.normalize:
        raise NotRecordable("values that are normalised by what the module has seen")
    if len(input) == 3:
        raise NotRecordable("samples whose sizes are an input")
    if table.is_table(input[0]):
        return np.stack([index_linear(conversion, module, list(pair)) for pair in zip(*input)])
    keys, values = input
    rows = lookup_rows(conversion, module.weight, keys, module.keys_offset)
    return (rows * np.expand_dims(values, -1)).sum(0) + module.bias
