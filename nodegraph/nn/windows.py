"""Windows: what a kernel sees as it moves over planes, in any number of dimensions, and the products made with it.

Every convolution is one of three matrix products with the *columns*, a matrix that lists the windows: the forward of an
ordinary convolution and the backward of a transposed one is `correlate`, the other way round it is `spread`, and the
gradient of the weights of both is `correlation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nodegraph.errors import ArgumentError
from nodegraph.nn.parametric import size
from nodegraph.nn.view import integer

BLOCK_BYTES = 1 << 22
"""The columns are made for a few samples at a time, no more than stay in a processor's cache."""


class Windows:
    """The places where a kernel is put: its size, stride, zero padding on both sides, and dilation in each dimension.

    A stride, padding or dilation that is None, for all dimensions or for one, is 1, 0 or 1.
    Arrays of planes have the shape (batch, planes, *sizes); a *matrix* (groups, out, in x kernel) holds the weights,
    where each of the groups connects planes of its own.

    >>> Windows((3, 3), stride=(2, 2), padding=(1, 1)).counts((5, 6))
    (3, 3)
    """

    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: tuple[int | None, ...] | None = None,
        padding: tuple[int | None, ...] | None = None,
        dilation: tuple[int | None, ...] | None = None,
    ) -> None:
        unset = (None,) * len(kernel)
        self.kernel = tuple(size(k, "a kernel size") for k in kernel)
        self.stride = tuple(1 if s is None else size(s, "a stride") for s in stride or unset)
        self.padding = tuple(0 if p is None else integer(p, "a padding") for p in padding or unset)
        self.dilation = tuple(1 if d is None else size(d, "a dilation") for d in dilation or unset)
        if min(self.padding) < 0:
            raise ArgumentError(f"a padding must not be negative, got {self.padding}")
        self.extent = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))
        """How far the kernel reaches, gaps included."""

    def dilated(self, dilation: tuple[int, ...]) -> Windows:
        """The same with that dilation."""
        return Windows(self.kernel, self.stride, self.padding, dilation)

    def counts(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """How many windows there are along each axis of such planes; below 1 where the kernel does not fit."""
        return tuple((n + 2 * p - e) // s + 1 for n, p, e, s in zip(sizes, self.padding, self.extent, self.stride))

    def sizes(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of the smallest planes that have so many windows."""
        return tuple((c - 1) * s + e - 2 * p for c, p, e, s in zip(counts, self.padding, self.extent, self.stride))

    def view(self, padded: np.ndarray) -> np.ndarray:
        """Padded planes (batch, planes, *sizes) seen as (planes, *kernel, batch, *counts); copies nothing."""
        n = len(self.kernel)
        windows = sliding_window_view(padded, self.extent, tuple(range(2, 2 + n)), writeable=padded.flags.writeable)
        steps: tuple[Any, ...] = tuple(slice(None, None, s) for s in self.stride + self.dilation)
        windows = windows[(..., *steps)]
        return windows.transpose(1, *range(2 + n, 2 + 2 * n), 0, *range(2, 2 + n))

    def pad(self, planes: np.ndarray) -> np.ndarray:
        """The planes with their border of zeros."""
        if not any(self.padding):
            return planes
        grown = [n + 2 * p for n, p in zip(planes.shape[2:], self.padding)]
        padded = np.zeros((*planes.shape[:2], *grown), planes.dtype)
        padded[self._inside(planes.shape[2:])] = planes
        return padded

    def _inside(self, sizes: tuple[int, ...]) -> tuple[Any, ...]:
        return (..., *(slice(p, p + n) for p, n in zip(self.padding, sizes)))

    def _parts(
        self, batch: int, planes: int, counts: tuple[int, ...], dtype: np.dtype
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """The batch in parts, each with room for its columns (planes, *kernel, samples, *counts), the same for all."""
        one = planes * math.prod(self.kernel) * math.prod(counts)
        step = min(batch, max(1, BLOCK_BYTES // (one * dtype.itemsize)))
        room = np.empty(step * one, dtype)
        for start in range(0, batch, max(step, 1)):
            n = min(step, batch - start)
            yield slice(start, start + n), room[: n * one].reshape(planes, *self.kernel, n, *counts)

    def columns(self, planes: np.ndarray, groups: int = 1) -> Iterator[tuple[slice, np.ndarray]]:
        """Parts of the batch, each with its columns (groups, planes x kernel, samples x windows) until the next one."""
        view = self.view(self.pad(planes))
        before = (slice(None),) * (1 + len(self.kernel))
        batch, count = planes.shape[:2]
        for block, room in self._parts(batch, count, view.shape[2 + len(self.kernel) :], planes.dtype):
            np.copyto(room, view[(*before, block)])
            yield block, room.reshape(groups, planes.shape[1] // groups * math.prod(self.kernel), -1)

    def correlate(self, planes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """At each window the matrix times what the window shows: (batch, groups x out, *counts)."""
        groups, out, _ = matrix.shape
        planes = planes.astype(np.result_type(planes, matrix), copy=False)
        counts = self.counts(planes.shape[2:])
        output = np.empty((len(planes), groups * out, *counts), planes.dtype)
        for block, columns in self.columns(planes, groups):
            output[block] = (matrix @ columns).reshape(groups * out, -1, *counts).swapaxes(0, 1)
        return output

    def spread(self, values: np.ndarray, matrix: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        """The transpose of `correlate`: each value adds its weights to its window, in planes of these sizes."""
        groups, _, rows = matrix.shape
        planes = groups * rows // math.prod(self.kernel)
        values = values.astype(np.result_type(values, matrix), copy=False)
        counts = values.shape[2:]
        output = np.empty((len(values), planes, *sizes), values.dtype)
        # With a single row the product is an outer one, for which NumPy's multiply is quicker.
        product = np.multiply if matrix.shape[1] == 1 else np.matmul
        for block, room in self._parts(len(values), planes, counts, values.dtype):
            product(matrix.swapaxes(1, 2), in_rows(values[block], groups), out=room.reshape(groups, rows, -1))
            output[block] = self.scatter(room, sizes)
        return output

    def scatter(self, columns: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
        """Planes of these sizes, in which the windows (planes, *kernel, batch, *counts) are added up."""
        grown = [n + 2 * p for n, p in zip(sizes, self.padding)]
        padded = np.zeros((columns.shape[1 + len(self.kernel)], len(columns), *grown), columns.dtype)
        view = self.view(padded)
        # Windows overlap, but not at one and the same place of the kernel: a loop over these places adds up everything.
        for place in np.ndindex(self.kernel):
            view[(slice(None), *place)] += columns[(slice(None), *place)]
        return padded[self._inside(sizes)]

    def correlation(self, planes: np.ndarray, values: np.ndarray, groups: int = 1) -> np.ndarray:
        """The sum over all windows of value times window, a matrix: the gradient of `correlate` to its matrix."""
        dtype = np.result_type(planes, values)
        planes, values = planes.astype(dtype, copy=False), values.astype(dtype, copy=False)
        rows = planes.shape[1] // groups * math.prod(self.kernel)
        matrix = np.zeros((groups, values.shape[1] // groups, rows), dtype)
        for block, columns in self.columns(planes, groups):
            matrix += in_rows(values[block], groups) @ columns.swapaxes(1, 2)
        return matrix


def in_rows(values: np.ndarray, groups: int) -> np.ndarray:
    """Values (batch, groups x out, *counts) as (groups, out, batch x counts)."""
    return values.swapaxes(0, 1).reshape(groups, values.shape[1] // groups, -1)
