"""CG: it ends, it never goes up, it comes to the bottom of a valley."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import optim

from optim_problems import WAVES, barrier, wave


@pytest.mark.parametrize("settings", [{}, {"max_iter": 2}, {"max_eval": 7.5}])
@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan], ids=["flat", "without end", "nan"])
def test_cg_ends_on_losses_that_have_no_minimum(settings, slope):
    x, gradient = np.array([1.0, 2.0]), np.full(2, slope)
    with np.errstate(all="ignore"):
        optimizer = optim.CG((x, gradient), **settings)
        optimizer.step(lambda: slope * x.sum())
    if not math.isnan(slope):
        assert np.isfinite(x).all()


VALLEYS = [
    ([0.33, -1.22, -1.07, 1.4, 0.29], 0.0),
    ([0.5, 0.0, -3.0, 0.2, 1.0], 0.1),
    ([0.02, 1.0, -0.5, -8.0, 0.0], 4.0),
    ([2.0, -0.3, 0.0, 0.1, 0.0], -6.0),
]
"""Coefficients of polynomials of degree 4, and where to begin."""


@pytest.mark.parametrize(("coefficients", "start"), VALLEYS)
def test_cg_comes_to_the_bottom_of_a_valley(coefficients, start):
    x, gradient = np.array([start]), np.zeros(1)

    def closure():
        gradient[:] = np.polyval(np.polyder(coefficients), x)
        return float(np.polyval(coefficients, x)[0])

    optimizer = optim.CG((x, gradient))
    for _ in range(3):
        optimizer.step(closure)
    assert abs(np.polyval(np.polyder(coefficients), x[0])) < 1e-5 and np.polyval(np.polyder(coefficients, 2), x[0]) > 0


def test_cg_never_goes_up_where_no_cubic_fits_and_where_there_is_a_kink():
    falling = [-0.76, 2.02, 6.94, -7.58, 14.21]  # without end, on both sides

    def polynomial(x):
        return float(np.polyval(falling, x[0])), np.polyval(np.polyder(falling), x)

    def kinks(x):
        return float(abs(x[0] + 1.25) - 0.73 * abs(x[0] + 0.54)), np.sign(x + 1.25) - 0.73 * np.sign(x + 0.54)

    for function, start in (polynomial, 0.08), (kinks, -0.13), (barrier, 3.0), (barrier, 0.01):
        x, gradient = np.array([start]), np.zeros(1)

        def closure(x=x, gradient=gradient, function=function):
            loss, gradient[:] = function(x)
            return loss

        optimizer = optim.CG((x, gradient))
        losses = []
        for _ in range(3):
            optimizer.step(closure)
            losses += optimizer.losses
        assert all(b <= a for a, b in zip(losses, losses[1:]))
        if function is polynomial:
            assert losses[-1] < losses[0]
        if function is barrier:
            np.testing.assert_allclose(x, 1, atol=1e-5)


def test_cg_begins_anew_along_the_gradient_where_its_direction_would_go_up():
    """As it does after the first search from here, by a slope that is small, for the function is."""
    x, gradient, seen = np.array([-1.2, 1.0]), np.zeros(2), []

    def closure():
        a, b = x
        gradient[:] = 0.003 * np.array([-400 * a * (b - a**2) - 2 * (1 - a), 200 * (b - a**2)])
        loss = 0.003 * float(100 * (b - a**2) ** 2 + (1 - a) ** 2)
        seen.append((loss, x.copy(), gradient.copy()))
        return loss

    optimizer = optim.CG((x, gradient))
    optimizer.step(closure)
    found = [loss for loss, _, _ in seen].index(optimizer.losses[1])
    (_, start, slope), (_, after, _) = seen[found : found + 2]
    move = after - start
    np.testing.assert_allclose(move / np.linalg.norm(move), -slope / np.linalg.norm(slope), rtol=1e-9)


@given(WAVES, st.floats(-2, 2))
def test_cg_never_goes_up(coefficients, start):
    x, gradient = np.array([start]), np.zeros(1)

    def closure():
        loss, gradient[...] = wave(coefficients, x)
        return loss

    before = wave(coefficients, x)[0]
    optimizer = optim.CG((x, gradient), max_iter=3)
    optimizer.step(closure)
    assert all(b <= a for a, b in zip(optimizer.losses, optimizer.losses[1:]))
    assert optimizer.losses[0] == before and wave(coefficients, x)[0] <= before


@pytest.mark.parametrize(
    "move, limit, kept",
    [
        (1.5, None, 1.5),
        (0.05, None, 0.1),
        (5.0, None, 2.0),
        (-1.0, None, 2.0),
        (math.nan, None, 2.0),
        (3.8, 5.0, 3.8),
        (1.0, 5.0, 3.6),
        (4.5, 5.0, 2.0),
        (math.nan, 5.0, 2.0),
    ],
)
def test_a_move_onwards_is_neither_too_short_nor_too_far(move, limit, kept):
    """From step 1, a move of 1 away from the other end: to 3 at most, or nearly up to the limit, or half way to it."""
    optimizer = optim.CG((np.zeros(1), np.zeros(1)), interpolation=0.1, extrapolation=3)
    np.testing.assert_allclose(optimizer._extrapolated(np.float64(move), np.float64(1), np.float64(-1), limit), kept)
