"""Pointwise modules: a formula and its derivative, element by element, and the elementary functions among them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module


class Pointwise(Module):
    """A module that defines `formula` and `derivative` in plain NumPy, and nothing else.

    With one input these are `formula(self, x)` and `derivative(self, x, y)`, where y is the formula's value. A module
    of several inputs sets `arity` to their number, or to None for any number; then they are `formula(self, *xs)` and
    `derivatives(self, xs, y)`, which gives one derivative for each input. The arrays of a table must have equally many
    elements; nothing is broadcast, and the output has the shape of the first.

    Both are applied to symbols, too, when a graph is compiled, drawn or exported: so no `if` on values, only `np.where`.
    """

    parameter_names = ()
    arity: int | None = 1

    def formula(self, *xs: Any) -> Any:
        raise NotImplementedError

    def derivative(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [self.derivative(xs[0], y)]

    def update_output(self, input: Any) -> np.ndarray:
        return np.asarray(self.formula(*self._operands(input)))

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        xs = self._operands(input)
        gradients = [_times(d, grad_output) for d in self.derivatives(xs, self.output)]
        if self.arity == 1:
            return gradients[0]
        return [gradient.reshape(x.shape) for gradient, x in zip(gradients, input)]

    def _operands(self, input: Any) -> list[np.ndarray]:
        if self.arity == 1:
            return [input]
        shape = input[0].shape
        return [x if x.shape == shape else x.reshape(shape) for x in input]

    def rowwise(self, shape: Any) -> bool:
        shapes = shape if isinstance(shape, list) else [shape]
        return all(len(s) > 0 and s == shapes[0] for s in shapes)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if self.arity == 1:
            return array_shape(shape)
        if not isinstance(shape, list) or not shape or any(isinstance(s, list) for s in shape):
            raise ShapeError("expected a table of arrays")
        if self.arity is not None and len(shape) != self.arity:
            raise ShapeError(f"expected a table of {self.arity} arrays")
        if any(s != shape[0] and np.prod(s) != np.prod(shape[0]) for s in shape):
            raise ShapeError("expected arrays of equally many elements")
        return shape[0]


def array_shape(shape: Any) -> tuple[int, ...]:
    """The shape, which must be an array's and not a table's."""
    if isinstance(shape, list):
        raise ShapeError("expected an array, not a table")
    return shape


def _times(derivative: Any, grad_output: np.ndarray) -> np.ndarray:
    if isinstance(derivative, (int, float)) and derivative == 1:
        return grad_output
    return grad_output * derivative


class Abs(Pointwise):
    """y = |x|; the derivative at 0 is 0.

    >>> Abs().forward(np.array([-2.0, 3.0]))
    array([2., 3.])
    """

    def formula(self, x: Any) -> Any:
        return np.abs(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return np.sign(x)


class Exp(Pointwise):
    """y = exp(x).

    >>> Exp().forward(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """

    def formula(self, x: Any) -> Any:
        return np.exp(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return y
