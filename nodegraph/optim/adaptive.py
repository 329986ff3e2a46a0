"""Methods that give each element its own step size, from the history of its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.optim.optimizer import Elementwise, Parameters
from nodegraph.optim.settings import fraction, nonnegative


class Adagrad(Elementwise):
    """s = s + g^2; x = x - rate g / (sqrt(s) + 1e-10).

    g is the gradient plus `weight_decay` x; rate is `learning_rate` / (1 + `learning_rate_decay` t) after t steps.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> Adagrad((x, gradient), learning_rate=0.1).step()
    >>> x.round(6)
    array([0.9, 2.1])

    Source: torch/optim, adagrad.lua; Duchi et al. 2011.
    """

    learning_rate = nonnegative()
    learning_rate_decay = nonnegative()
    weight_decay = nonnegative()
    array_names = ("squares",)

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters, learning_rate=learning_rate, learning_rate_decay=learning_rate_decay, weight_decay=weight_decay
        )

    def prepare(self) -> None:
        self._rate = self.annealed()
        self.need("squares")

    def update(self, x: Any, g: Any, a: Any, b: Any, squares: Any) -> None:
        g = self.decayed(x, g, out=a)
        squares += np.multiply(g, g, out=b)
        _descend(x, self._rate, g, _root(squares, 1e-10, out=b), out=b)


class Adadelta(Elementwise):
    """s = rho s + (1 - rho) g^2; d = g sqrt(c + eps) / sqrt(s + eps); x = x - d; c = rho c + (1 - rho) d^2.

    g is the gradient plus `weight_decay` x. There is no learning rate.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> Adadelta((x, gradient)).step()
    >>> x.round(6)
    array([0.996838, 2.003161])

    Source: torch/optim, adadelta.lua; Zeiler 2012.
    """

    rho = fraction()
    eps = nonnegative()
    weight_decay = nonnegative()
    array_names = ("squares", "step_squares")

    def __init__(self, parameters: Parameters, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, rho=rho, eps=eps, weight_decay=weight_decay)

    def prepare(self) -> None:
        self.need("squares")
        self.need("step_squares")

    def update(self, x: Any, g: Any, a: Any, b: Any, squares: Any, step_squares: Any) -> None:
        g = self.decayed(x, g, out=a)
        _average(squares, self.rho, np.multiply(g, g, out=b), out=b)
        np.add(squares, self.eps, out=b)
        np.divide(g, np.sqrt(b, out=b), out=a)
        np.add(step_squares, self.eps, out=b)
        a *= np.sqrt(b, out=b)
        x -= a
        _average(step_squares, self.rho, np.multiply(a, a, out=a), out=a)


class RMSprop(Elementwise):
    """m = alpha m + (1 - alpha) g^2; x = x - learning_rate g / (sqrt(m) + epsilon).

    g is the gradient plus `weight_decay` x; m starts as `initial_mean`.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> RMSprop((x, gradient)).step()
    >>> x.round(6)
    array([0.9, 2.1])

    Source: torch/optim, rmsprop.lua; Hinton, lecture 6e.
    """

    learning_rate = nonnegative()
    alpha = fraction()
    epsilon = nonnegative()
    weight_decay = nonnegative()
    initial_mean = nonnegative()
    array_names = ("mean_squares",)

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-2,
        alpha: float = 0.99,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        initial_mean: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            alpha=alpha,
            epsilon=epsilon,
            weight_decay=weight_decay,
            initial_mean=initial_mean,
        )

    def prepare(self) -> None:
        self.need("mean_squares", self.initial_mean)

    def update(self, x: Any, g: Any, a: Any, b: Any, mean_squares: Any) -> None:
        g = self.decayed(x, g, out=a)
        _average(mean_squares, self.alpha, np.multiply(g, g, out=b), out=b)
        _descend(x, self.learning_rate, g, _root(mean_squares, self.epsilon, out=b), out=b)


class Adam(Elementwise):
    """m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; x = x - step m / (sqrt(v) + epsilon).

    g is the gradient plus `weight_decay` x. At step t the bias of both averages, which start at 0, is taken out by
    step = rate sqrt(1 - beta2^t) / (1 - beta1^t), with rate = `learning_rate` / (1 + `learning_rate_decay` (t - 1)).
    As in Torch and in the paper's quicker form, epsilon is added before the correction; PyTorch adds it after.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> Adam((x, gradient)).step()
    >>> x.round(6)
    array([0.999, 2.001])

    Source: torch/optim, adam.lua; Kingma and Ba 2015, end of section 2.
    """

    learning_rate = nonnegative()
    learning_rate_decay = nonnegative()
    beta1 = fraction()
    beta2 = fraction()
    epsilon = nonnegative()
    weight_decay = nonnegative()
    array_names = ("mean", "mean_squares")

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
        )

    def prepare(self) -> None:
        t = self.evaluations
        self._rate = self.annealed() * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        self.need("mean")
        self.need("mean_squares")

    def update(self, x: Any, g: Any, a: Any, b: Any, mean: Any, mean_squares: Any) -> None:
        g = self.decayed(x, g, out=a)
        _average(mean_squares, self.beta2, np.multiply(g, g, out=b), out=b)
        _average(mean, self.beta1, g, out=b)
        _descend(x, self._rate, mean, _root(mean_squares, self.epsilon, out=b), out=b)


class Adamax(Elementwise):
    """m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon); x = x - learning_rate / (1 - beta1^t) m / u.

    g is the gradient plus `weight_decay` x; t counts the steps, this one included.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> Adamax((x, gradient)).step()
    >>> x.round(6)
    array([0.998, 2.002])

    Source: torch/optim, adamax.lua; Kingma and Ba 2015, section 7.1.
    """

    learning_rate = nonnegative()
    beta1 = fraction()
    beta2 = fraction()
    epsilon = nonnegative()
    weight_decay = nonnegative()
    array_names = ("mean", "largest")

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-38,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
        )

    def prepare(self) -> None:
        self._rate = self.learning_rate / (1 - self.beta1**self.evaluations)
        self.need("mean")
        self.need("largest")

    def update(self, x: Any, g: Any, a: Any, b: Any, mean: Any, largest: Any) -> None:
        g = self.decayed(x, g, out=a)
        _average(mean, self.beta1, g, out=b)
        np.abs(g, out=b)
        b += self.epsilon
        largest *= self.beta2
        np.maximum(largest, b, out=largest)
        _descend(x, self._rate, mean, largest, out=b)


def _average(average: np.ndarray, keep: float, value: np.ndarray, out: np.ndarray) -> None:
    """Move a running average to keep x average + (1 - keep) x value, with `out` for the product."""
    average *= keep
    average += np.multiply(value, 1 - keep, out=out)


def _root(squares: np.ndarray, epsilon: float, out: np.ndarray) -> np.ndarray:
    np.sqrt(squares, out=out)
    out += epsilon
    return out


def _descend(x: np.ndarray, rate: float, g: np.ndarray, divisor: np.ndarray, out: np.ndarray) -> None:
    """x = x - rate x g / divisor, with `out` for the product."""
    np.divide(g, divisor, out=out)
    out *= rate
    x -= out
