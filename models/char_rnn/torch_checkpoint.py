"""The checkpoints of char-rnn and of torch-rnn, .t7 files, as character models.

Source: karpathy/char-rnn, train.lua and sample.lua.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import NodegraphError, T7Error
from nodegraph.gmodule import GModule
from nodegraph.io.t7.files import values
from nodegraph.io.t7.importing import Importer
from nodegraph.io.t7.values import Table
from nodegraph.models.char_rnn import torch_rnn_checkpoint
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel
from nodegraph.models.networks import MODELS

Loaded = tuple[CharacterModel, dict[str, np.ndarray], dict[str, Any]]

FLOATS = {f.name for f in fields(Options) if f.type == "float"}
START = 0
"""The byte of the file at which the checkpoint, one table, begins."""

LEAD, CONTINUATION = re.compile("[\udcc2-\udcf4]"), re.compile("[\udc80-\udcbf]")
"""The bytes that a character of several bytes begins with in UTF-8, and those that follow."""


def load(path: str | os.PathLike[str]) -> Loaded:
    """The model of a checkpoint, in evaluation mode, with the training losses and the data beside it.

    It gives the text and the probabilities that char-rnn's sample.lua gives; for one of torch-rnn's see
    `torch_rnn_checkpoint`. T7Error for a file that is damaged or holds something else.
    """
    try:
        return from_table(values(path))
    except T7Error as error:
        message = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise T7Error(message, error.offset) from error.__cause__


def is_checkpoint(value: Any) -> bool:
    """Whether a value read from a .t7 file is a checkpoint of char-rnn or torch-rnn."""
    parts = [value.get(name) for name in ("protos", "opt", "vocab")] if isinstance(value, Table) else [None]
    of_char_rnn = all(isinstance(part, Table) for part in parts) and parts[0].get("rnn") is not None
    return of_char_rnn or torch_rnn_checkpoint.is_checkpoint(value)


def from_table(value: Any) -> Loaded:
    """The same for the value that the file holds."""
    if not is_checkpoint(value):
        raise T7Error("it holds no checkpoint of char-rnn, a table with protos, opt and vocab, or of torch-rnn", START)
    if torch_rnn_checkpoint.is_checkpoint(value):
        return torch_rnn_checkpoint.from_table(value)
    network = Importer().component(value.get("protos").get("rnn"))
    try:
        vocabulary, options = _vocabulary(value.get("vocab")), _options(value.get("opt"), network)
        model = CharacterModel.around(options, vocabulary, network)
        _check(model)
        _name_nodes(model)
        iteration, epoch = int(value.get("i", 0)), float(value.get("epoch", 0))
    except T7Error as error:
        raise T7Error(error.message, START if error.offset is None else error.offset) from error.__cause__
    except (NodegraphError, TypeError, ValueError, OverflowError) as error:
        raise T7Error(f"its options, its vocabulary and its network do not fit together: {error}", START) from error
    model.network.evaluate()
    losses = np.array([loss for _, loss in _numbered(value.get("train_losses"))], float)
    described = {"options": asdict(options), "vocabulary": vocabulary.characters}
    validations = _numbered(value.get("val_losses"))
    return model, {"losses": losses}, {**described, "iteration": iteration, "epoch": epoch, "validations": validations}


def _vocabulary(table: Table) -> Vocabulary:
    """The vocabulary, in char-rnn's order.

    char-rnn takes a text byte by byte. Where the bytes of the vocabulary are such that the text may have been UTF-8,
    they stay bytes, put together to characters when text is written; else they are the characters of Latin-1.
    """
    places = {index: character for character, index in table.items()}
    characters = [places.get(i) for i in range(1, len(table) + 1)]
    if not all(isinstance(character, str) and character for character in characters) or not characters:
        raise T7Error("its vocabulary does not number characters from 1 on")
    text = "".join(characters)
    if not (LEAD.search(text) and CONTINUATION.search(text)):
        characters = [character.encode("utf-8", "surrogateescape") for character in characters]
        characters = [c.decode("latin-1" if len(c) == 1 else "utf-8", "replace") for c in characters]
    return Vocabulary.in_order(characters)


def _options(table: Table, network: Any) -> Options:
    """char-rnn's options, as far as they are options here, too."""
    names = {f.name for f in fields(Options)}
    given = {name: value for name, value in table.items() if isinstance(name, str) and name in names}
    given = {name: float(value) if name in FLOATS else value for name, value in given.items()}
    dtypes = {p.dtype for p in network.parameters()[0]} if isinstance(network, nn.Module) else set()
    return Options(**given, dtype="float32" if dtypes == {np.dtype(np.float32)} else "float64")


def _check(model: CharacterModel) -> None:
    """Refuse a network that does not take a character and the states, or does not give such."""
    options, network, n = model.options, model.network, len(model.vocabulary)
    count = options.num_layers * model.states_per_layer
    if not isinstance(network, GModule) or len(network.inputs) != 1 + count:
        raise T7Error(f"its network is no graph of {1 + count} inputs, a character and {count} states")
    states = [(1, options.rnn_size)] * count
    if network.output_shape([(1,), *states]) != [*states, (1, n)]:
        raise T7Error(f"its network does not give {count} states of {options.rnn_size} and {n} log-probabilities")


def _name_nodes(model: CharacterModel) -> None:
    """Give the nodes the names that they have in our network of the same wiring, and so parameters their paths."""
    options = model.options
    wire, _ = MODELS[options.model]
    ours = wire(1, 1, options.num_layers, options.dropout)
    if _wiring(ours) == _wiring(model.network):
        for node, named in zip(model.network.nodes, ours.nodes):
            node.annotations = {**named.annotations, **node.annotations}


def _wiring(gmodule: GModule) -> Any:
    nodes = [(type(node.module), node.part) for node in gmodule.nodes]
    return nodes, gmodule.parent_places, gmodule.input_places, gmodule.output_places


def _numbered(table: Any) -> list[tuple[int, float]]:
    """The pairs of iteration and loss in a table, in order."""
    entries = table.items() if isinstance(table, Table) else ()
    return sorted((i, float(loss)) for i, loss in entries if isinstance(i, int) and isinstance(loss, (int, float)))
