"""Growth: a graph that grows node by node, at random, from modules that are made to fit what is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import nodegraph.random
from nodegraph import GModule, Node, nest, nn, table
from nodegraph.errors import ModuleError, NodegraphError, StateError

CONTAINERS = {"Sequential", "Decorator", "NaN", "Profile", "DontCast", "ParallelTable", "GModule"}
"""Classes whose recipes use other recipes."""

DEMANDING = {
    "BCECriterion", "CDivTable", "Exp", "FeatureLPPooling", "Log", "Parameters", "Power", "SpatialLPPooling",
    "SpatialMaxUnpooling", "Sqrt", "VolumetricMaxUnpooling",
}  # fmt: skip
"""Classes that do not take every number, take no input, or must run after another module."""


@dataclass(frozen=True)
class Value:
    """What a node gives: its shape, None if that depends on numbers; whether it is real and may be worked on."""

    node: Node
    shape: Any
    real: bool = True


@dataclass(frozen=True)
class Grown:
    """A closed graph, how to make an input for it, and which classes it is made of."""

    gmodule: GModule
    makers: list[Callable[[np.random.Generator], Any]]
    classes: frozenset[str]

    def input(self, seed: int = 0) -> Any:
        """An input that fits; the same for the same seed."""
        rng = np.random.default_rng(seed)
        values = [make(rng) for make in self.makers]
        return values if len(values) > 1 else values[0]


class Growth:
    """A graph in the making.

    `integer(low, high)` draws a whole number, both ends included. What a recipe asks for by its shape (`array`) is cut
    out of what some node gives, or comes from a new input, so that most nodes hang on others; whatever nobody uses
    becomes an output.
    """

    def __init__(self, integer: Callable[[int, int], int], recipes: dict[str, Callable], largest: int = 4) -> None:
        nodegraph.random.seed(0)  # The same choices give the same parameters.
        self.integer, self.recipes, self.largest = integer, recipes, largest
        self.names = sorted(recipes)
        self.inside = 0
        self.values: list[Value] = []
        self.tables: list[Value] = []
        self.others: list[Value] = []
        self.inputs: list[Node] = []
        self.makers: list[Callable[[np.random.Generator], Any]] = []
        self.placed: list[tuple[Any, Any]] = []
        self.classes: set[str] = set()

    # Drawing

    def size(self, least: int = 1) -> int:
        return self.integer(least, max(least, self.largest))

    def choice(self, *options: Any) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def sizes(self, axes: int) -> tuple[int, ...]:
        return tuple(self.size() for _ in range(axes))

    # Values

    def input(self, make: Callable[[np.random.Generator], Any], real: bool = False) -> Value:
        """A new input of the graph."""
        self.makers.append(make)
        self.inputs.append(nn.Identity()())
        return self._put_down(self.inputs[-1], table.shape(make(np.random.default_rng(0))), real)

    def numbers(self, *shape: int) -> Value:
        """A new input of normally distributed numbers."""
        return self.input(lambda rng: rng.standard_normal(shape), real=True)

    def indices(self, n: int, *shape: int) -> Value:
        """A new input of whole numbers below n."""
        return self.input(lambda rng: rng.integers(0, n, shape))

    def signs(self, *shape: int) -> Value:
        """A new input of 1 and -1."""
        return self.input(lambda rng: rng.choice([-1.0, 1.0], shape))

    def any(self) -> Value:
        """Some array that is there, or a new one."""
        if not self.values or self.integer(0, 9) == 0:
            return self.numbers(*self.sizes(self.integer(1, 4)))
        return self.values[-1 - self.integer(0, len(self.values) - 1)]

    def of_rank(self, *ranks: int) -> Value:
        """Some array with one of these numbers of axes."""
        fitting = [value for value in self.values if len(value.shape) in ranks]
        if fitting and self.integer(0, 2):
            return fitting[self.integer(0, len(fitting) - 1)]
        return self.array(*self.sizes(self.choice(*ranks)))

    def array(self, *shape: int) -> Value:
        """An array of exactly this shape."""
        size = math.prod(shape)
        fitting = [value for value in self.values if math.prod(value.shape) >= size]
        if not fitting or self.integer(0, 5) == 0:
            return self.numbers(*shape)
        value = fitting[-1 - self.integer(0, len(fitting) - 1)]
        if value.shape == shape:
            return value
        if math.prod(value.shape) > size:
            value = self.wire(nn.Narrow(0, 0, size), self.wire(nn.View(-1), value))
        return value if value.shape == shape else self.wire(nn.Reshape(*shape, batch_mode=False), value)

    def like(self, shape: Any) -> Any:
        """Values of these shapes, nested in the same way."""
        return [self.like(part) for part in shape] if isinstance(shape, list) else self.array(*shape)

    def bounded(self, value: Value) -> Value:
        """The value between -1 and 1."""
        return self.wire(nn.Tanh(), value)

    def positive(self, value: Value) -> Value:
        """The value between 1/2 and 5/2."""
        return self.wire(nn.AddConstant(1.5), self.bounded(value))

    def images(self, planes: int | None = None, least: int = 1, axes: int = 2) -> Value:
        """(batch, planes, height, width), or without batch; with 3 axes volumes, with 1 (batch, planes, frames)."""
        planes = self.size() if planes is None else planes
        batch = (self.size(),) if self.integer(0, 3) else ()
        return self.array(*batch, planes, *(self.integer(least, least + 2) for _ in range(axes)))

    def sequences(self, least: int = 1) -> Value:
        """(batch, frames, features), or without batch."""
        batch = (self.size(),) if self.integer(0, 2) else ()
        return self.array(*batch, self.integer(least, least + 2), self.size())

    def table(self) -> Value:
        """Some table that is there, or a new one of some arrays."""
        if self.tables and self.integer(0, 2):
            return self.tables[self.integer(0, len(self.tables) - 1)]
        return self.nested([self.any() for _ in range(self.integer(1, 3))])

    def nested(self, given: list[Any]) -> Value:
        """A table of values."""
        return self._put_down(nest(_nodes(given)), _shapes(given), True)

    # Wiring

    def wire(self, module: Any, given: Any, checked: bool = True) -> Value:
        """A node of the module, or the criterion, on a value or a nested list of values.

        Unless `checked` they may be of shapes that it cannot take.
        """
        shape = _shapes(given)
        if isinstance(given, list):
            given = [self.nested(part) if isinstance(part, list) else part for part in given]
            if len(given) == 1:
                given = self.nested(given)
        node = module(_nodes(given)) if given != [] else module()
        self.classes |= classes_in(module)
        try:
            output = node.module.output_shape(shape)
        except (NotImplementedError, ModuleError, StateError):
            output = None
        except NodegraphError:
            if checked:
                raise
            output = None
        return self._put_down(node, output, "Kmeans" != type(module).__name__)

    def _put_down(self, node: Node, shape: Any, real: bool) -> Value:
        value = Value(node, shape, real)
        if not real or shape is None or shape == ():
            self.others.append(value)
        else:
            (self.tables if isinstance(shape, list) else self.values).append(value)
        return value

    def made(self, name: str | None = None) -> tuple[Any, Any]:
        """A module or criterion, of the class or of any, and values to put it on."""
        if name is None:
            name = self.choice(*self.names)
            while name in CONTAINERS and self.inside > 1:
                name = self.choice(*self.names)
        self.inside += 1
        module, given = self.recipes[name](self)
        self.inside -= 1
        return module, given

    def choose(self) -> tuple[nn.Module, Any]:
        """A module for a container, and values that it can take."""
        module, given = self.made()
        while given == []:
            module, given = self.made()
        return nn.ModuleFromCriterion(module) if isinstance(module, nn.Criterion) else module, given

    def inner(self) -> tuple[Growth, list[Value]]:
        """A growth inside this one, and the values that its first inputs are to stand for."""
        given = [self.any() for _ in range(self.integer(1, 2))]
        inner = Growth(self.integer, self.recipes, self.largest)
        inner.inside = self.inside
        for value in given:
            inner.numbers(*value.shape)
        return inner, given

    def grow(self, name: str | None = None) -> Value:
        """A further node: of the class, or of any, or of a module that stands at some node already."""
        if name is None and self.placed and self.integer(0, 6) == 0:
            return self.grow_again()
        module, given = self.made(name)
        if _all_real(given) and not classes_in(module) & DEMANDING:
            self.placed.append((module, _shapes(given)))
        value = self.wire(module, given)
        if isinstance(value.shape, list) and len(value.shape) > 1 and self.integer(0, 1):
            parts = value.node.split(len(value.shape))
            for part, shape in zip(parts, value.shape):
                self._put_down(part, shape, value.real)
        return value

    def grow_again(self) -> Value:
        """A further node of a module that stands at another one."""
        module, shape = self.placed[self.integer(0, len(self.placed) - 1)]
        return self.wire(module, self.like(shape))

    def close(self) -> Grown:
        """The graph, whose outputs are all loose ends and perhaps some nodes more, one of them in a table."""
        if not self.inputs:
            self.numbers(1)
        everything = [*self.values, *self.tables, *self.others]
        outputs = [value.node for value in everything if not value.node.children]
        for _ in range(self.integer(0, 2)):
            outputs.append(everything[self.integer(0, len(everything) - 1)].node)
        if len(outputs) > 1 and self.integer(0, 3) == 0:
            outputs = [nest(outputs[:2]), *outputs[2:]]
        return Grown(GModule(self.inputs, outputs), self.makers, frozenset(self.classes))


def classes_in(component: Any) -> set[str]:
    """The names of the classes of a module or a criterion, and of all inside."""
    inside = component.list_modules()
    inside += [part.criterion for part in inside if isinstance(part, nn.ModuleFromCriterion)]
    return {type(part).__name__ for part in inside}


def _nodes(given: Any) -> Any:
    return [_nodes(part) for part in given] if isinstance(given, list) else given.node


def _shapes(given: Any) -> Any:
    return [_shapes(part) for part in given] if isinstance(given, list) else given.shape


def _all_real(given: Any) -> bool:
    if isinstance(given, list):
        return all(_all_real(part) for part in given)
    return given.real and isinstance(given.shape, tuple)
