"""Rprop: step sizes that follow the sign of the gradient alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.optim.optimizer import Closure, Elementwise, Parameters
from nodegraph.optim.settings import Setting, count, positive


class Rprop(Elementwise):
    """x = x - sign(g) s, where the step size s of an element grows while its gradient keeps its sign.

    s starts as `stepsize`. Where g has the sign it had before, s is multiplied by `etaplus`; where the sign has
    changed, by `etaminus`, and the element rests for this step and counts as having gradient 0. s stays between
    `stepsizemin` and `stepsizemax`. With `niter` above 1 a call of `step` does so many, and needs the closure.
    For gradients of whole data sets: the sign of a small batch's gradient is mostly noise.

    >>> x, gradient = np.array([1.0, 2.0]), np.array([0.5, -0.1])
    >>> optimizer = Rprop((x, gradient))
    >>> for step in range(2):
    ...     _ = optimizer.step()
    >>> x.round(6)
    array([0.78, 2.22])

    Source: torch/optim, rprop.lua; Riedmiller and Braun 1993.
    """

    stepsize = positive()
    etaplus = Setting(float, "at least 1", lambda value: value >= 1)
    etaminus = Setting(float, "above 0 and at most 1", lambda value: 0 < value <= 1)
    stepsizemax = positive()
    stepsizemin = positive()
    niter = count()
    array_names = ("stepsizes", "signs")

    def __init__(
        self,
        parameters: Parameters,
        stepsize: float = 0.1,
        etaplus: float = 1.2,
        etaminus: float = 0.5,
        stepsizemax: float = 50.0,
        stepsizemin: float = 1e-6,
        niter: int = 1,
    ) -> None:
        super().__init__(
            parameters,
            stepsize=stepsize,
            etaplus=etaplus,
            etaminus=etaminus,
            stepsizemax=stepsizemax,
            stepsizemin=stepsizemin,
            niter=niter,
        )

    def check(self) -> None:
        if self.stepsizemin > self.stepsizemax:
            raise ArgumentError("Rprop: stepsizemin must not exceed stepsizemax")

    def step(self, closure: Closure | None = None) -> float | None:
        if closure is None and self.niter > 1:
            raise ArgumentError(f"Rprop: step needs the closure to do niter={self.niter} iterations")
        losses = []
        for _ in range(self.niter):
            super().step(closure)
            losses += self.losses
        self.losses = losses
        return losses[0] if losses else None

    def prepare(self) -> None:
        self.check()
        self.need("stepsizes", self.stepsize)
        self.need("signs")

    def update(self, x: Any, g: Any, a: Any, b: Any, stepsizes: Any, signs: Any) -> None:
        np.sign(g, out=a)
        np.multiply(a, signs, out=b)
        signs[...] = a
        signs[b < 0] = 0
        stepsizes *= np.where(b > 0, self.etaplus, np.where(b < 0, self.etaminus, 1.0))
        np.clip(stepsizes, self.stepsizemin, self.stepsizemax, out=stepsizes)
        x -= np.multiply(signs, stepsizes, out=b)
