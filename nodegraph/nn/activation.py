"""Activation functions: pointwise modules that make a network nonlinear."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.nn.pointwise import Pointwise


class Sigmoid(Pointwise):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward(np.array([0.0, 2.0]))
    array([0.5       , 0.88079708])
    """

    def formula(self, x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def derivative(self, x: Any, y: Any) -> Any:
        return y * (1 - y)


class Tanh(Pointwise):
    """y = tanh(x).

    >>> Tanh().forward(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """

    def formula(self, x: Any) -> Any:
        return np.tanh(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return 1 - y * y
