"""Bottle: a module applied to inputs of more axes than it takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape
from nodegraph.nn.view import integer


class Bottle(Decorator):
    """A module for `n_input_dim` axes applied to an input of more: the first axes are merged into one for it.

    (d1, ..., dk, ...) -> the module takes (d1 x ... x dk, ...) -> (d1, ..., dk, ...) of what it gives. Its output must
    have `n_output_dim` axes, as many as its input by default. An input of no more axes goes to the module as it is.

    >>> Bottle(nn.Linear(4, 3)).forward(np.zeros((2, 5, 4))).shape
    (2, 5, 3)

    Source: torch/nn, Bottle.lua.
    """

    def __init__(self, module: Module, n_input_dim: int = 2, n_output_dim: int | None = None) -> None:
        super().__init__(module)
        self.arguments = ((n_input_dim,) if n_output_dim is None else (n_input_dim, n_output_dim), {})
        self.n_input_dim = integer(n_input_dim, "n_input_dim")
        self.n_output_dim = self.n_input_dim if n_output_dim is None else integer(n_output_dim, "n_output_dim")
        if self.n_input_dim < 1 or self.n_output_dim < 1:
            raise ArgumentError("n_input_dim and n_output_dim must be positive")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.saved = [self.call(0, input.reshape(self._merged(input.shape)))]
        output = self.saved[0].output
        shape = self._separated(input.shape, table.shape(output))
        return output.reshape(shape)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return self.back(0, grad_output.reshape(self.saved[0].output.shape)).reshape(input.shape)

    def check_input(self, input: Any) -> None:
        array_shape(table.shape(input))

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return self._separated(array_shape(shape), self.child_shape(0, self._merged(shape)))

    def rowwise(self, shape: Any) -> bool:
        return self.modules[0].rowwise(self._merged(shape))

    def _merged(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that the module takes, for the input's."""
        extra = max(len(shape) - self.n_input_dim, 0)
        return (math.prod(shape[: extra + 1]), *shape[extra + 1 :]) if extra else shape

    def _separated(self, shape: tuple[int, ...], merged: Any) -> tuple[int, ...]:
        """The output's shape, for the input's and what the module gives."""
        extra = max(len(shape) - self.n_input_dim, 0)
        if not extra:
            return array_shape(merged)
        if isinstance(merged, list) or len(merged) != self.n_output_dim:
            got = table.describe_shape(merged)
            raise ShapeError(f"expected a module that gives {self.n_output_dim} axes, not {got}")
        rows = math.prod(shape[:extra])
        if merged[0] % max(rows, 1):
            raise ShapeError(f"expected a module that gives a multiple of {rows} rows, not {merged[0]}")
        return (*shape[:extra], merged[0] // rows if rows else shape[extra], *merged[1:])
