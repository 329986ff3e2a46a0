"""Arithmetic on tables of arrays and with constants, element by element."""

from __future__ import annotations

import functools
import operator
from typing import Any

from nodegraph.nn.pointwise import Pointwise


class CAddTable(Pointwise):
    """y = x0 + x1 + ..., for arrays of equally many elements.

    >>> CAddTable().forward([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([11., 22.])

    Source: torch/nn, CAddTable.lua.
    """

    arity = None

    def formula(self, *xs: Any) -> Any:
        return functools.reduce(operator.add, xs)

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [1] * len(xs)


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
