"""Weight normalisation: weights as a length times a direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.init import normal
from nodegraph.nn.linear import Linear
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import VectorMap, times
from nodegraph.nn.pointwise import flag, number
from nodegraph.nn.view import integer


class LinearWeightNorm(VectorMap):
    """y = x W' + b with W_i = g_i v_i / ||v_i||, row by row: (batch, in) -> (batch, out), or (in,) -> (out,).

    `v` (out, in) and `bias` (out,) are drawn from the uniform distribution on +-1/sqrt(in); `g` (out, 1) starts as the
    lengths of the rows of v, so that W is v. Lengths below `eps` count as `eps`.

    >>> linear = LinearWeightNorm(2, 1)
    >>> linear.v[0], linear.g[0], linear.bias[0] = [3, 4], 10, 0
    >>> linear.forward(np.array([1.0, 1.0]))
    array([14.])

    Source: torch/nn, LinearWeightNorm.lua; Salimans and Kingma, "Weight Normalization" (2016). Torch7 scales the
    gradients of earlier backward passes again at each one; here they add up.
    """

    parameter_names = ("v", "g", "bias")
    v: np.ndarray
    g: np.ndarray
    grad_v: np.ndarray
    grad_g: np.ndarray

    def __init__(self, input_size: int, output_size: int, bias: bool = True, eps: float = 1e-16) -> None:
        self.set_sizes(input_size, output_size)
        self.eps = number(eps, "eps")
        if self.eps < 0:
            raise ArgumentError(f"eps must not be negative, got {eps}")
        shape = (self.output_size, self.input_size)
        self.allocate(v=shape, g=(self.output_size, 1), bias=(self.output_size,) if flag(bias, "bias") else None)
        self.reset()

    @classmethod
    def from_linear(cls, linear: Linear) -> LinearWeightNorm:
        """A module that computes what the Linear does."""
        if not isinstance(linear, Linear):
            raise ArgumentError(f"from_linear takes a Linear, got {linear!r}")
        module = cls(linear.input_size, linear.output_size, linear.bias is not None)
        module.init_from_weight(linear.weight)
        if linear.bias is not None:
            module.bias[...] = linear.bias
        return module.astype(linear.weight.dtype)

    def to_linear(self) -> Linear:
        """A Linear that computes what this module does."""
        linear = Linear(self.input_size, self.output_size, self.bias is not None)
        linear.weight[...] = self.weight_matrix()
        if self.bias is not None:
            linear.bias[...] = self.bias
        return linear.astype(self.v.dtype)

    def init_from_weight(self, weight: np.ndarray) -> LinearWeightNorm:
        """Set v and g so that W is the weight (out, in)."""
        if np.shape(weight) != self.v.shape:
            raise ArgumentError(f"expected a weight of shape {self.v.shape}, got {np.shape(weight)}")
        self.v[...] = weight
        self.g[...] = self._lengths()
        return self

    def no_bias(self) -> LinearWeightNorm:
        """Do without the bias."""
        self.bias = self.grad_bias = None
        return self

    def reset(self, std: float | None = None) -> LinearWeightNorm:
        """Draw v and the bias from the uniform distribution, by default on +-1 / sqrt(in); W becomes v."""
        super().reset(std)
        return self.init_from_weight(self.v)

    def _lengths(self) -> np.ndarray:
        return np.maximum(np.linalg.norm(self.v, axis=1, keepdims=True), self.eps)

    def weight_matrix(self) -> np.ndarray:
        """W (out, in)."""
        return self.v * (self.g / self._lengths())

    def update_output(self, input: np.ndarray) -> np.ndarray:
        output = input @ self.weight_matrix().T
        if self.bias is not None:
            output += self.bias
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output @ self.weight_matrix()

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        grad_v, grad_g = decoupled(times(gradients.T @ rows, scale), self.v, self.g, self._lengths())
        self.grad_v += grad_v
        self.grad_g += grad_g
        if self.bias is not None:
            self.grad_bias += times(gradients.sum(0), scale)


class WeightNorm(Decorator):
    """The module given, with the weight W_i = g_i v_i / sqrt(||v_i||^2 + 1e-4) for each output i; shapes as without it.

    `output_axis` is the axis of the weight that lists the outputs. `v` (outputs, all else) is drawn from the normal
    distribution with standard deviation sqrt(2 / number of columns), `g` (outputs, 1) is its rows' lengths, and the
    module's bias is set to zero. v, g and the module's bias are the parameters; the module's weight follows from them
    at each forward.

    >>> norm = WeightNorm(nn.Linear(4, 3))
    >>> norm.forward(np.zeros((5, 4))).shape, [p.shape for p in norm.parameters()[0]]
    ((5, 3), [(3, 4), (3, 1), (3,)])

    ArgumentError for a module without a weight of at least two axes.

    Source: torch/nn, WeightNorm.lua; Salimans and Kingma, "Weight Normalization" (2016). Torch7 overwrites the
    gradients of v and g at each backward; here they add up.
    """

    parameter_names = ("v", "g")
    v: np.ndarray
    g: np.ndarray
    grad_v: np.ndarray
    grad_g: np.ndarray

    def __init__(self, module: Module, output_axis: int = 0) -> None:
        weight = getattr(module, "weight", None)
        if not isinstance(weight, np.ndarray) or weight.ndim < 2 or "weight" not in module.parameter_names:
            raise ArgumentError(f"WeightNorm takes a module with a weight of at least two axes, got {module!r}")
        super().__init__(module)
        self.output_axis = integer(output_axis, "output_axis")
        if not -weight.ndim <= self.output_axis < weight.ndim:
            raise ArgumentError(f"output_axis must be an axis of the weight {weight.shape}, got {output_axis}")
        # The weight is computed, not trained; the wrapped module's other parameters remain.
        module.parameter_names = tuple(name for name in module.parameter_names if name != "weight")
        self.arguments = ((), {}) if self.output_axis == 0 else ((), {"output_axis": self.output_axis})
        for name, start in (("v", self._by_output(weight)), ("g", self._by_output(weight)[:, :1])):
            setattr(self, name, np.zeros(start.shape, weight.dtype))
            setattr(self, "grad_" + name, np.zeros(start.shape, weight.dtype))
        self.reset()

    def _by_output(self, weight: np.ndarray) -> np.ndarray:
        """The weight as a matrix with a row for each output."""
        first = np.moveaxis(weight, self.output_axis, 0)
        return first.reshape(len(first), -1)

    def _as_weight(self, matrix: np.ndarray) -> np.ndarray:
        """The inverse of `_by_output`."""
        first = np.moveaxis(self.modules[0].weight, self.output_axis, 0)
        return np.moveaxis(matrix.reshape(first.shape), 0, self.output_axis)

    def _lengths(self) -> np.ndarray:
        return np.sqrt((self.v * self.v).sum(1, keepdims=True) + 1e-4)

    def reset(self) -> WeightNorm:
        """Draw v and g, and set the module's bias to zero."""
        normal(self.v, 0, (2 / self.v.shape[1]) ** 0.5)
        self.g[...] = np.linalg.norm(self.v, axis=1, keepdims=True)
        if getattr(self.modules[0], "bias", None) is not None:
            self.modules[0].bias.fill(0)
        return self

    def update_output(self, input: Any) -> Any:
        self.modules[0].weight[...] = self._as_weight(self.v * (self.g / self._lengths()))
        return super().update_output(input)

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        grad_weight = self.modules[0].grad_weight
        grad_weight.fill(0)
        super().acc_grad_parameters(input, grad_output, scale)
        grad_v, grad_g = decoupled(self._by_output(grad_weight), self.v, self.g, self._lengths())
        self.grad_v += grad_v
        self.grad_g += grad_g


def decoupled(gradient: np.ndarray, v: np.ndarray, g: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of v and g, given that of the weight g v / lengths, row by row."""
    grad_g = (gradient * v).sum(1, keepdims=True) / lengths
    return (gradient - v * (grad_g / lengths)) * (g / lengths), grad_g
