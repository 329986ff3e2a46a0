"""Character models as files: our checkpoints, char-rnn's .t7 files, PyTorch's and ONNX'."""

from __future__ import annotations

import io
import json
import os
import pathlib
import zipfile
from dataclasses import asdict
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import CheckpointError, ExportError
from nodegraph.io import checkpoint, t7
from nodegraph.io.writing import write_whole
from nodegraph.models.char_rnn.contents import options_and_vocabulary
from nodegraph.models.char_rnn.training import CharacterModel
from nodegraph.recurrent import Recurrent

CHAR_RNN_MODELS = ("lstm", "gru", "rnn")


def save(
    model: CharacterModel,
    path: str | os.PathLike[str],
    losses: np.ndarray | None = None,
    data: dict[str, Any] | None = None,
) -> pathlib.Path:
    """Write a character model with its vocabulary and options, in the format of the path's suffix; returns the path.

    `losses` and `data` are those beside the model in the checkpoint that it comes from.

     - .safetensors: a checkpoint, to sample from and for `train --init-from`; the optimiser's state is not in it.
     - .t7: a checkpoint of char-rnn's, for its sample.lua, of the models that char-rnn has; in double precision, which
       is the only one that sample.lua takes without a GPU.
     - .onnx: the network over time, steps and batch open; vocabulary and options are metadata, in JSON.
     - .pt: a dictionary for `torch.load`: `state_dict`, that of `to_torch` of the network, `options`, `vocabulary`.

    ExportError, in a sentence, for what the format cannot hold; nothing is written then.
    """
    path, losses, data = pathlib.Path(path), np.zeros(0) if losses is None else losses, data or {}
    described = {"options": asdict(model.options), "vocabulary": model.vocabulary.characters}
    if path.suffix == ".t7":
        return t7.save(_char_rnn_table(model, losses, data), path)
    if path.suffix == ".onnx":
        from nodegraph.export import to_onnx

        states = [("batch", model.options.rnn_size)] * len(model.zero_states(1))
        network, metadata = Recurrent(model.network), {name: json.dumps(value) for name, value in described.items()}
        return to_onnx(network, path, [("steps", "batch"), *states], metadata)
    _check_wiring(model, path)
    if path.suffix == ".pt":
        from nodegraph.export import to_torch

        return save_torch_file(path, {"state_dict": to_torch(model.network).state_dict(), **described})
    arrays = {f"model.{name}": array for name, array in checkpoint.state_of(model.network).items()}
    progress = {"iteration": 0, "epoch": 0.0, "validations": []}
    beside = {name: data.get(name, none) for name, none in progress.items()}
    return checkpoint.save(path, {**arrays, "losses": losses}, {**described, **beside})


def _char_rnn_table(model: CharacterModel, losses: np.ndarray, data: dict[str, Any]) -> dict[str, Any]:
    """What char-rnn's train.lua saves, as far as we have it."""
    kind = model.options.model
    if kind not in CHAR_RNN_MODELS:
        raise ExportError(f"char-rnn has the models {', '.join(CHAR_RNN_MODELS)}, and so no checkpoint of a {kind}")
    options = {name: value for name, value in asdict(model.options).items() if name != "dtype"}
    return {
        "protos": {"rnn": model.network.clone().double(), "criterion": nn.ClassNLLCriterion()},
        "opt": {**options, "gpuid": -1, "opencl": 0},
        "vocab": {character: i for i, character in enumerate(model.vocabulary.characters, 1)},
        "train_losses": {i: float(loss) for i, loss in enumerate(losses, 1)},
        "val_losses": {int(i): float(loss) for i, loss in data.get("validations", ())},
        "i": int(data.get("iteration", 0)),
        "epoch": float(data.get("epoch", 0)),
    }


def _check_wiring(model: CharacterModel, path: pathlib.Path) -> None:
    """ExportError unless the network is the one that its options make: these formats hold its numbers alone."""
    ours = CharacterModel(model.options, model.vocabulary).network
    shapes = [{name: a.shape for name, a in checkpoint.state_of(n).items()} for n in (ours, model.network)]
    kinds = [[(type(node.module), node.part) for node in n.nodes] for n in (ours, model.network)]
    if shapes[0] != shapes[1] or kinds[0] != kinds[1] or ours.parent_places != model.network.parent_places:
        raise ExportError(
            f"a {path.suffix} file holds the numbers of a network that nodegraph wires, and this {model.options.model} "
            "is wired in another way"
        )


def save_torch_file(path: pathlib.Path, content: dict[str, Any]) -> pathlib.Path:
    """Write a dictionary for `torch.load`."""
    import torch

    file = io.BytesIO()
    torch.save(content, file)
    return write_whole(path, file.getvalue())


def _check_archive(path: str | os.PathLike) -> None:
    """CheckpointError for an archive with packed parts, or parts that overlap: it could take any amount of memory.

    PyTorch packs nothing.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise CheckpointError("a part of it is packed")
    if sum(part.file_size for part in parts) > os.path.getsize(path):
        raise CheckpointError("its parts are larger than the whole")


def load_torch_file(path: str | os.PathLike[str]) -> CharacterModel:
    """The character model in a .pt file as `save` writes it; CheckpointError, in a sentence, for any other file."""
    from nodegraph.export import load_torch

    try:
        import torch

        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except (PermissionError, IsADirectoryError) as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # Whatever a damaged file makes PyTorch's reader raise.
        raise CheckpointError(
            f"{path} is not a file of PyTorch's, or it is damaged ({type(error).__name__})"
        ) from error
    if not isinstance(content, dict) or not {"state_dict", "options", "vocabulary"} <= content.keys():
        raise CheckpointError(f"{path} holds no character model: state_dict, options and vocabulary")
    try:
        state = content["state_dict"]
        if not isinstance(state, dict):
            raise CheckpointError("its state_dict is none")
        tensors = [tensor for tensor in state.values() if isinstance(tensor, torch.Tensor)]
        # Tensors may share their memory, or repeat it; what is in the file is their storages.
        storages = {s.data_ptr(): s.nbytes() // t.element_size() for t in tensors for s in [t.untyped_storage()]}
        elements = sum(storages.values())
        described = options_and_vocabulary(content["options"], content["vocabulary"], len(tensors), elements)
        model = CharacterModel(*described)
        load_torch(model.network, state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"what {path} holds does not fit together: {error}") from error
    model.network.evaluate()
    return model
