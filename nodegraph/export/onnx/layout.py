"""NumPy's functions that select, join and rearrange elements, as ONNX operators."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from nodegraph.export.onnx.along_axes import axes_of
from nodegraph.export.onnx.arrays import FUNCTIONS, StandIn, records, view_of
from nodegraph.export.onnx.elementwise import recorder_of, result_type
from nodegraph.export.onnx.recording import NotRecordable, Shape
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.view import axis_of

FIRST, LAST = -(2**63), 2**63 - 1
"""What stands in a Slice for an end that is not given."""


@records("getitem")
def getitem(x: StandIn, index: Any) -> StandIn:
    """x[index], for whole numbers, slices, None and an ellipsis, and one array of whole numbers."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(part, bool) or np.dtype(getattr(part, "dtype", int)).kind == "b" for part in parts):
        raise NotRecordable("a selection by conditions, whose length depends on the numbers")
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    place = next(i for i, part in enumerate(parts) if part is Ellipsis)
    parts[place : place + 1] = [slice(None)] * (x.ndim - taken)
    per_axis = [part for part in parts if part is not None]
    if len(per_axis) > x.ndim:
        raise IndexError(f"too many indices for an array of shape {x.shape}")
    arrays = sum(_is_array(part) for part in per_axis)
    if arrays > 1 or (arrays and any(not isinstance(part, slice) and not _is_array(part) for part in per_axis)):
        raise NotRecordable("a selection by several arrays, or by an array and a number")
    whole = x
    x = _sliced(x, per_axis)
    for axis in reversed(range(len(per_axis))):
        if not isinstance(per_axis[axis], slice):
            x = take(x, per_axis[axis], axis)
    if None in [part for part in parts if not _is_array(part)]:
        x = _with_new_axes(x, parts)
    return view_of(whole, x.value)


def _is_array(part: Any) -> bool:
    return isinstance(part, (StandIn, np.ndarray, list)) and np.ndim(part) > 0


def _sliced(x: StandIn, per_axis: list[Any]) -> StandIn:
    """The slices among the indices, in one operator."""
    shape, chosen = list(x.shape), []
    for axis, part in enumerate(per_axis):
        if isinstance(part, slice) and part != slice(None):
            start, stop, step = part.start, part.stop, 1 if part.step is None else operator.index(part.step)
            n = _length(x.shape[axis], start, stop, step)
            if step < 0 or n != x.shape[axis]:
                shape[axis] = n
                ends = (0, LAST) if step > 0 else (LAST, FIRST)
                start, stop = (_bound(b, x.shape[axis], end) for b, end in zip((start, stop), ends))
                chosen.append((start, stop, axis, step))
    if not chosen:
        return x
    recorder = x.recorder
    columns = [recorder.integers(*column) for column in zip(*chosen)]
    return StandIn(recorder, recorder.add("Slice", x, *columns, shape=tuple(shape)))


def _length(n: int, start: Any, stop: Any, step: int) -> int:
    """How many elements a slice takes of an axis of length n."""
    if not isinstance(n, Size):
        if isinstance(start, Size) or isinstance(stop, Size):
            raise NotRecordable("a slice whose ends depend on an open axis")
        count = len(range(*slice(start, stop, step).indices(n)))
        return count
    if step == -1 and start is None and stop is None:
        return n
    if step != 1:
        raise NotRecordable("a slice with steps along an open axis")
    ends = start or 0, n if stop is None else stop
    first, last = (b + n if not isinstance(b, Size) and b < 0 else b for b in ends)
    return n if first == 0 and last == n else last - first


def _bound(bound: Any, n: int, default: int) -> int:
    """An end of a slice as a number, counted from the end of an open axis where it must be."""
    if bound is None or (isinstance(bound, Size) and bound == n):
        return default
    if isinstance(bound, Size):
        from_end = bound - n
        if isinstance(from_end, Size):
            raise NotRecordable("a slice whose ends depend on an open axis")
        return from_end
    return operator.index(bound)


def _with_new_axes(x: StandIn, parts: list[Any]) -> StandIn:
    places, place = [], 0
    for part in parts:
        if part is None:
            places.append(place)
        if part is None or isinstance(part, slice):
            place += 1
        elif _is_array(part):
            place += np.ndim(part)
    return _unsqueezed(x, places)


def _unsqueezed(x: StandIn, places: list[int]) -> StandIn:
    shape, lengths = [], iter(x.shape)
    for place in range(x.ndim + len(places)):
        shape.append(1 if place in places else next(lengths))
    recorder = x.recorder
    value = recorder.add("Unsqueeze", x, recorder.integers(*places), shape=tuple(shape))
    return view_of(x, value)


@records("take")
def take(x: Any, indices: Any, axis: int | None = None) -> StandIn:
    """The slices along an axis that an array of indices names."""
    recorder = recorder_of(x, indices)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    axis = axis_of(axis, np.ndim(x))
    if isinstance(indices, (int, np.integer)):
        n = np.shape(x)[axis]
        if not isinstance(n, Size) and not -n <= indices < n:
            raise IndexError(f"index {indices} is out of bounds for axis {axis} of length {n}")
    lengths = np.shape(x)
    shape = (*lengths[:axis], *np.shape(indices), *lengths[axis + 1 :])
    return StandIn(recorder, recorder.add("Gather", x, recorder.index(indices), shape=shape, axis=axis))


@records("take_along_axis")
def take_along_axis(x: StandIn, indices: Any, axis: int) -> StandIn:
    recorder, shape = recorder_of(x, indices), np.shape(indices)
    if axis is None or any(a != b for i, (a, b) in enumerate(zip(shape, np.shape(x))) if i != axis % len(shape)):
        raise NotRecordable("np.take_along_axis of arrays of different shapes")
    return StandIn(recorder, recorder.add("GatherElements", x, recorder.index(indices), shape=shape, axis=axis))


@records("reshape")
def reshape(x: StandIn, *sizes: Any, order: str = "C") -> StandIn:
    if order != "C":
        raise NotRecordable(f"a reshape in the order {order!r}")
    sizes = sizes[0] if len(sizes) == 1 and np.ndim(sizes[0]) else sizes
    if -1 in sizes:
        rest = math.prod(n for n in sizes if n != -1)
        sizes = [x.size // rest if n == -1 else n for n in sizes]
    return view_of(x, x.recorder.reshape(x, tuple(sizes)))


@records("ravel", "flatten")
def ravel(x: StandIn, *order: Any) -> StandIn:
    return reshape(x, (x.size,))


@records("transpose", "permute_dims")
def transpose(x: StandIn, *axes: Any) -> StandIn:
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or np.ndim(axes[0])) else axes
    order = [axis_of(a, x.ndim) for a in axes] if axes else list(reversed(range(x.ndim)))
    if order == list(range(x.ndim)):
        return x
    shape = tuple(x.shape[a] for a in order)
    return view_of(x, x.recorder.add("Transpose", x, shape=shape, perm=order))


@records("swapaxes")
def swapaxes(x: StandIn, a: int, b: int) -> StandIn:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


@records("moveaxis")
def moveaxis(x: StandIn, source: Any, destination: Any) -> StandIn:
    sources, destinations = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for place, axis in sorted(zip(destinations, sources)):
        order.insert(place, axis)
    return transpose(x, order)


@records("expand_dims")
def expand_dims(x: StandIn, axis: Any) -> StandIn:
    n = len(axis) if isinstance(axis, (tuple, list)) else 1
    return _unsqueezed(x, sorted(axes_of(axis, x.ndim + n)))


@records("squeeze")
def squeeze(x: StandIn, axis: Any = None) -> StandIn:
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    if not axes:
        return x
    return view_of(x, x.recorder.add("Squeeze", x, x.recorder.integers(*axes), shape=shape))


@records("atleast_1d", "atleast_2d")
def atleast_2d(x: StandIn) -> StandIn:
    return x if x.ndim >= 2 else reshape(x, (1, x.size))


FUNCTIONS["atleast_1d"] = lambda x: x if x.ndim else reshape(x, (1,))


@records("broadcast_to")
def broadcast_to(x: Any, shape: Any) -> StandIn:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return x if shape == x.shape else expand(x, shape)


def expand(x: StandIn, shape: Shape) -> StandIn:
    """The array repeated along new axes and those of length 1."""
    recorder = x.recorder
    return view_of(x, recorder.add("Expand", x, recorder.shape_value(shape), shape=shape))


@records("zeros_like", "ones_like", "full_like")
def filled_like(x: StandIn, *arguments: Any, **options: Any) -> StandIn:
    raise NotRecordable("an array that is made to be filled")


@records("concatenate")
def concatenate(arrays: Any, axis: int = 0) -> StandIn:
    arrays = list(arrays)
    recorder, dtype, first = recorder_of(*arrays), result_type(*arrays), np.shape(arrays[0])
    axis = axis_of(axis, len(first))
    shape = (*first[:axis], sum(np.shape(x)[axis] for x in arrays), *first[axis + 1 :])
    values = [recorder.cast(x, dtype) for x in arrays]
    return StandIn(recorder, recorder.add("Concat", *values, shape=shape, axis=axis))


@records("stack")
def stack(arrays: Any, axis: int = 0) -> StandIn:
    arrays = list(arrays)
    recorder = recorder_of(*arrays)
    axis = axis_of(axis, np.ndim(arrays[0]) + 1)
    return concatenate(
        [expand_dims(x if isinstance(x, StandIn) else StandIn(recorder, recorder.value(x)), axis) for x in arrays], axis
    )


@records("split", "array_split")
def split(x: StandIn, indices_or_sections: Any, axis: int = 0) -> list[StandIn]:
    axis, recorder = axis_of(axis, x.ndim), x.recorder
    if isinstance(x.shape[axis], Size):
        raise NotRecordable("a split along an open axis")
    lengths = [len(part) for part in np.array_split(np.arange(x.shape[axis]), indices_or_sections)]
    outputs = [(None, (*x.shape[:axis], length, *x.shape[axis + 1 :])) for length in lengths]
    values = recorder.add_all("Split", x, recorder.integers(*lengths), outputs=outputs, axis=axis)
    return [view_of(x, value) for value in values]


@records("pad")
def pad(x: StandIn, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> StandIn:
    kinds = {"constant": "constant", "edge": "edge", "reflect": "reflect"}
    if mode not in kinds or np.ndim(constant_values):
        raise NotRecordable(f"np.pad in the mode {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width, np.int64), (x.ndim, 2))
    shape = tuple(n + int(before) + int(after) for n, (before, after) in zip(x.shape, widths))
    recorder = x.recorder
    value = recorder.number(constant_values, x) if mode == "constant" else None
    inputs = [recorder.integers(*widths.T.ravel().tolist()), *([] if value is None else [value])]
    return StandIn(recorder, recorder.add("Pad", x, *inputs, shape=shape, mode=kinds[mode]))


@records("flip")
def flip(x: StandIn, axis: Any = None) -> StandIn:
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]


@records("repeat")
def repeat(x: StandIn, repeats: Any, axis: int | None = None) -> StandIn:
    if axis is None or np.ndim(repeats) or isinstance(x.shape[axis], Size):
        raise NotRecordable("np.repeat without an axis, or along an open one")
    return take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)


def on_rows(x: StandIn, n_axes: int) -> StandIn:
    """The array with a batch axis in front, of length 1 if it is a sample of `n_axes` axes."""
    return x if x.ndim > n_axes else np.expand_dims(x, 0)


def as_given(y: StandIn, x: StandIn, n_axes: int) -> StandIn:
    """The inverse for a result, whatever axes it has: without the batch axis if the input had none."""
    return y if x.ndim > n_axes else np.squeeze(y, 0)
