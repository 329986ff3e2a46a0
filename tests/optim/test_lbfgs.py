"""LBFGS: its memory, its end, line searches of the user."""

import math

import numpy as np
import pytest

from nodegraph import optim
from nodegraph.errors import InputError

from optim_problems import Problem


def test_a_line_search_of_ones_own():
    def halving(evaluate, x, t, d, f, g, gtd, least=1e-6):
        evaluations = 1
        while t > least and evaluate(x + t * d)[0] > f:
            t, evaluations = t / 2, evaluations + 1
        return *evaluate(x + t * d), x + t * d, t, evaluations + 1

    problem = Problem()
    optimizer = optim.LBFGS(problem.pair, line_search=halving, line_search_options={"least": 1e-4})
    before = problem.run(optimizer, 1)[0]
    assert problem.closure() < before / 2
    with pytest.raises(InputError, match="line search"):
        optim.LBFGS(Problem().pair).load_state_dict(optimizer.state_dict())
    optim.LBFGS(Problem().pair, line_search=halving).load_state_dict(optimizer.state_dict())


def test_lbfgs_goes_down_where_the_loss_is_concave():
    """There the change of the gradient tells nothing of the way to a minimum, and is not taken into the memory."""
    x, gradient = np.array([0.1]), np.zeros(1)

    def closure():
        gradient[:] = -np.sin(x)
        return float(np.cos(x)[0])

    optimizer = optim.LBFGS((x, gradient), learning_rate=0.5, max_iter=200)
    optimizer.step(closure)
    np.testing.assert_allclose(x, math.pi, atol=1e-4)


def test_lbfgs_ends_where_it_stands_still():
    problem = Problem()
    optimizer = optim.LBFGS(problem.pair, learning_rate=0, tol_x=0)
    problem.run(optimizer, 1)
    assert optimizer.evaluations == 2


def test_lbfgs_ends_after_as_many_iterations_as_it_may_make():
    x, gradient = np.array([3.0, -2.0]), np.zeros(2)

    def closure():
        gradient[:] = [2 * x[0], 8 * x[1]]
        return float(x[0] ** 2 + 4 * x[1] ** 2)

    def search(loss_at, x, step, direction, *rest, **options):
        loss, gradient = loss_at(x + 0.01 * direction)
        return loss, gradient, x + 0.01 * direction, 0.01

    optimizer = optim.LBFGS((x, gradient), max_iter=5, max_eval=100, line_search=search)
    optimizer.step(closure)
    assert len(optimizer.losses) == 6 and optimizer.losses == sorted(optimizer.losses, reverse=True)
