"""Pointwise modules: a formula and its derivative, element by element, and the elementary functions among them."""

from __future__ import annotations

import inspect
import math
import numbers
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module


class Pointwise(Module):
    """A module that defines `formula` and `derivative` in plain NumPy, and nothing else.

    With one input these are `formula(self, x)` and `derivative(self, x, y)`, where y is the formula's value. A module
    of several inputs sets `arity` to their number, or to None for any number; then they are `formula(self, *xs)` and
    `derivatives(self, xs, y)`, which gives one derivative for each input. The arrays of a table must have equally many
    elements; nothing is broadcast, and the output has the shape of the first.

    Both are applied to symbols, too, when a graph is compiled, drawn or exported: so no `if` on values, but `np.where`.
    The value of float32 inputs is float32, whatever the constants. A derivative of 0 or 1 may be a plain condition.
    """

    parameter_names = ()
    arity: int | None = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        taken = [p for p in inspect.signature(cls.formula).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        inputs = len(taken) - 1
        if cls.arity == 1 and inputs > 1:
            raise ArgumentError(
                f"{cls.__name__}.formula takes {inputs} inputs: set arity = {inputs}, define derivatives(self, xs, y)"
            )

    def formula(self, *xs: Any) -> Any:
        """The value at each element."""
        raise NotImplementedError

    def derivative(self, x: Any, y: Any) -> Any:
        """The derivative of the value y at x, for each element."""
        raise NotImplementedError

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        """The derivative of the value y by each of the inputs, for each element."""
        return [self.derivative(xs[0], y)]

    def update_output(self, input: Any) -> np.ndarray:
        xs = self._operands(input)
        y, x = self.formula(*xs), xs[0]
        if isinstance(y, numbers.Real) and x.shape:  # The formula is a constant.
            return np.full(x.shape, y, x.dtype if x.dtype.kind == "f" else float)
        if not isinstance(y, (np.ndarray, np.generic)):  # It is being recorded.
            return np.asarray(y)
        y = np.asarray(y)
        if y.shape != x.shape:
            raise ShapeError(f"its formula gave {table.describe(y)}: expected a value of the input's shape")
        given = [input] if self.arity == 1 else input
        if all(y.dtype != x.dtype for x in given):  # As in compiled loops, though np.where of two numbers is float64.
            types = [x.dtype for x in given if x.dtype.kind != "b"]
            if types and np.result_type(*types).kind == "f":
                y = y.astype(np.result_type(*types), copy=False)
        return y

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        xs, grad_output = self._operands(input), np.asarray(grad_output)
        gradients = [_times(d, grad_output) for d in self.derivatives(xs, self.output)]
        if self.arity == 1:
            return gradients[0]
        return [gradient.reshape(x.shape) for gradient, x in zip(gradients, input)]

    def _operands(self, input: Any) -> list[np.ndarray]:
        if self.arity == 1:
            return [as_numbers(input)]
        shape = input[0].shape
        return [as_numbers(x if x.shape == shape else x.reshape(shape)) for x in input]

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
        if any(s != shape[0] and math.prod(s) != math.prod(shape[0]) for s in shape):
            raise ShapeError("expected arrays of equally many elements")
        return shape[0]


def array_shape(shape: Any) -> tuple[int, ...]:
    """The shape, which must be an array's and not a table's."""
    if isinstance(shape, list):
        raise ShapeError("expected an array, not a table")
    return shape


def as_numbers(x: np.ndarray) -> np.ndarray:
    """The array itself, booleans as float64: NumPy would compute with them in float16, or not at all."""
    return x.astype(float) if x.dtype.kind == "b" else x


def _times(derivative: Any, grad_output: np.ndarray) -> np.ndarray:
    if isinstance(derivative, (int, float)) and derivative in (0, 1):
        return grad_output if derivative else np.zeros_like(grad_output)
    if np.result_type(derivative).kind == "b":  # A choice, as it is in compiled loops: what is not chosen may be NaN.
        return np.where(derivative, grad_output, np.zeros((), grad_output.dtype))
    # np.where between two numbers is float64 for whatever input, hence the dtype.
    dtype = grad_output.dtype if grad_output.dtype.kind == "f" else None
    return np.asarray(np.multiply(grad_output, derivative, dtype=dtype, casting="same_kind"))


def number(value: Any, what: str) -> float:
    """The value as a float; ArgumentError if it is not a real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise ArgumentError(f"{what} must be a number, got {value!r}")
    return float(value)


def flag(value: Any, what: str = "inplace") -> bool:
    """The value, which must be True or False; ArgumentError if it is not.

    Torch's modules write into their input when `inplace` is True. Here no module does, and the result is the same.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{what} must be True or False, got {value!r}")
    return bool(value)


class Abs(Pointwise):
    """y = |x|; the derivative at 0 is 1.

    >>> Abs().forward(np.array([-2.0, 3.0]))
    array([2., 3.])

    Source: torch/nn, Abs.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.abs(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return np.where(x >= 0, 1.0, -1.0)


class Exp(Pointwise):
    """y = exp(x).

    >>> Exp().forward(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])

    Source: torch/nn, Exp.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.exp(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return y


class Log(Pointwise):
    """y = log(x), the natural logarithm.

    >>> Log().forward(np.array([1.0, 10.0]))
    array([0.        , 2.30258509])

    Source: torch/nn, Log.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.log(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return 1 / x


class Square(Pointwise):
    """y = x^2.

    >>> Square().forward(np.array([-2.0, 3.0]))
    array([4., 9.])

    Source: torch/nn, Square.lua.
    """

    def formula(self, x: Any) -> Any:
        return x * x

    def derivative(self, x: Any, y: Any) -> Any:
        return 2 * x


class Sqrt(Pointwise):
    """y = sqrt(x); the derivative at 0, which is infinite, is taken as 0.

    `b` is accepted since Torch7 has it; neither here nor there does it change anything.

    >>> Sqrt().forward(np.array([4.0, 9.0]))
    array([2., 3.])

    Source: torch/nn, Sqrt.lua.
    """

    def __init__(self, b: float = 0) -> None:
        self.eps = number(b, "b")

    def formula(self, x: Any) -> Any:
        return np.sqrt(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return np.where(y == 0, 0.0, 0.5 / y)


class Power(Pointwise):
    """y = x^p.

    >>> Power(3).forward(np.array([-2.0, 3.0]))
    array([-8., 27.])

    Source: torch/nn, Power.lua.
    """

    def __init__(self, p: float) -> None:
        self.pow = number(p, "p")

    def formula(self, x: Any) -> Any:
        return x**self.pow

    def derivative(self, x: Any, y: Any) -> Any:
        return self.pow * x ** (self.pow - 1) if self.pow != 0 else 0.0
