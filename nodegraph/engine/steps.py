"""What a machine runs: passes over elements and products, and the rings of arrays that they read and write."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nodegraph.engine.code import Code, Place

Slot = tuple[Hashable, ...]
"""The name of a ring, such as ("base", 3); what it holds is the program's affair."""


class Ring:
    """The places of an array in turns: at time step t the one at (t + shift) modulo their number.

    `array` is (places, elements). As many places as steps keep all; one place is written over at each step; two are
    for what is written at one step and read at the next.
    """

    __slots__ = ("array", "shift", "views")

    def __init__(self, array: np.ndarray, shift: int = 0) -> None:
        self.array, self.shift = array, shift
        self.views: dict[tuple[Any, ...], list[np.ndarray]] = {}

    def at(self, t: int) -> np.ndarray:
        return self.array[(t + self.shift) % len(self.array)]

    def grids(self, steps: int, rows: int, columns: int, offset: int, stride: int) -> list[np.ndarray]:
        """The elements at offset + row x stride + column: (rows, columns), or (1, columns) if repeated."""
        key = (steps, rows, columns, offset, stride)
        if key not in self.views:
            item, count = self.array.itemsize, rows if stride else 1
            places = [
                np.ndarray((count, columns), self.array.dtype, row, offset * item, (stride * item, item))
                for row in self.array
            ]
            self.views[key] = [places[(t + self.shift) % len(places)] for t in range(steps)]
        return self.views[key]


@dataclass
class Pass:
    """One pass over (rows, columns) elements: operations, where their loads come from, and where results go.

    Loads and stores are (slot, offset, stride): the element at offset + row x stride + column.
    """

    rows: int
    columns: int
    code: Code = field(default_factory=Code)
    loads: list[tuple[Slot, int, int]] = field(default_factory=list)
    stores: list[tuple[Slot, int, int, Any]] = field(default_factory=list)
    sums: list[tuple[Slot, int, int, Any]] = field(default_factory=list)
    """Like stores, but added to what is there, row after row and step after step."""

    def load(self, slot: Slot, offset: int, stride: int) -> Place:
        place = (slot, offset, stride)
        if place not in self.loads:
            self.loads.append(place)
        return self.code.add("load", self.loads.index(place))

    def store(self, slot: Slot, offset: int, stride: int, value: Any) -> None:
        self.stores.append((slot, offset, stride, value))

    @property
    def places(self) -> list[tuple[Slot, int, int]]:
        return [place[:3] for place in [*self.loads, *self.stores, *self.sums]]

    @property
    def reach(self) -> list[tuple[Slot, int, int, int]]:
        """What it touches: (slot, offset, stride, columns)."""
        return [(*place, self.columns) for place in self.places]


@dataclass
class Multiply:
    """A product: (rows, inner) elements of one ring times a Linear's weight into another ring.

    Forward it is `transposed`: the weight's transpose, and the bias is added.
    """

    rows: int
    inner: int
    columns: int
    source: tuple[Slot, int, int]
    into: tuple[Slot, int, int]
    module: Any
    transposed: bool

    @property
    def bias(self) -> np.ndarray | None:
        return self.module.bias if self.transposed else None

    @property
    def reach(self) -> list[tuple[Slot, int, int, int]]:
        return [(*self.source, self.inner), (*self.into, self.columns)]


@dataclass
class LookUp:
    """The product of one-hot rows with a Linear's weight: a column of it for each row, whose index a ring holds."""

    rows: int
    inner: int
    columns: int
    source: tuple[Slot, int, int]
    into: tuple[Slot, int, int]
    module: Any
    transposed = True

    @property
    def bias(self) -> np.ndarray | None:
        return self.module.bias

    @property
    def reach(self) -> list[tuple[Slot, int, int, int]]:
        return [(*self.source, 1), (*self.into, self.columns)]


@dataclass
class SoftMaxRows:
    """Soft-max of each row of (rows, columns) elements, or with `log` log-soft-max; backward, their gradient.

    `places` are those of the input and of the output; backward those of the output's gradient, of the output and of the
    input's gradient.
    """

    rows: int
    columns: int
    places: list[tuple[Slot, int, int]]
    log: bool
    backward: bool = False

    @property
    def reach(self) -> list[tuple[Slot, int, int, int]]:
        return [(*place, self.columns) for place in self.places]


Step = Pass | Multiply | LookUp | SoftMaxRows


def sum_of(into: Slot, parts: list[Slot], rows: int, columns: int) -> Pass:
    """A pass that stores the sum of some arrays."""
    found, total = Pass(rows, columns), 0.0
    for slot in parts:
        total = found.code.add("add", total, found.load(slot, 0, columns))
    found.store(into, 0, columns, total)
    return found
