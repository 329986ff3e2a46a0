"""find_model: the model that a command line means, by a name, a checkpoint, or a function in the user's file."""

from __future__ import annotations

import inspect
import os
import pathlib
import stat
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, CheckpointError, NodegraphError, one_line
from nodegraph.gmodule import GModule
from nodegraph.io.files import load
from nodegraph.models import lstm, variants
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel
from nodegraph.models.networks import MODELS
from nodegraph.nn.module import Module
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent

CELLS = {"lstm-cell": lstm.create, **variants.CELLS, "child-sum-tree-lstm": variants.child_sum_tree_lstm}
NAMES = (*(name for name in MODELS if name not in CELLS), *CELLS)
WAYS = f"a model is one of {', '.join(NAMES)}, a checkpoint, a .t7 file, or file.py:function"
SIZES = {"input_size": 65, "rnn_size": 128, "num_layers": 2}


@dataclass
class FoundModel:
    """A model with a short name for files, and the shapes of its inputs where they are known.

    `indices` is the number of different indices that the first input may hold, 0 if it holds any numbers; a checkpoint
    has the `vocabulary` that they stand for.
    """

    name: str
    module: Module
    input_shapes: Any = None
    indices: int = 0
    vocabulary: Vocabulary | None = None

    def over_time(self) -> FoundModel:
        """The same as a Recurrent: a GModule is its cell, by the rule for which inputs are states."""
        module = Recurrent(self.module) if isinstance(self.module, GModule) else self.module
        return FoundModel(self.name, module)

    def run(self) -> None:
        """Run forward and backward once on random numbers, so that there are values to look at."""
        if self.input_shapes is None:
            raise ArgumentError("running the model needs the shapes of its inputs")
        generator = np.random.default_rng(0)
        input = _numbers(generator, self.input_shapes)
        if self.indices:
            input[0] = generator.integers(0, self.indices, self.input_shapes[0])
        output = self.module.forward(input)
        self.module.backward(input, _numbers(generator, table.shape(output)))


def find_model(text: str, **sizes: int | None) -> FoundModel:
    """The model for one of the names, a checkpoint of a character model, a .t7 file, or `file.py:function`.

    `sizes` are those of a named model: `input_size`, `rnn_size`, `num_layers`; None means the default. A cell that is
    given a number of layers is a character model of so many. The function is called without arguments and returns the
    model; the name of a module that the file makes will do as well.

    >>> find_model("lstm-cell", input_size=3, rnn_size=2).input_shapes
    [(1, 3), (1, 2), (1, 2)]

    Raises ArgumentError, in one sentence, for whatever does not lead to a model; CheckpointError for a bad checkpoint.
    """
    given = {name: size for name, size in sizes.items() if size is not None}
    if text in NAMES:
        return _named(text, given)
    if given:
        options = ", ".join(given)
        raise ArgumentError(f"{options}: for the models with a name, such as {NAMES[0]}; {text} has sizes of its own")
    path = pathlib.Path(text)
    if path.suffix == ".py":
        raise ArgumentError(f"say which function of {text} makes the model, as in {text}:make")
    if _is_file(path):
        return _checkpoint(path)
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_file(pathlib.Path(file), name)
    raise ArgumentError(f"there is no model or checkpoint {text}; {WAYS}")


def _is_file(path: pathlib.Path) -> bool:
    """Whether there is such a file; ArgumentError where one may not look."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    except (OSError, ValueError):  # The latter for what can be no name of a file.
        return False


def _named(name: str, given: dict[str, int]) -> FoundModel:
    sizes = SIZES | given
    for option, size in sizes.items():
        if size < 1:
            raise ArgumentError(f"{option} must be positive, got {size}")
    input_size, rnn_size = sizes["input_size"], sizes["rnn_size"]
    if name not in MODELS and "num_layers" in given:
        raise ArgumentError(f"{name} is a single cell, and has no layers; {', '.join(MODELS)} have")
    if name in CELLS and "num_layers" not in given:
        cell = CELLS[name](input_size, rnn_size)
        return FoundModel(name, cell, [(1, input_size), *[(1, rnn_size)] * (len(cell.inputs) - 1)])
    wire, states = MODELS[name]
    network = wire(input_size, rnn_size, sizes["num_layers"])
    return FoundModel(name, network, _character_shapes(states * sizes["num_layers"], rnn_size), input_size)


def _checkpoint(path: pathlib.Path) -> FoundModel:
    if path.suffix == ".t7":
        model = load(path)
        networks = networks_in(model)
        if len(networks) == 1:
            return FoundModel(path.stem, next(iter(networks.values())))
        if networks:
            places = ", ".join(list(networks)[:10])
            raise ArgumentError(f"{path} holds {len(networks)} networks: take one, of {places}, from nodegraph.load")
        if not isinstance(model, CharacterModel):
            raise ArgumentError(f"{path} holds no network; {WAYS}")
    else:
        try:
            model, _, _ = CharacterModel.load(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; {WAYS}")
    options = model.options
    shapes = _character_shapes(model.states_per_layer * options.num_layers, options.rnn_size)
    return FoundModel(path.stem, model.network, shapes, len(model.vocabulary), model.vocabulary)


def networks_in(value: Any) -> dict[str, Module]:
    """The networks in a value as `load` gives it, such as a table with options and losses beside one, by their places.

    >>> from nodegraph import nn
    >>> networks_in({"epoch": 3, "nets": [nn.Tanh(), nn.MSECriterion()]})
    {"['nets'][0]": Tanh()}
    """
    found, seen, pending = {}, set(), [("", value)]
    while pending:
        place, value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Module):
            found[place] = value
        elif isinstance(value, (dict, list)):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            pending += reversed([(f"{place}[{key!r}]", part) for key, part in entries])
    return found


def _character_shapes(states: int, rnn_size: int) -> list[tuple[int, ...]]:
    """One character and the states before it, for a batch of one."""
    return [(1,), *[(1, rnn_size)] * states]


def _from_file(path: pathlib.Path, name: str) -> FoundModel:
    if not _is_file(path):
        raise ArgumentError(f"there is no file {path}")
    with _imports_from(path.parent):
        content = vars(_execute(path))
        if name not in content or not name:
            names = ", ".join(n for n, value in content.items() if _made_here(value, path)) or "none"
            raise ArgumentError(f"{path} has no function {name!r}; its functions are: {names}")
        model = content[name]
        if not isinstance(model, Module):
            model = _call(model, f"{name} in {path}", path)
    return FoundModel(f"{path.stem}_{name}", model)


@contextmanager
def _imports_from(folder: pathlib.Path) -> Iterator[None]:
    """Let the user's file import what lies beside it, as if Python ran it."""
    places, before = sys.path, list(sys.path)
    places.insert(0, str(folder.absolute()))
    try:
        yield
    finally:
        places[:] = before
        sys.path = places


def _execute(path: pathlib.Path) -> types.ModuleType:
    """The file as a module; it is not looked up by its name, which may well be that of another module."""
    module = types.ModuleType(f"model_in_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file of the user's may raise anything, SystemExit, too
        raise ArgumentError(f"{path} cannot be imported: {_said(error, path)}") from error
    return module


def _call(function: Any, what: str, path: pathlib.Path) -> Module:
    if not callable(function):
        raise ArgumentError(f"{what} is {_a(function)}, neither a function nor a module")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = inspect.Signature()
    try:
        signature.bind()
    except TypeError as error:
        raise ArgumentError(f"{what} must be callable without arguments: {error}") from error
    try:
        model = function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file of the user's may raise anything, SystemExit, too
        raise ArgumentError(f"{what} failed: {_said(error, path)}") from error
    if isinstance(model, Node):
        raise ArgumentError(f"{what} returned a node; close the graph with GModule(inputs, outputs) and return that")
    if not isinstance(model, Module):
        raise ArgumentError(f"{what} returned {_a(model)}, not a module")
    return model


def _said(error: BaseException, path: pathlib.Path) -> str:
    """An exception in a line, with the last line of the file that it came through."""
    if isinstance(error, NodegraphError):
        return str(error)
    line, traceback = getattr(error, "lineno", None), error.__traceback__
    while traceback is not None:
        if pathlib.Path(traceback.tb_frame.f_code.co_filename) == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    try:
        message = one_line(getattr(error, "msg", None) or error)
    except Exception:  # an exception of the user's own that cannot even say what it is
        message = ""
    return f"{type(error).__name__}{f': {message}' if message else ''}" + (f" (line {line})" if line else "")


def _made_here(value: Any, path: pathlib.Path) -> bool:
    return inspect.isfunction(value) and pathlib.Path(value.__code__.co_filename) == path


def _a(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _numbers(generator: np.random.Generator, shape: Any) -> Any:
    return [_numbers(generator, part) for part in shape] if isinstance(shape, list) else generator.normal(size=shape)
