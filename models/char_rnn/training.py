"""Training a character model: one iteration, validation, and everything that a checkpoint must hold to go on."""

from __future__ import annotations

import hashlib
import os
import pathlib
import time
from dataclasses import asdict
from typing import Any

import numpy as np

import nodegraph.random
from nodegraph import optim
from nodegraph.errors import ArgumentError, CheckpointError, DataError, one_line
from nodegraph.gmodule import GModule
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn.contents import MEASURED, check_finite, check_progress, options_and_vocabulary
from nodegraph.models.char_rnn.engine import Engine
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.text import Batches, Vocabulary
from nodegraph.models.networks import MODELS, initialise

CHANGEABLE = {
    "learning_rate", "learning_rate_decay", "learning_rate_decay_after", "schedule", "decay_rate", "grad_clip",
    "grad_clip_norm", "max_epochs", "eval_val_every", "patience", "sample_every",
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
        """Draw all parameters anew; see `nodegraph.models.networks.initialise`."""
        initialise(self.network, self.options.model, self.options.rnn_size)

    def zero_states(self, batch_size: int) -> list[np.ndarray]:
        """The states at the start of a text, arrays (batch, rnn_size) of zeros, for each layer one or two."""
        shape = (batch_size, self.options.rnn_size)
        return [np.zeros(shape, self.options.dtype) for _ in range(self.options.num_layers * self.states_per_layer)]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> tuple[CharacterModel, dict[str, np.ndarray], dict[str, Any]]:
        """The model of a checkpoint, in evaluation mode, with the other arrays and the data beside it.

        A .t7 file is one of char-rnn's own.
        """
        if pathlib.Path(path).suffix == ".t7":
            from nodegraph.models.char_rnn import torch_checkpoint

            return torch_checkpoint.load(path)
        arrays, data = checkpoint.load(path)
        try:
            parameters = {name[6:]: array for name, array in arrays.items() if name.startswith("model.")}
            elements = sum(array.size for array in parameters.values())
            described = data.get("options"), data.get("vocabulary")
            model = cls(*options_and_vocabulary(*described, len(parameters), elements))
            checkpoint.load_state(model.network, parameters)
            check_progress(arrays, data)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a checkpoint of a character model: {one_line(error)}") from error
        model.network.evaluate()
        return model, arrays, data


class Trainer:
    """Trains a model on a text as char-rnn does: RMSprop, clipped gradients, the state carried from batch to batch.

    `iteration` counts the batches trained on, `losses` holds the training loss of each, in nats per character,
    `learning_rates`, `gradient_norms` (before clipping) and `seconds` what each was trained with and took, and
    `validations` pairs (iteration, loss). `nodegraph.models.char_rnn.history` puts them together. `engine` does the
    computing: the class Engine, or one derived from it.
    """

    def __init__(
        self, options: Options, text: str, start: CharacterModel | None = None, engine: type[Engine] = Engine
    ) -> None:
        """Begin anew, from random parameters or, with `start`, from those of another model, with its vocabulary.

        DataError for a character of the text that the other model does not know.
        """
        if not text:
            raise DataError("the text is empty")
        nodegraph.random.seed(options.seed)
        vocabulary = Vocabulary(text) if start is None else start.vocabulary
        self._set_up(CharacterModel(options, vocabulary), text, engine)
        if start is None:
            self.model.initialise()
        else:
            parameters = checkpoint.state_of(start.network)
            check_finite(parameters)
            checkpoint.load_state(self.model.network, parameters)

    def _set_up(self, model: CharacterModel, text: str, engine: type[Engine]) -> None:
        options = model.options
        self.model, self.options, self.text_digest = model, options, _digest(text)
        indices = model.vocabulary.encode(text)
        self.batches = Batches(indices, options.batch_size, options.seq_length, options.train_frac, options.val_frac)
        self.engine = engine(model)
        self.recurrent, self.optimizer = self.engine.recurrent, self.engine.optimizer
        self.parameters = self.engine.parameters
        self.states = self.engine.share(model.zero_states(options.batch_size))
        self.iteration = 0
        self.losses: list[float] = []
        self.learning_rates: list[float] = []
        self.gradient_norms: list[float] = []
        self.seconds: list[float] = []
        self.validations: list[tuple[int, float]] = []

    @property
    def epoch(self) -> float:
        """Number of passes through the training text so far."""
        return self.iteration / self.batches.train

    @property
    def characters_per_iteration(self) -> int:
        """How many characters a training step reads."""
        return self.options.batch_size * self.options.seq_length

    def step(self) -> float:
        """Train on the next batch; returns its loss in nats per character."""
        start = time.perf_counter()
        x, targets = self.batches[self.iteration % self.batches.train]
        loss, norm, self.states = self.engine.train(x, targets, self.states)
        self.iteration += 1
        self.losses.append(loss)
        self.gradient_norms.append(norm)
        self.learning_rates.append(self.optimizer.learning_rate)
        self._decay_learning_rate()
        self.seconds.append(time.perf_counter() - start)
        return loss

    def _decay_learning_rate(self) -> None:
        if self.options.schedule == "cosine":
            self._follow_cosine()
        elif self.iteration % self.batches.train == 0 and self.epoch >= self.options.learning_rate_decay_after:
            self.optimizer.learning_rate *= self.options.learning_rate_decay

    def _follow_cosine(self) -> None:
        options = self.options
        self.optimizer.learning_rate = options.learning_rate * optim.cosine(options.max_epochs)(self.epoch)

    def validate(self) -> float | None:
        """The mean loss on the validation part, from zero states, in nats per character; None if it is empty."""
        if self.batches.validation == 0:
            return None
        states, losses = self.engine.share(self.model.zero_states(self.options.batch_size)), []
        for i in range(self.batches.train, self.batches.train + self.batches.validation):
            loss, states = self.engine.evaluate(*self.batches[i], states)
            losses.append(loss)
        earlier = [(iteration, loss) for iteration, loss in self.validations if iteration < self.iteration]
        self.validations = [*earlier, (self.iteration, float(np.mean(losses)))]
        return self.validations[-1][1]

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a checkpoint from which `resume` goes on to bit-identical numbers; the main process alone writes."""
        self.engine.synchronise()
        states = self.engine.whole(self.states)
        if not self.engine.main:
            return pathlib.Path(path)
        optimizer, optimizer_arrays = _separate(self.optimizer.state_dict())
        arrays = {f"model.{name}": array for name, array in checkpoint.state_of(self.model.network).items()}
        arrays |= {f"optimizer.{name}": array for name, array in optimizer_arrays.items()}
        arrays |= {f"state.{i}": state for i, state in enumerate(states)}
        arrays |= {name: np.array(getattr(self, name), float) for name in MEASURED}
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
    def resume(cls, path: str | os.PathLike[str], text: str, engine: type[Engine] = Engine, **changed: Any) -> Trainer:
        """Go on from a checkpoint, on the same text; options given in `changed` take effect from here on.

        The engine need not be the one that wrote the checkpoint.

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
            trainer._restore(model, text, engine, arrays, data)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            said = one_line(error)
            raise CheckpointError(f"{path} does not hold all that a training needs to go on: {said}") from error
        trainer.optimizer.learning_rate = changed.get("learning_rate", trainer.optimizer.learning_rate)
        trainer.optimizer.alpha = changed.get("decay_rate", trainer.optimizer.alpha)
        if trainer.options.schedule == "cosine":
            trainer._follow_cosine()
        return trainer

    def _restore(
        self,
        model: CharacterModel,
        text: str,
        engine: type[Engine],
        arrays: dict[str, np.ndarray],
        data: dict[str, Any],
    ) -> None:
        check_finite({name: array for name, array in arrays.items() if not name.startswith(MEASURED)})
        self._set_up(model, text, engine)
        optimizer_arrays = {name[10:]: array for name, array in arrays.items() if name.startswith("optimizer.")}
        self.optimizer.load_state_dict(_join(data["optimizer"], optimizer_arrays))
        states = [arrays[f"state.{i}"] for i in range(len(self.states))]
        expected = model.zero_states(model.options.batch_size)
        if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(states, expected)):
            raise CheckpointError(f"its states are not {expected[0].dtype} of shape {expected[0].shape}")
        self.states = self.engine.share(states)
        self.iteration = data["iteration"]
        for name in MEASURED:  # The losses come first; what an earlier form did not measure takes no more than they.
            measured = arrays.get(name, np.full(len(self.losses), np.nan))
            if len(measured) != self.iteration:
                raise CheckpointError(f"it has {len(measured)} {name} of {self.iteration} iterations")
            setattr(self, name, measured.tolist())
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
