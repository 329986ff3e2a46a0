"""Adaptive pooling: the output has a fixed size, and the windows follow from it and from the input's size."""

from __future__ import annotations

from typing import Any

from nodegraph.nn.max_pooling import MaxPooling
from nodegraph.nn.parametric import size
from nodegraph.nn.planewise import AxisMap, Planewise, Resampling, remembered
from nodegraph.nn.pooling import AxisWindows, adaptive


class SpatialAdaptive(Planewise):
    """Base of pooling to `w` columns and `h` rows."""

    def __init__(self, w: int, h: int) -> None:
        self.counts = size(h, "h"), size(w, "w")

    def adaptive_windows(self, sizes: tuple[int, ...]) -> list[AxisWindows]:
        """The windows along each axis of planes of these sizes."""
        return [adaptive(name, n, count) for name, n, count in zip(self.axis_names, sizes, self.counts)]

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        self.adaptive_windows(sizes)
        return self.counts


class SpatialAdaptiveMaxPooling(SpatialAdaptive, MaxPooling):
    """The maximum of each of w x h windows: (batch, planes, height, width) -> (batch, planes, h, w), or without batch.

    Window (i, j) has the rows from floor(i height / h) up to, and without, ceil((i + 1) height / h), and columns
    likewise. `indices` holds the place of each maximum in its plane, row x width + column. Torch7 works the bounds
    out in single precision, so that at some sizes (13 x 13 to 13 x 13) a window has a row too many; here they are
    exact.

    >>> SpatialAdaptiveMaxPooling(2, 1).forward(np.array([[[1.0, 2.0, 9.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]))
    array([[[6., 9.]]])

    Source: torch/nn, SpatialAdaptiveMaxPooling.lua.
    """

    def windows_of(self, shape: tuple[int, ...]) -> list[Any]:
        return self.adaptive_windows(self.sizes(shape))


class SpatialAdaptiveAveragePooling(SpatialAdaptive, Resampling):
    """The mean of each of w x h windows, which are those of SpatialAdaptiveMaxPooling.

    (batch, planes, height, width) -> (batch, planes, h, w), or the same without batch.

    >>> SpatialAdaptiveAveragePooling(2, 1).forward(np.array([[[1.0, 2.0, 9.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]))
    array([[[3.5, 7. ]]])

    Source: torch/nn, SpatialAdaptiveAveragePooling.lua.
    """

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        return [adaptive_mean(name, n, count) for name, n, count in zip(self.axis_names, sizes, self.counts)]


@remembered
def adaptive_mean(name: str, n: int, count: int) -> AxisMap:
    return adaptive(name, n, count).means()
