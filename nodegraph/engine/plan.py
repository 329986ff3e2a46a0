"""Plan: what a loop over time steps has to compute, found once from the nodes of the loop and the shapes at one step.

Every value at a node is followed to where its elements come from. A *base* is an array that is computed (by a
pointwise module or a Linear) or comes from outside (a state, or a node before the loop); a view computes nothing, its
elements are elements of bases. Elements are followed as numbers, one for each element of each base, through the
views' own `view` methods, so that any view works as any other.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.nn.linear import Linear
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import Pointwise
from nodegraph.nn.tables import Part
from nodegraph.nn.view import Identity, ViewModule


class NotPlannable(Exception):
    """A loop with something in it that the engine does not compile; it runs node by node instead."""


@dataclass(frozen=True)
class Access:
    """Where the elements of a (rows, columns) value lie in a base: at offset + row x stride + column."""

    base: int
    offset: int
    stride: int


@dataclass
class Base:
    """An array (rows, columns) at one time step. `kind` is "state", "outside", "linear" or "pointwise"."""

    kind: str
    place: int
    rows: int
    columns: int
    shape: tuple[int, ...]
    module: Module | None = None
    operands: list[np.ndarray] = field(default_factory=list)
    kept: bool = False
    """Whether it is stored as a whole, for somebody else than the kernel that computes it."""


@dataclass
class Product:
    """A step of the loop: the product of a base with a Linear's weights."""

    base: int
    source: int


@dataclass
class Kernel:
    """A step of the loop: pointwise modules fused into one pass, which gives the bases in `roots`."""

    roots: list[int]
    rows: int
    columns: int


class Plan:
    """The bases and the steps of a loop. Raises NotPlannable for a loop that must run node by node.

    `shapes` are those of the values at one step of the nodes that the loop reads from outside, and of its states.
    """

    def __init__(self, wiring: Any, places: tuple[int, ...], shapes: dict[int, tuple[int, ...]]) -> None:
        self.wiring, self.nodes, self.parents = wiring, wiring.cell.nodes, wiring.cell.parent_places
        self.inside = set(places)
        self.bases: list[Base] = []
        self._starts: list[int] = []
        self.values: dict[int, Any] = {}
        self.steps: list[Product | Kernel] = []
        self.rows = next((shape[0] for shape in shapes.values() if len(shape) > 1), 0)
        for place, shape in shapes.items():
            kind = "state" if place in self.inside else "outside"
            self.values[place] = self._new(Base(kind, place, *_rows(shape)))
        for place in places:
            if place not in wiring.state_of:
                self.values[place] = self._value(place)
        self._mark_kept()
        self._make_steps()

    # Following the elements

    def _new(self, base: Base) -> np.ndarray:
        """Add a base; returns the numbers of its elements, in its shape."""
        if base.rows != self.rows or base.rows * base.columns == 0:
            raise NotPlannable("rows")
        start = self._starts[-1] + self.bases[-1].rows * self.bases[-1].columns if self.bases else 0
        self.bases.append(base)
        self._starts.append(start)
        return np.arange(start, start + base.rows * base.columns).reshape(base.shape)

    def _value(self, place: int) -> Any:
        node, parents = self.nodes[place], self.parents[place]
        inputs = [self.values[parent] for parent in parents]
        input, module = inputs[0] if len(inputs) == 1 else inputs, node.module
        if isinstance(module, ViewModule):
            if type(module).update_grad_input not in _VIEW_GRADIENTS:
                raise NotPlannable(module.kind)
            return module.view(input)
        shape = module.output_shape(table.shape(input))
        if type(module) is Linear and len(shape) == 2:
            return self._new(Base("linear", place, *_rows(shape), module, [input.reshape(-1)]))
        if isinstance(module, Pointwise) and type(module).update_grad_input is Pointwise.update_grad_input:
            operands = [x.reshape(-1) for x in (input if table.is_table(input) else [input])]
            return self._new(Base("pointwise", place, *_rows(shape), module, operands))
        raise NotPlannable(module.kind)

    def base_of(self, elements: np.ndarray) -> int:
        """The base that holds the elements, which are all of one."""
        return bisect.bisect_right(self._starts, int(elements.flat[0])) - 1

    def within(self, elements: np.ndarray) -> tuple[int, np.ndarray]:
        """The base of the elements, and their places in it."""
        base = self.base_of(elements)
        return base, elements.reshape(-1) - self._starts[base]

    def access(self, elements: np.ndarray, columns: int) -> Access:
        """The elements, row by row of `columns`, as an access; NotPlannable unless each row is a run."""
        base, local = self.within(elements)
        grid = local.reshape(-1, columns)
        offset = int(grid[0, 0])
        stride = int(grid[1, 0]) - offset if len(grid) > 1 else self.bases[base].columns
        expected = offset + stride * np.arange(len(grid))[:, None] + np.arange(columns)
        if stride != self.bases[base].columns or not np.array_equal(grid, expected):
            raise NotPlannable("access")
        return Access(base, offset, stride)

    def whole(self, elements: np.ndarray) -> int | None:
        """The base of which these are all elements in order; None if they are something else."""
        base, local = self.within(elements)
        size = self.bases[base].rows * self.bases[base].columns
        return base if len(local) == size and np.array_equal(local, np.arange(size)) else None

    # What is stored, and in which steps it is computed

    def _mark_kept(self) -> None:
        """Stored is what a product reads, what is fed back, and what nodes outside the loop or the outputs take."""
        wiring = self.wiring
        needed = {wiring.feeder[k] for place, k in wiring.state_of.items() if place in self.inside}
        needed |= {place for place in wiring.cell.output_places if place in self.inside}
        for place, parents in enumerate(self.parents):
            if place not in self.inside:
                needed |= self.inside.intersection(parents)
        self.read_outside = sorted(needed)
        for place in self.read_outside:
            for leaf in table.leaves(self.values[place]):
                self.bases[self.base_of(leaf)].kept = True
        for base in self.bases:
            if base.kind == "linear":
                source = self.whole(base.operands[0])
                if source is None or self.bases[source].kind == "outside":
                    raise NotPlannable("product of a part")
                self.bases[source].kept = True
        for place, k in wiring.state_of.items():
            if place in self.inside:
                fed = self.values[wiring.feeder[k]]
                feeder = None if table.is_table(fed) else self.whole(fed)
                if feeder is None or self.bases[feeder].kind != "pointwise" or fed.shape != self.values[place].shape:
                    raise NotPlannable("feedback")

    def _make_steps(self) -> None:
        made_at: dict[int, int] = {}
        for index, base in enumerate(self.bases):
            if base.kind == "linear":
                self.steps.append(Product(index, self.base_of(base.operands[0])))
                made_at[index] = len(self.steps) - 1
            elif base.kind == "pointwise" and base.kept:
                leaves = list(self.leaves(index))
                earliest = max([made_at.get(leaf, -1) for leaf, _ in leaves], default=-1)
                at = self._kernel_for(base, earliest, {leaf for leaf, whole in leaves if not whole}, made_at)
                self.steps[at].roots.append(index)
                made_at[index] = at

    def _kernel_for(self, base: Base, earliest: int, parts: set[int], made_at: dict[int, int]) -> int:
        """The place of a kernel over the base's rows and columns that runs after all it reads; a new one if need be."""
        for at in range(max(earliest, 0), len(self.steps)):
            step = self.steps[at]
            fits = isinstance(step, Kernel) and (step.rows, step.columns) == (base.rows, base.columns)
            if fits and not any(made_at.get(part) == at for part in parts):
                return at
        self.steps.append(Kernel([], base.rows, base.columns))
        return len(self.steps) - 1

    def leaves(self, index: int) -> Iterator[tuple[int, bool]]:
        """The stored bases that a pointwise base is computed from, and whether each is read element by element."""
        pending, seen = [(index, True)], set()
        while pending:
            current, whole = pending.pop()
            for operand in self.bases[current].operands:
                base = self.base_of(operand)
                as_it_is = whole and self.whole(operand) is not None
                if (base, as_it_is) in seen:
                    continue
                seen.add((base, as_it_is))
                if self.bases[base].kind == "pointwise" and not self.bases[base].kept:
                    pending.append((base, as_it_is))
                else:
                    yield base, as_it_is


_VIEW_GRADIENTS = {ViewModule.update_grad_input, Identity.update_grad_input, Part.update_grad_input}


def _rows(shape: Any) -> tuple[int, int, tuple[int, ...]]:
    """Rows, columns and the shape itself; NotPlannable unless it is an array's with a batch."""
    if isinstance(shape, list) or len(shape) < 2:
        raise NotPlannable("shape")
    return shape[0], int(np.prod(shape[1:])), tuple(shape)
