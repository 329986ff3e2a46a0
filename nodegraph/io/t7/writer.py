"""Writing Torch7's serialisation, as `torch.save` does: binary with longs of 8 bytes, lowest byte first, or ascii.

Tensors that share memory share a storage in the file; what is one object here is one object there.

Source: torch/torch7, File.lua, generic/Tensor.c, generic/Storage.c.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from nodegraph.errors import T7Error
from nodegraph.io.t7.reader import (
    BARE,
    BOOLEAN,
    MAX_AXES,
    NIL,
    NUMBER,
    OBJECT,
    RECURSIVE_FUNCTION,
    STRING,
    TABLE,
    TDS_TABLES,
    TWO_OBJECTS,
)
from nodegraph.io.t7.values import KINDS, Function, Key, Record, Storage, Table

Writing = Generator[Any, None, None]


def write(value: Any, ascii: bool = False) -> bytes:
    """The content of a .t7 file that holds the value; T7Error for what Torch7 has no counterpart of.

    Lists and tuples become tables with the keys 1 to n, dictionaries tables, arrays tensors.

    >>> from nodegraph.io.t7.reader import read
    >>> read(write([1.5, True])).array
    [1.5, True]
    """
    output = AsciiOutput() if ascii else BinaryOutput()
    Writer(output).write(value)
    return b"".join(output.parts)


class BinaryOutput:
    """Collects the file's bytes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def integer(self, value: int) -> None:
        self.parts.append(value.to_bytes(4, "little", signed=True))

    def double(self, value: float) -> None:
        self.parts.append(np.array(value, "<f8").tobytes())

    def numbers(self, array: np.ndarray) -> None:
        self.parts.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())

    def bare(self, value: bytes) -> None:
        self.parts.append(value)

    def text(self, value: bytes) -> None:
        self.integer(len(value))
        self.parts.append(value)


class AsciiOutput(BinaryOutput):
    """The same, written out."""

    def integer(self, value: int) -> None:
        self.parts.append(b"%d\n" % value)

    def double(self, value: float) -> None:
        self.parts.append(b"%.17g\n" % value)

    def numbers(self, array: np.ndarray) -> None:
        if array.dtype.itemsize == 1:
            row = array.tobytes()
        else:
            form = "%d" if array.dtype.kind == "i" else "%.17g" if array.dtype.itemsize == 8 else "%.9g"
            row = " ".join(form % number for number in array.tolist()).encode()
        self.parts.append(row + b"\n" if array.size else row)

    def text(self, value: bytes) -> None:
        super().text(value)
        if value:
            self.parts.append(b"\n")


class Writer:
    """Writes values, each object once."""

    def __init__(self, output: BinaryOutput) -> None:
        self.output = output
        self.indices: dict[int, int] = {}
        self.kept: list[Any] = []
        self.storages: dict[tuple[Any, ...], Storage] = {}

    def write(self, value: Any) -> None:
        """Write one value and all in it; follows the nesting on a list of generators, however deep it is."""
        stack = [self._value(value)]
        while stack:
            for inner in stack[-1]:
                stack.append(self._value(inner))
                break
            else:
                stack.pop()

    def _value(self, value: Any) -> Writing:
        output = self.output
        if isinstance(value, (np.generic, np.ndarray)) and value.dtype == bool:
            value = value.astype("u1") if isinstance(value, np.ndarray) else bool(value)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, Storage):
            value = self._one_storage(value)
        if value is None:
            output.integer(NIL)
        elif isinstance(value, bool):
            output.integer(BOOLEAN)
            output.integer(int(value))
        elif isinstance(value, (int, float)):
            output.integer(NUMBER)
            output.double(self._number(value))
        elif isinstance(value, (str, bytes)):
            output.integer(STRING)
            output.text(encoded(value))
        elif isinstance(value, (Table, list, tuple, dict)):
            if self._is_new(TABLE, value):
                yield from self._entries(value)
        elif isinstance(value, (Record, Storage, np.ndarray)):
            if self._is_new(OBJECT, value):
                yield from self._object(value)
        elif isinstance(value, Function):
            if self._is_new(RECURSIVE_FUNCTION, value):
                output.text(value.code)
                yield value.upvalues
        else:
            raise T7Error(f"a {type(value).__name__} cannot be written to a .t7 file")

    def _number(self, value: int | float) -> float:
        if isinstance(value, int) and abs(value) > 2**53:
            raise T7Error(f"Lua's numbers cannot hold {value} exactly")
        return float(value)

    def _is_new(self, kind: int, value: Any) -> bool:
        """Write the object's kind and number; whether the object itself must follow."""
        index = self.indices.get(id(value))
        is_new = index is None
        if is_new:
            index = self.indices[id(value)] = len(self.indices) + 1
            self.kept.append(value)
        self.output.integer(kind)
        self.output.integer(index)
        return is_new

    def _entries(self, table: Table | list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Writing:
        entries = list(items(table))
        self.output.integer(len(entries))
        for key, value in entries:
            yield key
            yield value

    def _object(self, value: Record | Storage | np.ndarray) -> Writing:
        output = self.output
        if isinstance(value, Record):
            if value.name in TDS_TABLES or value.name == TWO_OBJECTS:
                raise T7Error(f"a {value.name} cannot be written to a .t7 file")
            self._class(value.name, value.version)
            if value.name in BARE:
                output.bare(value.content)
            else:
                yield value.content
        elif isinstance(value, Storage):
            self._class(value.name)
            output.numbers(np.array([value.array.size]))
            output.numbers(value.array)
        else:
            kind = KINDS.get(value.dtype.newbyteorder("="))
            if kind is None or value.ndim > MAX_AXES:
                raise T7Error(f"Torch7 has no tensor for an array of {value.dtype} with {value.ndim} axes")
            self._class(f"torch.{kind}Tensor")
            storage, shape, strides, place = self._layout(value)
            output.integer(len(shape))
            for row in (shape, strides, [place]):
                output.numbers(np.array(row, np.int64))
            yield storage

    def _class(self, name: str, version: int = 1) -> None:
        self.output.text(b"V %d" % version)
        self.output.text(encoded(name))

    def _layout(self, array: np.ndarray) -> tuple[Storage | None, tuple[int, ...], list[int], int]:
        """The storage that an array lies in, and its sizes, its strides, and its place, counted from 1."""
        if array.size == 0:
            return None, (), [], 1
        array = array if array.ndim else array.reshape(1)
        whole = array
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        memory = whole.T if whole.flags.f_contiguous else whole
        dtype = array.dtype.newbyteorder("=")
        if min(array.strides) < 0 or memory.dtype != dtype or not memory.flags.c_contiguous:
            array = memory = np.ascontiguousarray(array, dtype)
        storage = self._one_storage(Storage(memory.reshape(-1)))
        start = array.__array_interface__["data"][0] - storage.array.__array_interface__["data"][0]
        strides = [stride // array.itemsize for stride in array.strides]
        return storage, array.shape, strides, start // array.itemsize + 1

    def _one_storage(self, storage: Storage) -> Storage:
        """The same object for the same memory."""
        if not storage.array.size:
            return storage
        first = storage.array.__array_interface__["data"][0]
        return self.storages.setdefault((first, storage.array.size, storage.name), storage)


def items(table: Table | list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """The keys and values of anything that becomes a table; nil is left out, as a Lua table cannot hold it."""
    if isinstance(table, Table):
        entries = table.items()
    elif isinstance(table, dict):
        entries = ((key.value if isinstance(key, Key) else key, value) for key, value in table.items())
    else:
        entries = enumerate(table, 1)
    return ((key, value) for key, value in entries if value is not None)


def encoded(text: str | bytes) -> bytes:
    """A string as Lua's bytes."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise T7Error(f"the character {error.object[error.start]!r} cannot be written to a .t7 file") from None
