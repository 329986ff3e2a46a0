"""Where: one of two arrays, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.nn.pointwise import Pointwise


class Where(Pointwise):
    """y = a where the condition is not 0, else b, for a table [condition, a, b] of arrays of equally many elements.

    It selects and does not multiply, so a NaN in what is not chosen stays out of the output, and one in its gradient
    out of the gradients. That of the condition is zero.

    >>> Where().forward([np.array([1.0, 0.0]), np.array([2.0, np.nan]), np.array([np.nan, 5.0])])
    array([2., 5.])
    """

    arity = 3

    def formula(self, condition: Any, a: Any, b: Any) -> Any:
        return np.where(condition != 0, a, b)

    def derivatives(self, xs: list[Any], y: Any) -> list[Any]:
        return [0, xs[0] != 0, xs[0] == 0]
