"""Checkpoints: arrays and plain data in one safetensors file, which runs no code when it is read."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import reprlib
import tempfile
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from nodegraph.errors import CheckpointError, one_line
from nodegraph.io.writing import remove_leftovers, write_whole
from nodegraph.nn.module import Module

FORMAT = "nodegraph-1"


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder for checkpoints unless it is there; CheckpointError if nothing can be written into it.

    What a kill in the middle of writing left behind there is removed.
    """
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise CheckpointError(f"cannot write checkpoints into {folder}: it is no folder") from None
    except OSError as error:
        raise CheckpointError(f"cannot write checkpoints into {folder}: {error.strerror or error}") from error


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], data: dict[str, Any]) -> pathlib.Path:
    """Write named arrays and JSON data; returns the path.

    At any moment, even after a kill or a power cut, the old file or the new one is there and whole. Raises
    CheckpointError when it cannot be written.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(pathlib.Path(folder) / "model.safetensors", {"weight": np.ones(2)}, {"epoch": 3})
    ...     load(path)
    ({'weight': array([1., 1.])}, {'epoch': 3})
    """
    arrays, text = {name: np.asarray(array, order="C") for name, array in arrays.items()}, json.dumps(data)
    metadata = {"format": FORMAT, "data": text, "digest": _digest(arrays, text)}
    return write_whole(path, safetensors.numpy.save(arrays, metadata), "the checkpoint ")


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the data of a checkpoint; CheckpointError, in one sentence, for anything but a whole one."""
    if os.path.exists(path) and not os.path.isfile(path):  # Such as a pipe, which would be waited for.
        kind = "a folder" if os.path.isdir(path) else "no file"
        raise CheckpointError(f"cannot read the checkpoint {path}: it is {kind}")
    try:
        with open(path, "rb"):  # For safetensors a file that must not be read is one that is not there.
            pass
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of nodegraph")
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        if metadata["digest"] != _digest(arrays, metadata["data"]):
            raise ValueError("its content has changed since it was written")
        data = json.loads(metadata["data"])
        if not isinstance(data, dict):
            raise ValueError("its data are no table")
        return arrays, data
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not a checkpoint, or it is damaged ({one_line(error)})") from error


def state_of(module: Module) -> dict[str, np.ndarray]:
    """The module's parameters and buffers by their paths.

    >>> from nodegraph import nn
    >>> sorted(state_of(nn.Sequential(nn.Linear(3, 2), nn.Tanh())))
    ['0.bias', '0.weight']
    """
    return {**module.named_parameters(), **module.named_parameters("buffer")}


def load_state(module: Module, arrays: dict[str, np.ndarray]) -> None:
    """Copy arrays into a module's parameters and buffers; CheckpointError unless names and shapes are the same."""
    state = state_of(module)
    missing, unknown = sorted(state.keys() - arrays.keys()), sorted(arrays.keys() - state.keys())
    if missing or unknown:
        found = f"missing {reprlib.repr(missing)}, unknown {reprlib.repr(unknown)}"
        raise CheckpointError(f"the parameters do not fit the model: {found}")
    for name, array in state.items():
        if arrays[name].shape != array.shape:
            raise CheckpointError(f"parameter {name} has shape {arrays[name].shape}, the model's has {array.shape}")
        if not np.can_cast(arrays[name].dtype, array.dtype, "same_kind"):
            raise CheckpointError(f"parameter {name} holds {arrays[name].dtype}, the model's {array.dtype}")
    for name, array in state.items():
        array[...] = arrays[name]


def _digest(arrays: dict[str, np.ndarray], data: str) -> str:
    """What tells content that is whole from content in which a bit has changed."""
    digest = hashlib.sha256(data.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
