"""Loading and saving .t7 files: networks as modules, everything else in plain Python."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from nodegraph.errors import T7Error
from nodegraph.io.t7 import (
    containers,
    convolutions,
    criterions,
    graph,
    layers,
    local_normalisation,
    pooling,
    recurrent_layers,
    sequencer,
    weights,
)
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Importer
from nodegraph.io.t7.reader import read as read_content
from nodegraph.io.t7.translation import known
from nodegraph.io.t7.values import Function, Record, Table, plain
from nodegraph.io.t7.writer import write
from nodegraph.io.writing import write_whole
from nodegraph.nn.component import Component
from nodegraph.nn.module import Module

TRANSLATED = (
    *(containers, convolutions, criterions, graph, layers),
    *(local_normalisation, pooling, recurrent_layers, sequencer, weights),
)
"""The modules that fill in the translations when they are imported."""


def content_of(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes; T7Error where it cannot be read."""
    try:
        return pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        raise T7Error(f"there is no file {path}") from None
    except OSError as error:
        raise T7Error(f"cannot read {path}: {error.strerror or error}") from error


def values(path: str | os.PathLike[str]) -> Any:
    """The value in a file as the reader gives it, with tables as `Table`."""
    content = content_of(path)
    try:
        return read_content(content)
    except T7Error as error:
        raise T7Error(f"{path}: {error.message}", error.offset) from None


def read(path: str | os.PathLike[str]) -> Any:
    """The value in a .t7 file in plain Python, where objects of a Torch class are Records with their fields.

    Numbers are int where they are whole, else float; strings are text, of which bytes that are not UTF-8 are lone
    surrogates ("surrogateescape"). Tables are lists where their keys are 1 to n, else dictionaries; a key that is true,
    false, or an object stands in a `Key`. Tensors and storages are arrays, those of a GPU, too; where they shared
    memory, so do the arrays. Functions are kept as bytecode, and never run.

    T7Error, a sentence with the byte, for a file that is damaged.
    """
    return plain(values(path))


def load(path: str | os.PathLike[str]) -> Any:
    """What a .t7 file holds: a network as a module, a character model as a CharacterModel, or plain Python.

    Networks become modules of nodegraph.nn, graphs of nngraph's a GModule, criterions, too, also where they stand in a
    table; checkpoints of char-rnn and torch-rnn a CharacterModel; everything else is as `read` gives it. Dimensions,
    indices and labels, which count from 1 in Torch, count from 0 here. T7Error for a damaged file, and for a module of
    a class that has no counterpart here.
    """
    value = values(path)
    try:
        return translated(value)
    except T7Error as error:
        raise T7Error(f"{path}: {error.message}", error.offset) from error.__cause__


def translated(value: Any) -> Any:
    """A value that was read, with modules in place of the Torch objects that stand for some."""
    if isinstance(value, Table) and (value.get("protos") is not None or value.get("model") is not None):
        # Character models are an application built upon the library, hence the import here.
        from nodegraph.models.char_rnn import torch_checkpoint

        if torch_checkpoint.is_checkpoint(value):
            return torch_checkpoint.from_table(value)[0]
    importer = Importer()
    if isinstance(value, Record) and (known(value) or {"gradInput", "output"} <= value.fields.keys()):
        return importer.component(value)
    modules = {id(record): importer.component(record) for record in outermost_modules(value)}
    return plain(value, modules)


def outermost_modules(value: Any) -> list[Record]:
    """The objects in a value that become modules, without those inside them."""
    found, pending, walk = [], [value], object()
    while pending:
        value = pending.pop()
        if not isinstance(value, (Table, Record, Function)) or value.seen_by is walk:
            continue
        value.seen_by = walk
        if known(value):
            found.append(value)
        elif isinstance(value, Table):
            parts = (part for entry in value.items() for part in entry)
            pending += (part for part in parts if isinstance(part, (Table, Record, Function)))
        else:
            pending.append(value.content if isinstance(value, Record) else value.upvalues)
    return found


def save(value: Any, path: str | os.PathLike[str], ascii: bool = False) -> pathlib.Path:
    """Write a module, a criterion, or plain values with such in them, to a file that Torch7 opens with `torch.load`.

    Returns the path. T7Error for what Torch7 has no counterpart of; nothing is written then. Networks and arrays that
    are shared here are shared there. A module's last output and what it saved for backward are left out, as after
    Torch's `clearState()`.

    >>> import tempfile
    >>> from nodegraph import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save({"model": nn.Select(1, 0), "epoch": 3}, pathlib.Path(folder) / "model.t7")
    ...     load(path), read(path)["model"].fields["index"]
    ({'model': Select(1, 0), 'epoch': 3}, 1)

    Source: torch/torch7, File.lua.
    """
    return write_whole(path, write(recorded(value), ascii))


def recorded(value: Any) -> Any:
    """The value with Torch objects in place of modules; what holds some of them is copied, each object once."""
    components = _components(value)
    if not components:
        return value
    exporter, copies = Exporter(_dtype_of(components)), {}

    def copied(value: Any) -> Any:
        if isinstance(value, Component):
            return exporter.record(value)
        if not isinstance(value, (list, tuple, dict)):
            return value
        if id(value) not in copies:
            copy: Any = {} if isinstance(value, dict) else []
            copies[id(value)] = copy
            if isinstance(value, dict):
                copy.update((key, copied(part)) for key, part in value.items())
            else:
                copy.extend(map(copied, value))
        return copies[id(value)]

    try:
        return copied(value)
    except RecursionError:
        raise T7Error("values with modules in them are nested too deep") from None


def _components(value: Any) -> list[Component]:
    """The modules and criterions in nested lists and dictionaries."""
    found, seen, pending = [], set(), [value]
    while pending:
        value = pending.pop()
        if isinstance(value, Component):
            found.append(value)
        elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
            seen.add(id(value))
            pending += value.values() if isinstance(value, dict) else value
    return found


def _dtype_of(components: list[Component]) -> np.dtype:
    """The type of the numbers in the first module that has some; in Torch it is the model's as a whole."""
    for component in components:
        for module in component.list_modules():
            if isinstance(module, Module) and module.own_parameter_names():
                return getattr(module, module.own_parameter_names()[0]).dtype
    return np.dtype(float)
