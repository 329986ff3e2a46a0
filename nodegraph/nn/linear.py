"""Linear and its relatives: modules whose output is linear in the input, with weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.init import uniform
from nodegraph.nn.module import Module
from nodegraph.nn.view import integer


class Linear(Module):
    """y = x W' + b: (batch, in) -> (batch, out), or (in,) -> (out,).

    `weight` (out, in) and `bias` (out) are drawn from the uniform distribution on +-1/sqrt(in).

    >>> Linear(4, 3).forward(np.zeros((5, 4))).shape
    (5, 3)

    Source: torch/nn, Linear.lua.
    """

    def __init__(self, input_size: int, output_size: int, bias: bool = True) -> None:
        self.input_size, self.output_size = size(input_size, "input_size"), size(output_size, "output_size")
        self.weight = np.zeros((self.output_size, self.input_size))
        self.bias = np.zeros(self.output_size) if bias else None
        self.grad_weight = np.zeros_like(self.weight)
        self.grad_bias = np.zeros_like(self.bias) if bias else None
        self.reset()

    def reset(self, bound: float | None = None) -> Linear:
        """Draw weight and bias from the uniform distribution on +-bound; by default 1 / sqrt(in)."""
        bound = self.input_size**-0.5 if bound is None else bound
        uniform(self.weight, bound)
        if self.bias is not None:
            uniform(self.bias, bound)
        return self

    def no_bias(self) -> Linear:
        """Do without the bias."""
        self.bias = self.grad_bias = None
        return self

    def update_output(self, input: np.ndarray) -> np.ndarray:
        output = input @ self.weight.T
        if self.bias is not None:
            output += self.bias
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output @ self.weight

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        self.grad_weight += times(gradients.T @ rows, scale)
        if self.bias is not None:
            self.grad_bias += times(gradients.sum(0), scale)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 2

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(f"expected an array of shape (batch, {self.input_size}) or ({self.input_size},)")
        return (*shape[:-1], self.output_size)


def size(value: Any, what: str) -> int:
    """A size as a positive int; ArgumentError if it is not."""
    value = integer(value, what)
    if value < 1:
        raise ArgumentError(f"{what} must be positive, got {value}")
    return value


def times(gradient: np.ndarray, scale: float) -> np.ndarray:
    """The gradient scaled in place; nothing to do for the scale 1."""
    if scale != 1:
        gradient *= scale
    return gradient
