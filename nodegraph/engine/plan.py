"""Plan: what a graph has to compute, found once from its nodes and the shapes at one step.

Every value at a node is followed to where its elements lie. A *base* is an array that is computed (by a pointwise
module, a product, or the call of any other module) or comes from outside; a view computes nothing, its elements are
elements of bases. Views are followed by NumPy itself: each base has a stand-in, an array of zeros of its shape and one
byte an element, the modules' own `view` methods are applied to it, and address and strides of what they give tell
which elements were taken.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nodegraph import table
from nodegraph.nn.arithmetic import CAddTable, CMulTable
from nodegraph.nn.container import Sequential
from nodegraph.nn.dropout import Dropout
from nodegraph.nn.elementwise_weights import CAdd, CMul
from nodegraph.nn.linear import Linear
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import Pointwise
from nodegraph.nn.tables import Part
from nodegraph.nn.view import Identity, ViewModule
from nodegraph.node import Node

Key = tuple[Any, ...]
"""Where a base comes from: ("input", place), ("state", place) or ("outside", place), and which leaf of that value."""


MOST_FUSED, MOST_ROOTS, MOST_REPEATED = 100, 20, 10
"""A kernel computes up to so many results, each from up to so many pointwise modules.

What several read is computed again by each of their kernels if that takes up to so many; else it is stored.
"""


MANY_NODES = 1000
"""In a graph of more nodes nothing is computed twice: it is compiled to NumPy calls anyway."""


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

    `kind` is "source" (from outside), "parameter", "noise", "product", "pointwise" or "called". `path` is the place of
    the node that computes it, in the graph and in the graphs inside.
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
    rows: int = 1
    columns: int = 1


@dataclass
class Product:
    """A step: the product of a part of a base with a Linear's weights."""

    base: int
    source: Access


@dataclass
class Kernel:
    """A step: pointwise modules fused into one pass, which gives the bases in `roots`."""

    roots: list[int]
    rows: int
    columns: int


@dataclass
class ModuleCall:
    """A step: the call of a module, which gives the bases in `bases`; `input` is a table of parts of bases."""

    module: Module
    within: list[tuple[Any, Node | int]]
    """The graphs and Sequentials it is in, from the outermost, each with its node or number there, to name errors."""
    input: Any
    output: Any
    bases: list[int]
    place: int


class Plan:
    """The bases and the steps of a graph's nodes, or of some of them.

    `places` are the nodes to run, in order; `sources` has for each key, ("input", place) and so on, the shapes and
    dtypes of the value; `fed` for each state's place the place of the node that gives it one step later; `returned`
    lists the places whose values are wanted. Raises NotPlannable where there is nothing to gain.
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
        if dtype is None:
            raise NotPlannable("numbers of several types")
        self.graph, self.dtype, self.fed, self.returned = graph, np.dtype(dtype), fed, returned
        self.shapes = {key: table.shape(value) for key, value in sources.items()}
        self._sources, self._places = sources, places
        self._calls: set[tuple[int, ...]] = set()
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
        if path in self._calls:
            raise NotPlannable(path)
        self._calls.add(path)
        self._follow()

    def _follow(self) -> None:
        while True:
            try:
                self._make_values()
                self._mark_kept()
                self._make_steps()
                break
            except Unfit as unfit:
                if unfit.path in self._calls:
                    raise NotPlannable(unfit.path) from None
                self._calls.add(unfit.path)
        if not any(isinstance(step, (Product, Kernel)) for step in self.steps):
            raise NotPlannable("nothing but calls")

    # Following the elements

    def _make_values(self) -> None:
        self.bases: list[Base] = []
        self._calls_made: dict[int, ModuleCall] = {}
        self._stand_ins: list[np.ndarray] = []
        self._numbers: dict[int, int] = {}
        self._memory: list[tuple[int, int]] = []
        self._addresses: list[int] = []
        sizes = [leaf.shape[0] for value in self._sources.values() for leaf in table.leaves(value) if leaf.ndim > 1]
        self.rows = sizes[0] if sizes else 1
        values: dict[int, Any] = {}
        for key, value in self._sources.items():
            bases = (self._source((*key, i), leaf) for i, leaf in enumerate(table.leaves(value)))
            found = _map_shape(lambda _, bases=bases: next(bases), self.shapes[key])
            if key[0] == "outside":
                values[key[1]] = found
            else:
                values["input", key[1]] = found
        for place in self._places:
            node, parents = self.graph.nodes[place], self.graph.parent_places[place]
            if ("input", place) in values:
                value = values["input", place]
            else:
                value = values[parents[0]] if len(parents) == 1 else [values[parent] for parent in parents]
            values[place] = self._value(node.module, value, (place,), [(self.graph, node)])
        self.values = values
        self.state_fed_by: dict[int, int] = {}
        for state, feeder in self.fed.items():
            self._feed(state, feeder)
        if any(base.kind == "noise" for base in self.bases) and self._calls_made:
            # The calls may draw random numbers too, and then the order of drawing must be that of the nodes.
            raise Unfit(next(base.path for base in self.bases if base.kind == "noise"))

    def _new(self, base: Base) -> np.ndarray:
        """Add a base; returns its stand-in."""
        size = int(np.prod(base.shape))
        if size == 0:
            raise NotPlannable("no elements")
        batched = len(base.shape) > 1 or (base.kind != "product" and base.shape == (self.rows,))
        base.rows = base.shape[0] if batched else 1
        base.columns = size // base.rows
        stand_in = np.zeros(base.shape, np.int8)
        self._addresses.append(_address(stand_in))
        self._numbers[id(stand_in)] = len(self.bases)
        bisect.insort(self._memory, (self._addresses[-1], len(self.bases)))
        self.bases.append(base)
        self._stand_ins.append(stand_in)
        return stand_in

    def _source(self, key: Key, leaf: Any) -> np.ndarray:
        real, fed = leaf.dtype == self.dtype, key[1] in self.fed  # A state of whole numbers is real from step 1 on.
        return self._new(Base("source", leaf.shape, (key[1],), key=key, real=real, differentiable=real or fed))

    def _value(self, module: Module, input: Any, path: tuple[int, ...], within: list[tuple[Any, Any]]) -> Any:
        """What a module gives for stand-ins."""
        if path in self._calls:
            return self._called(module, input, path, within)
        if module.made_of_nodes and not module.hooks:
            return self._graph(module, input, path, within)
        if type(module) is Sequential and module.modules:
            for i, inner in enumerate(module.modules):
                input = self._value(inner, input, (*path, i), [*within, (module, i)])
            return input
        if isinstance(module, ViewModule) and type(module).update_grad_input in _VIEW_GRADIENTS:
            value = module.view(input)
            return value if all(map(self._is_part, table.leaves(value))) else self._called(module, input, path, within)
        shape, leaves = module.output_shape(table.shape(input)), list(table.leaves(input))
        if not all(self.bases[self.base_of(leaf)].real for leaf in leaves):
            return self._called(module, input, path, within)
        if type(module) is Linear and len(shape) <= 2 and module.weight.dtype == self.dtype:
            return self._computed("product", shape, path, module, leaves)
        if isinstance(module, Pointwise) and type(module).update_grad_input is Pointwise.update_grad_input:
            return self._computed("pointwise", shape, path, module, leaves)
        if type(module) in _WEIGHTED and _parameter(module).dtype == self.dtype:
            met, mine = module.fit(shape)
            weight = self._new(Base("parameter", module.size, path, module, differentiable=True))
            spread = np.broadcast_to(weight.reshape(mine), met).reshape(shape)
            if not self._is_part(spread):
                raise Unfit(path)
            return self._computed("pointwise", shape, path, _WEIGHTED[type(module)], [input, spread])
        if type(module) is Dropout and len(shape) > 1:
            if module.factor(np.broadcast_to(np.zeros((), self.dtype), (0,))) is None:
                return input
            if module.train or module.stochastic_inference:
                noise = self._new(Base("noise", shape, path, module, differentiable=False))
                return self._computed("pointwise", shape, path, CMulTable(), [input, noise])
        return self._called(module, input, path, within)

    def _computed(
        self, kind: str, shape: tuple[int, ...], path: tuple[int, ...], module: Module, operands: list[np.ndarray]
    ) -> np.ndarray:
        read = [self.base_of(operand) for operand in operands]
        differentiable = bool(module.own_parameter_names()) or any(self.bases[base].differentiable for base in read)
        return self._new(Base(kind, shape, path, module, operands, read, differentiable=differentiable))

    def _called(self, module: Module, input: Any, path: tuple[int, ...], within: list[tuple[Any, Any]]) -> Any:
        shape = module.output_shape(table.shape(input))
        before = any(self.bases[self.base_of(leaf)].differentiable for leaf in table.leaves(input))
        differentiable = before or bool(module.parameters()[0]) or module.source
        first = len(self.bases)
        output = _map_shape(lambda s: self._new(Base("called", s, path, module, differentiable=differentiable)), shape)
        bases = list(range(first, len(self.bases)))
        call = ModuleCall(module, within, input, output, bases, path[0])
        self._calls_made.update(dict.fromkeys(bases, call))
        return output

    def _graph(self, graph: Any, input: Any, path: tuple[int, ...], within: list[tuple[Any, Any]]) -> Any:
        graph.output_shape(table.shape(input))
        given = input if len(graph.inputs) > 1 else [input]
        values: list[Any] = []
        for place, node in enumerate(graph.nodes):
            parents = graph.parent_places[place]
            if place in graph.input_places:
                value = given[graph.input_places.index(place)]
            else:
                value = values[parents[0]] if len(parents) == 1 else [values[parent] for parent in parents]
            values.append(self._value(node.module, value, (*path, place), [*within, (graph, node)]))
        returned = [values[place] for place in graph.output_places]
        return returned[0] if len(returned) == 1 else returned

    def _feed(self, state: int, feeder: int) -> None:
        """Have what is fed back computed as a base of its own, with its elements in order."""
        value = self.values[feeder]
        before = self.values["input", state]
        if table.is_table(value) or table.is_table(before) or value.shape != before.shape:
            raise NotPlannable("feedback")
        base = self.whole(value)
        if base is None or self.bases[base].kind != "pointwise" or base in self.state_fed_by.values():
            value = self._computed("pointwise", value.shape, (feeder,), _COPY, [value])
        self.state_fed_by[state] = self.base_of(value)

    def base_of(self, elements: np.ndarray) -> int:
        """The base that holds the elements."""
        number = self._numbers.get(id(elements if elements.base is None else elements.base))
        if number is None:
            number = self._memory[bisect.bisect_right(self._memory, (_address(elements), len(self.bases))) - 1][1]
        return number

    def _is_part(self, elements: np.ndarray) -> bool:
        """Whether the elements lie in a base, and are not copies."""
        if not self._memory or elements.size == 0:
            return False
        return np.may_share_memory(elements, self._stand_ins[self.base_of(elements)])

    def whole(self, elements: np.ndarray) -> int | None:
        """The base of which these are all elements in order; None if they are something else."""
        base = self.base_of(elements)
        everything = elements.size == self._stand_ins[base].size and elements.flags.c_contiguous
        return base if everything else None

    def part(self, elements: np.ndarray) -> tuple[int, int, tuple[int, ...]]:
        """The base of the elements, the place of the first in it, and the strides."""
        base = self.base_of(elements)
        return base, _address(elements) - self._addresses[base], elements.strides

    def access(self, elements: np.ndarray, rows: int, columns: int, path: tuple[int, ...]) -> Access:
        """The elements as an access, row by row; Unfit, with the path, unless each row is a run."""
        grid = elements.reshape(rows, columns)
        if not self._is_part(grid):
            raise Unfit(path)
        base, offset, (stride, step) = self.part(grid)
        if columns > 1 and step != 1:
            raise Unfit(path)
        return Access(base, offset, stride if rows > 1 else self.bases[base].columns)

    def operand_accesses(self, access: Access, rows: int, columns: int) -> list[Access]:
        """Where the operands of a part of a pointwise base lie; Unfit where a kernel cannot read them."""
        base = self.bases[access.base]
        if rows != base.rows or access.stride != base.columns or access.offset + columns > base.columns:
            raise Unfit(base.path)
        found = []
        for operand in base.operands:
            grid = operand.reshape(base.rows, base.columns)
            if not self._is_part(grid):
                raise Unfit(base.path)
            run = grid[:, access.offset : access.offset + columns]
            found.append(self.access(run, rows, columns, base.path))
        return found

    # What is stored, and in which steps it is computed

    def _mark_kept(self) -> None:
        """Stored is what a product or a call reads, what is fed back, and what is wanted."""
        for place in self.returned:
            for leaf in table.leaves(self.values[place]):
                self.bases[self.base_of(leaf)].kept = True
        for state in self.fed:
            self.bases[self.state_fed_by[state]].kept = True
        for call in self._calls_made.values():
            for leaf in table.leaves(call.input):
                self.bases[self.base_of(leaf)].kept = True
        if not self.by_parts:
            for base in self.bases:
                for read, operand in zip(base.read, base.operands):
                    self.bases[read].kept |= self.whole(operand) is None
        sizes, readers = [0] * len(self.bases), Counter(read for base in self.bases for read in base.read)
        for index, base in enumerate(self.bases):
            if base.kind == "pointwise" and not base.kept:
                sizes[index] = 1 + sum(sizes[read] for read in base.read)
                most_repeated = MOST_REPEATED if self.by_parts else 0
                if sizes[index] > (MOST_FUSED if readers[index] < 2 else most_repeated):
                    base.kept, sizes[index] = True, 0
        self.product_sources: dict[int, Access] = {}
        for index, base in enumerate(self.bases):
            if base.kind == "product":
                (operand,) = base.operands
                source = self.access(operand, base.rows, operand.size // base.rows, base.path)
                self.bases[source.base].kept = True
                self.product_sources[index] = source

    def _make_steps(self) -> None:
        self.steps: list[Product | Kernel | ModuleCall] = []
        made_at: dict[int, int] = {}
        for index, base in enumerate(self.bases):
            if base.kind == "called" and index not in made_at:
                call = self._calls_made[index]
                self.steps.append(call)
                made_at.update(dict.fromkeys(call.bases, len(self.steps) - 1))
            elif base.kind == "product":
                self.steps.append(Product(index, self.product_sources[index]))
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
            fits = fits and len(step.roots) < MOST_ROOTS
            if fits and not any(made_at.get(part) == at for part in parts):
                return at
        self.steps.append(Kernel([], base.rows, base.columns))
        return len(self.steps) - 1

    def leaves(self, index: int) -> Iterator[tuple[int, bool]]:
        """The stored bases that a pointwise base is computed from, and whether each is read element by element."""
        pending, seen = [(index, True)], set()
        while pending:
            current, whole = pending.pop()
            for base, operand in zip(self.bases[current].read, self.bases[current].operands):
                as_it_is = whole and self.whole(operand) is not None
                if (base, as_it_is) in seen:
                    continue
                seen.add((base, as_it_is))
                if self.bases[base].kind == "pointwise" and not self.bases[base].kept:
                    pending.append((base, as_it_is))
                else:
                    yield base, as_it_is


class _Copy(Pointwise):
    """y = x, computed."""

    def formula(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, y: Any) -> Any:
        return 1


_COPY = _Copy()
_VIEW_GRADIENTS = {ViewModule.update_grad_input, Identity.update_grad_input, Part.update_grad_input}
_WEIGHTED = {CMul: CMulTable(), CAdd: CAddTable()}
"""Modules that are a pointwise module of their input and their parameter."""


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _parameter(module: Module) -> np.ndarray:
    return getattr(module, module.parameter_names[0])


def _map_shape(function: Any, shape: Any) -> Any:
    if isinstance(shape, list):
        return [_map_shape(function, part) for part in shape]
    return function(tuple(shape))
