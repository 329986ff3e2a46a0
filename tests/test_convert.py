"""convert, and the command: models from one file format to another."""

import json
from dataclasses import replace

import numpy as np
import pytest

import nodegraph
from nodegraph import cli, nn
from nodegraph.convert import convert
from nodegraph.errors import ArgumentError, CheckpointError, ExportError, NodegraphError
from nodegraph.io import checkpoint, t7
from nodegraph.models.char_rnn import formats
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel

import oracle
from module_examples import numbers

CHAR_RNN = oracle.DATA / "t7" / "charrnn" / "lstm.t7"


def load(path):
    return formats.load_torch_file(path) if path.suffix == ".pt" else CharacterModel.load(path)[0]


def text_of(model):
    return "".join(sample(model, 40, "The ", argmax=True))


@pytest.fixture
def net(tmp_path):
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    return module, nodegraph.save(module, tmp_path / "net.t7")


def small_model(kind="gru", characters="ab é\n", **options):
    model = CharacterModel(Options(model=kind, rnn_size=3, num_layers=2, **options), Vocabulary(characters))
    model.initialise()
    return model


# Character models


def test_a_checkpoint_of_char_rnn_goes_there_and_back(tmp_path):
    original, arrays, data = CharacterModel.load(CHAR_RNN)
    path = CHAR_RNN
    for suffix in (".safetensors", ".t7", ".safetensors"):
        path = convert(path, tmp_path / f"{path.stem}_{suffix[1]}{suffix}")
        model, theirs, beside = CharacterModel.load(path)
        assert model.options == original.options
        assert model.vocabulary.characters == original.vocabulary.characters
        assert text_of(model) == text_of(original)
        np.testing.assert_array_equal(theirs["losses"], arrays["losses"])
        assert [tuple(pair) for pair in beside["validations"]] == data["validations"]
        assert (beside["iteration"], beside["epoch"]) == (data["iteration"], data["epoch"])


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("characters", ["ab é\n", ["a", "\udcc3", "\udca9"]], ids=["characters", "bytes"])
def test_every_kind_keeps_all_numbers(tmp_path, kind, characters):
    model = small_model(kind)
    model.vocabulary = Vocabulary.in_order(characters)
    model = small_model(kind, characters) if isinstance(characters, str) else around(model, kind)
    paths = [formats.save(model, tmp_path / f"model{suffix}") for suffix in (".safetensors", ".t7")]
    for path in paths:
        loaded = CharacterModel.load(path)[0]
        assert loaded.vocabulary.characters == model.vocabulary.characters
        kept = model.options if path.suffix != ".t7" else replace(model.options, dtype="float64")
        assert loaded.options == kept
        for name, array in checkpoint.state_of(model.network).items():
            np.testing.assert_array_equal(checkpoint.state_of(loaded.network)[name], array)


def test_a_checkpoint_for_char_rnn_is_in_double_precision(tmp_path):
    """Without a GPU its sample.lua gives the network states of that type, whatever the network's own is."""
    model = small_model("lstm")
    record = t7.read(formats.save(model, tmp_path / "model.t7"))["protos"]["rnn"]
    assert model.network.parameters()[0][0].dtype == np.float32
    modules = record.fields["modules"]
    assert {module.fields["_type"] for module in modules} == {"torch.DoubleTensor"}
    assert {module.fields["weight"].dtype for module in modules if "weight" in module.fields} == {np.dtype(float)}


def around(model, kind):
    made = CharacterModel(model.options, model.vocabulary)
    made.initialise()
    return made


def test_a_checkpoint_goes_to_pytorch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    path = convert(convert(CHAR_RNN, tmp_path / "model.pt"), tmp_path / "back.safetensors")
    assert text_of(load(path)) == text_of(load(CHAR_RNN))
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content.keys() == {"state_dict", "options", "vocabulary"}

    from nodegraph.export import to_torch

    to_torch(load(CHAR_RNN).network).load_state_dict(content["state_dict"])


def test_a_checkpoint_goes_to_onnx_with_its_vocabulary_and_options(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx_judge import run

    path = convert(CHAR_RNN, tmp_path / "model.onnx")
    model, proto = load(CHAR_RNN), onnx.load(path)
    metadata = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert Vocabulary.in_order(metadata["vocabulary"]).characters == model.vocabulary.characters
    assert Options(**metadata["options"]) == model.options
    x = model.vocabulary.encode("The ").reshape(-1, 1)
    expected = nodegraph.Recurrent(model.network).forward([x, *model.zero_states(1)])
    for ours, theirs in zip(expected, run(proto, [x, *model.zero_states(1)]), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-10, atol=1e-10)


def test_what_char_rnn_does_not_have_stays_here(tmp_path):
    path = formats.save(small_model("mut1"), tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match="char-rnn has the models lstm, gru, rnn"):
        convert(path, tmp_path / "model.t7")
    assert not (tmp_path / "model.t7").exists()


def test_a_network_of_another_wiring_is_not_saved_as_if_it_were_ours(tmp_path):
    model = small_model("rnn")
    x, first, second = nn.Identity()(), nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([nn.Linear(4, 3)(nn.OneHot(4)(x)), first]))
    out = nn.LogSoftMax()(nn.Linear(3, 4)(new))
    other = CharacterModel.around(
        model.options, model.vocabulary, nodegraph.GModule([x, first, second], [new, second, out])
    )
    for suffix in ".safetensors", ".pt":
        pytest.importorskip("torch")
        with pytest.raises(ExportError, match="wired in another way"):
            formats.save(other, tmp_path / f"model{suffix}")
    assert list(tmp_path.iterdir()) == []


# Other networks


def test_a_network_to_every_format(net, tmp_path):
    module, path = net
    again = nodegraph.load(convert(path, tmp_path / "again.t7"))
    np.testing.assert_array_equal(again.forward(numbers(4, 3)), module.forward(numbers(4, 3)))
    arrays = nodegraph.load(convert(path, tmp_path / "net.safetensors"))
    assert arrays.keys() == {"0.weight", "0.bias"}
    torch = pytest.importorskip("torch")
    state = torch.load(convert(path, tmp_path / "net.pt"), weights_only=True)["state_dict"]
    np.testing.assert_array_equal(state["0.weight"].numpy(), module[0].weight)
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from onnx_judge import run

    proto = onnx.load(convert(path, tmp_path / "net.onnx", ("batch", 3)))
    np.testing.assert_allclose(run(proto, numbers(4, 3))[0], module.forward(numbers(4, 3)), rtol=1e-12)


def test_a_function_in_a_file(tmp_path):
    (tmp_path / "mine.py").write_text("from nodegraph import nn\n\ndef make():\n    return nn.Linear(3, 2)\n")
    path = convert(f"{tmp_path / 'mine.py'}:make", tmp_path / "net.t7")
    assert nodegraph.load(path).weight.shape == (2, 3)


# Refusals


@pytest.mark.parametrize(
    "target, message",
    [("net.onnx", "needs the shapes of its inputs"), ("net.txt", "ends in .t7"), ("net", "ends in .t7")],
)
def test_targets_that_cannot_be(net, tmp_path, target, message):
    with pytest.raises(ArgumentError, match=message):
        convert(net[1], tmp_path / target)


@pytest.mark.parametrize("source", ["none.t7", "none.safetensors", "none.pt", "none.onnx", "none.py:f", "none"])
def test_sources_that_are_not_there(tmp_path, source):
    with pytest.raises(NodegraphError) as caught:
        convert(tmp_path / source, tmp_path / "net.t7")
    assert "\n" not in str(caught.value)


def test_files_that_are_damaged_or_hold_no_model(tmp_path):
    torch = pytest.importorskip("torch")
    (tmp_path / "noise.pt").write_bytes(b"no such thing")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    torch.save({"state_dict": {}, "options": {}, "vocabulary": ["a"]}, tmp_path / "empty.pt")
    for name, message in ("noise", "damaged"), ("other", "no character model"), ("empty", "does not fit together"):
        with pytest.raises(CheckpointError, match=message):
            convert(tmp_path / f"{name}.pt", tmp_path / "net.t7")
    nodegraph.save(nn.Linear(3, 2), tmp_path / "arrays.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of a character model"):
        convert(tmp_path / "arrays.safetensors", tmp_path / "net.t7")


def test_a_failed_conversion_leaves_the_old_file(net, tmp_path, monkeypatch):
    target = tmp_path / "old.t7"
    target.write_bytes(b"old")

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="no space left"):
        convert(net[1], target)
    assert target.read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"old.t7", "net.t7"}


def test_a_file_is_not_converted_to_itself(net, tmp_path):
    path = checkpoint.save(tmp_path / "net.safetensors", {"a": np.zeros(1)}, {})
    with pytest.raises(ArgumentError, match="would take the place of what it is converted from"):
        convert(path, tmp_path / "." / "net.safetensors")


# The command


def test_the_command(net, tmp_path, capsys):
    pytest.importorskip("onnx")
    target = tmp_path / "net.onnx"
    assert cli.main(["convert", str(net[1]), str(target), "--shapes", "('batch',3)"]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    assert cli.main(["convert", str(net[1]), str(target)]) == 2
    assert "--shapes" in capsys.readouterr().err
    assert cli.main(["convert", "lstm-cell", str(target), "--shapes", "(2,65)", "(2,128)", "(2,128)"]) == 0
