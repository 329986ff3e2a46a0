"""Decorator: the base of containers that wrap one module."""

from __future__ import annotations

from typing import Any

from nodegraph.nn.container import Container
from nodegraph.nn.module import Module


class Decorator(Container):
    """y = module(x): one module, around which a subclass does something more.

    >>> from nodegraph import nn
    >>> Decorator(nn.Tanh()).forward(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])

    Source: torch/nn, Decorator.lua.
    """

    capacity = 1

    def __init__(self, module: Module) -> None:
        super().__init__(module)

    def update_output(self, input: Any) -> Any:
        self.saved = [self.call(0, input)]
        return self.saved[0].output

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return self.back(0, grad_output)

    def rowwise(self, shape: Any) -> bool:
        return self.modules[0].rowwise(shape)

    def output_shape(self, shape: Any) -> Any:
        return self.child_shape(0, shape)
