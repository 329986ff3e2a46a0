"""What a .t7 file holds, as the reader gives it and the writer takes it: Lua's values, one Python object for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NOTHING: dict[int, Any] = {}

DTYPES = {
    "Double": np.dtype("f8"),
    "Float": np.dtype("f4"),
    "Half": np.dtype("f2"),
    "Long": np.dtype("i8"),
    "Int": np.dtype("i4"),
    "Short": np.dtype("i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    # Those of a GPU (cutorch, cltorch), which are read into the computer's own memory.
    "Cuda": np.dtype("f4"),
    "CudaDouble": np.dtype("f8"),
    "CudaHalf": np.dtype("f2"),
    "CudaLong": np.dtype("i8"),
    "CudaInt": np.dtype("i4"),
    "CudaShort": np.dtype("i2"),
    "CudaChar": np.dtype("i1"),
    "CudaByte": np.dtype("u1"),
    "Cl": np.dtype("f4"),
}
"""The part of a tensor's class between `torch.` and `Tensor` -> the type of its numbers."""

KINDS = {dtype: kind for kind, dtype in reversed(DTYPES.items()) if not kind.startswith("C") or kind == "Char"}
"""The type of numbers -> that part of the class's name."""


class Table:
    """A Lua table: `array` has the values at the keys 1, 2, 3 and so on, `hash`, unless None, all others.

    Tables, and all other objects of a file, are equal only to themselves, so that they can be keys, too. Whoever goes
    through all of them notes in `seen_by` that he was there, which takes less memory than a set of them.

    >>> table = Table(["a", "b"], {"name": "x"})
    >>> table.get(2), table.get("name"), len(table)
    ('b', 'x', 3)
    """

    __slots__ = ("_array", "hash", "seen_by")

    def __init__(self, array: list | None = None, hash: dict | None = None) -> None:
        self._array, self.hash, self.seen_by = array, hash, None

    @property
    def array(self) -> list:
        """The values at 1, 2, 3 and so on; made when it is asked for, because many tables have none."""
        if self._array is None:
            self._array = []
        return self._array

    @array.setter
    def array(self, values: list) -> None:
        self._array = values

    def __len__(self) -> int:
        return len(self._array or ()) + len(self.hash or ())

    def get(self, key: Any, default: Any = None) -> Any:
        """The value at a number, a string, a boolean or an object."""
        if type(key) is int and 1 <= key <= len(self._array or ()):
            return self.array[key - 1]
        return self.hash.get(as_key(key), default) if self.hash else default

    def set(self, key: Any, value: Any) -> None:
        """Put a value at a key."""
        if type(key) is int and key == len(self._array or ()) + 1:
            self.array.append(value)
            while self.hash and len(self.array) + 1 in self.hash:
                self.array.append(self.hash.pop(len(self.array) + 1))
        elif type(key) is int and 1 <= key <= len(self._array or ()):
            self.array[key - 1] = value
        else:
            if self.hash is None:
                self.hash = {}
            self.hash[as_key(key)] = value

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values, the array part first."""
        yield from enumerate(self._array or (), 1)
        for key, value in (self.hash or {}).items():
            yield key.value if isinstance(key, Key) else key, value

    def __repr__(self) -> str:
        return f"<Table of {len(self)}>"


class Key:
    """A key that a Python dictionary cannot hold, or cannot tell from another one: true and false, tables, arrays.

    >>> {1: "one", Key(True): "true"}[Key(True)]
    'true'
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.value is self.value

    def __hash__(self) -> int:
        return hash((Key, id(self.value)))

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def as_key(value: Any) -> Any:
    """The value as a dictionary's key."""
    if isinstance(value, bool):
        return TRUE if value else FALSE
    return value if isinstance(value, (str, int, float)) else Key(value)


TRUE, FALSE = Key(True), Key(False)


class Record:
    """An object of a Torch class that is neither tensor nor storage: its class, its version and its fields.

    `content` is what it wrote, nearly always a table; `offset` the byte of the file where it stands.

    >>> Record("nn.Linear", Table(hash={"bias": None}))
    <nn.Linear with bias>
    """

    __slots__ = ("name", "content", "version", "offset", "seen_by")

    def __init__(self, name: str, content: Any = None, version: int = 1, offset: int | None = None) -> None:
        self.name, self.content, self.version, self.offset, self.seen_by = name, content, version, offset, None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields by name; those of another key are in `content`."""
        fields = self.content.hash if isinstance(self.content, Table) else self.content
        return fields if isinstance(fields, dict) else {}

    def __repr__(self) -> str:
        names = sorted(name for name in self.fields if isinstance(name, str))
        return f"<{self.name}{' with ' + ', '.join(names) if names else ''}>"


@dataclass(eq=False, slots=True)
class Storage:
    """The memory of tensors as an object of its own: numbers in one row. `name` is its class, `torch.LongStorage`."""

    array: np.ndarray
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"torch.{KINDS[self.array.dtype]}Storage"


@dataclass(eq=False, slots=True)
class Function:
    """A Lua function: bytecode, which nothing here ever runs, and the values that it closes over."""

    code: bytes
    upvalues: Any = None
    seen_by: Any = None

    def __repr__(self) -> str:
        return f"<Lua function of {len(self.code)} bytes>"


def plain(value: Any, replaced: Mapping[int, Any] = NOTHING) -> Any:
    """The value in plain Python: tables as lists, where the keys are 1 to n, or as dictionaries; storages as arrays.

    A table without anything in it becomes an empty list. What was one object stays one object, also in a cycle. The
    contents of Records become plain, too. The tables given are used up by it. `replaced` has what is to stand in the
    place of some Records, by their id.

    >>> plain(Table([1, Table()])), plain(Table([1], {"x": 2}))
    ([1, []], {1: 1, 'x': 2})
    """
    pending = []

    def converted(value: Any) -> Any:
        if isinstance(value, Storage):
            return value.array
        if isinstance(value, Record) and id(value) in replaced:
            return replaced[id(value)]
        if isinstance(value, (Table, Record, Function)) and value.seen_by is not plain:
            value.seen_by = plain
            pending.append(value)
        return _container(value) if isinstance(value, Table) else value

    result = converted(value)
    while pending:
        value = pending.pop()
        if isinstance(value, Record):
            value.content = converted(value.content)
        elif isinstance(value, Function):
            value.upvalues = converted(value.upvalues)
        else:
            container = _container(value)
            for place in range(len(container)) if isinstance(container, list) else list(container):
                if isinstance(place, Key) and isinstance(place.value, (Table, Storage, Record, Function)):
                    part = container.pop(place)
                    container[Key(converted(place.value))] = converted(part)
                else:
                    container[place] = converted(container[place])
    return result


def _container(table: Table) -> list[Any] | dict[Any, Any]:
    """The list or dictionary that a table becomes: always the same one for the same table."""
    if table.hash and len(table) > len(table.hash):
        table.hash = {**dict(enumerate(table.array, 1)), **table.hash}
        table.array = []
    return table.hash or table.array
