"""Smooth activation functions, which make a network nonlinear. Those made of straight pieces are in piecewise.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import Pointwise, array_shape, flag, number
from nodegraph.nn.view import axis_of, integer


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), of an array or a symbol. Where exp(-x) is infinite the result is 0, as it should be."""
    return 1 / (1 + np.exp(-x))


class Sigmoid(Pointwise):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward(np.array([0.0, 2.0]))
    array([0.5       , 0.88079708])

    Source: torch/nn, Sigmoid.lua.
    """

    def formula(self, x: Any) -> Any:
        return sigmoid(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return y * (1 - y)


class LogSigmoid(Pointwise):
    """y = log(1 / (1 + exp(-x))), without overflow.

    >>> LogSigmoid().forward(np.array([0.0, -1000.0]))
    array([-6.93147181e-01, -1.00000000e+03])

    Source: torch/nn, LogSigmoid.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))

    def derivative(self, x: Any, y: Any) -> Any:
        return 1 / (1 + np.exp(x))


class Tanh(Pointwise):
    """y = tanh(x).

    >>> Tanh().forward(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])

    Source: torch/nn, Tanh.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.tanh(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return 1 - y * y


class TanhShrink(Pointwise):
    """y = x - tanh(x).

    >>> TanhShrink().forward(np.array([0.0, 1.0]))
    array([0.        , 0.23840584])

    Source: torch/nn, TanhShrink.lua.
    """

    def formula(self, x: Any) -> Any:
        return x - np.tanh(x)

    def derivative(self, x: Any, y: Any) -> Any:
        tanh = np.tanh(x)  # x - y would not do: it has no correct digit where x is large
        return tanh * tanh


class SoftPlus(Pointwise):
    """y = log(1 + exp(beta x)) / beta, a smooth ReLU, the sharper the larger `beta`.

    Where beta x is above 20 it is taken for the straight line that it all but is, as in Torch: y = x.

    >>> SoftPlus().forward(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])

    Source: torch/nn, SoftPlus.lua.
    """

    threshold = 20.0

    def __init__(self, beta: float = 1) -> None:
        self.beta = number(beta, "beta")
        if self.beta == 0:
            raise ArgumentError("beta must not be 0")

    def formula(self, x: Any) -> Any:
        scaled = self.beta * x
        return np.where(scaled > self.threshold, x, np.log1p(np.exp(scaled)) / self.beta)

    def derivative(self, x: Any, y: Any) -> Any:
        scaled = self.beta * y
        return np.where(scaled > self.threshold, 1.0, -np.expm1(-scaled))


class SoftSign(Pointwise):
    """y = x / (1 + |x|).

    >>> SoftSign().forward(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])

    Source: torch/nn, SoftSign.lua.
    """

    def formula(self, x: Any) -> Any:
        return x / (1 + np.abs(x))

    def derivative(self, x: Any, y: Any) -> Any:
        inverse = 1 / (1 + np.abs(x))
        return inverse * inverse


class ELU(Pointwise):
    """y = x for x > 0, alpha (exp(x) - 1) below; the derivative at 0 is alpha.

    >>> ELU().forward(np.array([-1.0, 3.0]))
    array([-0.63212056,  3.        ])

    Source: torch/nn, ELU.lua; Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289. Torch7 takes the slope from the
    sign of y, and so has it wrong for a negative alpha.
    """

    def __init__(self, alpha: float = 1, inplace: bool = False) -> None:
        self.alpha, self.inplace = number(alpha, "alpha"), flag(inplace)

    def formula(self, x: Any) -> Any:
        return np.where(x > 0, x, self.alpha * np.expm1(x))

    def derivative(self, x: Any, y: Any) -> Any:
        return np.where(x > 0, 1.0, y + self.alpha)


class GatedLinearUnit(Module):
    """y = a * sigmoid(b), where a and b are the halves of the input along an axis: (batch, 2 n) -> (batch, n).

    The axis is the last unless given.

    >>> GatedLinearUnit().forward(np.array([[1.0, 2.0, 0.0, 0.0]]))
    array([[0.5, 1. ]])

    Source: torch/nn, GatedLinearUnit.lua.
    """

    parameter_names = ()

    def __init__(self, axis: int | None = None) -> None:
        self.axis = -1 if axis is None else integer(axis, "axis")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        values, gate = np.split(input, 2, self.axis)
        self.saved = sigmoid(gate)
        return values * self.saved

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        opened = self.saved
        return np.concatenate([grad_output * opened, grad_output * self.output * (1 - opened)], self.axis)

    def rowwise(self, shape: Any) -> bool:
        return axis_of(self.axis, len(shape)) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        axis = axis_of(self.axis, len(array_shape(shape)))
        if shape[axis] % 2:
            raise ShapeError(f"expected an even number of slices along axis {self.axis}")
        return (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
