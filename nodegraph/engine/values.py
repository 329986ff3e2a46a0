"""Values: what the nodes of a graph give, each followed to where its elements lie.

They lie in bases, which are computed (by a pointwise module, a product, or the call of any other module) or come from
outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine.bases import Base, Bases, Key, NotPlannable, Unfit
from nodegraph.nn.arithmetic import CAddTable, CMulTable
from nodegraph.nn.container import Sequential
from nodegraph.nn.dropout import Dropout
from nodegraph.nn.elementwise_weights import CAdd, CMul
from nodegraph.nn.linear import Linear
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import Pointwise
from nodegraph.nn.softmax import LogSoftMax, SoftMax, SpatialLogSoftMax, SpatialSoftMax
from nodegraph.nn.tables import JoinTable, JustElement, NarrowTable, Part, SelectTable, StackTable
from nodegraph.nn.view import Identity, ViewModule
from nodegraph.node import Node


@dataclass
class ModuleCall:
    """A step: the call of a module, which gives the bases in `bases`; `input` is a table of parts of bases."""

    module: Module
    within: list[tuple[Any, Node | int]]
    """The graphs and Sequentials it is in, from the outermost, each with its node or number there, to name errors."""
    input: Any
    output: Any
    bases: list[int]


class Values:
    """The values of a graph's nodes, or of some of them, and their bases.

    `places` are the nodes to run, in order; `sources` has for each key, ("input", place) and so on, the shapes and
    dtypes of the value; `fed` for each state's place the place of the node that gives it one step later. Nodes
    whose paths are in `called` are called, whatever they are.
    """

    def __init__(
        self, graph: Any, places: tuple[int, ...], sources: dict[Key, Any], fed: dict[int, int], dtype: np.dtype | None
    ) -> None:
        if dtype is None:
            raise NotPlannable("numbers of several types")
        self.graph, self.dtype, self.fed = graph, np.dtype(dtype), fed
        self.shapes = {key: table.shape(value) for key, value in sources.items()}
        self._sources, self._places = sources, places
        self.called: set[tuple[int, ...]] = set()

    def follow(self) -> None:
        self.calls_made: dict[int, ModuleCall] = {}
        self.views: list[tuple[Module, Any, Any]] = []
        sizes = [leaf.shape[0] for value in self._sources.values() for leaf in table.leaves(value) if leaf.ndim > 1]
        self.bases = Bases(sizes[0] if sizes else 1)
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
        if any(base.kind == "noise" for base in self.bases) and self.calls_made:
            # The calls may draw random numbers too, and then the order of drawing must be that of the nodes.
            raise Unfit(next(base.path for base in self.bases if base.kind == "noise"))

    def _source(self, key: Key, leaf: Any) -> np.ndarray:
        real, fed = leaf.dtype == self.dtype, key[1] in self.fed  # A state of whole numbers is real from step 1 on.
        return self.bases.add(Base("source", leaf.shape, (), key=key, real=real, differentiable=real or fed))

    def _value(self, module: Module, input: Any, path: tuple[int, ...], within: list[tuple[Any, Any]]) -> Any:
        """What a module gives for stand-ins."""
        if path in self.called or not _METHODS.isdisjoint(vars(module)):  # A method that the module alone has.
            return self._called(module, input, path, within)
        if _methods(type(module)) == _methods(type(self.graph)) and not module.hooks:
            return self._graph(module, input, path, within)
        if type(module) is Sequential:
            for i, inner in enumerate(module.modules):
                input = self._value(inner, input, (*path, i), [*within, (module, i)])
            return input
        if _methods(type(module)) in _VIEWS:
            value = module.view(input)
            held = all(map(self.bases.hold, table.leaves(value)))
            if not held:
                return self._called(module, input, path, within)
            self.views.append((module, input, value))
            return value
        shape, leaves = module.output_shape(table.shape(input)), list(table.leaves(input))
        if not all(self.bases[self.bases.of(leaf)].real for leaf in leaves):
            return self._called(module, input, path, within)
        if type(module) in _JOINING:
            return self._joined(shape, path, module, leaves)
        if type(module) is Linear:
            return self._computed("product", shape, path, module, leaves)
        if type(module) in _SOFT_MAX and len(shape) == 2:
            return self._computed("soft-max", shape, path, module, leaves)
        if _methods(type(module)) == _methods(Pointwise):
            return self._computed("pointwise", shape, path, module, leaves)
        if type(module) in _WEIGHTED:
            met, mine = module.fit(shape)
            weight = self.bases.add(Base("parameter", module.size, path, module))
            spread = np.broadcast_to(weight.reshape(mine), met).reshape(shape)
            return self._computed("pointwise", shape, path, _WEIGHTED[type(module)], [input, spread])
        if type(module) is Dropout and len(shape) > 1:
            if module.factor(np.broadcast_to(np.zeros((), self.dtype), (0,))) is None:
                return input
            if module.train or module.stochastic_inference:
                noise = self.bases.add(Base("noise", shape, path, module, differentiable=False))
                return self._computed("pointwise", shape, path, CMulTable(), [input, noise])
        return self._called(module, input, path, within)

    def _computed(
        self, kind: str, shape: tuple[int, ...], path: tuple[int, ...], module: Module, operands: list[np.ndarray]
    ) -> np.ndarray:
        read = [self.bases.of(operand) for operand in operands]
        differentiable = bool(module.own_parameter_names()) or any(self.bases[base].differentiable for base in read)
        return self.bases.add(Base(kind, shape, path, module, operands, read, differentiable=differentiable))

    def _joined(
        self, shape: tuple[int, ...], path: tuple[int, ...], module: Module, leaves: list[np.ndarray]
    ) -> np.ndarray:
        """A base in which copies of others are stored, each by the kernel that computes it."""
        copies = [self._computed("pointwise", leaf.shape, path, _COPY, [leaf]) for leaf in leaves]
        joined = self._computed("joined", shape, path, module, copies)
        for copy, part in zip(copies, module.update_grad_input(leaves, joined)):
            base = self.bases[self.bases.of(copy)]
            base.kept, base.place = True, self.bases.access(part, base.rows, base.columns, path)
        self.bases[self.bases.of(joined)].kept = True
        return joined

    def _called(self, module: Module, input: Any, path: tuple[int, ...], within: list[tuple[Any, Any]]) -> Any:
        shape = module.output_shape(table.shape(input))
        before = any(self.bases[self.bases.of(leaf)].differentiable for leaf in table.leaves(input))
        differentiable = before or bool(module.parameters()[0]) or module.source
        first = len(self.bases)

        def added(part: tuple[int, ...]) -> np.ndarray:
            return self.bases.add(Base("called", part, path, module, differentiable=differentiable))

        output = _map_shape(added, shape)
        bases = list(range(first, len(self.bases)))
        call = ModuleCall(module, within, input, output, bases)
        self.calls_made.update(dict.fromkeys(bases, call))
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
        base = self.bases.whole(value)
        if base is None or self.bases[base].kind != "pointwise" or base in self.state_fed_by.values():
            value = self._computed("pointwise", value.shape, (feeder,), _COPY, [value])
        self.state_fed_by[state] = self.bases.of(value)


class _Copy(Pointwise):
    """y = x, computed."""

    def formula(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, y: Any) -> Any:
        return 1


_METHODS = {"update_output", "update_grad_input", "acc_grad_parameters"}


def _methods(kind: type[Module]) -> tuple[Any, ...]:
    """What modules of a class run by; a class that overrides none of another's runs as that one does."""
    return kind.update_output, kind.update_grad_input, kind.acc_grad_parameters


_COPY = _Copy()
_VIEWS = {_methods(kind) for kind in (ViewModule, Identity, Part, JustElement, SelectTable, NarrowTable)}
_JOINING = {JoinTable, StackTable}
_SOFT_MAX = {SoftMax, SpatialSoftMax, LogSoftMax, SpatialLogSoftMax}
_WEIGHTED = {CMul: CMulTable(), CAdd: CAddTable()}
"""Modules that are a pointwise module of their input and their parameter."""


def _map_shape(function: Any, shape: Any) -> Any:
    if isinstance(shape, list):
        return [_map_shape(function, part) for part in shape]
    return function(tuple(shape))
