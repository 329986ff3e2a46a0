"""Tables, slices, sequences and constants as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn, table
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.layout import as_given, concatenate, expand, on_rows, pad
from nodegraph.export.onnx.recording import NotRecordable
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.branches import side_by_side
from nodegraph.nn.view import axis_of


@converts(nn.Concat, nn.DepthConcat)
def concat(conversion: Conversion, module: nn.Concat, x: Any) -> StandIn:
    return joined([conversion.call(child, x) for child in module.modules], module.axis, module.padded)


@converts(nn.Parallel)
def parallel(conversion: Conversion, module: nn.Parallel, x: StandIn) -> StandIn:
    slices = [np.take(x, i, module.input_axis) for i in range(len(module.modules))]
    return joined([conversion.call(child, part) for child, part in zip(module.modules, slices)], module.output_axis)


def joined(parts: list[StandIn], axis: int, padded: bool = False) -> StandIn:
    """Arrays one after the other; `padded` puts zeros around the smaller ones."""
    shapes = [part.shape for part in parts]
    axis = axis_of(axis, len(shapes[0]))
    if padded:
        whole, windows = side_by_side([tuple(map(int, shape)) for shape in shapes], axis, padded)
        for i, (part, window) in enumerate(zip(parts, windows)):
            borders = [(w.start, n - w.stop) for w, n in zip(window, whole)]
            borders[axis] = (0, 0)
            parts[i] = pad(part, borders) if np.any(borders) else part
    else:
        side_by_side(shapes, axis)
    return concatenate(parts, axis)


@converts(nn.MapTable)
def map_table(conversion: Conversion, module: nn.MapTable, input: list[Any]) -> list[Any]:
    return [conversion.call(module.module_for(i), part) for i, part in enumerate(input)]


@converts(nn.Constant)
def constant(conversion: Conversion, module: nn.Constant, x: Any) -> StandIn:
    value = StandIn(conversion.recorder, conversion.recorder.value(module.value))
    shape = module.output_shape(table.shape(x))
    return value if shape == value.shape else expand(value, shape)


@converts(nn.Padding)
def padding(conversion: Conversion, module: nn.Padding, x: StandIn) -> StandIn:
    (_, before), (_, after) = module._pieces(x.shape)
    axis = module._axis(x.ndim)
    if module.index == 0:
        borders = [(0, 0)] * x.ndim
        borders[axis] = (-module.pad, 0) if module.pad < 0 else (0, module.pad)
        return pad(x, borders, constant_values=module.value)
    shape = (*x.shape[:axis], abs(module.pad), *x.shape[axis + 1 :])
    filled = StandIn(conversion.recorder, conversion.recorder.number(np.full((1,) * x.ndim, module.value), x))
    return concatenate([x[before], expand(filled, shape), x[after]], axis)


@converts(nn.Max)
def largest(conversion: Conversion, module: nn.Max, x: StandIn) -> StandIn:
    return np.max(x, module.axis_in(x.shape), keepdims=x.ndim == 1)


@converts(nn.Min)
def smallest(conversion: Conversion, module: nn.Min, x: StandIn) -> StandIn:
    return np.min(x, module.axis_in(x.shape), keepdims=x.ndim == 1)


@converts(nn.PixelShuffle)
def pixel_shuffle(conversion: Conversion, module: nn.PixelShuffle, x: StandIn) -> StandIn:
    rows = on_rows(x, 3)
    shape = module.output_shape(rows.shape)
    y = conversion.apply("DepthToSpace", rows, shape=shape, blocksize=module.upscale_factor, mode="CRD")
    return as_given(y, x, 3)


@converts(nn.TemporalDynamicKMaxPooling)
def k_max_pooling(conversion: Conversion, module: nn.TemporalDynamicKMaxPooling, x: StandIn) -> StandIn:
    recorder, frames = conversion.recorder, x.shape[-2]
    if isinstance(frames, Size):
        raise NotRecordable("a number of frames that is open")
    k = module.k(frames)
    shape, axis = (*x.shape[:-2], k, x.shape[-1]), x.ndim - 2
    outputs = [(None, shape), (np.int64, shape)]
    _, places = recorder.add_all("TopK", x, recorder.integers(k), outputs=outputs, axis=axis)
    attributes = {"outputs": [(np.int64, shape)] * 2, "axis": axis, "largest": 0}
    in_order, _ = recorder.add_all("TopK", places, recorder.integers(k), **attributes)
    return np.take_along_axis(x, StandIn(recorder, in_order), axis)


@converts(nn.Reverse)
def reverse(conversion: Conversion, module: nn.Reverse, input: Any) -> StandIn:
    if not table.is_table(input):
        return np.flip(input, module.axis)
    x, lengths = input
    places = {"time_axis": module.axis, "batch_axis": 1 - module.axis}
    # One step is the same backwards; a sequence of none is left out by older versions of onnxruntime.
    lengths = np.maximum(StandIn(conversion.recorder, whole_lengths(conversion, lengths)), 1)
    return conversion.apply("ReverseSequence", x, lengths, **places)


@converts(nn.Last)
def last(conversion: Conversion, module: nn.Last, input: Any) -> StandIn:
    if not table.is_table(input):
        return np.take(input, -1, module.axis)
    x, given = input
    recorder = conversion.recorder
    lengths = StandIn(recorder, whole_lengths(conversion, given))
    place = np.maximum(lengths - 1, 0)
    shape = (*lengths.shape, *[1] * (x.ndim - 2))
    index = expand(place.reshape(shape), (*x.shape[: module.axis], *x.shape[module.axis + 1 :]))
    steps = np.take_along_axis(x, np.expand_dims(index, module.axis), module.axis)
    return np.where((lengths > 0).reshape(shape), np.squeeze(steps, module.axis), 0.0)


def whole_lengths(conversion: Conversion, given: StandIn) -> Any:
    if given.ndim != 1:
        raise NotRecordable("a mask, where the lengths of the sequences would do")
    return conversion.recorder.index(given)
