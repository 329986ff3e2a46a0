"""Bases: the arrays that a plan computes or gets from outside, and where in them the elements of its values lie.

A view computes nothing, its elements are elements of bases. Views are followed by NumPy itself: each base has a
stand-in, an array of zeros of its shape and one byte an element, the modules' own `view` methods are applied to it, and
address and strides of what they give tell which elements were taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nodegraph.nn.module import Module

Key = tuple[Any, ...]
"""Where a base comes from: ("input", place), ("state", place) or ("outside", place), and which leaf of that value."""


class NotPlannable(Exception):
    """A graph that the engine does not compile; it runs node by node instead."""


class Unfit(NotPlannable):
    """A node that can be compiled only as the call of its module."""

    def __init__(self, path: tuple[int, ...]) -> None:
        self.path = path


class Access(NamedTuple):
    """Where the elements of a (rows, columns) value lie in a base: at offset + row x stride + column."""

    base: int
    offset: int
    stride: int


@dataclass
class Base:
    """An array at one time step, seen as (rows, columns).

    `kind` is "source" (from outside), "parameter", "noise", "product", "soft-max", "pointwise", "joined" (made of
    other bases, which are stored in it) or "called". `path` is the place of the node that computes it, in the graph and
    in the graphs inside.
    """

    kind: str
    shape: tuple[int, ...]
    path: tuple[int, ...]
    module: Module | None = None
    operands: list[np.ndarray] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    """The bases of the operands."""
    key: Key = ()
    real: bool = True
    """Whether it holds real numbers of the program's dtype, and not, say, indices."""
    differentiable: bool = True
    """Whether anything trained or real-valued comes before it."""
    kept: bool = False
    """Whether it is stored as a whole, for somebody else than the kernel that computes it."""
    place: Access | None = None
    """Where it is stored if that is in another base."""
    rows: int = field(init=False)
    columns: int = field(init=False)


class Bases(list[Base]):
    """All bases of a plan, by their numbers. The batch has `rows` rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._stand_ins: list[np.ndarray] = []
        self._numbers: dict[int, int] = {}
        self._addresses: list[int] = []

    def add(self, base: Base) -> np.ndarray:
        """Add a base; returns its stand-in."""
        size = math.prod(base.shape)
        if size == 0:
            raise NotPlannable("no elements")
        batched = len(base.shape) > 1 or (base.kind != "product" and base.shape == (self.rows,))
        base.rows = base.shape[0] if batched else 1
        base.columns = size // base.rows
        stand_in = np.zeros(base.shape, np.int8)
        self._addresses.append(_address(stand_in))
        self._numbers[id(stand_in)] = len(self)
        self.append(base)
        self._stand_ins.append(stand_in)
        return stand_in

    def of(self, elements: np.ndarray) -> int:
        """The base that holds the elements."""
        return self._numbers[id(_owner(elements))]

    def hold(self, elements: np.ndarray) -> bool:
        """Whether the elements lie in a base, and are not copies."""
        return elements.size > 0 and id(_owner(elements)) in self._numbers

    def whole(self, elements: np.ndarray) -> int | None:
        """The base of which these are all elements in order; None if they are something else."""
        base = self.of(elements)
        everything = elements.size == self._stand_ins[base].size and elements.flags.c_contiguous
        return base if everything else None

    def part(self, elements: np.ndarray) -> tuple[int, int, tuple[int, ...]]:
        """The base of the elements, the place of the first in it, and the strides."""
        base = self.of(elements)
        return base, _address(elements) - self._addresses[base], elements.strides

    def access(self, elements: np.ndarray, rows: int, columns: int, path: tuple[int, ...]) -> Access:
        """The elements as an access, row by row; Unfit, with the path, unless each row is a run."""
        grid = elements.reshape(rows, columns)
        if not self.hold(grid):
            raise Unfit(path)
        base, offset, (stride, step) = self.part(grid)
        if columns > 1 and step != 1:
            raise Unfit(path)
        return Access(base, offset, stride if rows > 1 else self[base].columns)

    def operands(self, access: Access, rows: int, columns: int) -> list[Access]:
        """Where the operands of a part of a pointwise base lie; Unfit where a kernel cannot read them."""
        base = self[access.base]
        if rows != base.rows or access.stride != base.columns or access.offset + columns > base.columns:
            raise Unfit(base.path)
        found = []
        for operand in base.operands:
            run = operand.reshape(base.rows, base.columns)[:, access.offset : access.offset + columns]
            found.append(self.access(run, rows, columns, base.path))
        return found


def _owner(elements: Any) -> Any:
    """What holds the memory that the elements lie in."""
    while getattr(elements, "base", None) is not None:
        elements = elements.base
    return elements


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
