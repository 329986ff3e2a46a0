"""The model: an LSTM reads an image row by row, from top to bottom, and from what it remembers names the digit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

import nodegraph.random
from nodegraph import nn, optim
from nodegraph.errors import TrainingStopped
from nodegraph.gmodule import GModule
from nodegraph.models import lstm, rnn
from nodegraph.models.digits.data import Digits
from nodegraph.models.options import Checked, option
from nodegraph.models.variants import gru_cell
from nodegraph.node import annotate_nodes
from nodegraph.recurrent import Recurrent

CELLS = {"lstm": partial(lstm.create, forget_bias=1), "gru": gru_cell, "rnn": rnn.create}


def digit_reader(columns: int, hidden: int, model: str = "lstm", dropout: float = 0.5) -> GModule:
    """Images (batch, rows, columns) -> the log-probabilities of the ten digits (batch, 10).

    >>> digit_reader(columns=8, hidden=16).forward(np.zeros((3, 8, 8))).shape
    (3, 10)
    """
    image = nn.Identity()()
    reading = Recurrent(CELLS[model](columns, hidden), batch_first=True)(image)
    last_h = nn.SelectTable(-1)(reading)
    kept = nn.Dropout(dropout)(last_h)
    score = nn.Linear(hidden, 10)(kept)
    digit = nn.LogSoftMax()(score)

    annotate_nodes()
    return GModule(image, digit)


@dataclass
class Options(Checked):
    """How to make a digit reader and how to train it.

    The defaults do well on a validation part, see `Digits.to_choose_by`, of scikit-learn's digits and of MNIST's alike.
    """

    model: str = option("lstm", "the kind of cell", choices=tuple(CELLS))
    hidden: int = option(128, "size of the cell's state", least=1, most=1_000_000)
    epochs: int = option(0, "passes through the images; 0 for what comes to 180,000 images, 40 at most", least=0)
    batch_size: int = option(50, "number of images trained on at once", least=1)
    learning_rate: float = option(
        0.01, "learning rate of Adam at the start; it falls to 0 in half a cosine", least=0, below=math.inf
    )
    shift: float = option(0.08, "images are moved in training by up to this part of their size", least=0, most=1)
    dropout: float = option(0.5, "dropout after the last row, in training; 0 for none", least=0, most=0.99)
    seed: int = option(1, "seed of the random numbers", least=0)

    def epochs_for(self, digits: Digits) -> int:
        return self.epochs or min(40, math.ceil(180_000 / len(digits.labels)))


def moved(images: np.ndarray, part: float, generator: np.random.Generator) -> np.ndarray:
    """Each image moved at random, by whole pixels up to this part of its size, up or down and left or right.

    >>> moved(np.eye(3)[None], 0.34, np.random.default_rng(0))
    array([[[0., 1., 0.],
            [0., 0., 1.],
            [0., 0., 0.]]])
    """
    n, rows, columns = images.shape
    up, aside = int(part * rows), int(part * columns)
    framed = np.pad(images, ((0, 0), (up, up), (aside, aside)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (rows, columns), axis=(1, 2))
    return windows[np.arange(n), generator.integers(2 * up + 1, size=n), generator.integers(2 * aside + 1, size=n)]


@dataclass
class Epoch:
    """What an epoch of training came to: the mean loss, and the parts of the images read right, in training and test.

    The former are those of the batches as they were trained on, moved and with dropout.
    """

    number: int
    loss: float
    accuracy: float
    test_accuracy: float


class DigitReader:
    """A network with the digits that it learns to read.

    Here they are images of a single row, in which the pixel at the place of the digit has ink:

    >>> images, labels = np.eye(10, dtype=np.float32)[:, None], np.arange(10)
    >>> reader = DigitReader(Digits(images, labels, images, labels), Options(hidden=20))
    >>> epochs = list(reader.train())
    >>> epochs[-1].test_accuracy
    1.0
    """

    def __init__(self, digits: Digits, options: Options) -> None:
        nodegraph.random.seed(options.seed)
        self.digits, self.options = digits, options
        self.network = digit_reader(digits.images.shape[2], options.hidden, options.model, options.dropout).float()

    def train(self) -> Iterator[Epoch]:
        """Train, epoch by epoch; TrainingStopped when the loss is no number."""
        options, digits = self.options, self.digits
        n, epochs = len(digits.labels), options.epochs_for(digits)
        criterion = nn.ClassNLLCriterion()
        optimizer = optim.Adam(self.network, learning_rate=options.learning_rate)
        schedule = optim.Schedule(optimizer, optim.cosine(epochs))
        generator = np.random.default_rng(options.seed)

        for epoch in range(epochs):
            self.network.training()
            order, loss, right = generator.permutation(n), 0.0, 0
            for start in range(0, n, options.batch_size):
                batch = order[start : start + options.batch_size]
                image, label = moved(digits.images[batch], options.shift, generator), digits.labels[batch]

                with np.errstate(all="ignore"):  # What goes wrong the loss tells.
                    optimizer.zero_grad()
                    guess = self.network.forward(image)
                    loss += criterion.forward(guess, label) * len(batch)
                    self.network.backward(image, criterion.backward(guess, label))
                    optim.clip_gradient_norm(self.network, 5)
                    schedule(epoch + start / n)
                    optimizer.step()
                right += (guess.argmax(1) == label).sum()

            if not math.isfinite(loss):
                raise TrainingStopped(f"the loss is {loss} in epoch {epoch + 1}: a smaller learning rate may help")
            test_right = self.probabilities(digits.test_images).argmax(1) == digits.test_labels
            yield Epoch(epoch + 1, loss / n, float(right / n), float(test_right.mean()))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each digit for each image: (n, rows, columns) -> (n, 10)."""
        self.network.evaluate()
        parts = [self.network.forward(images[start : start + 500]) for start in range(0, len(images), 500)]
        return np.exp(np.concatenate(parts))
