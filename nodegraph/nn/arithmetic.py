"""Arithmetic on tables of arrays and with constants, element by element."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.pointwise import Pointwise, flag, number


class AddConstant(Pointwise):
    """y = x + c, for a number c, or for an array c of shape (n,) and x of shape (batch, n) or (n,).

    >>> AddConstant(1).forward(np.array([1.0, 2.0]))
    array([2., 3.])

    Source: torch/nn, AddConstant.lua.
    """

    def __init__(self, constant_scalar: float | np.ndarray, inplace: bool = False) -> None:
        if isinstance(constant_scalar, np.ndarray):
            self.constant_scalar: Any = vector(constant_scalar)
        else:
            self.constant_scalar = number(constant_scalar, "the constant")
        self.inplace = flag(inplace)

    def formula(self, x: Any) -> Any:
        return x + self.constant_scalar

    def derivative(self, x: Any, y: Any) -> Any:
        return 1

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > np.ndim(self.constant_scalar)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        n = np.size(self.constant_scalar)
        if np.ndim(self.constant_scalar) and (isinstance(shape, list) or len(shape) not in (1, 2) or shape[-1] != n):
            raise ShapeError(f"expected an array of shape (batch, {n}) or ({n},)")
        return super().output_shape(shape)


def vector(array: np.ndarray) -> np.ndarray:
    """A floating-point copy of an array with one axis; ArgumentError if it is another array."""
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ArgumentError(f"the constant must be a number or an array of numbers with one axis, got {array!r}")
    return array.astype(array.dtype if array.dtype.kind == "f" else float)


class MulConstant(Pointwise):
    """y = c x, for a number c.

    >>> MulConstant(3).forward(np.array([1.0, 2.0]))
    array([3., 6.])

    Source: torch/nn, MulConstant.lua.
    """

    def __init__(self, constant_scalar: float, inplace: bool = False) -> None:
        self.constant_scalar, self.inplace = number(constant_scalar, "the constant"), flag(inplace)

    def formula(self, x: Any) -> Any:
        return self.constant_scalar * x

    def derivative(self, x: Any, y: Any) -> Any:
        return self.constant_scalar


class CAddTable(Pointwise):
    """y = x0 + x1 + ..., for arrays of equally many elements.

    >>> CAddTable().forward([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([11., 22.])

    Source: torch/nn, CAddTable.lua.
    """

    arity = None

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = flag(inplace)

    def formula(self, *xs: Any) -> Any:
        return functools.reduce(operator.add, xs)

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [1] * len(xs)


class CSubTable(Pointwise):
    """y = x0 - x1, for two arrays of equally many elements.

    >>> CSubTable().forward([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([ -9., -18.])

    Source: torch/nn, CSubTable.lua.
    """

    arity = 2

    def formula(self, x0: Any, x1: Any) -> Any:
        return x0 - x1

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [1, -1]


class CMulTable(Pointwise):
    """y = x0 * x1 * ...; the derivative for each input is the product of the others.

    >>> CMulTable().forward([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([10., 40.])

    Source: torch/nn, CMulTable.lua.
    """

    arity = None

    def formula(self, *xs: Any) -> Any:
        return functools.reduce(operator.mul, xs)

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        others = [xs[:i] + xs[i + 1 :] for i in range(len(xs))]
        return [functools.reduce(operator.mul, rest) if rest else 1 for rest in others]


class CDivTable(Pointwise):
    """y = x0 / x1, for two arrays of equally many elements.

    >>> CDivTable().forward([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([0.1, 0.1])

    Source: torch/nn, CDivTable.lua.
    """

    arity = 2

    def formula(self, x0: Any, x1: Any) -> Any:
        return x0 / x1

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [1 / xs[1], -y / xs[1]]


class Extremum(Pointwise):
    """Base of CMaxTable and CMinTable: y is one of the inputs, and where several are equal it counts as the first."""

    arity = None

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        chosen = [[xs[i] == y, *(x != y for x in xs[:i])] for i in range(len(xs))]
        return [functools.reduce(operator.and_, conditions) for conditions in chosen]


class CMaxTable(Extremum):
    """y = max(x0, x1, ...); the gradient goes to the largest, the first of them where several are equal.

    >>> CMaxTable().forward([np.array([1.0, 20.0]), np.array([10.0, 2.0])])
    array([10., 20.])

    Source: torch/nn, CMaxTable.lua.
    """

    def formula(self, *xs: Any) -> Any:
        return functools.reduce(np.maximum, xs)


class CMinTable(Extremum):
    """y = min(x0, x1, ...); the gradient goes to the smallest, the first of them where several are equal.

    >>> CMinTable().forward([np.array([1.0, 20.0]), np.array([10.0, 2.0])])
    array([1., 2.])

    Source: torch/nn, CMinTable.lua.
    """

    def formula(self, *xs: Any) -> Any:
        return functools.reduce(np.minimum, xs)
