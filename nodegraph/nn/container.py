"""Containers: modules made of modules, one after the other or side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodegraph import table
from nodegraph.errors import ArgumentError, NodegraphError
from nodegraph.nn.module import Call, Module, locate


class Container(Module):
    """A module that holds modules, in `modules`; base of all containers.

    A run keeps the calls of its children in `saved`, so that backward finds what each of them needs.
    """

    parameter_names = ()

    def __init__(self, *modules: Module) -> None:
        self.arguments = ((), {})
        self.modules: list[Module] = []
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> Container:
        """Append a module; returns the container. ArgumentError for something else than a module."""
        if not isinstance(module, Module):
            raise ArgumentError(f"{type(self).__name__}.add takes a module, got {module!r}")
        if self in module.list_modules():
            raise ArgumentError(f"{type(self).__name__} cannot contain itself")
        self.modules.append(module)
        return self

    def children(self) -> list[Module]:
        return list(self.modules)

    def replace(self, function: Callable[[Module], Module]) -> Module:
        self.modules = [module.replace(function) for module in self.modules]
        return function(self)

    def check_input(self, input: Any) -> None:
        pass

    def call(self, i: int, input: Any) -> Call:
        """Run module `i`; an error says which one it was."""
        try:
            return Call(self.modules[i], input)
        except Exception as error:
            raise self._at_child(error, i, table.describe(input))

    def child_shape(self, i: int, shape: Any) -> Any:
        """The output's shape of module `i`; an error says which one it was."""
        try:
            return self.modules[i].output_shape(shape)
        except Exception as error:
            raise self._at_child(error, i, table.describe_shape(shape))

    def _at_child(self, error: Exception, i: int, got: str) -> NodegraphError:
        return locate(error, f"{self.modules[i].describe()}, module {i} of {self.describe()},", got)

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
        given = [repr(a) for a in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
        lines = [f"  ({i}): {module!r}".replace("\n", "\n  ") for i, module in enumerate(self.modules)]
        return "\n".join([f"{type(self).__name__}({', '.join(given)}", *lines, ")"]) if lines else f"{type(self).__name__}({', '.join(given)})"


class Sequential(Container):
    """The modules one after the other, each taking the output of the one before.

    >>> import numpy as np
    >>> from nodegraph import nn
    >>> net = Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> net.forward(np.zeros((2, 4))).shape
    (2, 3)

    Source: torch/nn, Sequential.lua.
    """

    def update_output(self, input: Any) -> Any:
        self.saved = []
        for i in range(len(self.modules)):
            self.saved.append(self.call(i, input))
            input = self.saved[-1].output
        return input

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        for call in reversed(self.saved):
            grad_output = call.update_grad_input(grad_output)
        return grad_output

    def output_shape(self, shape: Any) -> Any:
        for i in range(len(self.modules)):
            shape = self.child_shape(i, shape)
        return shape
