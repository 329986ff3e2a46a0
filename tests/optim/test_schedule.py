"""Schedules of the learning rate."""

import numpy as np
import pytest

from nodegraph import nn, optim
from nodegraph.errors import ArgumentError

from optim_problems import Problem


def test_char_rnn_decay():
    """After 10 epochs the rate falls by 3 % at the end of each."""
    optimizer = optim.RMSprop(nn.Linear(2, 2), learning_rate=2e-3)
    schedule = optim.Schedule(optimizer, optim.step_decay(0.97, after=10))
    rate = 2e-3
    for epoch in range(15):
        schedule(epoch)
        np.testing.assert_allclose(optimizer.learning_rate, rate, rtol=1e-14)
        if epoch + 1 >= 10:
            rate *= 0.97


def test_a_schedule_goes_on_after_loading():
    first = optim.SGD(nn.Linear(2, 2), learning_rate=1)
    optim.Schedule(first, optim.exponential(0.5))(3)
    second = optim.SGD(nn.Linear(2, 2), learning_rate=1)
    schedule = optim.Schedule(second, optim.exponential(0.5))
    second.load_state_dict(first.state_dict())
    assert second.learning_rate == 0.125
    assert schedule(4) == second.learning_rate == 0.0625


@pytest.mark.parametrize("make", [optim.Adadelta, optim.Rprop, optim.CG, optim.ASGD])
def test_optimisers_without_a_learning_rate_have_no_schedule(make):
    with pytest.raises(ArgumentError, match="no learning rate"):
        optim.Schedule(make(Problem().pair), optim.exponential(0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.step_decay(-1),
        lambda: optim.step_decay(0.5, every=0),
        lambda: optim.step_decay("0.5"),
        lambda: optim.exponential(0),
        lambda: optim.exponential(None),
        lambda: optim.cosine(0),
        lambda: optim.cosine(3, lowest=-1),
        lambda: optim.cosine(3, lowest="0"),
        lambda: optim.warm_up(0),
        lambda: optim.Schedule(0.5, optim.exponential(0.5)),
        lambda: optim.Schedule(optim.SGD(Problem().pair), optim.exponential(0.5), "0.1"),
        lambda: optim.Schedule(optim.SGD(Problem().pair), 0.5),
        lambda: optim.Schedule(optim.SGD(Problem().pair), optim.step_decay(0.5))(np.nan),
        lambda: optim.Schedule(optim.SGD(Problem().pair), optim.step_decay(0.5))("1"),
        lambda: optim.Schedule(optim.SGD(Problem().pair), optim.exponential(2))(1e6),
        lambda: optim.Schedule(optim.SGD(Problem().pair), lambda time: "0.5")(1),
        lambda: optim.Schedule(optim.SGD(Problem().pair), lambda time: -0.5)(1),
    ],
)
def test_schedules_that_cannot_be(make):
    with pytest.raises(ArgumentError):
        make()
