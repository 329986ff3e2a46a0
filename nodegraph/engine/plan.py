"""Plan: what is stored and what fused, found once for a graph from its nodes and the shapes at one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine.bases import Access, Base, Key, NotPlannable, Unfit
from nodegraph.engine.values import ModuleCall, Values

MOST_FUSED, MOST_ROOTS, MOST_REPEATED = 100, 20, 10
"""A kernel computes up to so many results, each from up to so many pointwise modules.

What several read is computed again by each of their kernels if that takes up to so many; else it is stored.
"""


MANY_NODES = 1000
"""In a graph of more nodes nothing is computed twice: it is compiled to NumPy calls anyway."""


@dataclass
class Product:
    """A step: the product of a part of a base with a Linear's weights."""

    base: int
    source: Access


@dataclass
class Normalisation:
    """A step: soft-max or log-soft-max of the rows of a part of a base."""

    base: int
    source: Access


@dataclass
class Kernel:
    """A step: pointwise modules fused into one pass, which gives the bases in `roots`."""

    roots: list[int]
    rows: int
    columns: int


class Plan(Values):
    """The values of a graph's nodes and the steps that compute them.

    `returned` lists the places whose values are wanted; for the rest see Values. Raises NotPlannable where there is
    nothing to gain.
    """

    def __init__(
        self,
        graph: Any,
        places: tuple[int, ...],
        sources: dict[Key, Any],
        fed: dict[int, int],
        returned: list[int],
        dtype: np.dtype | None,
    ) -> None:
        super().__init__(graph, places, sources, fed, dtype)
        self.returned = returned
        self.by_parts = len(places) <= MANY_NODES
        self._follow()

    def as_wholes(self) -> None:
        """Plan anew, so that what is read in parts is first computed as a whole.

        That makes several kernels of one, but each operation runs over all parts at once: better where an operation
        costs a call.
        """
        self.by_parts = False
        self._follow()

    def without_fusing(self, path: tuple[int, ...]) -> None:
        """Plan anew, with the node at this path as the call of its module."""
        self._call(path)
        self._follow()

    def _call(self, path: tuple[int, ...]) -> None:
        """Have the node at this path be a call; NotPlannable if it is one."""
        if path in self.called:
            raise NotPlannable(path)
        self.called.add(path)

    def _follow(self) -> None:
        while True:
            try:
                self.follow()
                self._mark_kept()
                self._make_steps()
                break
            except Unfit as unfit:
                self._call(unfit.path)
        if all(isinstance(step, ModuleCall) for step in self.steps):
            raise NotPlannable("nothing but calls")

    def _mark_kept(self) -> None:
        """Stored is what a product or a call reads, what is fed back, and what is wanted."""
        for place in self.returned:
            for leaf in table.leaves(self.values[place]):
                self.bases[self.bases.of(leaf)].kept = True
        for state in self.fed:
            self.bases[self.state_fed_by[state]].kept = True
        for call in self.calls_made.values():
            for leaf in table.leaves(call.input):
                self.bases[self.bases.of(leaf)].kept = True
        if not self.by_parts:
            for base in self.bases:
                for read, operand in zip(base.read, base.operands):
                    self.bases[read].kept |= self.bases.whole(operand) is None
        sizes, readers = [0] * len(self.bases), Counter(read for base in self.bases for read in base.read)
        for index, base in enumerate(self.bases):
            if base.kind == "pointwise" and not base.kept:
                sizes[index] = 1 + sum(sizes[read] for read in base.read)
                most_repeated = MOST_REPEATED if self.by_parts else 0
                if sizes[index] > (MOST_FUSED if readers[index] < 2 else most_repeated):
                    base.kept, sizes[index] = True, 0
        self.row_sources: dict[int, Access] = {}
        for index, base in enumerate(self.bases):
            if base.kind in ("product", "soft-max"):
                (operand,) = base.operands
                source = self.bases.access(operand, base.rows, operand.size // base.rows, base.path)
                self.bases[source.base].kept = True
                self.row_sources[index] = source
                base.kept |= base.kind == "soft-max"  # Its gradient is a function of it.

    def _make_steps(self) -> None:
        self.steps: list[Product | Normalisation | Kernel | ModuleCall] = []
        made_at: dict[int, int] = {}
        for index, base in enumerate(self.bases):
            if base.kind == "called" and index not in made_at:
                call = self.calls_made[index]
                self.steps.append(call)
                made_at.update(dict.fromkeys(call.bases, len(self.steps) - 1))
            elif base.kind == "product":
                self.steps.append(Product(index, self.row_sources[index]))
                made_at[index] = len(self.steps) - 1
            elif base.kind == "soft-max":
                self.steps.append(Normalisation(index, self.row_sources[index]))
                made_at[index] = len(self.steps) - 1
            elif base.kind == "joined":
                made_at[index] = max(made_at[part] for part in base.read)
            elif base.kind == "pointwise" and base.kept:
                leaves = list(self.leaves(index))
                earliest = max(made_at.get(leaf, 0) for leaf, _ in leaves)
                parts = {leaf for leaf, whole in leaves if not whole or self.bases[leaf].kind == "joined"}
                at = self._kernel_for(base, earliest, parts, made_at)
                self.steps[at].roots.append(index)
                made_at[index] = at

    def _kernel_for(self, base: Base, earliest: int, parts: set[int], made_at: dict[int, int]) -> int:
        """The place of a kernel over the base's rows and columns that runs after all it reads; a new one if need be."""
        for at in range(earliest, len(self.steps)):
            step = self.steps[at]
            fits = isinstance(step, Kernel) and (step.rows, step.columns) == (base.rows, base.columns)
            fits = fits and len(step.roots) < MOST_ROOTS
            if fits and not any(made_at.get(part) == at for part in parts):
                return at
        self.steps.append(Kernel([], base.rows, base.columns))
        return len(self.steps) - 1

    def leaves(self, index: int) -> Iterator[tuple[int, bool]]:
        """The stored bases that a pointwise base is computed from, and whether each is read element by element."""
        pending = [(index, True)]
        while pending:
            current, whole = pending.pop()
            for base, operand in zip(self.bases[current].read, self.bases[current].operands):
                as_it_is = whole and self.bases.whole(operand) is not None
                if self.bases[base].kind == "pointwise" and not self.bases[base].kept:
                    pending.append((base, as_it_is))
                else:
                    yield base, as_it_is
