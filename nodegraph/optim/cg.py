"""Conjugate gradients with a line search by interpolation and extrapolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.optim.flat import FlatOptimizer
from nodegraph.optim.optimizer import Parameters
from nodegraph.optim.settings import count, fraction, positive


class CG(FlatOptimizer):
    """Conjugate gradients (Polak-Ribiere), for losses without noise: the same data at each evaluation.

    A call of `step(closure)` starts along the gradient and does line searches until `max_eval` evaluations (by default
    1.25 `max_iter`) are used up, which it checks between searches. A search ends where the loss has fallen by at least
    `rho` of what the slope promised and the slope's size is at most `sig` of the first one (Wolfe-Powell conditions).
    It stays `interpolation` of the interval away from its ends, goes at most `extrapolation` times as far as before,
    begins with at most `ratio` times the last step, and after its first evaluation does at most `max_iter` more, or
    what is left of `max_eval`; where that is no whole number, only the shrinking of an interval stops by it, as in
    Torch. A search that fails puts back the point before it and ends the call. No state is carried from call to call.

    `interpolation` and `extrapolation` are Torch's `int` and `ext`.

    >>> x, gradient = np.array([3.0, -2.0]), np.zeros(2)
    >>> def loss():
    ...     gradient[:] = [2 * x[0], 20 * x[1]]
    ...     return x[0] ** 2 + 10 * x[1] ** 2
    >>> optimizer = CG((x, gradient))
    >>> optimizer.step(loss), bool(loss() < 1e-8)
    (49.0, True)

    Source: torch/optim, cg.lua, after C. E. Rasmussen's minimize.m.
    """

    rho = fraction()
    sig = fraction()
    interpolation = fraction()
    extrapolation = positive()
    max_iter = count()
    ratio = positive()
    max_eval = positive(optional=True)

    def __init__(
        self,
        parameters: Parameters,
        rho: float = 0.01,
        sig: float = 0.5,
        interpolation: float = 0.1,
        extrapolation: float = 3.0,
        max_iter: int = 20,
        ratio: float = 100.0,
        max_eval: float | None = None,
    ) -> None:
        super().__init__(
            parameters,
            rho=rho,
            sig=sig,
            interpolation=interpolation,
            extrapolation=extrapolation,
            max_iter=max_iter,
            ratio=ratio,
            max_eval=max_eval,
        )

    def minimize(self, x: np.ndarray) -> tuple[np.ndarray, list[float]]:
        first = self.evaluations
        max_eval = 1.25 * self.max_iter if self.max_eval is None else self.max_eval
        loss, gradient = self.loss_at(x)
        losses = [loss]
        direction = -gradient
        slope = -_dot(direction, direction)
        step = 1 / (1 - slope)
        while (used := self.evaluations - first) < max_eval:
            found = self._search(x, direction, loss, slope, step, min(self.max_iter, max_eval - used - 1))
            if found is None:
                break
            x, loss, new_gradient, step = found
            losses.append(loss)
            with np.errstate(all="ignore"):
                share = (_dot(new_gradient, new_gradient) - _dot(new_gradient, gradient)) / _dot(gradient, gradient)
            direction = float(share) * direction - new_gradient
            gradient = new_gradient
            new_slope = _dot(gradient, direction)
            if new_slope > 0:
                direction = -gradient
                new_slope = -_dot(direction, direction)
            with np.errstate(all="ignore"):
                step = step * min(self.ratio, slope / (new_slope - 1e-320))
            slope = new_slope
        return x, losses

    def _search(
        self, x: np.ndarray, direction: np.ndarray, loss: float, slope: np.float64, step: np.float64, left: float
    ) -> tuple[np.ndarray, float, np.ndarray, np.float64] | None:
        """A point along the direction, its loss and gradient, and the step; None if none is found.

        `left` evaluations may follow the first.
        """

        def at(where: np.ndarray) -> tuple[np.ndarray, np.float64, np.ndarray, np.float64]:
            f, g = self.loss_at(where)
            return where, np.float64(f), g, _dot(g, direction)

        def too_far() -> bool:
            return f > loss + step * self.rho * slope or df > -self.sig * slope

        with np.errstate(all="ignore"):
            point, f, g, df = at(x + float(step) * direction)
            # The other end of the interval: `gap` is where it lies, seen from the point.
            other_f, other_df, gap = np.float64(loss), slope, -step
            limit = None
            while True:
                while too_far() and left > 0:
                    limit = step
                    if f > loss:
                        move = gap - 0.5 * other_df * gap * gap / (other_df * gap + f - other_f)
                    else:
                        a, b = _cubic(f, df, other_f, other_df, gap)
                        move = (np.sqrt(b * b - a * df * gap * gap) - b) / a
                    if not np.isfinite(move):
                        move = gap / 2
                    move = max(min(move, self.interpolation * gap), (1 - self.interpolation) * gap)
                    step = step + move
                    point, f, g, df = at(point + float(move) * direction)
                    left -= 1
                    gap = gap - move
                if too_far():
                    return None
                if df > self.sig * slope:
                    return point, float(f), g, step
                if left == 0 or (left < 0 and slope == 0) or not (np.isfinite(f) and np.isfinite(df)):
                    return None
                a, b = _cubic(f, df, other_f, other_df, gap)
                move = self._extrapolated(-df * gap * gap / (b + np.sqrt(b * b - a * df * gap * gap)), step, gap, limit)
                other_f, other_df, gap = f, df, -move
                step = step + move
                point, f, g, df = at(point + float(move) * direction)
                left -= 1

    def _extrapolated(
        self, move: np.float64, step: np.float64, gap: np.float64, limit: np.float64 | None
    ) -> np.float64:
        """The move that the cubic asks for, kept within bounds; `limit` is the farthest step, where one is known."""
        farthest = step * (self.extrapolation - 1)
        if not np.isfinite(move) or move < 0:
            return farthest if limit is None else (limit - step) / 2
        if limit is not None and move + step > limit:
            return (limit - step) / 2
        if limit is None and move + step > step * self.extrapolation:
            return farthest
        if move < -gap * self.interpolation:
            return -gap * self.interpolation
        if limit is not None and move < (limit - step) * (1 - self.interpolation):
            return (limit - step) * (1 - self.interpolation)
        return move


def _cubic(f: Any, df: Any, other_f: Any, other_df: Any, gap: Any) -> tuple[np.float64, np.float64]:
    """Two coefficients of the cubic through both ends of the interval with their slopes."""
    return 6 * (f - other_f) / gap + 3 * (df + other_df), 3 * (other_f - f) - gap * (other_df + 2 * df)


def _dot(a: np.ndarray, b: np.ndarray) -> np.float64:
    return np.float64(a @ b)
