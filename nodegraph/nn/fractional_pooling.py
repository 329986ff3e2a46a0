"""Fractional max-pooling: windows at random places, so that a plane may shrink by any ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.max_pooling import MaxPooling
from nodegraph.nn.parametric import size
from nodegraph.random import generator


@dataclass
class RandomWindows:
    """Windows of `width` places along an axis, other ones in each plane: window i starts at `start[plane, i]`."""

    start: np.ndarray
    width: int

    @property
    def columns(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(self.start + k, self.start + k) for k in range(self.width)]


class FractionalMaxPooling(MaxPooling):
    """Base of fractional max-pooling. Pool sizes and output sizes are given from the last axis to the first.

    At every forward, in training and evaluation alike, u is drawn from [0, 1) for each plane and axis; the windows of
    length p start at floor(a (i + u)) - floor(a u) with a = (n - p) / (out - 1), the last one at n - p.
    """

    def __init__(self, pool_sizes: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        self.pool_sizes = tuple(size(p, "a pool size") for p in reversed(pool_sizes))
        if min(self.pool_sizes) < 2:
            raise ArgumentError(f"the pool sizes must be at least 2, got {pool_sizes}")
        if all(isinstance(r, float) and 0 < r < 1 for r in outputs):
            self.ratios: Any = tuple(reversed(outputs))
            self.counts: Any = None
        else:
            self.ratios, self.counts = None, tuple(size(n, "an output size") for n in reversed(outputs))
        self.fixed = False
        self.random_samples: np.ndarray | None = None

    def fix_pooling_regions(self, fixed: bool = True) -> FractionalMaxPooling:
        """Keep the windows of the last forward, or of the next one, as long as the batch and the planes are as many."""
        self.fixed = bool(fixed)
        return self

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        counts = self.counts or tuple(math.floor(n * r) for n, r in zip(sizes, self.ratios))
        for name, n, count, pool in zip(self.axis_names, sizes, counts, self.pool_sizes):
            if count < 1 or n < count + pool:
                enough = f"at least {count + pool}" if self.counts else "more"
                raise ShapeError(f"expected {enough} elements along the {name}")
        return counts

    def rowwise(self, shape: Any) -> bool:
        return False  # fixed regions belong to one batch, not to several stacked

    def windows_of(self, shape: tuple[int, ...]) -> list[Any]:
        sizes = self.sizes(shape)
        planes = shape[: len(shape) - len(sizes)]
        # Torch's layout: one row of samples for each plane, the first one for the last axis.
        drawn = (1, *planes)[-2:] + (len(sizes),)
        if not self.fixed or self.random_samples is None or self.random_samples.shape != drawn:
            self.random_samples = generator().random(drawn)
        samples = self.random_samples.reshape(*planes, len(sizes))[..., ::-1]
        axes = zip(sizes, self.resized(sizes), self.pool_sizes, np.moveaxis(samples, -1, 0))
        return [RandomWindows(starts(n, count, pool, u), pool) for n, count, pool, u in axes]


def starts(n: int, count: int, pool: int, u: np.ndarray) -> np.ndarray:
    """Where each of the windows starts: (..., count) for samples of any shape."""
    step = (n - pool) / max(count - 1, 1)
    u = u[..., None]
    start = np.floor((np.arange(count) + u) * step) - np.floor(u * step)
    start[..., -1] = n - pool
    return start.astype(np.intp)


class SpatialFractionalMaxPooling(FractionalMaxPooling):
    """The maximum of windows of pool_size_w x pool_size_h elements, which overlap at random.

    (batch, planes, height, width) -> (batch, planes, rows, columns), or the same without batch. `out_w` and `out_h`
    are the numbers of columns and rows, or, if both lie between 0 and 1, ratios: columns = floor(width x out_w). With
    a = (width - pool_size_w) / (columns - 1), the windows of a plane start at the columns floor(a (i + u)) -
    floor(a u), the last one at width - pool_size_w, where u is uniform on [0, 1), drawn anew for each plane at every
    forward; rows likewise. The input must be at least as large as the number of windows + the pool size.

    `random_samples` (batch, planes, 2) holds the last u, first those for the columns; `fix_pooling_regions()` keeps
    them.

    >>> SpatialFractionalMaxPooling(2, 2, 0.7, 0.7).forward(np.zeros((3, 10, 10))).shape
    (3, 7, 7)

    Source: torch/nn, SpatialFractionalMaxPooling.lua; Graham, Fractional Max-Pooling (2014).
    """

    def __init__(self, pool_size_w: int, pool_size_h: int, out_w: float, out_h: float) -> None:
        super().__init__((pool_size_w, pool_size_h), (out_w, out_h))


class VolumetricFractionalMaxPooling(FractionalMaxPooling):
    """SpatialFractionalMaxPooling in three dimensions, of which, unlike in the other modules, time comes last.

    (batch, planes, height, width, time) -> (batch, planes, rows, columns, times), or the same without batch.
    `random_samples` is (batch, planes, 3), for time, width, height.

    >>> VolumetricFractionalMaxPooling(2, 2, 2, 3, 4, 5).forward(np.zeros((1, 9, 8, 7))).shape
    (1, 5, 4, 3)

    Source: torch/nn, VolumetricFractionalMaxPooling.lua.
    """

    axis_names = ("height", "width", "time")

    def __init__(
        self, pool_size_t: int, pool_size_w: int, pool_size_h: int, out_t: float, out_w: float, out_h: float
    ) -> None:
        super().__init__((pool_size_t, pool_size_w, pool_size_h), (out_t, out_w, out_h))
