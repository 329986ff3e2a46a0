"""Which model a command line means, and what is said when it means none."""

import pathlib
import sys

import numpy as np
import pytest

from nodegraph import GModule, nn, save
from nodegraph.errors import ArgumentError, CheckpointError, NodegraphError
from nodegraph.find_model import CELLS, NAMES, find_model
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

FILE = """
from nodegraph import GModule, nn
from beside import SIZE

x = nn.Identity()()
net = GModule(x, nn.Tanh()(x))
number = 3

def make():
    return nn.Linear(SIZE, 2)

def make_lazily():
    import beside
    return nn.Linear(beside.SIZE, 1)

def needs(size):
    return nn.Linear(size, 2)

def broken():
    return [][0]

def wires_wrongly():
    return nn.Tanh()(nn.Tanh())

def leaves():
    raise SystemExit("goodbye")

def node():
    return nn.Identity()()

def nothing():
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "beside.py").write_text("SIZE = 7")
    (tmp_path / "syntax.py").write_text("def make(:\n")
    (tmp_path / "raises.py").write_text("import json\n\njson.loads('{')\n")
    (tmp_path / "imports.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "text.txt").write_text("to be, or not to be. " * 20)
    yield tmp_path
    sys.modules.pop("beside", None)


@pytest.mark.parametrize("name", NAMES)
def test_named_models_have_the_sizes_asked_for_and_know_their_shapes(name):
    found = find_model(name, input_size=11, rnn_size=6)
    assert found.name == name and isinstance(found.module, GModule)
    shapes = found.module.output_shape(found.input_shapes)
    shapes = shapes if isinstance(shapes, list) else [shapes]
    assert (1, 6) in shapes and (name in CELLS or shapes[-1] == (1, 11))


def test_the_number_of_layers():
    assert len(find_model("gru", rnn_size=4, num_layers=3).input_shapes) == 4
    with pytest.raises(ArgumentError, match="lstm-cell is a single cell"):
        find_model("lstm-cell", num_layers=3)


@pytest.mark.parametrize("option", ["input_size", "rnn_size", "num_layers"])
def test_sizes_must_be_positive(option):
    with pytest.raises(ArgumentError, match=f"{option} must be positive, got 0"):
        find_model("lstm", **{option: 0})


@pytest.mark.parametrize("name", NAMES)
def test_a_run_leaves_values_and_gradients(name):
    found = find_model(name, input_size=11, rnn_size=6)
    found.run()
    assert all(call.output is not None and call.grad_output is not None for _, call in found.module.tape)


def test_a_run_needs_shapes(folder):
    with pytest.raises(ArgumentError, match="needs the shapes"):
        find_model("net.py:make").run()


def test_a_checkpoint(folder):
    options = Options(rnn_size=5, num_layers=1, seq_length=5, batch_size=2, dtype="float64")
    trainer = Trainer(options, "to be, or not to be. " * 20)
    trainer.save("some.safetensors")
    found = find_model("some.safetensors")
    assert found.name == "some" and found.input_shapes == [(1,), (1, 5), (1, 5)]
    decoder = found.module.node("decoder").module
    np.testing.assert_array_equal(decoder.weight, trainer.model.network.node("decoder").module.weight)
    found.run()


def test_a_function_in_a_file_which_may_import_what_lies_beside_it(folder):
    before = list(sys.path)
    found = find_model("net.py:make")
    assert found.name == "net_make" and found.module.input_size == 7
    assert find_model(f"{folder}/net.py:make_lazily").module.output_size == 1
    assert sys.path == before


def test_a_module_in_a_file(folder):
    assert isinstance(find_model("net.py:net").module, GModule)


def test_a_file_may_have_the_name_of_a_module(folder):
    (folder / "numpy.py").write_text(FILE)
    assert find_model("numpy.py:make").module.input_size == 7
    assert sys.modules["numpy"] is np


@pytest.mark.parametrize(
    "text, words",
    [
        ("lstmm", "no model or checkpoint lstmm; a model is one of lstm, gru, rnn, lstm-cell, .*, a checkpoint"),
        ("", "there is no model"),
        (".", "there is no model"),
        ("nothing.safetensors", "there is no model or checkpoint nothing.safetensors"),
        ("net.py", "say which function of net.py makes the model, as in net.py:make"),
        ("nothing.py:make", "there is no file nothing.py"),
        ("net.txt:make", "there is no model"),
        ("net.py:other", "net.py has no function 'other'; its functions are: make, make_lazily, needs"),
        ("net.py:", "net.py has no function ''"),
        ("empty.py:make", "its functions are: none"),
        ("net.py:number", "number in net.py is a value of type int, neither a function nor a module"),
        ("net.py:needs", "needs in net.py must be callable without arguments: .*'size'"),
        ("net.py:broken", r"broken in net.py failed: IndexError: list index out of range \(line 20\)"),
        ("net.py:wires_wrongly", r"wires_wrongly in net.py failed: Tanh.* at net.py:23 got the module Tanh"),
        ("net.py:leaves", "leaves in net.py failed: SystemExit: goodbye"),
        ("net.py:node", r"node in net.py returned a node; close the graph with GModule"),
        ("net.py:nothing", "nothing in net.py returned None, not a module"),
        ("net.py:SIZE", "a value of type int"),
        ("syntax.py:make", r"syntax.py cannot be imported: SyntaxError: .* \(line 1\)"),
        ("raises.py:make", r"raises.py cannot be imported: JSONDecodeError: .* \(line 3\)"),
        ("imports.py:make", "imports.py cannot be imported: ModuleNotFoundError: .*a_package_that_is_not_there"),
    ],
)
def test_whatever_leads_to_no_model_is_said_in_one_line(folder, text, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        find_model(text)
    assert "\n" not in str(caught.value)


def test_what_must_not_be_read(unprivileged):
    (unprivileged / "net.py").touch(0o200)
    with pytest.raises(ArgumentError, match="^cannot read .*net.py: Permission denied$"):
        find_model(f"{unprivileged}/net.py:make")
    unprivileged.chmod(0o600)
    for text in ("net.py:make", "a.safetensors", "a.t7"):
        with pytest.raises(ArgumentError, match=f"^cannot read .*{text}: Permission denied$"):
            find_model(f"{unprivileged}/{text}")


@pytest.mark.parametrize("text", ["stops = 1\nraise KeyboardInterrupt\n", "def make():\n    raise KeyboardInterrupt\n"])
def test_an_interrupt_in_the_users_file_is_one(folder, text):
    (folder / "interrupted.py").write_text(text)
    with pytest.raises(KeyboardInterrupt):
        find_model("interrupted.py:make")


def test_a_file_that_is_no_checkpoint(folder):
    with pytest.raises(CheckpointError, match="text.txt is not a checkpoint.*file.py:function"):
        find_model("text.txt")


def test_sizes_are_for_named_models(folder):
    with pytest.raises(NodegraphError, match="rnn_size: for the models with a name, such as lstm; net.py:make"):
        find_model("net.py:make", rnn_size=5)


def test_a_class_that_can_be_made_without_arguments_is_a_function_too(folder):
    (folder / "own.py").write_text("from nodegraph import nn\nclass Mine(nn.Tanh):\n    pass\n")
    assert isinstance(find_model("own.py:Mine").module, nn.Tanh)


def test_a_t7_file_is_its_network():
    folder = pathlib.Path(__file__).parent / "data" / "t7"
    found = find_model(str(next(folder.rglob("tutorial_lstm.t7"))))
    assert isinstance(found.module, GModule) and found.name == "tutorial_lstm"
    with pytest.raises(ArgumentError, match="holds no network"):
        find_model(str(next(folder.rglob("false.t7"))))


def test_a_t7_file_with_one_network_beside_other_things_is_that_network(tmp_path):
    network = nn.Linear(3, 2)
    value = {"model": network, "criterion": nn.MSECriterion(), "best": {"model": network}, "losses": [1]}
    save(value, tmp_path / "a.t7")
    assert isinstance(find_model(str(tmp_path / "a.t7")).module, nn.Linear)
    save({"generator": nn.Tanh(), "others": [nn.Exp(), nn.Abs()]}, tmp_path / "b.t7")
    with pytest.raises(ArgumentError, match=r"holds 3 networks: take one, of \['generator'\], \['others'\]\[0\]"):
        find_model(str(tmp_path / "b.t7"))
