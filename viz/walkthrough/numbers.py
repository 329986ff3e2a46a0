"""Numbers for a page: arrays rounded to what is shown, each stretch kept once, large ones summarised in blocks."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NamedTuple

import numpy as np

from nodegraph import table

DIGITS = 4
"""Significant digits of every number on a page."""


class Detail(NamedTuple):
    """Arrays of more than `most` numbers are summarised, by at most `side` blocks along either side."""

    most: int
    side: int


DETAILS = (Detail(1024, 16), Detail(1024, 8), Detail(100, 6), Detail(64, 4))
"""How much of an array is kept: the most, and where a page would become too large, less."""

HIGHEST = 64
"""Arrays of more rows are summarised, too."""

BYTES, LOWEST, SIGNED = 3, -327, 20001
"""A number of four digits, ±m · 10^e, is (e - LOWEST) · SIGNED + 10000 ± m in so many bytes, the lowest one first."""

ODD = {"nan": 0, "inf": SIGNED, "-inf": 2 * SIGNED}
"""What stands for that which is no number of four digits: in none of these is m below 10000."""

ENTRY = 85
"""About how many characters an entry takes besides its numbers."""

Reference = Any
"""The place of an array in the store, a list of references for a table, None for a gradient of zeros."""


class Store:
    """The arrays of a page, as JSON, and their `numbers`, in base64.

    An entry has the `shape`, and `at`, where its numbers begin; what is a part of an array that is there already, such
    as the output of a view, begins inside that. Whole numbers are a list of their own, `whole`. `stats` has the least,
    the largest, their mean and their norm. An entry with `blocks` (rows, columns) holds for each block of the array,
    seen as a matrix, the mean, then for each the least, then for each the largest number.
    """

    def __init__(self, detail: Detail = DETAILS[0]) -> None:
        self.detail = detail
        self.entries: list[dict[str, Any]] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self._packed = bytearray()
        self._begins: dict[bytes, int] = {}

    @property
    def numbers(self) -> str:
        """All numbers, one after the other."""
        return base64.b64encode(self._packed).decode()

    @property
    def size(self) -> int:
        """About how many characters all of it takes on a page."""
        return len(self._packed) * 4 // 3 + ENTRY * len(self.entries)

    def add(self, value: Any, whole_columns: bool = False) -> Reference:
        """Keep a value; with `whole_columns` a matrix is summarised only along its columns."""
        if value is None:
            return None
        if table.is_table(value):
            return [self.add(part, whole_columns) for part in value]
        array = np.asarray(value)
        key = (array.shape, array.dtype.str, whole_columns, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(self._entry(array, whole_columns))
        return self._known[key]

    def _entry(self, array: np.ndarray, whole_columns: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"shape": list(array.shape)}
        if array.size == 0:
            return {**found, "stats": []}
        with np.errstate(all="ignore"):
            wide = array.astype(np.float64)
            found["stats"] = [plain(x) for x in (wide.min(), wide.max(), wide.mean(), np.sqrt((wide**2).sum()))]
            high = array.ndim > 1 and (array.shape[-1] > 1 or whole_columns) and array.size > HIGHEST * array.shape[-1]
            if high or (array.size > self.detail.most and not whole_columns):
                found["blocks"], wide = blocks(wide, self.detail.side, whole_columns)
        if array.dtype.kind in "iub" and "blocks" not in found:
            return {**found, "whole": [int(x) for x in np.ravel(array)]}
        return {**found, "at": self._place(packed(wide))}

    def _place(self, content: bytes) -> int:
        """Where these numbers begin among all, to which they are added unless they are there already."""
        if content not in self._begins:
            at = self._packed.find(content)
            while at > 0 and at % BYTES:
                at = self._packed.find(content, at + 1)
            if at < 0:
                at = len(self._packed)
                self._packed += content
            self._begins[content] = at // BYTES
        return self._begins[content]


def blocks(array: np.ndarray, side: int, whole_columns: bool = False) -> tuple[list[int], np.ndarray]:
    """How many rows and columns of blocks, at most `side`, and the means, least and largest numbers of them all.

    A matrix is cut along both axes; other arrays are seen as one, with the last axis along the rows. What is a single
    row is cut into pieces of its length.
    """
    matrix = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    if len(matrix) == 1:
        edges = _edges(matrix.shape[1], side * side)
        means = np.add.reduceat(matrix[0], edges) / np.diff([*edges, matrix.shape[1]])
        extremes = [function.reduceat(matrix[0], edges) for function in (np.minimum, np.maximum)]
        return [side, side], np.concatenate([means, *extremes])
    rows = _edges(matrix.shape[0], side * (2 if whole_columns else 1))
    columns = np.arange(matrix.shape[1]) if whole_columns else _edges(matrix.shape[1], side)
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


def packed(numbers: np.ndarray) -> bytes:
    """Numbers, rounded to four digits, as bytes; see BYTES."""
    codes = np.array([_code(number) for number in np.ravel(numbers).tolist()], "<u4")
    return codes.view(np.uint8).reshape(-1, 4)[:, :BYTES].tobytes()


def _code(number: float) -> int:
    if number == 0:
        return 10000
    if not np.isfinite(number):
        return ODD[str(number)]
    digits, exponent = f"{number:.{DIGITS - 1}e}".split("e")
    return (int(exponent) - DIGITS + 1 - LOWEST) * SIGNED + 10000 + int(digits.replace(".", ""))
