"""Convolutions: ONNX' own operator for float32; for float64, which onnxruntime lacks, products with the windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import nn, table
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.layout import as_given, on_rows, pad
from nodegraph.export.onnx.recording import NotRecordable
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.convolution import Convolution, FullConvolution
from nodegraph.nn.mapped_convolution import Mapped
from nodegraph.nn.windows import Windows


@converts(Convolution)
def convolution(conversion: Conversion, module: Convolution, x: StandIn) -> StandIn:
    weight, kernel = module.matrix(), module.windows.kernel
    weight = weight.reshape(math.prod(weight.shape[:2]), -1, *kernel)
    if weight.shape == module.weight.shape and np.array_equal(weight, module.weight):
        weight = module.weight
    bias = None if module.bias is None else module.plane_bias().reshape(-1)
    y = correlate(conversion, as_planes(module, x), weight, bias, module.windows, module.groups)
    return from_planes(module, y, x)


@converts(Mapped)
def mapped(conversion: Conversion, module: Mapped, x: StandIn) -> StandIn:
    x = module.mentioned(x)
    return (full_convolution if isinstance(module, FullConvolution) else convolution)(conversion, module, x)


def as_planes(module: Convolution, x: StandIn) -> StandIn:
    """The input as (batch, planes, *sizes)."""
    n = len(module.axes)
    x = np.moveaxis(x, -1, -1 - n) if module.features_last else x
    return on_rows(x, 1 + n)


def from_planes(module: Convolution, y: StandIn, x: StandIn) -> StandIn:
    """The output as the module gives it for its input x."""
    n = len(module.axes)
    y = as_given(y, x, 1 + n)
    return np.moveaxis(y, -1 - n, -1) if module.features_last else y


def correlate(
    conversion: Conversion, x: StandIn, weight: np.ndarray, bias: np.ndarray | None, windows: Windows, groups: int = 1
) -> StandIn:
    """A convolution of planes (batch, in, *sizes) with a weight (out, in / groups, *kernel)."""
    counts = windows.counts(x.shape[2:])
    out, batch = len(weight), x.shape[0]
    if not conversion.recorder.double:
        biases = [] if bias is None else [bias]
        attributes = {"strides": windows.stride, "pads": windows.padding * 2, "dilations": windows.dilation}
        attributes |= {"kernel_shape": windows.kernel, "group": groups}
        return conversion.apply("Conv", x, weight, *biases, shape=(batch, out, *counts), **attributes)
    columns = seen(x, windows)
    grouped = columns.reshape(batch, groups, -1, math.prod(counts))
    products = np.matmul(weight.reshape(groups, out // groups, -1), grouped)
    y = products.reshape(batch, out, *counts)
    return y if bias is None else y + bias.reshape(-1, *[1] * len(counts))


def seen(x: StandIn, windows: Windows) -> StandIn:
    """What each window shows: (batch, planes, *sizes) -> (batch, planes, kernel, windows)."""
    if any(isinstance(n, Size) for n in x.shape[2:]):
        raise NotRecordable("planes of open sizes in float64; make the module float32")
    if any(windows.padding):
        x = pad(x, [(0, 0), (0, 0), *((p, p) for p in windows.padding)])
    sizes = x.shape[2:]
    numbered = np.arange(math.prod(sizes)).reshape(1, 1, *sizes)
    places = windows.view(numbered).reshape(math.prod(windows.kernel), -1)
    return np.take(x.reshape(*x.shape[:2], math.prod(sizes)), places, 2)


@converts(FullConvolution)
def full_convolution(conversion: Conversion, module: FullConvolution, input: Any) -> StandIn:
    x, target = (input[0], input[1].shape) if table.is_table(input) else (input, None)
    planes, windows = as_planes(module, x), module.windows
    weight = module.matrix().reshape(planes.shape[1], -1, *windows.kernel)
    weight = module.weight if weight.shape == module.weight.shape else weight
    bias = None if module.bias is None else module.bias.reshape(-1)
    sizes = module.output_sizes(planes.shape[2:], target)
    shape = (planes.shape[0], weight.shape[1], *sizes)
    if conversion.recorder.double:
        y = spread(planes, weight, windows, sizes)
        y = y if bias is None else y + bias.reshape(-1, *[1] * len(sizes))
        return from_planes(module, y, x)
    adjustment = [n - least for n, least in zip(sizes, windows.sizes(planes.shape[2:]))]
    attributes = {"strides": windows.stride, "pads": windows.padding * 2, "dilations": windows.dilation}
    attributes |= {"kernel_shape": windows.kernel, "output_padding": adjustment}
    biases = [] if bias is None else [bias]
    y = conversion.apply("ConvTranspose", planes, weight, *biases, shape=shape, **attributes)
    return from_planes(module, y, x)


def spread(x: StandIn, weight: np.ndarray, windows: Windows, sizes: tuple[int, ...]) -> StandIn:
    """Each number adds its weights to a window of the result: (batch, in, *counts) -> (batch, out, *sizes)."""
    counts, out = x.shape[2:], weight.shape[1]
    if any(isinstance(n, Size) for n in counts):
        raise NotRecordable("planes of open sizes in float64; make the module float32")
    flat = x.reshape(*x.shape[:2], math.prod(counts))
    parts = np.matmul(np.ascontiguousarray(weight.reshape(len(weight), -1).T), flat)
    parts = parts.reshape(x.shape[0], out, math.prod(windows.kernel) * math.prod(counts))
    padded = [n + 2 * p for n, p in zip(sizes, windows.padding)]
    # Where the windows of the result lie, and so which parts go to each of its places; -1 stands for none.
    reach = [max(n, (c - 1) * s + e) for n, c, s, e in zip(padded, counts, windows.stride, windows.extent)]
    numbered = np.arange(math.prod(reach)).reshape(1, 1, *reach)
    view = windows.view(numbered)[(..., *(slice(c) for c in counts))].reshape(-1)
    lists: list[list[int]] = [[] for _ in range(math.prod(reach))]
    for part, place in enumerate(view.tolist()):
        lists[place].append(part)
    inside = np.arange(math.prod(reach)).reshape(reach)
    inside = inside[tuple(slice(p, p + n) for p, n in zip(windows.padding, sizes))].ravel()
    width = max(len(lists[place]) for place in inside)
    places = np.full((len(inside), max(width, 1)), len(view))
    for row, place in enumerate(inside):
        places[row, : len(lists[place])] = lists[place]
    with_zero = pad(parts, [(0, 0), (0, 0), (0, 1)])
    return np.take(with_zero, places, 2).sum(-1).reshape(x.shape[0], out, *sizes)


@converts(nn.SpatialConvolutionLocal)
def local(conversion: Conversion, module: nn.SpatialConvolutionLocal, x: StandIn) -> StandIn:
    columns = seen(as_planes(module, x), module.windows)
    columns = columns.reshape(columns.shape[0], -1, columns.shape[-1])
    y = np.einsum("lok,bkl->bol", module.matrix(), columns).reshape(columns.shape[0], -1, *module.output_sizes)
    return from_planes(module, y if module.bias is None else y + module.bias, x)
