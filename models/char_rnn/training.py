"""Training a character model: one iteration, validation, and everything that a checkpoint must hold to go on."""

from __future__ import annotations

import hashlib
import os
import pathlib
from dataclasses import asdict
from typing import Any

import numpy as np

import nodegraph.random
from nodegraph import nn, optim
from nodegraph.errors import ArgumentError, CheckpointError, DataError
from nodegraph.gmodule import GModule
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.text import Batches, Vocabulary
from nodegraph.models.gru import gru
from nodegraph.models.lstm import lstm
from nodegraph.models.rnn import rnn
from nodegraph.recurrent import Recurrent

MODELS = {"lstm": (lstm, 2), "gru": (gru, 1), "rnn": (rnn, 1)}
"""Name -> the function that wires the network, and the number of states of each layer."""

CHANGEABLE = {
    "learning_rate", "learning_rate_decay", "learning_rate_decay_after", "decay_rate", "grad_clip", "max_epochs",
    "eval_val_every", "sample_every",
}  # fmt: skip
"""The options that may differ when a training is resumed; all others make the model, its state or the batches."""


class CharacterModel:
    """A network with the vocabulary and the options that it was made for."""

    def __init__(self, options: Options, vocabulary: Vocabulary) -> None:
        wire, self.states_per_layer = MODELS[options.model]
        self.options, self.vocabulary = options, vocabulary
        self.network: GModule = wire(len(vocabulary), options.rnn_size, options.num_layers, options.dropout)
        self.network.astype(options.dtype)

    @classmethod
    def around(cls, options: Options, vocabulary: Vocabulary, network: GModule) -> CharacterModel:
        """The model of a network that exists already."""
        model = cls.__new__(cls)
        model.options, model.vocabulary, model.network = options, vocabulary, network
        model.states_per_layer = MODELS[options.model][1]
        return model

    def initialise(self) -> None:
        """Draw all parameters from [-0.08, 0.08); an LSTM's forget biases are 1, so that it starts remembering."""
        for parameter in self.network.named_parameters().values():
            nn.init.uniform(parameter, 0.08)
        if self.options.model == "lstm":
            for number in range(1, self.options.num_layers + 1):
                size = self.options.rnn_size
                self.network.node(f"i2h_{number}").module.bias[size : 2 * size] = 1

    def zero_states(self, batch_size: int) -> list[np.ndarray]:
        shape = (batch_size, self.options.rnn_size)
        return [np.zeros(shape, self.options.dtype) for _ in range(self.options.num_layers * self.states_per_layer)]

    @classmethod
    def load(cls, path: str | os.PathLike) -> tuple[CharacterModel, dict[str, np.ndarray], dict[str, Any]]:
        """The model of a checkpoint, in evaluation mode, with the other arrays and the data beside it.

        A .t7 file is one of char-rnn's own.
        """
        if pathlib.Path(path).suffix == ".t7":
            from nodegraph.models.char_rnn import torch_checkpoint

            return torch_checkpoint.load(path)
        arrays, data = checkpoint.load(path)
        try:
            model = cls(Options(**data["options"]), Vocabulary.in_order(data["vocabulary"]))
            parameters = {name[6:]: array for name, array in arrays.items() if name.startswith("model.")}
            checkpoint.load_state(model.network, parameters)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a checkpoint of a character model: {error}") from error
        model.network.evaluate()
        return model, arrays, data


class Trainer:
    """Trains a model on a text as char-rnn does: RMSprop, clipped gradients, the state carried from batch to batch.

    `iteration` counts the batches trained on, `losses` holds the training loss of each, in nats per character,
    `validations` pairs (iteration, loss).
    """

    def __init__(self, options: Options, text: str, start: CharacterModel | None = None) -> None:
        """Begin anew, from random parameters or, with `start`, from those of another model of the same vocabulary."""
        if not text:
            raise DataError("the text is empty")
        nodegraph.random.seed(options.seed)
        vocabulary = Vocabulary(text) if start is None else start.vocabulary
        if set(vocabulary.units(text)) != set(vocabulary.characters):
            raise DataError("the text's characters are not those of the checkpoint to start from")
        self._set_up(CharacterModel(options, vocabulary), text)
        if start is None:
            self.model.initialise()
        else:
            checkpoint.load_state(self.model.network, checkpoint.state_of(start.network))

    def _set_up(self, model: CharacterModel, text: str) -> None:
        options = model.options
        self.model, self.options, self.text_digest = model, options, _digest(text)
        indices = model.vocabulary.encode(text)
        self.batches = Batches(indices, options.batch_size, options.seq_length, options.train_frac, options.val_frac)
        self.recurrent = Recurrent(model.network)
        self.criterion = nn.ClassNLLCriterion()
        self.parameters, self.gradients = self.recurrent.get_parameters()
        self.optimizer = optim.RMSprop(
            (self.parameters, self.gradients), learning_rate=options.learning_rate, alpha=options.decay_rate
        )
        self.states = model.zero_states(options.batch_size)
        self.iteration = 0
        self.losses: list[float] = []
        self.validations: list[tuple[int, float]] = []

    @property
    def epoch(self) -> float:
        """Number of passes through the training text so far."""
        return self.iteration / self.batches.train

    @property
    def characters_per_iteration(self) -> int:
        return self.options.batch_size * self.options.seq_length

    def step(self) -> float:
        """Train on the next batch; returns its loss in nats per character."""
        x, targets = self.batches[self.iteration % self.batches.train]
        self.recurrent.training()
        self.gradients.fill(0)
        loss, states = self._loss(x, targets, self.states)
        grad_rows = self.criterion.backward(self._rows, targets.reshape(-1))
        # The loss that is reported is the mean over the steps; the gradient is that of their sum, as in char-rnn,
        # so that grad_clip means the same.
        grad_rows = (grad_rows * self.options.seq_length).reshape(*x.shape, -1)
        self.recurrent.backward([x, *self.states], [grad_rows, *[None] * len(states)])
        optim.clip_gradients(self.gradients, self.options.grad_clip)
        self.optimizer.step()
        self.states = states
        self.iteration += 1
        self.losses.append(loss)
        self._decay_learning_rate()
        return loss

    def _loss(self, x: np.ndarray, targets: np.ndarray, states: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        log_probabilities, *states = self.recurrent.forward([x, *states])
        self._rows = log_probabilities.reshape(-1, log_probabilities.shape[-1])
        return self.criterion.forward(self._rows, targets.reshape(-1)), states

    def _decay_learning_rate(self) -> None:
        if self.iteration % self.batches.train == 0 and self.epoch >= self.options.learning_rate_decay_after:
            self.optimizer.learning_rate *= self.options.learning_rate_decay

    def validate(self) -> float | None:
        """The mean loss on the validation part, from zero states, in nats per character; None if it is empty."""
        if self.batches.validation == 0:
            return None
        self.recurrent.evaluate()
        states, losses = self.model.zero_states(self.options.batch_size), []
        for i in range(self.batches.train, self.batches.train + self.batches.validation):
            loss, states = self._loss(*self.batches[i], states)
            losses.append(loss)
        self.recurrent.training()
        self.validations.append((self.iteration, float(np.mean(losses))))
        return self.validations[-1][1]

    def save(self, path: str | os.PathLike) -> pathlib.Path:
        """Write a checkpoint from which `resume` goes on to bit-identical numbers."""
        optimizer, optimizer_arrays = _separate(self.optimizer.state_dict())
        arrays = {f"model.{name}": array for name, array in checkpoint.state_of(self.model.network).items()}
        arrays |= {f"optimizer.{name}": array for name, array in optimizer_arrays.items()}
        arrays |= {f"state.{i}": state for i, state in enumerate(self.states)}
        arrays["losses"] = np.array(self.losses)
        data = {
            "options": asdict(self.options),
            "vocabulary": self.model.vocabulary.characters,
            "text": self.text_digest,
            "iteration": self.iteration,
            "epoch": self.epoch,
            "validations": self.validations,
            "optimizer": optimizer,
            "random": nodegraph.random.get_state(),
        }
        return checkpoint.save(path, arrays, data)

    @classmethod
    def resume(cls, path: str | os.PathLike, text: str, **changed: Any) -> Trainer:
        """Go on from a checkpoint, on the same text; options given in `changed` take effect from here on.

        Raises ArgumentError for a change of an option that is not CHANGEABLE.
        """
        model, arrays, data = CharacterModel.load(path)
        changed = {name: value for name, value in changed.items() if value != getattr(model.options, name)}
        for name, value in changed.items():
            if name not in CHANGEABLE:
                raise ArgumentError(
                    f"a resumed training keeps its {name}, which is {getattr(model.options, name)} in {path}, not "
                    f"{value}; --init-from begins anew, with the checkpoint's parameters"
                )
        if data.get("text") != _digest(text):
            raise DataError(f"the text is not the one that {path} was trained on; --data names it")
        model.options = Options(**{**asdict(model.options), **changed})
        trainer = cls.__new__(cls)
        try:
            trainer._restore(model, text, arrays, data)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} does not hold all that a training needs to go on: {error}") from error
        trainer.optimizer.learning_rate = changed.get("learning_rate", trainer.optimizer.learning_rate)
        trainer.optimizer.alpha = changed.get("decay_rate", trainer.optimizer.alpha)
        return trainer

    def _restore(self, model: CharacterModel, text: str, arrays: dict[str, np.ndarray], data: dict[str, Any]) -> None:
        self._set_up(model, text)
        optimizer_arrays = {name[10:]: array for name, array in arrays.items() if name.startswith("optimizer.")}
        self.optimizer.load_state_dict(_join(data["optimizer"], optimizer_arrays))
        self.states = [arrays[f"state.{i}"] for i in range(len(self.states))]
        self.losses = arrays["losses"].tolist()
        self.iteration = data["iteration"]
        self.validations = [(i, loss) for i, loss in data["validations"]]
        nodegraph.random.set_state(data["random"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _separate(state: Any, path: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """Nested plain data with its arrays taken out: in each one's place its name, by which `_join` puts it back."""
    if isinstance(state, np.ndarray):
        return {"array": path}, {path: state}
    if isinstance(state, dict):
        parts = {key: _separate(value, f"{path}.{key}" if path else str(key)) for key, value in state.items()}
    elif isinstance(state, (list, tuple)):
        parts = {i: _separate(value, f"{path}.{i}" if path else str(i)) for i, value in enumerate(state)}
    else:
        return state, {}
    arrays = {name: array for _, found in parts.values() for name, array in found.items()}
    plain = {key: data for key, (data, _) in parts.items()}
    return (plain if isinstance(state, dict) else list(plain.values())), arrays


def _join(state: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(state, dict):
        if list(state) == ["array"]:
            return arrays[state["array"]]
        return {key: _join(value, arrays) for key, value in state.items()}
    return [_join(value, arrays) for value in state] if isinstance(state, list) else state
