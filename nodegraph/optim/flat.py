"""FlatOptimizer: methods that see all parameters as one vector and evaluate the loss several times a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.optim.optimizer import Closure, Optimizer


class FlatOptimizer(Optimizer):
    """An optimiser that defines `minimize(x)`, which asks `loss_at(x)` for losses and gradients as it needs them."""

    def step(self, closure: Closure | None = None) -> float:
        """Do some iterations; the loss before the first. `losses` holds those of the points gone through.

        `closure()` clears the gradients, runs forward and backward with the present parameters and returns the loss;
        it is called several times.
        """
        if closure is None:
            raise ArgumentError(f"{type(self).__name__}: step needs the closure, to evaluate the loss several times")
        self.refresh()
        self._closure = closure
        try:
            x, losses = self.minimize(np.concatenate([p.ravel() for p in self.parameters]))
        finally:
            del self._closure
        self._write(x)
        self.losses = losses
        return losses[0]

    def minimize(self, x: np.ndarray) -> tuple[np.ndarray, list[float]]:
        """The better point and the losses on the way to it; may write into `x`."""
        raise NotImplementedError

    def loss_at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and a fresh array with its gradient, for the parameters `x`."""
        self._write(x)
        loss = self.evaluate(self._closure)
        return loss, np.concatenate([g.ravel() for g in self.gradients]).astype(x.dtype, copy=False)

    def _write(self, x: np.ndarray) -> None:
        start = 0
        for parameter in self.parameters:
            parameter[...] = x[start : start + parameter.size].reshape(parameter.shape)
            start += parameter.size

    def memory(self) -> dict[str, Any]:
        return {}

    def recalled(self, memory: dict[str, Any]) -> dict[str, Any]:
        return {}
