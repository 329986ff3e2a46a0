"""torch-rnn's checkpoints, .t7 files, as character models: the same function, wired as char-rnn wires it.

torch-rnn looks up a vector for each character where char-rnn has a one-hot code, so the first layer here holds the
product of both matrices. A batch normalisation behind a layer, with its running statistics, goes into the layer after.

Source: jcjohnson/torch-rnn, LanguageModel.lua, LSTM.lua, VanillaRNN.lua, train.lua.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from nodegraph.errors import NodegraphError, T7Error
from nodegraph.io import checkpoint
from nodegraph.io.t7.importing import Fields, Importer
from nodegraph.io.t7.values import Record, Table
from nodegraph.models.char_rnn.contents import options_and_vocabulary
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import CharacterModel

KINDS = {"nn.LSTM": ("lstm", 4), "nn.VanillaRNN": ("rnn", 1)}
"""The class of a layer -> char-rnn's name for the model, and the number of its parts: three gates and a candidate."""

BETWEEN = ("nn.View", "nn.Dropout")
"""Modules that say nothing about the function: they reshape, or do nothing but in training."""

FLOATS = {f.name for f in fields(Options) if f.type == "float"}
SAME_OPTIONS = ("learning_rate", "batch_size", "seq_length", "max_epochs", "grad_clip", "dropout")


def is_checkpoint(value: Any) -> bool:
    """Whether a value read from a .t7 file is a checkpoint of torch-rnn."""
    model = value.get("model") if isinstance(value, Table) else None
    return isinstance(model, Record) and model.name == "nn.LanguageModel" and "idx_to_token" in model.fields


def from_table(value: Table) -> tuple[CharacterModel, dict[str, np.ndarray], dict[str, Any]]:
    """The model, in evaluation mode, with the training losses and the data beside it; T7Error where it is none."""
    record = value.get("model")
    try:
        network = LanguageModel(record)
        options = {**_options(value.get("opt")), **network.options()}
        tokens = [token for _, token in _in_order(record.fields["idx_to_token"])]
        model = CharacterModel(*options_and_vocabulary(options, tokens, len(network.arrays), network.elements))
        if len(tokens) != len(network.embedding):
            raise T7Error(f"it has {len(tokens)} characters, and vectors for {len(network.embedding)}")
        network.put_into(checkpoint.state_of(model.network))
        numbered = zip(_numbers(value.get("val_loss_history_it")), _numbers(value.get("val_loss_history")))
        validations = [(int(iteration), loss) for iteration, loss in numbered]
        iteration, losses = int(value.get("i", 0)), np.array(_numbers(value.get("train_loss_history")), float)
    except T7Error as error:
        raise T7Error(error.message, record.offset if error.offset is None else error.offset) from error.__cause__
    except (NodegraphError, TypeError, ValueError, OverflowError) as error:
        message = f"its options, its vocabulary and its network do not fit together: {error}"
        raise T7Error(message, record.offset) from error
    model.network.evaluate()
    described = {"options": asdict(model.options), "vocabulary": model.vocabulary.characters}
    return model, {"losses": losses}, {**described, "iteration": iteration, "epoch": 0.0, "validations": validations}


def _options(table: Any) -> dict[str, Any]:
    """Those that char-rnn has, too."""
    found = [(name, table.get(name)) for name in SAME_OPTIONS] if isinstance(table, Table) else []
    return {name: float(number) if name in FLOATS else number for name, number in found if number is not None}


def _in_order(table: Any) -> list[tuple[int, Any]]:
    """The entries of a table by their numbers."""
    return sorted((i, entry) for i, entry in table.items() if type(i) is int) if isinstance(table, Table) else []


def _numbers(table: Any) -> list[float]:
    return [float(number) for _, number in _in_order(table)]


@dataclass
class Layer:
    """A layer's weight (inputs + rnn_size, parts x rnn_size), its bias, and what is done to its output."""

    weight: np.ndarray
    bias: np.ndarray
    scale: Any = 1.0
    shift: Any = 0.0


class LanguageModel:
    """The arrays of torch-rnn's network, checked against each other."""

    def __init__(self, record: Record) -> None:
        net, importer = record.fields.get("net"), Importer()
        modules = net.fields.get("modules") if isinstance(net, Record) else None
        if not isinstance(modules, Table) or not all(isinstance(module, Record) for module in modules.array):
            raise T7Error("its network is no row of modules")
        steps = [Fields(module, importer) for module in modules.array if module.name not in BETWEEN]
        names = [step.record.name for step in steps]
        kinds = set(names[1:-1]) - {"nn.BatchNormalization"}
        if names[:1] != ["nn.LookupTable"] or names[-1:] != ["nn.Linear"] or kinds not in [{kind} for kind in KINDS]:
            raise T7Error(f"its network is {', '.join(names)}: expected LookupTable, {' or '.join(KINDS)}, Linear")
        self.kind, parts = KINDS[kinds.pop()]
        self.embedding = steps[0].fitting("weight", steps[0].array("weight").shape)
        self.layers: list[Layer] = []
        size = self.embedding.shape[-1]
        for step in steps[1:-1]:
            if step.record.name == "nn.BatchNormalization":
                self._normalise(step, size)
                continue
            bias = step.fitting("bias", step.array("bias").shape)
            self.layers.append(Layer(step.fitting("weight", (size + bias.size // parts, bias.size)), bias))
            size = bias.size // parts
        self.rnn_size, characters = size, len(self.embedding)
        self.decoder = steps[-1].fitting("weight", (characters, size)), steps[-1].fitting("bias", (characters,))
        self.arrays = [self.embedding, *self.decoder]
        self.arrays += [array for layer in self.layers for array in (layer.weight, layer.bias)]

    @property
    def elements(self) -> int:
        return sum(array.size for array in self.arrays)

    def options(self) -> dict[str, Any]:
        """What the arrays tell of the options."""
        dtype = np.result_type(*self.arrays).name
        return {"model": self.kind, "rnn_size": self.rnn_size, "num_layers": len(self.layers), "dtype": dtype}

    def _normalise(self, step: Fields, size: int) -> None:
        """Note what a batch normalisation in evaluation does to the output of the last layer."""
        if not self.layers:
            raise T7Error("its network begins with a batch normalisation")
        normalisation = step.importer.component(step.record).evaluate()
        zeros = np.zeros((1, size), normalisation.running_mean.dtype)
        shift = normalisation.forward(zeros)[0]
        self.layers[-1].shift, self.layers[-1].scale = shift, normalisation.forward(zeros + 1)[0] - shift

    def put_into(self, state: dict[str, np.ndarray]) -> None:
        """Fill in the parameters of char-rnn's network of the same sizes."""
        scale: Any = 1.0
        shift: Any = 0.0
        for number, layer in enumerate(self.layers, 1):
            inputs, recurrent = layer.weight[: -self.rnn_size], layer.weight[-self.rnn_size :]
            i2h, h2h = f"i2h_{number}", f"h2h_{number}"
            if number == 1:
                np.matmul(inputs.T, self.embedding.T, out=state[f"{i2h}.weight"], casting="same_kind")
            else:
                state[f"{i2h}.weight"][...] = inputs.T * scale
            state[f"{i2h}.bias"][...] = layer.bias + (inputs.T * shift).sum(1)
            state[f"{h2h}.weight"][...] = recurrent.T
            state[f"{h2h}.bias"].fill(0)
            scale, shift = layer.scale, layer.shift
        weight, bias = self.decoder
        state["decoder.weight"][...] = weight * scale
        state["decoder.bias"][...] = bias + (weight * shift).sum(1)
