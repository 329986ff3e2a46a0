"""Modules whose output does not depend on the input: Constant and Parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.init import uniform
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import number
from nodegraph.nn.view import optional_count, sizes_of


class Constant(Module):
    """y = value, whatever the input; a number counts as an array of one element. The input's gradient is zero.

    When the input has more axes than `n_input_dim`, its first is a batch, and the value is given for each row:
    (batch, ...) -> (batch, *value.shape).

    >>> Constant(2.5).forward(np.zeros(3))
    array([2.5])
    >>> Constant(np.array([1.0, 2.0]), 1).forward(np.zeros((2, 3)))
    array([[1., 2.],
           [1., 2.]])

    Source: torch/nn, Constant.lua.
    """

    parameter_names = ()
    buffer_names = ("value",)

    def __init__(self, value: float | np.ndarray, n_input_dim: int | None = None) -> None:
        self.value = np.atleast_1d(numbers(value))
        self.n_input_dim = optional_count(n_input_dim, "n_input_dim")

    def update_output(self, input: Any) -> np.ndarray:
        return np.array(np.broadcast_to(self.value, self.output_shape(table.shape(input))))

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        return table.zeros_like(input)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if self.n_input_dim is not None and isinstance(shape, list):
            raise ShapeError("expected an array, for its first axis may be a batch")
        return shape[:1] + self.value.shape if self.rowwise(shape) else self.value.shape

    def rowwise(self, shape: Any) -> bool:
        return self.n_input_dim is not None and len(shape) > self.n_input_dim


class Parameters(Module):
    """y = weight, an array of the given sizes that is trained. Its node takes no input.

    As a module of its own it takes the empty table, and gives it back as gradient. What `forward` returns is a copy,
    which later updates leave alone. The weight is drawn from the uniform distribution on +-1/sqrt(last size).

    >>> from nodegraph import GModule
    >>> x, shift = nn.Identity()(), Parameters(3)()
    >>> GModule(x, nn.CAddTable()([x, shift])).forward(np.ones(3)).shape
    (3,)

    Source: nnop, Parameters.lua.
    """

    parameter_names = ("weight",)
    source = True

    def __init__(self, *sizes: int) -> None:
        self.weight = np.zeros(sizes_of(sizes))
        self.grad_weight = np.zeros_like(self.weight)
        self.reset()

    def reset(self, std: float | None = None) -> Parameters:
        """Draw the weight from the uniform distribution of this standard deviation, on +-sqrt(3) std.

        By default it is drawn on +-1 / sqrt(last size).
        """
        default = max(self.weight.shape[-1], 1) ** -0.5
        uniform(self.weight, default if std is None else math.sqrt(3) * number(std, "std"))
        return self

    def update_output(self, input: list[Any]) -> np.ndarray:
        return self.weight.copy()

    def update_grad_input(self, input: list[Any], grad_output: np.ndarray) -> list[Any]:
        return []

    def acc_grad_parameters(self, input: list[Any], grad_output: np.ndarray, scale: float = 1.0) -> None:
        self.grad_weight += grad_output if scale == 1 else scale * grad_output

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if shape != []:
            raise ShapeError("expected no input, which is the empty table []")
        return self.weight.shape


def numbers(given: Any) -> np.ndarray:
    """A floating-point array of its own; ArgumentError for what is neither a number nor an array of numbers."""
    try:
        value = np.array(given)
    except ValueError:
        value = np.array(None)
    if value.dtype.kind not in "fiub":
        raise ArgumentError(f"expected a number or an array of numbers, got {given!r}")
    return value if value.dtype.kind == "f" else value.astype(float)
