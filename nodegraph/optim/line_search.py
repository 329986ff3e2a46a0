"""A line search for the Wolfe conditions: far enough down, and not where the slope is still steep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray]]


def lswolfe(
    evaluate: Evaluate,
    x: np.ndarray,
    t: float,
    d: np.ndarray,
    f: float,
    g: np.ndarray,
    gtd: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tol_x: float = 1e-9,
    max_iter: int = 20,
) -> tuple[float, np.ndarray, np.ndarray, float, int]:
    """Find a step t from `x` along `d` with f(x + t d) <= f + c1 t gtd and |slope there| <= c2 |gtd|.

    `evaluate(x)` gives the loss and a fresh array with its gradient; `f` and `g` are those at `x`, `gtd` is g . d, and
    `t` is the first step to try. The step grows until an interval holds a point as wanted, then the interval shrinks
    until such a point is found, it is shorter than `tol_x` (times the slope), or `max_iter` iterations are done.

    Returns the loss, the gradient, the point, the step and the number of evaluations, for the lowest point found.

    >>> x, g = np.array([1.0]), np.array([2.0])
    >>> f, g, x, t, n = lswolfe(lambda x: (x @ x, 2 * x), x, 1.0, -g, 1.0, g, -4.0)
    >>> f, t, n
    (0.0, 0.5, 2)

    Source: torch/optim, lswolfe.lua, after M. Schmidt's minFunc.
    """
    evaluations = 0

    def at(t: float) -> _Point:
        nonlocal evaluations
        evaluations += 1
        loss, gradient = evaluate(x + float(t) * d)
        return _Point(t, loss, gradient, d)

    def too_high(point: _Point) -> np.bool_:
        return point.f > f + c1 * point.t * gtd

    def flat(point: _Point) -> np.bool_:
        return abs(point.slope) <= -c2 * gtd

    with np.errstate(all="ignore"):
        start = before = _Point(0.0, f, g, d)
        point = at(t)
        ends: list[_Point] = []
        done: bool | np.bool_ = False
        iterations = 0
        while not ends and iterations < max_iter:
            if too_high(point) or (iterations > 1 and point.f >= before.f):
                ends = [before, point]
            elif flat(point):
                ends, done = [point], True
            elif point.slope >= 0:
                ends = [before, point]
            else:
                lowest, highest = point.t + 0.01 * (point.t - before.t), 10 * point.t
                before, point = point, at(_lowest_within(before, point, lowest, highest))
                iterations += 1
        ends = ends or [start, point]

        near_end = False
        while not done and iterations < max_iter:
            low = int(ends[1].f < ends[0].f)
            high = 1 - low
            t = _lowest_between(*ends)
            left, right = sorted(end.t for end in ends)
            inside = min(right - t, t - left) / (right - left) >= 0.1
            if not inside and (near_end or not left < t < right):
                t = right - 0.1 * (right - left) if abs(t - right) < abs(t - left) else left + 0.1 * (right - left)
                near_end = False
            else:
                near_end = not inside
            point = at(t)
            iterations += 1
            if too_high(point) or point.f >= ends[low].f:
                ends[high] = point
            else:
                done = flat(point)
                if not done and point.slope * (ends[high].t - ends[low].t) >= 0:
                    ends[high] = ends[low]
                ends[low] = point
            if abs((ends[0].t - ends[1].t) * point.slope) < tol_x:
                break

    best = min(ends, key=lambda end: end.f)
    return float(best.f), best.g, x + float(best.t) * d, float(best.t), evaluations


class _Point:
    """A step t with the loss, the gradient and the slope along `d` there, as NumPy scalars: x / 0 is infinite."""

    def __init__(self, t: float, f: float, g: np.ndarray, d: np.ndarray) -> None:
        self.t, self.f, self.g, self.slope = np.float64(t), np.float64(f), g, np.float64(g @ d)


def _lowest_between(a: _Point, b: _Point) -> np.float64:
    """Where between two points the cubic with their losses and slopes is lowest; the middle if it has no minimum."""
    a, b = sorted((a, b), key=lambda point: point.t)
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    d2 = np.sqrt(d1 * d1 - a.slope * b.slope)
    if np.isnan(d2):
        return (a.t + b.t) / 2
    t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    return min(max(t, a.t), b.t)


def _lowest_within(a: _Point, b: _Point, lowest: np.float64, highest: np.float64) -> np.float64:
    """Where from `lowest` to `highest` the same cubic is lowest."""
    gap, rise = b.t - a.t, (b.f - a.f) / (b.t - a.t)
    c3 = (a.slope + b.slope - 2 * rise) / gap**2
    c2 = (3 * rise - 2 * a.slope - b.slope) / gap
    cubic = np.array([c3, c2 - 3 * c3 * a.t, a.slope - 2 * c2 * a.t + 3 * c3 * a.t**2, 0.0])
    cubic[np.abs(cubic) <= 1e-12] = 0  # as in Torch
    candidates = [lowest, highest]
    if np.isfinite(cubic).all():
        roots = np.roots(np.polyder(cubic))
        candidates += [root.real for root in roots if root.imag == 0 and lowest <= root.real <= highest]
    values = np.polyval(cubic, candidates)
    return candidates[int(np.nanargmin(values))] if np.isfinite(values).any() else (lowest + highest) / 2
