"""Losses to minimise, and every optimiser with settings that take all its branches."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from nodegraph import optim

ALL = {
    "SGD": lambda p: optim.SGD(p, learning_rate=0.01, learning_rate_decay=0.1, momentum=0.9, weight_decay=0.1),
    "SGD, individual": lambda p: optim.SGD(p, learning_rates=[1, 2, 0.5], weight_decays=[0, 0.1, 0]),
    "SGD, nesterov": lambda p: optim.SGD(p, learning_rate=0.01, momentum=0.5, dampening=0, nesterov=True),
    "NAG": lambda p: optim.NAG(p, learning_rate=0.01),
    "ASGD": lambda p: optim.ASGD(p, eta0=0.01, t0=2),
    "Adagrad": lambda p: optim.Adagrad(p, learning_rate=0.1),
    "Adadelta": optim.Adadelta,
    "RMSprop": optim.RMSprop,
    "Adam": optim.Adam,
    "Adamax": optim.Adamax,
    "Rprop": optim.Rprop,
    "LBFGS": lambda p: optim.LBFGS(p, max_iter=3, n_correction=2),
    "LBFGS, lswolfe": lambda p: optim.LBFGS(
        p, max_iter=2, line_search="lswolfe", line_search_options={"c2": 0.5, "max_iter": 5}
    ),
    "CG": lambda p: optim.CG(p, max_iter=3),
}


every_optimizer = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


class Problem:
    """A small regression: three arrays of different shapes, one of them of shape ()."""

    def __init__(self, dtype=np.float64):
        rng = np.random.default_rng(3)
        self.inputs, self.targets = rng.standard_normal((20, 4)).astype(dtype), rng.standard_normal(20).astype(dtype)
        self.x = [rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), (3,), ())]
        self.gradients = [np.full_like(x, np.nan) for x in self.x]

    def closure(self):
        w, v, b = self.x
        hidden = np.tanh(self.inputs @ w)
        error = hidden @ v + b - self.targets
        self.gradients[2][...] = error.mean()
        self.gradients[1][...] = hidden.T @ error / 20
        self.gradients[0][...] = self.inputs.T @ (np.outer(error, v) * (1 - hidden**2)) / 20
        return float(0.5 * (error**2).mean())

    def run(self, optimizer, steps):
        return [optimizer.step(self.closure) for _ in range(steps)]

    @property
    def pair(self):
        return self.x, self.gradients


def parts(state):
    """What the nested dictionaries of a state hold."""
    return [part for value in state.values() for part in parts(value)] if isinstance(state, dict) else [state]


def barrier(x):
    """x - log x, which has its minimum at 1, and no value from 0 on downwards."""
    with np.errstate(all="ignore"):
        return (float(x[0] - np.log(x[0])) if x[0] > 0 else math.inf), 1 - 1 / x if x[0] > 0 else np.array([math.nan])


WAVES = st.tuples(*[st.floats(-3, 3) for _ in range(5)])
"""Coefficients of a x^4 / 4 + b x^2 / 2 + c x + d sin(e x), of every shape: wells, hills, plains, cliffs."""


def wave(coefficients, x):
    a, b, c, d, e = coefficients
    with np.errstate(all="ignore"):
        loss = a * x**4 / 4 + b * x**2 / 2 + c * x + d * np.sin(e * x)
        return float(loss[0]), a * x**3 + b * x + c + d * e * np.cos(e * x)
