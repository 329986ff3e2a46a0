"""Learning rates that change in time: functions from time to a factor, and a Schedule that applies one."""

from __future__ import annotations

import math
from collections.abc import Callable

from nodegraph.errors import ArgumentError
from nodegraph.nn.pointwise import number
from nodegraph.optim.optimizer import Optimizer

Factor = Callable[[float], float]


class Schedule:
    """Sets `optimizer.learning_rate` to a starting rate times `factor(time)`, each time it is called with the time.

    Time counts epochs or steps, as one likes, from 0. The starting rate is that of the optimiser when the schedule is
    made, unless given. The rate depends on nothing but the time, so that a training that goes on from a checkpoint
    calls the schedule with the time it has come to; make the schedule before `load_state_dict` then, or give the
    starting rate, for the state holds the rate of that moment. ArgumentError for a factor that is no function, or that
    gives no learning rate.

    >>> from nodegraph import optim
    >>> optimizer = optim.RMSprop(nn.Linear(2, 2), learning_rate=0.002)
    >>> schedule = Schedule(optimizer, step_decay(0.5, after=2))
    >>> [schedule(epoch) for epoch in range(5)]
    [0.002, 0.002, 0.001, 0.0005, 0.00025]
    >>> optimizer.learning_rate
    0.00025
    """

    def __init__(self, optimizer: Optimizer, factor: Factor, learning_rate: float | None = None) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"expected an optimiser, got {optimizer!r}")
        if "learning_rate" not in optimizer.settings():
            raise ArgumentError(f"{type(optimizer).__name__} has no learning rate that a schedule could set")
        if not callable(factor):
            raise ArgumentError(f"expected a function of time, such as cosine(10), got {factor!r}")
        self.optimizer, self.factor = optimizer, factor
        rate = optimizer.learning_rate if learning_rate is None else learning_rate
        self.learning_rate = number(rate, "learning_rate")

    def __call__(self, time: float) -> float:
        """Set the learning rate for this time, and return it."""
        try:
            factor = self.factor(number(time, "time"))
        except OverflowError:
            factor = math.inf
        self.optimizer.learning_rate = self.learning_rate * number(factor, "the schedule's factor")
        return self.optimizer.learning_rate


def step_decay(decay: float, after: int = 1, every: int = 1) -> Factor:
    """decay^k, where k counts the whole periods of length `every` from the time `after` on, the one begun included.

    char-rnn's `learning_rate_decay_after` is `after`: after so many epochs the rate falls at the end of each epoch.

    >>> [step_decay(0.1, after=2, every=3)(time) for time in range(6)]
    [1.0, 1.0, 0.1, 0.1, 0.1, 0.010000000000000002]

    Source: char-rnn, train.lua.
    """
    decay, start, period = number(decay, "decay"), number(after, "after"), number(every, "every")
    _check(decay > 0 and period > 0, f"step_decay needs a positive decay and period, got {decay} and {period}")
    return lambda time: decay ** max(0, math.floor((time - start) / period) + 1)


def exponential(decay: float) -> Factor:
    """decay^time.

    >>> exponential(0.5)(2)
    0.25
    """
    decay = number(decay, "decay")
    _check(decay > 0, f"exponential needs a positive decay, got {decay}")
    return lambda time: decay**time


def cosine(length: float, lowest: float = 0.0) -> Factor:
    """Half a cosine from 1 down to `lowest`, which it keeps from the time `length` on.

    >>> [round(cosine(4, lowest=0.1)(time), 4) for time in range(6)]
    [1.0, 0.8682, 0.55, 0.2318, 0.1, 0.1]

    Source: Loshchilov and Hutter 2017, without restarts.
    """
    length, lowest = number(length, "length"), number(lowest, "lowest")
    _check(length > 0 and lowest >= 0, f"cosine needs a positive length and no negative factor, got {length}, {lowest}")
    return lambda time: lowest + (1 - lowest) * (1 + math.cos(math.pi * min(time / length, 1))) / 2


def warm_up(length: float, then: Factor | None = None) -> Factor:
    """A line from 0 at time 0 up to 1 at time `length`; then on with another schedule, whose time starts there.

    Count from 1 if the first step is not to be lost.

    >>> [warm_up(4, then=exponential(0.5))(time) for time in range(1, 7)]
    [0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """
    length = number(length, "length")
    _check(length > 0, f"warm_up needs a positive length, got {length}")
    return lambda time: time / length if time < length else 1.0 if then is None else then(time - length)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ArgumentError(message)
