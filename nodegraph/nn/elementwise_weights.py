"""Add, Mul, CAdd, CMul: weights that are added to the elements of the input, or multiply them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.parametric import Parametric, size, times
from nodegraph.nn.pointwise import array_shape, flag
from nodegraph.nn.view import sizes_of


class Add(Parametric):
    """y = x + b: (batch, ...) or (n,), unchanged in shape, where each sample has n elements.

    With `scalar` true, one number is added to all elements of an input of any shape, and n, which may be None, counts
    as 1. `bias` is drawn from the uniform distribution on +-1/sqrt(n).

    >>> add = Add(3)
    >>> add.bias[:] = [1, 2, 3]
    >>> add.forward(np.zeros((2, 3)))
    array([[1., 2., 3.],
           [1., 2., 3.]])

    Source: torch/nn, Add.lua.
    """

    def __init__(self, input_size: int | None, scalar: bool = False) -> None:
        self.scalar = flag(scalar, "scalar")
        self.input_size: Any = input_size if self.scalar else size(input_size, "input_size")
        self.spread = 1 if self.scalar else self.input_size
        self.allocate(bias=(self.spread,))
        self.reset()

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return (input.reshape(self._rows(input.shape)) + self.bias).reshape(input.shape)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        self.grad_bias += times(grad_output.reshape(self._rows(input.shape)).sum(0), scale)

    def _rows(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return math.prod(shape) // len(self.bias), len(self.bias)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0 and (self.scalar or math.prod(shape[1:]) == self.input_size)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        shape, n = array_shape(shape), self.input_size
        if not (self.scalar or shape == (n,) or (shape and math.prod(shape[1:]) == n)):
            raise ShapeError(f"expected an array of shape ({n},), or a batch of samples of {n} elements")
        return shape


class Mul(Parametric):
    """y = w x, with a single number w, for an array of any shape.

    `weight` (1,) is drawn from the uniform distribution on +-1.

    >>> mul = Mul()
    >>> mul.weight[0] = 3
    >>> mul.forward(np.array([1.0, 2.0]))
    array([3., 6.])

    Source: torch/nn, Mul.lua.
    """

    def __init__(self) -> None:
        self.allocate(weight=(1,))
        self.reset()

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return (input.reshape(-1) * self.weight).reshape(input.shape)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return (grad_output.reshape(-1) * self.weight).reshape(input.shape)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        self.grad_weight += np.vdot(input, grad_output) * scale

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return array_shape(shape)


class Componentwise(Parametric):
    """Base of CAdd and CMul: an array of parameters of the given sizes meets the elements of the input.

    The parameters fit an input
     - of equally many elements, taken one by one in order, whatever the two shapes are;
     - of as many axes, where sizes of 1 are repeated along the input's axis and other sizes are the input's;
     - of another number of axes, if each sample of the batch has as many elements, or if there is a single parameter.
    """

    def __init__(self, *sizes: int) -> None:
        self.size = sizes_of(sizes)
        if 0 in self.size:
            raise ArgumentError(f"expected positive sizes, got {self.size}")
        self.spread = math.prod(self.size)
        self.allocate(**{name: self.size for name in self.parameter_names})
        self.reset()

    def fit(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes in which input and parameters meet: the second broadcasts to the first."""
        n = self.spread
        if math.prod(shape) == n:
            return shape, shape
        if len(shape) == len(self.size) and all(mine in (1, theirs) for mine, theirs in zip(self.size, shape)):
            return shape, self.size
        if len(shape) not in (0, len(self.size)) and n in (1, math.prod(shape[1:])):
            return (shape[0], math.prod(shape[1:])), (1, n)
        raise ShapeError(f"expected an array that the sizes {self.size} fit: as many elements, such axes, or a batch")

    def add_summed(self, gradient: np.ndarray, products: np.ndarray, scale: float) -> None:
        """Add to `gradient` the products, summed over whatever axes the parameters were repeated along."""
        met, mine = self.fit(products.shape)
        axes = tuple(i for i, n in enumerate(mine) if n == 1 != met[i])
        gradient += products.reshape(met).sum(axes).reshape(self.size) * scale

    def rowwise(self, shape: Any) -> bool:
        if not shape:
            return False
        try:
            return self.fit((shape[0] + 1, *shape[1:]))[1][0] == 1
        except ShapeError:
            return False

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        self.fit(array_shape(shape))
        return shape


class CAdd(Componentwise):
    """y = x + b, element by element: (batch, *sizes) -> (batch, *sizes), and other shapes that the sizes fit.

    A size of 1 repeats the parameter along that axis of an input with as many axes as there are sizes: CAdd(1, 3, 1)
    has one bias for each of three channels in (batch, 3, n). `bias` is drawn from the uniform distribution on
    +-1/sqrt(number of parameters).

    >>> CAdd(3, 4).forward(np.zeros((2, 3, 4))).shape, CAdd(1, 3, 1).forward(np.zeros((2, 3, 5))).shape
    ((2, 3, 4), (2, 3, 5))

    Source: torch/nn, CAdd.lua.
    """

    parameter_names = ("bias",)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        met, mine = self.fit(input.shape)
        return (input.reshape(met) + self.bias.reshape(mine)).reshape(input.shape)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        self.add_summed(self.grad_bias, grad_output, scale)


class CMul(Componentwise):
    """y = w x, element by element: (batch, *sizes) -> (batch, *sizes), and other shapes that the sizes fit.

    A size of 1 repeats the parameter along that axis of an input with as many axes as there are sizes: CMul(1, 3, 1)
    has one factor for each of three channels in (batch, 3, n). `weight` is drawn from the uniform distribution on
    +-1/sqrt(number of parameters).

    >>> CMul(3, 4).forward(np.zeros((2, 3, 4))).shape, CMul(1, 3, 1).forward(np.zeros((2, 3, 5))).shape
    ((2, 3, 4), (2, 3, 5))

    Source: torch/nn, CMul.lua.
    """

    parameter_names = ("weight",)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        met, mine = self.fit(input.shape)
        return (input.reshape(met) * self.weight.reshape(mine)).reshape(input.shape)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        met, mine = self.fit(input.shape)
        return (grad_output.reshape(met) * self.weight.reshape(mine)).reshape(input.shape)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        self.add_summed(self.grad_weight, input * grad_output, scale)
