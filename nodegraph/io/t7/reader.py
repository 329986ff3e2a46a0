"""Reading Torch7's serialisation: values of any kind, with their sharing and their cycles.

The nesting is followed on a list of generators rather than by recursion, so that a deep file cannot exhaust the stack;
each yields a generator for a value inside, and gets that value back.

Source: torch/torch7, File.lua, generic/Tensor.c, generic/Storage.c; torch/tds, hash.lua, vec.lua.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from nodegraph.errors import T7Error
from nodegraph.io.t7.encoding import Source, is_whole, sources
from nodegraph.io.t7.values import DTYPES, Function, Record, Storage, Table

NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = range(6)
FUNCTION, LEGACY_RECURSIVE_FUNCTION, RECURSIVE_FUNCTION = 6, 7, 8
MAX_DEPTH = 50_000
MAX_AXES = 32
MAX_OBJECT_KEYS = 100_000
"""Tables and other objects that are keys; each takes far more memory than it does in the file."""
MEMORY_ALLOWED, MEMORY_PER_BYTE = 60_000_000, 10
"""What the objects of a file may take: so many bytes, and so many more for each byte of the file."""
OBJECT_SIZE, TABLE_SIZE, HASH_SIZE, ENTRY_SIZE = 150, 110, 200, 60
"""About what an object takes, a table, its dictionary of up to five entries, and each further entry, in bytes."""
UNFINISHED = object()
TWO_OBJECTS = "nn.GPU"
"""The class that writes a header before its fields."""
BARE = {"torch.Timer": 0, "torch.Generator": 5048}
"""The classes that write no value: how many bytes of their own stand instead."""
NUMERIC_CLASS = re.compile(r"torch\.(\w+?)(Tensor|Storage)")

Reading = Generator[Any, Any, Any]


def read(content: bytes) -> Any:
    """The value in the content of a .t7 file; T7Error, with the byte, for what Torch7 would not have written.

    The size of a long is not in the file: 8 bytes, unless only with 4 the value ends where the file ends.
    """
    failures, ends = [], []
    for source in sources(content):
        try:
            value = Reader(source).read()
        except T7Error as error:
            failures.append(error.with_traceback(None))  # which would keep alive what was read so far
            continue
        if source.remaining == 0:
            return value
        ends.append(source)
        del value  # rather read again than kept beside what the next way of reading gives
    if ends and ends[0].long_size != 4:
        ends[0].position = 0
        return Reader(ends[0]).read()
    raise max(failures, key=lambda error: error.offset)


class Reader:
    """Reads one value, and all that is in it, from a source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        # Torch7 counts the objects of a file from 1; what a stranger's file numbers otherwise goes to the dictionary.
        self.objects: list[Any] = []
        self.others: dict[int, Any] = {}
        self.object_keys = 0
        self.names: dict[str, str] = {}
        self.memory_left = MEMORY_ALLOWED + MEMORY_PER_BYTE * source.remaining

    def read(self) -> Any:
        """The value at the source's place."""
        stack, value = [self._value()], None
        while stack:
            try:
                inner = stack[-1].send(value)
            except StopIteration as end:
                stack.pop()
                value = end.value
            else:
                if len(stack) == MAX_DEPTH:
                    raise self.source.fail(f"values are nested more than {MAX_DEPTH} deep")
                stack.append(inner)
                value = None
        return value

    def _simple(self) -> tuple[int, Any]:
        """The kind of the next value, and the value itself if nothing else can be in it."""
        source = self.source
        start = source.position
        kind = source.integer()
        if kind == NUMBER:
            number = source.double()
            return kind, int(number) if is_whole(number) else number
        if kind == STRING:
            return kind, decoded(source.text())
        if kind == BOOLEAN:
            return kind, source.integer() == 1
        if not NIL <= kind <= RECURSIVE_FUNCTION:
            raise source.fail(f"there is no kind of value {kind}", start)
        return kind, None

    def _value(self) -> Reading:
        kind, value = self._simple()
        return value if kind in (NIL, NUMBER, STRING, BOOLEAN) else (yield self._compound(kind))

    def _compound(self, kind: int) -> Reading:
        source = self.source
        if kind == FUNCTION:
            return (yield self._function(None))
        start = source.position
        index = source.integer()
        found = self._known(index)
        if found is UNFINISHED:
            raise source.fail(f"object {index} is inside itself, where no Torch7 puts it", start)
        if found is not None:
            return found
        if kind == TABLE:
            return (yield self._table(index))
        if kind == OBJECT:
            return (yield self._object(index))
        return (yield self._function(index))

    def _known(self, index: int) -> Any:
        if 1 <= index <= len(self.objects):
            return self.objects[index - 1]
        return self.others.get(index)

    def _account(self, size: int) -> None:
        """Note what an object takes. Torch7 writes none so briefly that the file's own size would not do for it."""
        self.memory_left -= size
        if self.memory_left < 0:
            raise self.source.fail(f"its objects take more than {MEMORY_PER_BYTE} times the memory of the file")

    def _remember(self, index: int, value: Any) -> Any:
        if index == len(self.objects) + 1:
            self.objects.append(value)
        elif 1 <= index <= len(self.objects):
            self.objects[index - 1] = value
        else:
            self.others[index] = value
        return value

    def _table(self, index: int) -> Reading:
        table = self._remember(index, Table())
        self._account(TABLE_SIZE)
        size = self.source.bounded(self.source.integer(), self.source.least_entry, "the size of a table,")
        yield from self._entries(table, size)
        return table

    def _entries(self, table: Table, size: int) -> Reading:
        for _ in range(size):
            start = self.source.position
            kind, key = self._simple()
            if kind not in (NIL, NUMBER, STRING, BOOLEAN):
                key = yield self._compound(kind)
                self.object_keys += 1
                if self.object_keys > MAX_OBJECT_KEYS:
                    raise self.source.fail(f"more than {MAX_OBJECT_KEYS} keys are objects", start)
            if key is None or (isinstance(key, float) and math.isnan(key)):
                raise self.source.fail(f"{'nil' if key is None else 'a number that is none'} cannot be a key", start)
            kind, value = self._simple()
            if kind not in (NIL, NUMBER, STRING, BOOLEAN):
                value = yield self._compound(kind)
            if value is not None:
                table.set(key, value)
        if table.hash:
            self._account(HASH_SIZE + ENTRY_SIZE * max(0, len(table.hash) - 5))

    def _function(self, index: int | None) -> Reading:
        function = Function(bytes(self.source.text()))
        self._account(OBJECT_SIZE)
        if index is not None:
            self._remember(index, function)
        function.upvalues = yield self._value()
        return function

    def _object(self, index: int) -> Reading:
        source = self.source
        start = source.position
        version, name = 0, decoded(source.text())
        if match := re.fullmatch(r"V (\d{1,9})", name):
            version, name = int(match[1]), decoded(source.text())
        if numeric := NUMERIC_CLASS.fullmatch(name):
            if numeric[1] not in DTYPES:
                raise source.fail(f"there is no class {name}", start)
            dtype = DTYPES[numeric[1]]
            if numeric[2] == "Storage":
                return self._remember(index, Storage(source.numbers(dtype, source.long()), name))
            self._remember(index, UNFINISHED)
            return self._remember(index, (yield self._tensor(name, dtype)))
        self._account(OBJECT_SIZE)
        if name in TDS_TABLES:
            table = self._remember(index, Table())
            yield TDS_TABLES[name](self, table)
            return table
        record = self._remember(index, Record(self.names.setdefault(name, name), None, version, start))
        if name in BARE:
            record.content = bytes(source.take(BARE[name], f"a {name}"))
        else:
            record.content = yield self._gpu() if name == TWO_OBJECTS else self._value()
        return record

    def _tensor(self, name: str, dtype: np.dtype) -> Reading:
        source = self.source
        start = source.position
        axes = source.integer()
        if not 0 <= axes <= MAX_AXES:
            raise source.fail(f"a tensor of {axes} dimensions", start)
        shape, strides = (source.numbers(np.dtype("i8"), axes).tolist() for _ in range(2))
        offset = source.long() - 1
        storage = yield self._value()
        if storage is None:
            if axes and 0 not in shape:
                raise source.fail(f"a tensor of shape {tuple(shape)} without numbers", start)
            return np.empty(0, dtype)
        if not isinstance(storage, Storage) or storage.name != name.replace("Tensor", "Storage"):
            raise source.fail(f"a {name} whose storage is no {name.replace('Tensor', 'Storage')}", start)
        if axes == 0:
            return storage.array[:0]
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
        if min(shape) < 0 or min(strides) < 0 or offset < 0 or (0 not in shape and last >= storage.array.size):
            layout = f"shape {tuple(shape)}, strides {tuple(strides)} and offset {offset}"
            raise source.fail(f"a tensor of {layout} reaches beyond its storage of {storage.array.size}", start)
        if 0 in shape:
            return np.empty(0, dtype)
        try:
            strides = [stride * dtype.itemsize for stride in strides]
            return np.ndarray(shape, dtype, storage.array, offset * dtype.itemsize, strides)
        except ValueError:
            raise source.fail(f"a tensor of shape {tuple(shape)} is larger than any array", start) from None

    # Classes that do not write one table of fields

    def _gpu(self) -> Reading:
        """A header with type and device, then the fields."""
        yield self._value()
        return (yield self._value())

    def _hash(self, table: Table) -> Reading:
        yield from self._entries(table, self.source.bounded(self.source.long(), self.source.least_entry, "the size"))

    def _vector(self, table: Table) -> Reading:
        for _ in range(self.source.bounded(self.source.long(), self.source.least_value, "the size")):
            table.array.append((yield self._value()))


TDS_TABLES: dict[str, Callable[[Reader, Table], Reading]] = {
    "tds.Hash": Reader._hash,
    "tds_hash": Reader._hash,
    "tds.Vec": Reader._vector,
    "tds_vec": Reader._vector,
}
"""The tables of tds, which are tables here as any others."""


def decoded(text: bytes) -> str:
    """Lua's bytes as a string: UTF-8, where other bytes become lone surrogates, so that they can be written again."""
    return str(text, "utf-8", "surrogateescape")
