"""Engines: what runs a character model forward and backward and takes the optimiser's step. This one is our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import nn, optim
from nodegraph.recurrent import Recurrent

if TYPE_CHECKING:
    from nodegraph.models.char_rnn.training import CharacterModel

States = list[Any]


class Engine:
    """Trains a model by nodegraph itself.

    `parameters` is one vector with all numbers that are trained, `optimizer` has the settings and the running mean of
    squares. An engine that keeps them elsewhere while it trains brings them back in `synchronise`.
    """

    main = True
    """Whether this process is the one that shows progress and writes checkpoints."""

    def __init__(self, model: CharacterModel) -> None:
        options = self.options = model.options
        self.recurrent = Recurrent(model.network)
        self.criterion = nn.ClassNLLCriterion()
        self.parameters, self.gradients = self.recurrent.get_parameters()
        self.optimizer = optim.RMSprop(
            (self.parameters, self.gradients), learning_rate=options.learning_rate, alpha=options.decay_rate
        )

    def train(self, x: np.ndarray, targets: np.ndarray, states: States) -> tuple[float, float, States]:
        """A step on one batch (steps, batch): the loss, the gradient's norm before it is clipped, the next states."""
        with np.errstate(all="ignore"):  # What goes wrong the loss tells.
            return self._train(x, targets, states)

    def _train(self, x: np.ndarray, targets: np.ndarray, states: States) -> tuple[float, float, States]:
        self.recurrent.training()
        self.gradients.fill(0)
        loss, rows, following = self._forward(x, targets, states)
        grad_rows = self.criterion.backward(rows, targets.reshape(-1))
        # The loss that is reported is the mean over the steps; the gradient is that of their sum, as in char-rnn,
        # so that grad_clip means the same.
        grad_rows = (grad_rows * len(x)).reshape(*x.shape, -1)
        self.recurrent.backward([x, *states], [grad_rows, *[None] * len(states)])
        norm = float(np.linalg.norm(self.gradients))
        if self.options.grad_clip_norm:
            optim.clip_gradient_norm(self.gradients, self.options.grad_clip_norm)
        optim.clip_gradients(self.gradients, self.options.grad_clip)
        self.optimizer.step()
        return loss, norm, following

    def evaluate(self, x: np.ndarray, targets: np.ndarray, states: States) -> tuple[float, States]:
        """The loss of one batch, and the next states, without dropout."""
        self.recurrent.evaluate()
        loss, _, following = self._forward(x, targets, states)
        self.recurrent.training()
        return loss, following

    def _forward(self, x: np.ndarray, targets: np.ndarray, states: States) -> tuple[float, np.ndarray, States]:
        log_probabilities, *following = self.recurrent.forward([x, *states])
        rows = log_probabilities.reshape(-1, log_probabilities.shape[-1])
        return self.criterion.forward(rows, targets.reshape(-1)), rows, following

    # What other engines do differently

    def share(self, states: list[np.ndarray]) -> States:
        """The states of a whole batch, in the form in which this engine takes them."""
        return states

    def whole(self, states: States) -> list[np.ndarray]:
        """The inverse of `share`."""
        return states

    def synchronise(self) -> None:
        """Bring the model's parameters and the optimiser's memory up to date."""

    def agreed(self, stop: bool) -> bool:
        """Whether any of the processes that train together says stop."""
        return stop
