"""What pooling modules share: the windows along one axis, and the constructor arguments of those that slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.planewise import AxisMap, Planewise, regular, remembered
from nodegraph.nn.windows import Windows


class AxisWindows:
    """What each window sees along one axis: row i of `places` holds the places of window i, where `inside`.

    Where a place is not inside (in the padding, or past the end of a shorter window) stands a neighbour that is, so
    that a maximum may be taken over all columns alike.
    """

    def __init__(self, size: int, places: np.ndarray, inside: np.ndarray) -> None:
        self.size, self.inside = size, inside
        n, width = places.shape
        first, last = inside.argmax(1), width - 1 - inside[:, ::-1].argmax(1)
        column = np.clip(np.arange(width), first[:, None], last[:, None])
        self.places = places[np.arange(n)[:, None], column]
        self.columns = [(regular(column), column) for column in self.places.T]

    def __len__(self) -> int:
        return len(self.places)

    def sums(self, divisor: np.ndarray | None = None) -> AxisMap:
        """The map to the sum over each window, divided by the window's divisor."""
        window, column = np.nonzero(self.inside)
        weight = None if divisor is None else (1 / divisor)[window]
        return AxisMap(self.size, len(self), window, self.places[window, column], weight)

    def means(self) -> AxisMap:
        """The map to the mean over each window, what lies outside not counted."""
        return self.sums(self.inside.sum(1))


@remembered
def sliding(name: str, size: int, kernel: int, stride: int, pad: int, dilation: int, ceil: bool) -> AxisWindows:
    """Windows of `kernel` places, one window every `stride`, the first one `pad` before the axis begins.

    With `ceil` the last one may reach beyond the end, if only it starts in the input or in the padding before it.
    """
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * pad - extent
    count = (-(-room // stride) if ceil else room // stride) + 1
    if (count - 1) * stride >= size + pad:
        count -= 1
    if count < 1 or size < 1:
        least = max(1, extent - 2 * pad - (stride - 1 if ceil else 0))
        raise ShapeError(f"expected at least {least} elements along the {name}")
    places = np.arange(count)[:, None] * stride - pad + np.arange(kernel) * dilation
    inside = (places >= 0) & (places < size)
    if not inside.any(1).all():
        raise ShapeError(f"expected more elements along the {name}, where a dilated window sees padding alone")
    return AxisWindows(size, places, inside)


@remembered
def mean_over_padding(name: str, size: int, kernel: int, stride: int, pad: int, dilation: int, ceil: bool) -> AxisMap:
    """The map to the mean over each sliding window, where the padding counts as zeros, but nothing beyond it."""
    windows = sliding(name, size, kernel, stride, pad, dilation, ceil)
    start = np.arange(len(windows)) * stride - pad
    return windows.sums(np.minimum(start + kernel, size + pad) - start)


@remembered
def mean_inside(*arguments: int) -> AxisMap:
    """The map to the mean over the part of each sliding window that is not padding."""
    return sliding(*arguments).means()


@remembered
def sum_inside(*arguments: int) -> AxisMap:
    """The map to the sum over each sliding window."""
    return sliding(*arguments).sums()


@remembered
def adaptive(name: str, size: int, count: int) -> AxisWindows:
    """`count` windows that cover an axis: from floor(i size / count) to ceil((i + 1) size / count), exclusive."""
    if size < 1:
        raise ShapeError(f"expected at least 1 element along the {name}")
    i = np.arange(count)
    start, end = i * size // count, -(-(i + 1) * size // count)
    places = start[:, None] + np.arange((end - start).max())
    return AxisWindows(size, places, places < end[:, None])


class Sliding(Planewise):
    """Base of modules whose windows have a fixed size and slide over each axis.

    There are floor((size + 2 pad - dilation (kernel - 1) - 1) / stride) + 1 windows along an axis; in ceil mode the
    division rounds up, so that the last window may reach beyond the end.
    """

    ceil_mode = False

    def slide(
        self,
        kernel: tuple[Any, ...],
        stride: tuple[Any, ...],
        padding: tuple[Any, ...] | None = None,
        dilation: tuple[Any, ...] | None = None,
    ) -> None:
        """Take the constructor's arguments, in the order of the axes; a stride of None is the kernel's size."""
        stride = tuple(k if s is None else s for k, s in zip(kernel, stride))
        self.windows = Windows(kernel, stride, padding, dilation)
        if any(p > k // 2 for p, k in zip(self.windows.padding, self.windows.kernel)):
            raise ArgumentError(f"a padding must be at most half the kernel size, got {self.windows.padding}")

    def ceil(self) -> Sliding:
        """Round the number of windows up."""
        self.ceil_mode = True
        return self

    def floor(self) -> Sliding:
        """Round the number of windows down, the default."""
        self.ceil_mode = False
        return self

    def each_axis(self, function: Callable[..., Any], sizes: tuple[int, ...]) -> list[Any]:
        """What the function gives for the sliding windows of each axis."""
        w = self.windows
        arguments = zip(self.axis_names, sizes, w.kernel, w.stride, w.padding, w.dilation)
        return [function(*axis, self.ceil_mode) for axis in arguments]

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(len(windows) for windows in self.each_axis(sliding, sizes))
