"""Symbols: stand-ins for arrays, on which NumPy code can be run to see what it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """An expression: a name, or a NumPy function and what it was applied to.

    It answers NumPy's own protocols, so that a formula written for arrays records itself.

    >>> y = np.tanh(Symbol("x")) * 2
    >>> y.function, y.arguments[0].function, y.arguments[1]
    ('multiply', 'tanh', 2)
    """

    def __init__(self, function: Any, arguments: tuple[Any, ...] = ()) -> None:
        self.function, self.arguments = function, arguments

    def __bool__(self) -> bool:
        raise TypeError("an expression is neither true nor false: to choose between numbers there is np.where")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return type(self)(ufunc.__name__, inputs) if method == "__call__" and not options else NotImplemented

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, options: Any) -> Any:
        return type(self)(function.__name__, tuple(arguments)) if not options else NotImplemented
