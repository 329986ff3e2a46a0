"""Containers: modules made of modules, one after the other or side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodegraph import table
from nodegraph.errors import ArgumentError, NodegraphError, ShapeError
from nodegraph.nn.component import short
from nodegraph.nn.module import Call, Module, locate
from nodegraph.nn.view import integer


class Container(Module):
    """A module that holds modules, in `modules`; base of all containers.

    A run keeps the calls of its children in `saved`, so that backward finds what each of them needs.
    """

    parameter_names: tuple[str, ...] = ()
    capacity: int | None = None
    """How many modules may be added; None for any number."""

    def __init__(self, *modules: Module) -> None:
        self.arguments = ((), {})
        self.modules: list[Any] = []
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> Container:
        """Append a module; returns the container. ArgumentError for something else than a module."""
        self.modules.append(self._member(module))
        return self

    def _member(self, module: Any) -> Module:
        if not isinstance(module, Module):
            raise ArgumentError(f"{type(self).__name__} takes modules, got {module!r}")
        if self in module.list_modules():
            raise ArgumentError(f"{type(self).__name__} cannot contain itself")
        if len(self.modules) == self.capacity:
            raise ArgumentError(f"{type(self).__name__} holds {self.capacity} module, and has it")
        return module

    def get(self, index: int) -> Module:
        """The module at a place; ArgumentError if there is none."""
        return self.modules[self._place(index)]

    def _place(self, index: int) -> int:
        index, n = integer(index, "index"), len(self.modules)
        if not -n <= index < n:
            raise ArgumentError(f"{type(self).__name__} has {n} modules, and none at index {index}")
        return index % n

    def size(self) -> int:
        """The number of modules; the same as `len`."""
        return len(self.modules)

    def apply_to_modules(self, function: Callable[[Module], Any]) -> None:
        """Call `function` on each module directly inside."""
        for module in self.modules:
            function(module)

    def children(self) -> list[Module]:
        return list(self.modules)

    def replace(self, function: Callable[[Module], Module]) -> Module:
        modules = [module.replace(function) for module in self.modules]
        for module in modules:
            if not isinstance(module, Module):
                raise ArgumentError(f"{self.describe()}: replace's function must give a module, gave {module!r}")
        self.modules = modules
        return function(self)

    def check_input(self, input: Any) -> None:
        pass

    def module_for(self, i: int) -> Module:
        """The module that takes part `i` of the input: module `i`."""
        return self.modules[i]

    def call(self, i: int, input: Any) -> Call:
        """Run module `i`; an error says which one it was."""
        try:
            return Call(self.module_for(i), input)
        except Exception as error:
            raise self.at_child(error, i, table.describe(input))

    def back(self, i: int, grad_output: Any) -> Any:
        """The gradient of the input of call `i`; an error says which module it was."""
        call = self.saved[i]
        try:
            gradient = table.fill(call.update_grad_input(grad_output), call.input)
            if not table.same_structure(gradient, call.input):
                got, expected = table.describe(gradient), table.describe(call.input)
                raise ShapeError(f"its gradient has shape {got}, not that of its input, {expected}")
            return gradient
        except Exception as error:
            raise self.at_child(error, i, f"gradient {table.describe(grad_output)}")

    def child_shape(self, i: int, shape: Any) -> Any:
        """The output's shape of module `i`; an error says which one it was."""
        try:
            return self.module_for(i).output_shape(shape)
        except NotImplementedError:
            raise
        except Exception as error:
            raise self.at_child(error, i, table.describe_shape(shape))

    def at_child(self, error: Exception, i: int, got: str) -> NodegraphError:
        """The error to raise instead, with module `i` named."""
        return locate(error, f"{self.module_for(i).describe()}, module {i} of {self.describe()},", got)

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        for call in self.saved:
            call.acc_grad_parameters(scale)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, i: int) -> Module:
        return self.modules[i]

    def describe(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        args, kwargs = self.arguments
        given = [short(a) for a in args] + [f"{k}={short(v)}" for k, v in kwargs.items()]
        head = f"{type(self).__name__}({', '.join(given)}"
        lines = [f"  ({i}): {module!r}".replace("\n", "\n  ") for i, module in enumerate(self.modules)]
        return "\n".join([head, *lines, ")"]) if lines else head + ")"


class Sequential(Container):
    """The modules one after the other, each taking the output of the one before.

    >>> net = Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> net.forward(np.zeros((2, 4))).shape
    (2, 3)

    Source: torch/nn, Sequential.lua.
    """

    def insert(self, module: Module, index: int | None = None) -> Sequential:
        """Put a module in at a place, from 0 to the number of modules; by default at the end."""
        index = len(self.modules) if index is None else integer(index, "index")
        if not 0 <= index <= len(self.modules):
            raise ArgumentError(f"index {index} is not among the places 0 to {len(self.modules)}")
        self.modules.insert(index, self._member(module))
        return self

    def remove(self, index: int | None = None) -> Sequential:
        """Take out the module at a place, by default the last."""
        del self.modules[self._place(-1 if index is None else index)]
        return self

    def update_output(self, input: Any) -> Any:
        self.saved = []
        for i in range(len(self.modules)):
            self.saved.append(self.call(i, input))
            input = self.saved[-1].output
        return input

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        for i in reversed(range(len(self.saved))):
            grad_output = self.back(i, grad_output)
        return grad_output

    def output_shape(self, shape: Any) -> Any:
        for i in range(len(self.modules)):
            shape = self.child_shape(i, shape)
        return shape

    def rowwise(self, shape: Any) -> bool:
        for i, module in enumerate(self.modules):
            if not module.rowwise(shape):
                return False
            shape = self.child_shape(i, shape)
        return True
