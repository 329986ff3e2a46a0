"""Initialisation of parameters. Each function fills an array in place from the library's generator, and returns it.

The schemes that depend on the number of inputs and outputs of a layer, its fans, take weights as the layers hold them,
(out, in) for Linear, (out, in, kernel height, kernel width) for a convolution.
"""

from __future__ import annotations

import math

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.random import generator


def uniform(array: np.ndarray, bound: float | np.ndarray) -> np.ndarray:
    """Fill with numbers drawn evenly from [-bound, bound).

    >>> bool((abs(uniform(np.empty(100), 0.1)) <= 0.1).all())
    True
    """
    shape, limit = floating(array).shape, spread(bound, "bound")
    array[...] = generator().uniform(-limit, limit, shape)
    return array


def normal(array: np.ndarray, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Fill with numbers drawn from the normal distribution.

    >>> normal(np.empty(3), mean=5, std=0)
    array([5., 5., 5.])
    """
    shape = floating(array).shape
    array[...] = generator().normal(mean, spread(std, "std"), shape)
    return array


def constant(array: np.ndarray, value: float) -> np.ndarray:
    """Fill with one number.

    >>> constant(np.empty(2), 0.5)
    array([0.5, 0.5])
    """
    floating(array)[...] = value
    return array


def floating(array: np.ndarray) -> np.ndarray:
    """The array, which must be of floating-point numbers; ArgumentError if it is something else."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise ArgumentError(f"expected an array of floating-point numbers, got {array!r}")
    return array


def spread(value: float | np.ndarray, what: str) -> float | np.ndarray:
    """A bound or a standard deviation, or an array of them; ArgumentError if negative, infinite or not a number."""
    values = np.asarray(value)
    if values.dtype.kind not in "iuf" or not (np.isfinite(values) & (values >= 0)).all():
        raise ArgumentError(f"{what} must be a finite number, not negative, got {value!r}")
    return value


def xavier_uniform(array: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Uniform on +-gain sqrt(6 / (fan in + fan out)): keeps the variance, forward and backward, where y is about x.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    >>> bool((abs(xavier_uniform(np.empty((2, 4)))) <= 1).all())
    True
    """
    return uniform(array, gain * math.sqrt(6 / sum(fans_of(array))))


def xavier_normal(array: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Normal with standard deviation gain sqrt(2 / (fan in + fan out)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    >>> xavier_normal(np.empty((2, 4))).shape
    (2, 4)
    """
    return normal(array, 0, gain * math.sqrt(2 / sum(fans_of(array))))


def he_uniform(array: np.ndarray, negative_slope: float = 0.0, fan: str = "in") -> np.ndarray:
    """Uniform on +-sqrt(6 / ((1 + slope^2) fan)): keeps the variance through ReLU, or LeakyReLU of that slope.

    `fan` is "in" to keep the variance of what goes forward, "out" for that of the gradients. Also known as Kaiming.

    Source: He et al., "Delving deep into rectifiers" (2015).

    >>> bool((abs(he_uniform(np.empty((2, 6)))) <= 1).all())
    True
    """
    return uniform(array, math.sqrt(3) * _he_std(array, negative_slope, fan))


def he_normal(array: np.ndarray, negative_slope: float = 0.0, fan: str = "in") -> np.ndarray:
    """Normal with standard deviation sqrt(2 / ((1 + slope^2) fan)); see `he_uniform`.

    Source: He et al., "Delving deep into rectifiers" (2015).

    >>> he_normal(np.empty((2, 6))).shape
    (2, 6)
    """
    return normal(array, 0, _he_std(array, negative_slope, fan))


def _he_std(array: np.ndarray, negative_slope: float, fan: str) -> float:
    if fan not in ("in", "out"):
        raise ArgumentError(f'fan must be "in" or "out", got {fan!r}')
    return math.sqrt(2 / ((1 + negative_slope**2) * fans_of(array)[fan == "out"]))


def orthogonal(array: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """A random orthogonal matrix times gain: its rows are orthonormal, or its columns if these are fewer.

    An array of more than two axes is taken as a matrix with a row for each place of its first axis.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks" (2013).

    >>> w = orthogonal(np.empty((2, 3)))
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    fans_of(array)
    rows, columns = array.shape[0], math.prod(array.shape[1:])
    q, r = np.linalg.qr(generator().normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -1, 1)  # without it, the matrices would not be evenly distributed
    array[...] = gain * (q if rows >= columns else q.T).reshape(array.shape)
    return array


def fans_of(array: np.ndarray) -> tuple[int, int]:
    """The fans of a weight; ArgumentError if it cannot be one."""
    return fans(floating(array).shape)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """The number of inputs to each output of a layer, and of outputs that each input goes to, for a weight's shape.

    >>> fans((20, 10)), fans((16, 3, 5, 5))
    ((10, 20), (75, 400))
    """
    if len(shape) < 2 or 0 in shape:
        raise ArgumentError(f"expected a weight of at least two axes, (out, in, ...), got shape {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
