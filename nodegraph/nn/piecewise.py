"""Activation functions made of straight pieces: rectifiers, bounds and shrinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import random
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.dropout import RandomFactor, noise_dtype
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import Pointwise, array_shape, flag, number
from nodegraph.nn.view import integer


class Threshold(Pointwise):
    """y = x for x > th, the value `v` elsewhere; the derivative at th is 0.

    >>> Threshold(0.5, -1).forward(np.array([0.2, 0.5, 0.8]))
    array([-1. , -1. ,  0.8])

    Source: torch/nn, Threshold.lua. In place Torch7 takes only v <= th; as nothing is overwritten here, any will do.
    """

    def __init__(self, th: float = 1e-6, v: float = 0, inplace: bool = False) -> None:
        self.threshold, self.val, self.inplace = number(th, "th"), number(v, "v"), flag(inplace)

    def formula(self, x: Any) -> Any:
        return np.where(x <= self.threshold, self.val, x)

    def derivative(self, x: Any, y: Any) -> Any:
        return x > self.threshold


class ReLU(Threshold):
    """y = max(x, 0); the derivative at 0 is 0.

    >>> ReLU().forward(np.array([-2.0, 3.0]))
    array([0., 3.])

    Source: torch/nn, ReLU.lua.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0, 0, inplace)

    def formula(self, x: Any) -> Any:
        return np.maximum(x, 0.0)


class HardTanh(Pointwise):
    """y = x between the bounds, the nearer bound elsewhere; the derivative at the bounds is 0.

    >>> HardTanh().forward(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])

    Source: torch/nn, HardTanh.lua.
    """

    def __init__(self, min_value: float = -1, max_value: float = 1, inplace: bool = False) -> None:
        self.min_val, self.max_val = number(min_value, "min_value"), number(max_value, "max_value")
        self.inplace = flag(inplace)
        if self.min_val >= self.max_val:
            raise ArgumentError(f"max_value must be larger than min_value, got {min_value} and {max_value}")

    def formula(self, x: Any) -> Any:
        return np.minimum(np.maximum(x, self.min_val), self.max_val)

    def derivative(self, x: Any, y: Any) -> Any:
        return (x > self.min_val) & (x < self.max_val)


class Clamp(HardTanh):
    """y = x between the bounds, the nearer bound elsewhere; HardTanh by another name.

    >>> Clamp(0, 1).forward(np.array([-2.0, 0.5, 3.0]))
    array([0. , 0.5, 1. ])

    Source: torch/nn, Clamp.lua.
    """

    def __init__(self, min_value: float = -1, max_value: float = 1) -> None:
        super().__init__(min_value, max_value)


class ReLU6(HardTanh):
    """y = min(max(x, 0), 6); the derivative at 0 and at 6 is 0.

    >>> ReLU6().forward(np.array([-2.0, 3.0, 10.0]))
    array([0., 3., 6.])

    Source: torch/nn, ReLU6.lua.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0, 6, inplace)


class SoftShrink(Pointwise):
    """y = x brought nearer to 0 by `lam`, and 0 where |x| <= lam; the derivative at +-lam is 0.

    >>> SoftShrink().forward(np.array([-2.0, 0.5, 3.0]))
    array([-1.5,  0. ,  2.5])

    Source: torch/nn, SoftShrink.lua. Torch7 takes a negative lambda, which has no meaning; here it is an ArgumentError.
    """

    def __init__(self, lam: float = 0.5) -> None:
        self.lam = number(lam, "lam")
        if self.lam < 0:
            raise ArgumentError(f"lam must not be negative, got {lam}")

    def formula(self, x: Any) -> Any:
        return x - np.minimum(np.maximum(x, -self.lam), self.lam)

    def derivative(self, x: Any, y: Any) -> Any:
        return np.abs(x) > self.lam


class HardShrink(SoftShrink):
    """y = x where |x| > lam, 0 elsewhere; the derivative at +-lam is 0.

    >>> HardShrink().forward(np.array([-2.0, 0.5, 3.0]))
    array([-2.,  0.,  3.])

    Source: torch/nn, HardShrink.lua.
    """

    def formula(self, x: Any) -> Any:
        return np.where(np.abs(x) <= self.lam, 0.0, x)


class LeakyReLU(Pointwise):
    """y = x for x > 0, negval x below; the derivative at 0 is negval.

    >>> LeakyReLU(0.1).forward(np.array([-2.0, 3.0]))
    array([-0.2,  3. ])

    `LeakyReLU(True)` is the default slope 1/100, in place.

    Source: torch/nn, LeakyReLU.lua.
    """

    def __init__(self, negval: float | bool = 0.01, inplace: bool = False) -> None:
        if isinstance(negval, bool):
            inplace, negval = negval, 0.01
        self.negval, self.inplace = number(negval, "negval"), flag(inplace)

    def formula(self, x: Any) -> Any:
        return np.where(x > 0, x, self.negval * x)

    def derivative(self, x: Any, y: Any) -> Any:
        return np.where(x > 0, 1.0, self.negval)


class RReLU(RandomFactor):
    """y = x for x > 0, r x below, where r is drawn for each element from the uniform distribution on [l, u).

    In evaluation r is (l + u) / 2. `noise` holds the factors of the last run.

    >>> RReLU(0, 0.5).evaluate().forward(np.array([-2.0, 3.0]))
    array([-0.5,  3. ])

    Source: torch/nn, RReLU.lua. ArgumentError unless 0 <= l <= u.
    """

    def __init__(self, l: float = 1 / 8, u: float = 1 / 3, inplace: bool = False) -> None:  # noqa: E741
        self.lower, self.upper, self.inplace = number(l, "l"), number(u, "u"), flag(inplace)
        if not 0 <= self.lower <= self.upper:
            raise ArgumentError(f"expected 0 <= l <= u, got {l} and {u}")

    def factor(self, input: np.ndarray) -> np.ndarray:
        slope: float | np.ndarray = (self.lower + self.upper) / 2
        if self.train:
            slope = random.generator().uniform(self.lower, self.upper, input.shape)
        return np.where(input > 0, 1.0, slope).astype(noise_dtype(input))


class PReLU(Module):
    """y = x for x > 0, w x below, where the slope w is learned; the derivative at 0 is w.

    `weight` holds one slope for each of the `n_output_plane` planes, which are the second axis, or the only one; by
    default, for 0 planes, one slope for all. It starts at 0.25.

    >>> PReLU().forward(np.array([-2.0, 3.0]))
    array([-0.5,  3. ])

    Source: torch/nn, PReLU.lua; He, Zhang, Ren, Sun 2015, arXiv:1502.01852.
    """

    parameter_names = ("weight",)

    def __init__(self, n_output_plane: int = 0) -> None:
        self.n_output_plane = integer(n_output_plane, "n_output_plane")
        if self.n_output_plane < 0:
            raise ArgumentError(f"n_output_plane must not be negative, got {n_output_plane}")
        self.weight = np.full(self.n_output_plane or 1, 0.25)
        self.grad_weight = np.zeros_like(self.weight)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return np.where(input > 0, input, self._slopes(input) * input)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return np.where(input > 0, grad_output, self._slopes(input) * grad_output)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        below = np.minimum(input, 0.0) * grad_output
        plane = -1 if self.n_output_plane == 0 else min(input.ndim - 1, 1)
        self.grad_weight += scale * below.sum(tuple(i for i in range(input.ndim) if i != plane))

    def _slopes(self, input: np.ndarray) -> np.ndarray:
        """The weight in a shape that spreads it over the planes."""
        shape = () if self.n_output_plane == 0 else (self.n_output_plane,) + (1,) * (input.ndim - 2)
        return self.weight.reshape(shape)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > (0 if self.n_output_plane == 0 else 1)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        n = self.n_output_plane
        if n and (len(array_shape(shape)) == 0 or shape[:2][-1] != n):
            raise ShapeError(f"expected an array of shape (batch, {n}, ...) or ({n},)")
        return array_shape(shape)


class CReLU(Module):
    """y = [max(x, 0), max(-x, 0)], one after the other along the first axis of a sample.

    (batch, n, ...) -> (batch, 2 n, ...) for input with `n_input_dims` + 1 axes, (n, ...) -> (2 n, ...) for input with
    `n_input_dims`.

    >>> CReLU(1).forward(np.array([-2.0, 3.0]))
    array([0., 3., 2., 0.])

    Source: torch/nn, CReLU.lua; Shang et al. 2016, arXiv:1603.05201.
    """

    parameter_names = ()

    def __init__(self, n_input_dims: int, inplace: bool = False) -> None:
        self.n_input_dims, self.inplace = integer(n_input_dims, "n_input_dims"), flag(inplace)
        if self.n_input_dims < 1:
            raise ArgumentError(f"n_input_dims must be positive, got {n_input_dims}")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return np.maximum(np.concatenate([input, -input], input.ndim - self.n_input_dims), 0.0)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        above, below = np.split(grad_output, 2, input.ndim - self.n_input_dims)
        return above * (input > 0) - below * (input < 0)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == self.n_input_dims + 1

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        axis = len(array_shape(shape)) - self.n_input_dims
        if axis not in (0, 1):
            raise ShapeError(f"expected an array of {self.n_input_dims} axes, or of one more for a batch")
        return (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])
