"""What modules with weights have in common: their arrays, how these are drawn, and the shapes of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.init import uniform
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import number
from nodegraph.nn.view import integer


class Parametric(Module):
    """A module whose parameters are drawn from the uniform distribution on +-1 / sqrt(`spread`)."""

    spread: Any = 1

    weight: np.ndarray
    grad_weight: np.ndarray
    bias: Any
    """An array, or None where the module does without."""
    grad_bias: Any

    def allocate(self, **shapes: tuple[int, ...] | None) -> None:
        """Make the parameters and their gradients, of the shapes given by name; None means that there is none."""
        try:
            for name, shape in shapes.items():
                for attribute in (name, "grad_" + name):
                    setattr(self, attribute, None if shape is None else np.zeros(shape))
        except ValueError as error:
            raise ArgumentError(f"{type(self).__name__}: there is no array of shape {shape}: {error}") from None

    def reset(self, std: float | None = None) -> Parametric:
        """Draw the parameters from the uniform distribution of this standard deviation, on +-sqrt(3) std.

        By default they are drawn on +-1 / sqrt(`spread`).
        """
        bound = self.spread**-0.5 if std is None else math.sqrt(3) * number(std, "std")
        for name in self.own_parameter_names():
            uniform(getattr(self, name), bound)
        return self


class VectorMap(Parametric):
    """A module that maps each vector of `input_size` numbers to one of `output_size`; vectors may come in a batch."""

    def set_sizes(self, input_size: int, output_size: int) -> None:
        """Keep the two sizes; ArgumentError unless they are positive."""
        self.input_size, self.output_size = size(input_size, "input_size"), size(output_size, "output_size")
        self.spread = self.input_size

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
