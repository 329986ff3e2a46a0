"""Stochastic gradient descent: plain, with momentum, looking ahead, averaged."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.optim.optimizer import Closure, Elementwise, Parameters
from nodegraph.optim.settings import flag, fraction, nonnegative


class SGD(Elementwise):
    """Gradient descent with momentum: v = momentum v + (1 - dampening) g, x = x - rate v, with v = g at the first step.

    g is the gradient plus `weight_decay` x; rate is `learning_rate` / (1 + `learning_rate_decay` t), where t counts the
    steps before. `dampening` is the momentum where not given; with `nesterov` the step is g + momentum v instead
    of v, which needs a momentum and `dampening=0`. `learning_rates` and `weight_decays` are factors for each element:
    a vector, or a list with an array for each parameter; the former multiply the learning rate, the latter take the
    place of `weight_decay`.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    >>> SGD((x, gradient), learning_rate=0.1).step()
    >>> x
    array([0.95, 2.05])

    Source: torch/optim, sgd.lua.
    """

    learning_rate = nonnegative()
    learning_rate_decay = nonnegative()
    weight_decay = nonnegative()
    momentum = fraction()
    dampening = fraction(closed=True, optional=True)
    nesterov = flag()
    array_names = ("velocity", "learning_rates", "weight_decays")

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.0,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        dampening: float | None = None,
        nesterov: bool = False,
        learning_rates: Any = None,
        weight_decays: Any = None,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            weight_decay=weight_decay,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
        )
        if learning_rates is not None:
            self.individual("learning_rates", learning_rates)
        if weight_decays is not None:
            self.individual("weight_decays", weight_decays)
        self.check()

    def check(self) -> None:
        if self.nesterov and not (self.momentum > 0 and self.dampening == 0):
            raise ArgumentError("SGD: nesterov needs a momentum, and dampening=0 (by default it is the momentum)")
        if self.weight_decay and "weight_decays" in self.arrays:
            raise ArgumentError("SGD: give weight_decay or weight_decays, not both")

    def prepare(self) -> None:
        self.check()
        self._rate = self.annealed()
        self._first = "velocity" not in self.arrays
        if self.momentum:
            self.need("velocity")

    def update(
        self,
        x: Any,
        g: Any,
        a: Any,
        b: Any,
        velocity: Any = None,
        learning_rates: Any = None,
        weight_decays: Any = None,
    ) -> None:
        if weight_decays is not None:
            g = np.add(np.multiply(weight_decays, x, out=a), g, out=a)
        else:
            g = self.decayed(x, g, out=a)
        if self.momentum:
            if self._first:
                velocity[...] = g
            else:
                dampening = self.momentum if self.dampening is None else self.dampening
                velocity *= self.momentum
                velocity += np.multiply(g, 1 - dampening, out=b)
            g = np.add(g, np.multiply(velocity, self.momentum, out=b), out=a) if self.nesterov else velocity
        if learning_rates is not None:
            g = np.multiply(learning_rates, g, out=a)
        x -= np.multiply(g, self._rate, out=b)


class NAG(Elementwise):
    """Nesterov's accelerated gradient: x' = x + momentum v; v = momentum v - rate g(x'); x = x' - rate g(x').

    The gradient is taken at x', so `step` needs the closure. Settings are as for `SGD`.
    `SGD(nesterov=True, dampening=0)` takes the same steps seen from x', and needs none.

    >>> x, gradient = np.array([1.0]), np.zeros(1)
    >>> def loss():
    ...     gradient[:] = 2 * x
    ...     return x[0] ** 2
    >>> optimizer = NAG((x, gradient), learning_rate=0.1)
    >>> [round(optimizer.step(loss), 4) for step in range(3)]
    [1.0, 0.3844, 0.0495]

    Source: torch/optim, nag.lua.
    """

    learning_rate = nonnegative()
    learning_rate_decay = nonnegative()
    weight_decay = nonnegative()
    momentum = fraction()
    array_names = ("velocity", "learning_rates")

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.0,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        learning_rates: Any = None,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            weight_decay=weight_decay,
            momentum=momentum,
        )
        if learning_rates is not None:
            self.individual("learning_rates", learning_rates)

    def check(self) -> None:
        if self.momentum == 0:
            raise ArgumentError("NAG: the momentum must be above 0")

    def step(self, closure: Closure | None = None) -> float | None:
        self.check()
        if closure is None:
            raise ArgumentError(
                "NAG: step needs the closure, for it moves the parameters before it asks for the gradient; "
                "SGD with nesterov=True and dampening=0 does without"
            )
        self.refresh()
        for x, velocity in zip(self.parameters, self.arrays.get("velocity", [])):
            x += np.multiply(velocity, self.momentum, out=self._scratch(x)[0])
        return super().step(closure)

    def prepare(self) -> None:
        self._rate = self.annealed()
        self.need("velocity")

    def update(self, x: Any, g: Any, a: Any, b: Any, velocity: Any, learning_rates: Any = None) -> None:
        g = self.decayed(x, g, out=a)
        if learning_rates is not None:
            g = np.multiply(learning_rates, g, out=a)
        g = np.multiply(g, self._rate, out=a)
        x -= g
        velocity *= self.momentum
        velocity -= g


class ASGD(Elementwise):
    """Averaged gradient descent: x = (1 - lambda eta) x - eta g; from step t0 on, `averaged` is the mean of the x.

    After t steps, eta is eta0 / (1 + lambda eta0 t)^alpha. Up to step t0 `averaged` is x itself; then each
    step moves it towards x by 1 / (t - t0) of the difference. It is None before the first step, then a list with an
    array for each parameter. `lambda_` is Torch's lambda, a word that Python keeps for itself.

    >>> x, gradient = np.array([1.0]), np.array([0.5])
    >>> optimizer = ASGD((x, gradient), eta0=0.1, t0=0)
    >>> for step in range(3):
    ...     _ = optimizer.step()
    >>> print(x.round(4), optimizer.averaged[0].round(4))
    [0.85] [0.875]

    Source: torch/optim, asgd.lua; L. Bottou, sgd-2.0.
    """

    eta0 = nonnegative()
    lambda_ = nonnegative()
    alpha = nonnegative()
    t0 = nonnegative()
    array_names = ("averaged",)

    def __init__(
        self,
        parameters: Parameters,
        eta0: float = 1e-4,
        lambda_: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
    ) -> None:
        super().__init__(parameters, eta0=eta0, lambda_=lambda_, alpha=alpha, t0=t0)

    @property
    def averaged(self) -> list[np.ndarray] | None:
        """The averaged parameters; None before the first step."""
        return self.arrays.get("averaged")

    def prepare(self) -> None:
        steps = self.evaluations - 1
        self._rate = self.eta0 / (1 + self.lambda_ * self.eta0 * steps) ** self.alpha
        self._share = 1 / max(1, steps - self.t0)
        self.need("averaged")

    def update(self, x: Any, g: Any, a: Any, b: Any, averaged: Any) -> None:
        x *= 1 - self.lambda_ * self._rate
        x -= np.multiply(g, self._rate, out=a)
        if self._share == 1:
            averaged[...] = x
        else:
            np.subtract(x, averaged, out=a)
            a *= self._share
            averaged += a
