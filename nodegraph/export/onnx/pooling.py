"""Pooling, resampling, padding of planes and normalisation by neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.convolutions import correlate
from nodegraph.export.onnx.layout import as_given, expand, on_rows, pad
from nodegraph.export.onnx.recording import NotRecordable, Value
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.average_pooling import AveragePooling
from nodegraph.nn.fractional_pooling import FractionalMaxPooling
from nodegraph.nn.local_normalisation import KernelNormalization
from nodegraph.nn.lp_pooling import LPPooling
from nodegraph.nn.max_pooling import SlidingMaxPooling
from nodegraph.nn.max_unpooling import MaxUnpooling
from nodegraph.nn.planewise import AxisMap, Planewise, Resampling
from nodegraph.nn.pooling import Sliding
from nodegraph.nn.spatial_padding import BorderPadding
from nodegraph.nn.windows import Windows


def fixed_sizes(module: Planewise, x: StandIn) -> tuple[int, ...]:
    """The sizes of a plane, from which a module works out its windows."""
    sizes = module.sizes(x.shape)
    if any(isinstance(n, Size) for n in sizes):
        raise NotRecordable("planes of open sizes")
    return sizes


def sliding(module: Sliding, x: StandIn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The output's sizes, and the attributes of an operator with the module's windows, paddings at the end fitted."""
    windows, sizes = module.windows, fixed_sizes(module, x)
    counts = module.resized(sizes)
    arguments = zip(counts, windows.stride, windows.extent, sizes, windows.padding)
    ends = tuple(max((count - 1) * s + e - n - p, 0) for count, s, e, n, p in arguments)
    pads = (*windows.padding, *ends)
    return counts, {"kernel_shape": windows.kernel, "strides": windows.stride, "pads": pads}


@converts(SlidingMaxPooling)
def max_pooling(conversion: Conversion, module: SlidingMaxPooling, x: StandIn) -> StandIn:
    n = len(module.axis_names)
    rows = on_rows(x, 1 + n)
    counts, attributes = sliding(module, rows)
    pads = np.reshape(attributes["pads"], (2, n)).T
    if (pads >= np.reshape(module.windows.kernel, (n, 1))).any():
        rows = pad(rows, [(0, 0), (0, 0), *pads.tolist()], constant_values=-np.inf)
        attributes["pads"] = (0,) * (2 * n)
    shape = (*rows.shape[:2], *counts)
    y = conversion.apply("MaxPool", rows, shape=shape, dilations=module.windows.dilation, **attributes)
    conversion.pooled[id(module)] = y
    return as_given(y, x, 1 + n)


@converts(nn.TemporalMaxPooling)
def temporal_max_pooling(conversion: Conversion, module: nn.TemporalMaxPooling, x: StandIn) -> StandIn:
    return np.swapaxes(max_pooling(conversion, module, np.swapaxes(x, -1, -2)), -1, -2)


@converts(nn.SpatialAdaptiveMaxPooling)
def adaptive_max_pooling(conversion: Conversion, module: nn.SpatialAdaptiveMaxPooling, x: StandIn) -> StandIn:
    for axis, windows in zip((-2, -1), module.adaptive_windows(fixed_sizes(module, x))):
        axis += x.ndim
        x = np.take(x, windows.places, axis).max(axis + 1)
    return x


@converts(FractionalMaxPooling)
def fractional_max_pooling(conversion: Conversion, module: FractionalMaxPooling, x: StandIn) -> StandIn:
    raise NotRecordable("windows at random places")


@converts(MaxUnpooling)
def max_unpooling(conversion: Conversion, module: MaxUnpooling, x: StandIn) -> StandIn:
    if id(module.pooling) not in conversion.pooled:
        raise NotRecordable("its pooling module does not run before it")
    pooled, recorder, n = conversion.pooled[id(module.pooling)], conversion.recorder, len(module.axis_names)
    operator = pooled.value.operator
    if operator not in recorder.body.operators or operator.attributes["pads"] != (0,) * (2 * n):
        raise NotRecordable("its pooling module runs elsewhere, or over padding")
    if len(operator.outputs) == 1:
        operator.outputs.append(Value(np.int64, pooled.shape))
    shape = (*pooled.shape[:2], *operator.inputs[0].shape[2:])
    zero = StandIn(recorder, recorder.number(np.zeros(1), x))
    places = StandIn(recorder, operator.outputs[1])
    flat = conversion.apply("ScatterElements", expand(zero, (math.prod(shape),)), np.ravel(places), np.ravel(x), axis=0)
    return as_given(flat.reshape(shape), x, 1 + n)


# Linear maps along the axes


@converts(Resampling)
def resampling(conversion: Conversion, module: Resampling, x: StandIn) -> StandIn:
    if isinstance(module, Planewise) and not isinstance(module, LPPooling):
        fixed_sizes(module, x)
    for axis, axis_map in module.axis_maps(x.shape):
        x = mapped(x, axis, axis_map)
    return x


def mapped(x: StandIn, axis: int, axis_map: AxisMap) -> StandIn:
    """The map along a negative axis: a selection where it is one, else a product with a matrix."""
    matrix = axis_map.apply(np.eye(axis_map.in_size), -1)
    if ((matrix == 0) | (matrix == 1)).all() and (matrix.sum(0) == 1).all():
        if np.array_equal(matrix, np.eye(len(matrix))):
            return x
        return np.take(x, matrix.argmax(0), x.ndim + axis)
    matrix = matrix.astype(x.dtype)
    if axis == -1:
        return np.matmul(x, matrix)
    before, after = x.shape[: x.ndim + axis], x.shape[x.ndim + axis + 1 :]
    flat = x.reshape(*before, matrix.shape[0], math.prod(after))
    return np.matmul(np.ascontiguousarray(matrix.T), flat).reshape(*before, matrix.shape[1], *after)


@converts(AveragePooling)
def average_pooling(conversion: Conversion, module: AveragePooling, x: StandIn) -> StandIn:
    if conversion.recorder.double or module.ceil_mode:
        return resampling(conversion, module, x)
    n = len(module.axis_names)
    rows = on_rows(x, 1 + n)
    counts, attributes = sliding(module, rows)
    attributes["pads"] = module.windows.padding * 2
    include = int(module.count_include_pad)
    y = conversion.apply("AveragePool", rows, shape=(*rows.shape[:2], *counts), count_include_pad=include, **attributes)
    return as_given(y, x, 1 + n)


@converts(LPPooling)
def lp_pooling(conversion: Conversion, module: LPPooling, x: StandIn) -> StandIn:
    return resampling(conversion, module, x**module.power) ** (1 / module.power)


@converts(BorderPadding)
def border_padding(conversion: Conversion, module: BorderPadding, x: StandIn) -> StandIn:
    modes = {
        nn.SpatialZeroPadding.source_of: "constant",
        nn.SpatialReplicationPadding.source_of: "edge",
        nn.SpatialReflectionPadding.source_of: "reflect",
    }
    mode = modes.get(type(module).source_of)
    if mode is None or min(min(pads) for pads in module.pads) < 0:
        return resampling(conversion, module, x)
    return pad(x, [(0, 0)] * (x.ndim - len(module.pads)) + list(module.pads), mode)


# Normalisation by neighbours


@converts(nn.SpatialCrossMapLRN)
def cross_map_lrn(conversion: Conversion, module: nn.SpatialCrossMapLRN, x: StandIn) -> StandIn:
    if not conversion.recorder.double:
        rows = on_rows(x, 3)
        attributes = {"size": module.size, "alpha": module.alpha, "beta": module.beta, "bias": module.k}
        return as_given(conversion.apply("LRN", rows, **attributes), x, 3)
    planes = x.shape[-3]
    distance = np.abs(np.arange(planes)[:, None] - np.arange(planes))
    near = (distance <= module.size // 2).astype(x.dtype)
    around = np.matmul(near, (x * x).reshape(*x.shape[:-2], math.prod(x.shape[-2:]))).reshape(x.shape)
    return x * (module.k + module.alpha / module.size * around) ** -module.beta


def weighted_mean(conversion: Conversion, module: KernelNormalization, x: StandIn) -> StandIn:
    """The weighted mean around each place, the same for all planes."""
    summed = on_rows(x.sum(-3, keepdims=True), 3)
    kernels = [module.kernel] if module.kernel.ndim == 2 else [module.kernel[None, :], module.kernel[:, None]]
    for kernel in kernels:
        windows = Windows(kernel.shape, padding=tuple(n // 2 for n in kernel.shape))
        summed = correlate(conversion, summed, kernel[None, None].astype(x.dtype), None, windows)
    return as_given(summed, x, 3)


def inside(module: KernelNormalization, x: StandIn) -> np.ndarray:
    """How much of the weights lies inside the image, at each place."""
    if any(isinstance(n, Size) for n in x.shape[-2:]):
        raise NotRecordable("planes of open sizes")
    return module.coefficient(np.empty(x.shape[-3:])).astype(x.dtype)


@converts(nn.SpatialSubtractiveNormalization)
def subtractive(conversion: Conversion, module: nn.SpatialSubtractiveNormalization, x: StandIn) -> StandIn:
    weights = inside(module, x)
    return x - weighted_mean(conversion, module, x) / weights


@converts(nn.SpatialDivisiveNormalization)
def divisive(conversion: Conversion, module: nn.SpatialDivisiveNormalization, x: StandIn) -> StandIn:
    weights = inside(module, x)
    adjusted = np.sqrt(weighted_mean(conversion, module, x * x)) / weights
    return x / np.where(adjusted > module.threshold, adjusted, module.thresval)


@converts(nn.SpatialContrastiveNormalization)
def contrastive(conversion: Conversion, module: nn.SpatialContrastiveNormalization, x: StandIn) -> StandIn:
    return conversion.call(module.divisive, conversion.call(module.subtractive, x))
