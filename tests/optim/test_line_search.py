"""lswolfe: where it ends, and that it does."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodegraph import optim
from nodegraph.optim.line_search import _lowest_between, _lowest_within, _Point

from optim_problems import WAVES, barrier, wave


def test_lswolfe_extrapolates_and_ends_where_both_conditions_hold():
    def evaluate(x):
        return float(((x - 50) ** 2).sum()), 2 * (x - 50)

    x = np.zeros(1)
    f, g = evaluate(x)
    for t in (1e-3, 0.4, 30.0):
        new_f, new_g, new_x, step, _ = optim.lswolfe(evaluate, x, t, -g, f, g, float(-g @ g), c2=0.1)
        assert new_f <= f - 1e-4 * step * g @ g
        assert abs(new_g @ g) <= 0.1 * g @ g
        np.testing.assert_allclose(new_x, -step * g)


def test_lswolfe_extrapolates_by_a_hundredth_of_the_last_stretch_at_least():
    seen = []

    def evaluate(x):
        seen.append(float(x[0]))
        return float(((x - 50) ** 2).sum()), 2 * (x - 50)

    optim.lswolfe(evaluate, np.zeros(1), 49.9, np.ones(1), 2500.0, np.array([-100.0]), -100.0, c2=1e-6)
    np.testing.assert_allclose(seen, [49.9, 49.9 + 0.499, 50])


@pytest.mark.parametrize("step", [0.1, 1.0, 10.0, 1e3])
def test_lswolfe_comes_back_from_where_there_is_no_loss(step):
    x = np.array([3.0])
    loss, gradient = barrier(x)
    found = optim.lswolfe(barrier, x, step, -gradient, loss, gradient, -float(gradient @ gradient))
    assert found[0] < loss and found[2] > 0


def test_lswolfe_ends_on_a_loss_that_falls_without_end():
    def cliff(x):
        with np.errstate(all="ignore"):
            return -float(np.exp(x[0])), -np.exp(x)

    x = np.array([1.0])
    loss, gradient = cliff(x)
    found = optim.lswolfe(cliff, x, 1.0, -gradient, loss, gradient, -float(gradient @ gradient))
    assert found[0] < loss and found[4] <= 42


@given(WAVES, st.floats(-2, 2), st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_lswolfe_never_ends_higher_than_it_began(coefficients, start, step):
    x = np.array([start])
    loss, gradient = wave(coefficients, x)
    assume(abs(gradient[0]) > 1e-6)
    evaluations = []

    def evaluate(x):
        evaluations.append(x)
        return wave(coefficients, x)

    slope = -float(gradient @ gradient)
    found = optim.lswolfe(evaluate, x, step, -gradient, loss, gradient, slope)
    assert found[0] <= loss and found[4] == len(evaluations) <= 42
    assert found[0] == wave(coefficients, found[2])[0]
    np.testing.assert_array_equal(found[2], x - found[3] * gradient)


@given(st.floats(-3, 3), st.floats(-0.3, 0.3), st.floats(0.1, 10), st.floats(0.1, 1), st.floats(0.1, 1), st.booleans())
def test_the_lowest_point_of_a_cubic_is_found_from_two_of_its_points(bottom, skew, height, before, behind, turned):
    def point(t):
        u = t - bottom
        return _Point(t, height * u**2 * (1 + skew * u), np.array([height * (2 * u + 3 * skew * u**2)]), np.ones(1))

    ends = [point(bottom - before), point(bottom + behind)]
    np.testing.assert_allclose(_lowest_between(*ends[:: -1 if turned else 1]), bottom, atol=1e-6)
    np.testing.assert_allclose(_lowest_within(*ends, bottom - 1, bottom + 1), bottom, atol=1e-6)


def test_where_a_cubic_falls_without_end_the_middle_is_taken():
    a, b = (_Point(t, -(t**3) - t, np.array([-3 * t**2 - 1]), np.ones(1)) for t in (-1.0, 3.0))
    with np.errstate(invalid="ignore"):
        assert _lowest_between(a, b) == _lowest_between(b, a) == 1
