"""load and save: one call for every kind of file, told by its suffix."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from nodegraph.errors import ArgumentError
from nodegraph.io import checkpoint, t7
from nodegraph.nn.module import Module


def load(path: str | os.PathLike[str]) -> Any:
    """What a file holds.

    A `.t7` file of Torch7's: a network as a module, a char-rnn checkpoint as a CharacterModel, other values in plain
    Python. A `.safetensors` file: the model if it is a checkpoint of a character model, else its arrays by name, as
    `save` wrote them. CheckpointError, in one sentence, for a file that cannot be read; ArgumentError for a file of
    another kind.
    """
    kind = _kind(path)
    if kind == ".t7":
        return t7.load(path)
    arrays, data = checkpoint.load(path)
    if isinstance(data, dict) and {"options", "vocabulary"} <= data.keys():
        # Character models are an application built upon the library, hence the import here.
        from nodegraph.models.char_rnn.training import CharacterModel

        return CharacterModel.load(path)[0]
    return arrays


def save(value: Any, path: str | os.PathLike[str]) -> pathlib.Path:
    """Write a module to a file; returns the path.

    To `.t7`: the module itself, or plain values with modules in them, for Torch7's `torch.load`. To `.safetensors`: the
    module's parameters and buffers by their paths.

    >>> import tempfile
    >>> from nodegraph import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(save(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), folder + "/net.t7"))
    Sequential(
      (0): Linear(3, 2, True)
      (1): Tanh()
    )
    """
    if _kind(path) == ".t7":
        return t7.save(value, path)
    if not isinstance(value, Module):
        raise ArgumentError(f"a .safetensors file takes a module, got {value!r}")
    return checkpoint.save(path, checkpoint.state_of(value), {})


def _kind(path: str | os.PathLike[str]) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"a file to load or save is given by its name, got {path!r}")
    kind = pathlib.Path(path).suffix
    if kind not in (".t7", ".safetensors"):
        raise ArgumentError(f"{path}: the name of a file to load or save ends in .t7 or .safetensors")
    return kind
