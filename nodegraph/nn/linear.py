"""Linear, PartialLinear, Bilinear and Maxout: products of the input with weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.nn.container import Sequential
from nodegraph.nn.init import normal
from nodegraph.nn.lookup import add_rows, whole
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import Parametric, VectorMap, size, times
from nodegraph.nn.pointwise import flag
from nodegraph.nn.reduction import Max
from nodegraph.nn.view import View


class Linear(VectorMap):
    """y = x W' + b: (batch, in) -> (batch, out), or (in,) -> (out,).

    `weight` (out, in) and `bias` (out,) are drawn from the uniform distribution on +-1/sqrt(in).

    >>> Linear(4, 3).forward(np.zeros((5, 4))).shape
    (5, 3)

    Source: torch/nn, Linear.lua.
    """

    def __init__(self, input_size: int, output_size: int, bias: bool = True) -> None:
        self.set_sizes(input_size, output_size)
        bias_shape = (self.output_size,) if flag(bias, "bias") else None
        self.allocate(weight=(self.output_size, self.input_size), bias=bias_shape)
        self.reset()

    def no_bias(self) -> Linear:
        """Do without the bias."""
        self.bias = self.grad_bias = None
        return self

    def update_output(self, input: np.ndarray) -> np.ndarray:
        output = input @ self.weight.T
        if self.bias is not None:
            output += self.bias
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output @ self.weight

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        self.grad_weight += times(gradients.T @ rows, scale)
        if self.bias is not None:
            self.grad_bias += times(gradients.sum(0), scale)


class PartialLinear(Linear):
    """A Linear of which only some outputs are computed: (batch, in) -> (batch, len(partition)), or one vector alone.

    `set_partition` says which ones; until then, and after `reset_partition`, all are. Only the rows of weight and bias
    that belong to them get gradients. `weight` (out, in) is drawn from the standard normal distribution, `bias` (out,)
    starts at zero.

    >>> partial = PartialLinear(4, 1000).set_partition([0, 999])
    >>> partial.forward(np.zeros((5, 4))).shape
    (5, 2)

    Source: torch/nn, PartialLinear.lua.
    """

    def __init__(self, input_size: int, output_size: int, bias: bool = True) -> None:
        super().__init__(input_size, output_size, bias)
        self.reset_partition()

    def reset(self, std: float | None = None) -> PartialLinear:
        """Draw the weight from the normal distribution with this standard deviation, by default 1; zero the bias."""
        normal(self.weight, 0, 1 if std is None else std)
        if self.bias is not None:
            self.bias.fill(0)
        return self

    def set_partition(self, indices: Any) -> PartialLinear:
        """Compute only the outputs of these indices, counted from 0, in this order."""
        try:
            indices = np.asarray(indices)
        except ValueError:
            indices = np.empty(())
        if indices.ndim != 1 or len(indices) == 0:
            raise ArgumentError("expected a list of indices of outputs, at least one")
        try:
            self.partition = whole(indices, self.output_size)
        except InputError as error:
            raise ArgumentError(str(error)) from None
        return self

    def reset_partition(self) -> PartialLinear:
        """Compute all outputs again."""
        self.partition = np.arange(self.output_size)
        return self

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.saved = self.partition
        output = input @ self.weight[self.saved].T
        if self.bias is not None:
            output += self.bias[self.saved]
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output @ self.weight[self.saved]

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = np.atleast_2d(input), np.atleast_2d(grad_output)
        add_rows(self.grad_weight, self.saved, times(gradients.T @ rows, scale))
        if self.bias is not None:
            add_rows(self.grad_bias, self.saved, times(gradients.sum(0), scale))

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return (*super().output_shape(shape)[:-1], len(self.partition))


class Bilinear(Parametric):
    """y_k = x0' W_k x1 + b_k: [(batch, in0), (batch, in1)] -> (batch, out).

    `weight` (out, in0, in1) and `bias` (out,) are drawn from the uniform distribution on +-1/sqrt(in0).

    >>> Bilinear(3, 4, 2).forward([np.zeros((5, 3)), np.zeros((5, 4))]).shape
    (5, 2)

    Source: torch/nn, Bilinear.lua. Torch7 leaves the scale out of the weights' gradient.
    """

    def __init__(self, input_size1: int, input_size2: int, output_size: int, bias: bool = True) -> None:
        self.input_sizes = size(input_size1, "input_size1"), size(input_size2, "input_size2")
        self.output_size = size(output_size, "output_size")
        self.spread = self.input_sizes[0]
        bias_shape = (self.output_size,) if flag(bias, "bias") else None
        self.allocate(weight=(self.output_size, *self.input_sizes), bias=bias_shape)
        self.reset()

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        left = np.tensordot(input[0], self.weight, (1, 1))
        output = np.matmul(left, input[1][:, :, None])[:, :, 0]
        if self.bias is not None:
            output += self.bias
        return output

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        left, right = np.tensordot(input[0], self.weight, (1, 1)), np.tensordot(input[1], self.weight, (1, 2))
        return [np.matmul(grad_output[:, None, :], other)[:, 0, :] for other in (right, left)]

    def acc_grad_parameters(self, input: list[np.ndarray], grad_output: np.ndarray, scale: float = 1.0) -> None:
        outer = grad_output[:, :, None] * input[0][:, None, :]
        self.grad_weight += times(np.tensordot(outer, input[1], (0, 0)), scale)
        if self.bias is not None:
            self.grad_bias += times(grad_output.sum(0), scale)

    def rowwise(self, shape: Any) -> bool:
        return True

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        rows = shape[0][:1] if isinstance(shape, list) and shape else ()
        if shape != [(*rows, n) for n in self.input_sizes]:
            first, second = self.input_sizes
            raise ShapeError(f"expected a table of two arrays, (batch, {first}) and (batch, {second})")
        return (shape[0][0], self.output_size)


class Maxout(Sequential):
    """y_j = max over i of (x W_i' + b_i)_j, for `maxout_number` linear maps: (batch, in) -> (batch, out).

    Also (in,) -> (out,). One Linear holds all maps, number i in its rows i x out to (i + 1) x out. A module given as
    `preprocess` is applied to the maps' outputs (batch, maxout_number, out) before the largest is taken.

    >>> Maxout(4, 3, 2).forward(np.zeros((5, 4))).shape
    (5, 3)

    Source: torch/nn, Maxout.lua; Goodfellow et al., "Maxout networks" (2013).
    """

    def __init__(self, input_size: int, output_size: int, maxout_number: int, preprocess: Module | None = None) -> None:
        output_size, maxout_number = size(output_size, "output_size"), size(maxout_number, "maxout_number")
        maps = [Linear(input_size, output_size * maxout_number), View(maxout_number, output_size).set_num_input_dims(1)]
        super().__init__(*maps, *([] if preprocess is None else [preprocess]), Max(0, 2))
