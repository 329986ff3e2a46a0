"""The bytes of a .t7 file: numbers and text in one of Torch7's encodings, binary or ascii.

Nothing is allocated for a size that a file declares before it is known that the file has so many bytes left.
"""

from __future__ import annotations

import math
import re
import struct
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from nodegraph.errors import T7Error

TOKEN = re.compile(rb"\s*([^\s]{1,40})")
TOKENS_AT_ONCE = 4096

OTHER_FILES = {
    b"version https://git-lfs": "is a pointer of Git LFS, which `git lfs pull` replaces by the file itself",
    b"PK\3\4": "is an archive of PyTorch's or another zip, not a file of Torch7's",
    b"\x80\2": "is a pickle, such as PyTorch writes, not a file of Torch7's",
    b"\x80\3": "is a pickle, such as PyTorch writes, not a file of Torch7's",
    b"\x80\4": "is a pickle, such as PyTorch writes, not a file of Torch7's",
    b"\x1f\x8b": "is packed by gzip: unpack it first",
    b"\x89HDF": "is an HDF5 file, such as Keras writes, not a file of Torch7's",
}
"""How files begin that bear the names of Torch7's, and what is to be said of them."""


class Source(ABC):
    """The bytes and a place in them. A subclass reads the numbers at that place and moves on."""

    long_size = 8
    least_value, least_entry = 1, 4
    """The least number of bytes for a value, and for a key with its value."""

    def __init__(self, content: bytes) -> None:
        self.content, self.position = content, 0

    @property
    def remaining(self) -> int:
        return len(self.content) - self.position

    def fail(self, message: str, at: int | None = None) -> T7Error:
        """The error to raise: what is wrong, and at which byte."""
        return T7Error(message, self.position if at is None else at)

    def take(self, count: int, what: str) -> memoryview:
        """The next bytes; T7Error if there are fewer."""
        if not 0 <= count <= self.remaining:
            raise self.fail(f"{what} of {count} bytes does not fit into the {self.remaining} that are left")
        start, self.position = self.position, self.position + count
        return memoryview(self.content)[start : start + count]

    @abstractmethod
    def integer(self) -> int:
        """A whole number of 4 bytes: a size, an index, the kind of a value."""

    @abstractmethod
    def double(self) -> float:
        """Lua's own kind of number."""

    @abstractmethod
    def text(self) -> bytes:
        """Bytes after their number."""

    @abstractmethod
    def numbers(self, dtype: np.dtype, count: int) -> np.ndarray:
        """An array of numbers, in memory of its own."""

    def long(self) -> int:
        return int(self.numbers(np.dtype("i8"), 1)[0])

    def bounded(self, count: int, least: int, what: str) -> int:
        """The count, if so many things of at least so many bytes can be in what is left."""
        if not 0 <= count <= self.remaining // least:
            raise self.fail(f"{what} {count} does not fit into the {self.remaining} bytes that are left")
        return count


class Binary(Source):
    """Numbers as they lie in a computer's memory: `order` is "<" or ">", a long has 8 or 4 bytes."""

    least_value, least_entry = 4, 12

    def __init__(self, content: bytes, order: str, long_size: int) -> None:
        super().__init__(content)
        self.order, self.long_size = order, long_size
        self.integer_form, self.double_form = struct.Struct(order + "i"), struct.Struct(order + "d")

    def _number(self, form: struct.Struct) -> Any:
        start = self.position
        if form.size > self.remaining:
            raise self.fail(f"a number of {form.size} bytes does not fit into the {self.remaining} that are left")
        self.position += form.size
        return form.unpack_from(self.content, start)[0]

    def integer(self) -> int:
        return self._number(self.integer_form)

    def double(self) -> float:
        return self._number(self.double_form)

    def text(self) -> bytes:
        return self.take(self.integer(), "a string")

    def numbers(self, dtype: np.dtype, count: int) -> np.ndarray:
        stored = dtype.newbyteorder(self.order)
        if dtype == np.int64:
            stored = np.dtype(f"{self.order}i{self.long_size}")
        return np.frombuffer(self.take(count * stored.itemsize, "numbers"), stored).astype(dtype)


class Ascii(Source):
    """Numbers written out, a space between those of one row, a line for each row."""

    def _token(self) -> bytes:
        match = TOKEN.match(self.content, self.position)
        if not match:
            raise self.fail("a number is missing")
        self.position = match.end()
        return match[1]

    def _number(self, kind: Any, token: bytes) -> Any:
        try:
            return kind(token)
        except ValueError:
            shown = token.decode("ascii", "backslashreplace")
            raise self.fail(f"expected a number, not {shown!r}", self.position - len(token)) from None

    def _end_of_row(self) -> None:
        if self.content[self.position : self.position + 1] == b"\n":
            self.position += 1

    def integer(self) -> int:
        value = self._number(int, self._token())
        self._end_of_row()
        return value

    def double(self) -> float:
        value = self._number(float, self._token())
        self._end_of_row()
        return value

    def text(self) -> bytes:
        return self._raw(self.integer(), "a string")

    def _raw(self, count: int, what: str) -> memoryview:
        content = self.take(count, what)
        if count:
            self._end_of_row()
        return content

    def numbers(self, dtype: np.dtype, count: int) -> np.ndarray:
        if dtype.itemsize == 1:
            return np.frombuffer(self._raw(count, "numbers"), dtype).copy()
        self.bounded(count, 1, "a number of")
        kind = float if dtype.kind == "f" else int
        array = np.empty(count, dtype)
        for start in range(0, count, TOKENS_AT_ONCE):
            stop = min(start + TOKENS_AT_ONCE, count)
            row = [self._number(kind, self._token()) for _ in range(start, stop)]
            try:
                with np.errstate(over="ignore"):
                    array[start:stop] = row
            except OverflowError:
                raise self.fail(f"a number among {stop - start} before here is too large for {dtype}") from None
        if count:
            self._end_of_row()
        return array


def sources(content: bytes) -> list[Source]:
    """The ways to read a file that its first bytes allow, likely ones first.

    The first number tells the byte order; nothing but the numbers themselves tells the size of a long.
    """
    head = content[:4]
    if head[:1].isdigit():
        return [Ascii(content)]
    if len(head) == 4 and head[1:] == b"\0\0\0" and head[0] <= 8:
        return [Binary(content, "<", 8), Binary(content, "<", 4)]
    if len(head) == 4 and head[:3] == b"\0\0\0" and head[3] <= 8:
        return [Binary(content, ">", 8), Binary(content, ">", 4)]
    other = next((said for beginning, said in OTHER_FILES.items() if content.startswith(beginning)), None)
    raise T7Error(f"the file {other or 'does not begin like one of Torch7'}", 0)


def is_whole(number: float) -> bool:
    """Whether a Lua number, which is always a double, is best given as a Python int."""
    return abs(number) <= 2**53 and number == int(number) and (number != 0 or math.copysign(1, number) > 0)
