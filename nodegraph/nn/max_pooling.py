"""Max-pooling: the largest element of each window, and the gradient to the place where it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.planewise import Planewise, at
from nodegraph.nn.pooling import AxisWindows, Sliding, sliding


class MaxPooling(Planewise):
    """Base of the max-pooling modules; a subclass gives the windows of each axis in `windows_of`.

    Ties go to the first element in a window, row by row. NaN in a window gives NaN (Torch7 skips it).
    """

    input_sizes: tuple[int, ...] | None = None
    """The sizes of a plane of the input that was last seen; an unpooling module restores them."""

    @property
    def indices(self) -> np.ndarray | None:
        """Where in its plane, counted row by row, the last run found each maximum; None before any run."""
        return None if self.saved is None else self.saved[0]

    def windows_of(self, shape: tuple[int, ...]) -> list[Any]:
        """The windows along each axis, for an input of this shape."""
        raise NotImplementedError

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        output_shape = super().output_shape(shape)
        self.input_sizes = self.sizes(shape)
        return output_shape

    def update_output(self, input: np.ndarray) -> np.ndarray:
        sizes = self.sizes(input.shape)
        output, indices = maxima(input, self.windows_of(input.shape), sizes)
        self.saved = indices, sizes
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return scatter(grad_output, *self.saved)


def maxima(x: np.ndarray, windows: list[Any], sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The maximum over each window and its place in the plane.

    The maximum over a box is that over its rows of the maxima along them, so it is taken along one axis after the
    other.
    """
    best: Any = x
    places: Any = None
    stride = 1
    for axis in range(-1, -len(sizes) - 1, -1):
        values, found, best = best, places, None
        for index, column in windows[axis].columns:
            candidate = take(values, index, axis)
            place = spread(column * stride, axis, len(sizes))
            if found is not None:
                place = place + take(found, index, axis)
            if best is None:
                best, places = candidate, place
            else:
                places = np.where(candidate > best, place, places)
                best = np.maximum(best, candidate)
        places = np.broadcast_to(places, best.shape)
        stride *= sizes[axis]
    return (best if best.base is None else best.copy()), np.ascontiguousarray(places)


def take(values: np.ndarray, index: Any, axis: int) -> np.ndarray:
    """The elements at an index along a negative axis; one that differs from plane to plane has the planes' axes too."""
    if isinstance(index, np.ndarray) and index.ndim > 1:
        return np.take_along_axis(values, spread(index, axis, values.ndim - index.ndim + 1), axis)
    return values[at(index, axis)]


def spread(index: np.ndarray, axis: int, n_axes: int) -> np.ndarray:
    """An index (..., n) with its last axis at `axis` of `n_axes`, the others of length 1."""
    return index.reshape(*index.shape[:-1], *(1,) * (n_axes + axis), index.shape[-1], *(1,) * (-axis - 1))


def scatter(values: np.ndarray, places: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Planes of the given sizes, where each value is added at its place."""
    lead = values.shape[: values.ndim - len(sizes)]
    planes, n = math.prod(lead), math.prod(sizes)
    flat = places.reshape(planes, math.prod(places.shape[len(lead) :])) + np.arange(planes)[:, None] * n
    sums = np.bincount(flat.ravel(), values.ravel(), minlength=planes * n)
    return sums.reshape(*lead, *sizes).astype(values.dtype if values.dtype.kind == "f" else float, copy=False)


class SlidingMaxPooling(Sliding, MaxPooling):
    """Max-pooling over windows of a fixed size. Padding never is the maximum."""

    def windows_of(self, shape: tuple[int, ...]) -> list[AxisWindows]:
        return self.each_axis(sliding, self.sizes(shape))


class TemporalMaxPooling(SlidingMaxPooling):
    """y[t, f] = max over k < kW of x[t dW + k, f]: (batch, frames, features) -> (batch, out, features).

    The input may lack the batch; out = floor((frames - kW) / dW) + 1; `d_w` is `k_w` unless given.
    `indices` holds the frame of each maximum.

    >>> TemporalMaxPooling(2).forward(np.array([[1.0], [3.0], [2.0], [0.0]]))
    array([[3.],
           [2.]])

    Source: torch/nn, TemporalMaxPooling.lua.
    """

    axis_names = ("frames",)

    def __init__(self, k_w: int, d_w: int | None = None) -> None:
        self.slide((k_w,), (d_w,))

    @property
    def indices(self) -> np.ndarray | None:
        return None if self.saved is None else self.saved[0].swapaxes(-1, -2)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (2, 3):
            raise ShapeError("expected an array of shape (batch, frames, features) or (frames, features)")
        return frames_last(super().output_shape(frames_last(shape)))

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(super().update_output(input.swapaxes(-1, -2)).swapaxes(-1, -2))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        grad_input = super().update_grad_input(input, grad_output.swapaxes(-1, -2))
        return np.ascontiguousarray(grad_input.swapaxes(-1, -2))


def frames_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


class SpatialMaxPooling(SlidingMaxPooling):
    """y[i, j] = max over u < kH, v < kW of x[i dH + u - padH, j dW + v - padW], what lies outside x left out.

    (batch, planes, height, width) -> (batch, planes, rows, columns), or the same without batch, where rows =
    floor((height + 2 padH - kH) / dH) + 1 and columns likewise, or after `ceil()` rounded up. A window that would
    start beyond the image is left out (Torch7 keeps it if there is no padding at all, and gives -inf for it). The
    strides are the kernel's sizes unless given; the padding is at most half the kernel's size. `indices` holds the
    place of each maximum in its plane, row x width + column.

    >>> SpatialMaxPooling(2, 2).forward(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])

    Source: torch/nn, SpatialMaxPooling.lua.
    """

    def __init__(
        self,
        k_w: int,
        k_h: int,
        d_w: int | None = None,
        d_h: int | None = None,
        pad_w: int = 0,
        pad_h: int = 0,
    ) -> None:
        self.slide((k_h, k_w), (d_h, d_w), (pad_h, pad_w))


class SpatialDilatedMaxPooling(SpatialMaxPooling):
    """SpatialMaxPooling with gaps in the windows: x[i dH + u dilationH - padH, j dW + v dilationW - padW].

    rows = floor((height + 2 padH - dilationH (kH - 1) - 1) / dH) + 1 and columns likewise.

    >>> SpatialDilatedMaxPooling(2, 2, 1, 1, 0, 0, 2, 2).forward(np.arange(16.0).reshape(1, 4, 4))
    array([[[10., 11.],
            [14., 15.]]])

    Source: torch/nn, SpatialDilatedMaxPooling.lua.
    """

    def __init__(
        self,
        k_w: int,
        k_h: int,
        d_w: int | None = None,
        d_h: int | None = None,
        pad_w: int = 0,
        pad_h: int = 0,
        dilation_w: int = 1,
        dilation_h: int = 1,
    ) -> None:
        self.slide((k_h, k_w), (d_h, d_w), (pad_h, pad_w), (dilation_h, dilation_w))


class VolumetricMaxPooling(SlidingMaxPooling):
    """SpatialMaxPooling over time, height and width: (batch, planes, time, height, width), or the same without batch.

    `indices` holds the place of each maximum in its volume, (time x height + row) x width + column.

    >>> VolumetricMaxPooling(2, 2, 2).forward(np.zeros((3, 8, 6, 4))).shape
    (3, 4, 3, 2)

    Source: torch/nn, VolumetricMaxPooling.lua.
    """

    axis_names = ("time", "height", "width")

    def __init__(
        self,
        k_t: int,
        k_w: int,
        k_h: int,
        d_t: int | None = None,
        d_w: int | None = None,
        d_h: int | None = None,
        pad_t: int = 0,
        pad_w: int = 0,
        pad_h: int = 0,
    ) -> None:
        self.slide((k_t, k_h, k_w), (d_t, d_h, d_w), (pad_t, pad_h, pad_w))


class VolumetricDilatedMaxPooling(VolumetricMaxPooling):
    """VolumetricMaxPooling with gaps in the windows, as SpatialDilatedMaxPooling has them.

    Torch7 overlooks the last elements of a window that starts two or more places in the padding; here they count.

    >>> VolumetricDilatedMaxPooling(2, 2, 2, 1, 1, 1, 0, 0, 0, 1, 2, 2).forward(np.zeros((3, 8, 6, 4))).shape
    (3, 7, 4, 2)

    Source: torch/nn, VolumetricDilatedMaxPooling.lua.
    """

    def __init__(
        self,
        k_t: int,
        k_w: int,
        k_h: int,
        d_t: int | None = None,
        d_w: int | None = None,
        d_h: int | None = None,
        pad_t: int = 0,
        pad_w: int = 0,
        pad_h: int = 0,
        dilation_t: int = 1,
        dilation_w: int = 1,
        dilation_h: int = 1,
    ) -> None:
        kernel, stride = (k_t, k_h, k_w), (d_t, d_h, d_w)
        self.slide(kernel, stride, (pad_t, pad_h, pad_w), (dilation_t, dilation_h, dilation_w))
