"""convert: from one file format to another."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from nodegraph.errors import ArgumentError
from nodegraph.find_model import find_model
from nodegraph.io import checkpoint, t7
from nodegraph.models.char_rnn import formats
from nodegraph.models.char_rnn.training import CharacterModel
from nodegraph.nn.module import Module

WRITTEN = (".t7", ".safetensors", ".onnx", ".pt")


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str], input_shapes: Any = None) -> pathlib.Path:
    """Read a model and write it in the format that the target's suffix names; returns the path.

    `source` is a .t7 file, a checkpoint (.safetensors), a .pt file of a character model, or `file.py:function`. A
    character model keeps its vocabulary and its options, both ways: see `nodegraph.models.char_rnn.formats`. Any other
    network is written

     - to .t7 with its wiring, for Torch7;
     - to .onnx with its wiring, for which `input_shapes` are needed, as `nodegraph.export.to_onnx` takes them;
     - to .safetensors as its parameters and buffers by their paths, without the wiring;
     - to .pt as `{"state_dict": ...}` of `to_torch` of the network, without the wiring.

    The target is there as a whole or not at all. ArgumentError, CheckpointError or ExportError, in one sentence, for
    what cannot be read and for what the format cannot hold.

    >>> import tempfile
    >>> from nodegraph import nn, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(nn.Linear(3, 2), folder + "/net.t7")
    ...     convert(path, folder + "/net.onnx", ("batch", 3)).name
    'net.onnx'
    """
    source, target = os.fspath(source), pathlib.Path(target)
    if target.suffix not in WRITTEN:
        raise ArgumentError(f"{target}: the name of a file to convert to ends in {', '.join(WRITTEN[:-1])} or .pt")
    if os.path.exists(source) and os.path.exists(target) and os.path.samefile(source, target):
        raise ArgumentError(f"{target} would take the place of what it is converted from, and holds less")
    kind = pathlib.Path(source).suffix
    if kind == ".onnx":
        raise ArgumentError(f"{source}: ONNX files can be written, not read")
    if kind == ".pt":
        return formats.save(formats.load_torch_file(source), target)
    if kind == ".safetensors" or (kind == ".t7" and isinstance(t7.load(source), CharacterModel)):
        model, arrays, data = CharacterModel.load(source)
        return formats.save(model, target, arrays.get("losses"), data)
    found = find_model(source)
    return _save(found.module, target, found.input_shapes if input_shapes is None else input_shapes)


def _save(module: Module, target: pathlib.Path, input_shapes: Any) -> pathlib.Path:
    if target.suffix == ".t7":
        return t7.save(module, target)
    if target.suffix == ".safetensors":
        return checkpoint.save(target, checkpoint.state_of(module), {})
    if target.suffix == ".onnx":
        from nodegraph.export import to_onnx

        if input_shapes is None:
            raise ArgumentError("an ONNX graph needs the shapes of its inputs: --shapes, such as \"('batch', 3)\"")
        return to_onnx(module, target, input_shapes)
    from nodegraph.export import to_torch

    return formats.save_torch_file(target, {"state_dict": to_torch(module).state_dict()})
