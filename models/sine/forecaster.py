"""The model: an LSTM sees 30 noisy samples of a sine curve and says what comes next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import nodegraph.random
from nodegraph import nn, optim
from nodegraph.errors import ArgumentError, TrainingStopped
from nodegraph.gmodule import GModule
from nodegraph.models import lstm
from nodegraph.models.options import Checked, option
from nodegraph.node import annotate_nodes
from nodegraph.recurrent import Recurrent

SEEN = 30
"""How many samples the network is given."""

NOISE_WIDTH = 0.1
NOISE_FLOOR = NOISE_WIDTH / math.sqrt(12)
"""The standard deviation of the noise, which is uniform from -0.05 to 0.05: no prediction can have a smaller error."""


def forecaster(hidden: int) -> GModule:
    """Samples (batch, steps, 1) -> the next value (batch, 1).

    >>> forecaster(hidden=8).forward(np.zeros((3, 30, 1))).shape
    (3, 1)
    """
    samples = nn.Identity()()
    watching = Recurrent(lstm.create(1, hidden, forget_bias=1), batch_first=True)(samples)
    last_h = nn.SelectTable(-1)(watching)
    next_value = nn.Linear(hidden, 1)(last_h)

    annotate_nodes()
    return GModule(samples, next_value)


@dataclass
class Options(Checked):
    """How to make a forecaster, the curves that it learns from, and how it is trained."""

    hidden: int = option(16, "size of the LSTM's state", least=1, most=1_000_000)
    iterations: int = option(3000, "number of batches to train on, each of new curves", least=1)
    batch_size: int = option(64, "number of curves in a batch", least=1)
    learning_rate: float = option(
        0.01, "learning rate of Adam at the start; it falls to 0 in half a cosine", least=0, below=math.inf
    )
    ahead: int = option(30, "how many values the network then goes on for from its own predictions", least=1, most=1000)
    shortest_period: float = option(40.0, "each curve has a period, in samples, drawn from this", above=2)
    longest_period: float = option(40.0, "to this; with periods that differ the task is harder", above=2, most=1e6)
    seed: int = option(1, "seed of the random numbers", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shortest_period > self.longest_period:
            raise ArgumentError(f"the shortest period, {self.shortest_period:g}, is above {self.longest_period:g}")


def curves(n: int, length: int, options: Options, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sine curves of amplitude 1 with random phases, as they are and with noise: two arrays (n, length, 1)."""
    period = generator.uniform(options.shortest_period, options.longest_period, (n, 1, 1))
    phase = generator.uniform(0, 2 * np.pi, (n, 1, 1))
    true = np.sin(2 * np.pi * np.arange(length)[:, None] / period + phase)
    noisy = true + generator.uniform(-NOISE_WIDTH / 2, NOISE_WIDTH / 2, true.shape)
    return true.astype(np.float32), noisy.astype(np.float32)


def train(network: GModule, options: Options) -> Iterator[float]:
    """Train on batches of new curves; yields the loss of each, the mean square error. TrainingStopped if it is none."""
    generator = np.random.default_rng(options.seed)
    criterion = nn.MSECriterion()
    optimizer = optim.Adam(network, learning_rate=options.learning_rate)
    schedule = optim.Schedule(optimizer, optim.cosine(options.iterations))
    network.training()

    for iteration in range(options.iterations):
        _, noisy = curves(options.batch_size, SEEN + 1, options, generator)
        samples, following = noisy[:, :SEEN], noisy[:, SEEN]

        with np.errstate(all="ignore"):  # What goes wrong the loss tells.
            optimizer.zero_grad()
            prediction = network.forward(samples)
            loss = criterion.forward(prediction, following)
            network.backward(samples, criterion.backward(prediction, following))
            optim.clip_gradient_norm(network, 1)
            schedule(iteration)
            optimizer.step()
        if not math.isfinite(loss):
            raise TrainingStopped(f"the loss is {loss} at iteration {iteration + 1}: a smaller learning rate may help")
        yield loss


def predict(network: GModule, noisy: np.ndarray) -> np.ndarray:
    """From each 30 samples in a row the next one: (n, length, 1) -> (n, length - 30, 1)."""
    network.evaluate()
    windows = [noisy[:, start : start + SEEN] for start in range(noisy.shape[1] - SEEN)]
    return np.stack([network.forward(window) for window in windows], axis=1)


def run_free(network: GModule, samples: np.ndarray, steps: int) -> np.ndarray:
    """Go on from 30 samples, each prediction being taken for the next sample: (n, 30, 1) -> (n, steps, 1)."""
    network.evaluate()
    known = samples
    for _ in range(steps):
        prediction = network.forward(known[:, -SEEN:])
        known = np.concatenate([known, prediction[:, None]], axis=1)
    return known[:, SEEN:]


@dataclass
class Errors:
    """Root-mean-square errors on curves that the network never saw."""

    one_step: float
    """Of each sample's prediction from the 30 before it, against that sample, noise and all: the floor at least."""
    one_step_true: float
    """The same predictions against the curve without noise."""
    free: np.ndarray
    """Of the values that the network went on with by itself, step by step, against the curve without noise."""


def measure(network: GModule, options: Options, n: int = 2000) -> Errors:
    """The errors on `n` curves of a generator of their own."""
    true, noisy = curves(n, SEEN + options.ahead, options, np.random.default_rng([options.seed, 1]))
    one_step, free = predict(network, noisy), run_free(network, noisy[:, :SEEN], options.ahead)
    true_ahead, noisy_ahead = true[:, SEEN:], noisy[:, SEEN:]
    return Errors(
        one_step=float(root_mean_square(one_step - noisy_ahead)),
        one_step_true=float(root_mean_square(one_step - true_ahead)),
        free=root_mean_square(free - true_ahead, axis=(0, 2)),
    )


def root_mean_square(x: np.ndarray, axis: Any = None) -> np.ndarray:
    return np.sqrt(np.square(x, dtype=float).mean(axis))


def new_forecaster(options: Options) -> GModule:
    """A network in float32 with the parameters that the seed gives."""
    nodegraph.random.seed(options.seed)
    return forecaster(options.hidden).float()
