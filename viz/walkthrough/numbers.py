"""Numbers for a page: arrays rounded to what is shown, each stored once, large ones summarised in blocks."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from nodegraph import table

DIGITS = 4
"""Significant digits of every number on a page."""

MOST, HIGHEST, SIDE = 1024, 64, 16
"""Arrays of more numbers, or of more rows, are summarised, by at most so many blocks along either side."""

Reference = Any
"""The place of an array in the store, a list of references for a table, None for a gradient of zeros."""


class Store:
    """The arrays of a page, as JSON; equal ones are kept once.

    An entry has the `shape`, and the numbers as little-endian floats in base64, rounded before; `stats` has the least,
    the largest, their mean and their norm. One with `blocks` (rows, columns) holds for each block of the array, seen
    as a matrix, the mean, then for each the least, then for each the largest number.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def add(self, value: Any, whole_columns: bool = False) -> Reference:
        """Keep a value; with `whole_columns` a matrix is summarised only along its columns."""
        if value is None:
            return None
        if table.is_table(value):
            return [self.add(part, whole_columns) for part in value]
        array = np.asarray(value)
        key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(entry(array, whole_columns))
        return self._known[key]


def entry(array: np.ndarray, whole_columns: bool = False) -> dict[str, Any]:
    """One array as JSON; see `Store`."""
    found: dict[str, Any] = {"shape": list(array.shape)}
    if array.size == 0:
        return {**found, "data": "", "stats": []}
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64)
        found["stats"] = [plain(x) for x in (wide.min(), wide.max(), wide.mean(), np.sqrt((wide**2).sum()))]
        high = array.ndim > 1 and (array.shape[-1] > 1 or whole_columns) and array.size > HIGHEST * array.shape[-1]
        if high or (array.size > MOST and not whole_columns):
            found["blocks"], wide = blocks(wide, whole_columns)
    exact = array.dtype.kind in "iub" and "blocks" not in found
    numbers = np.ravel(wide) if exact else np.array([float(f"{x:.{DIGITS}g}") for x in np.ravel(wide).tolist()])
    kind = "<f4" if _fits_float32(numbers, exact) else "<f8"
    if exact:
        found["whole"] = True
    if kind == "<f8":
        found["double"] = True
    return {**found, "data": base64.b64encode(numbers.astype(kind).tobytes()).decode()}


def blocks(array: np.ndarray, whole_columns: bool) -> tuple[list[int], np.ndarray]:
    """How many rows and columns of blocks, and the means, least and largest numbers of them all.

    A matrix is cut along both axes; other arrays are seen as one, with the last axis along the rows. What is a single
    row is cut into pieces of its length.
    """
    matrix = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    if len(matrix) == 1:
        edges = _edges(matrix.shape[1], SIDE * SIDE)
        means = np.add.reduceat(matrix[0], edges) / np.diff([*edges, matrix.shape[1]])
        extremes = [function.reduceat(matrix[0], edges) for function in (np.minimum, np.maximum)]
        return [SIDE, SIDE], np.concatenate([means, *extremes])
    rows = _edges(matrix.shape[0], SIDE * (2 if whole_columns else 1))
    columns = np.arange(matrix.shape[1]) if whole_columns else _edges(matrix.shape[1], SIDE)
    sizes = np.outer(np.diff([*rows, matrix.shape[0]]), np.diff([*columns, matrix.shape[1]]))
    cut = [f.reduceat(f.reduceat(matrix, rows, 0), columns, 1) for f in (np.add, np.minimum, np.maximum)]
    return [len(rows), len(columns)], np.concatenate([(cut[0] / sizes).ravel(), cut[1].ravel(), cut[2].ravel()])


def plain(number: float) -> float | str:
    """A number rounded to what is shown, as JSON can hold it."""
    rounded = float(f"{number:.{DIGITS}g}")
    return rounded if np.isfinite(rounded) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(rounded)]


def _edges(n: int, most: int) -> np.ndarray:
    """Where each of at most `most` pieces of a length of n begins."""
    return (np.arange(min(n, most)) * n) // min(n, most)


def _fits_float32(numbers: np.ndarray, exact: bool) -> bool:
    """Whether float32 keeps the numbers' digits: all of whole numbers, else those that are shown."""
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    if exact:
        return not sizes.size or sizes.max() <= 2**24
    return not sizes.size or (sizes.min() > 1e-37 and sizes.max() < 3e38)
