"""char-rnn's checkpoints: the text and the probabilities that the original script gave."""

import json

import numpy as np
import pytest

import nodegraph
from nodegraph import cli, nn
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.values import Record, Table
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.torch_checkpoint import from_table
from nodegraph.models.char_rnn.training import CharacterModel, Options, Trainer
from nodegraph.models.gru import gru
from nodegraph.models.lstm import lstm
from nodegraph.models.rnn import rnn

import oracle

PATH = oracle.DATA / "t7" / "charrnn" / "lstm.t7"
EXPECTED = json.loads(PATH.with_suffix(".json").read_text())
RUNS = pytest.mark.parametrize("run", EXPECTED["runs"], ids=lambda run: run["prime"] or "no prime")


@pytest.fixture(scope="module")
def model():
    return nodegraph.load(PATH)


def as_checkpoint(network, vocabulary, **options):
    """A table such as char-rnn saves, around a network of ours."""
    from nodegraph.io.t7.files import recorded

    opt = {"model": "lstm", "rnn_size": 3, "num_layers": 2, "seed": 1, "gpuid": -1, "dropout": 0, **options}
    vocab = {character: i for i, character in enumerate(vocabulary, 1)}
    protos = Table(hash={"rnn": recorded(network)})
    return Table(hash={"protos": protos, "opt": Table(hash=opt), "vocab": Table(hash=vocab), "i": 7, "epoch": 0.5})


def test_it_is_a_character_model_with_its_options_and_vocabulary(model):
    assert isinstance(model, CharacterModel)
    assert (model.options.model, model.options.rnn_size, model.options.num_layers) == ("lstm", 32, 2)
    assert model.options.dtype == "float64"
    assert {c: i + 1 for c, i in model.vocabulary.index.items()} == EXPECTED["vocab"]
    shapes = [list(p.shape) for p in model.network.parameters()[0]]
    assert shapes == EXPECTED["parameterShapes"]
    sums = [p.sum() for p in model.network.parameters()[0]]
    np.testing.assert_allclose(sums, EXPECTED["parameterSums"], rtol=1e-12)


@RUNS
def test_argmax_samples_are_those_of_the_script(model, run):
    text = "".join(sample(model, run["length"], run["prime"], argmax=True))
    assert text == run["prime"] + run["argmaxSample"]


@RUNS
def test_log_probabilities_and_states_are_those_of_the_script(model, run):
    states = model.zero_states(1)
    for step in run["firstSteps"]:
        index = step["input"] - 1
        assert model.vocabulary.characters[index] == step["char"]
        *states, log_probabilities = model.network.forward([np.array([index]), *states])
        np.testing.assert_allclose(log_probabilities[0], step["logprobs"], atol=1e-9)


@RUNS
def test_the_state_after_the_sample_is_that_of_the_script(model, run):
    states = model.zero_states(1)
    for index in model.vocabulary.encode(run["prime"] + run["argmaxSample"]):
        *states, _ = model.network.forward([np.array([index]), *states])
    for ours, theirs in zip(states, run["finalState"], strict=True):
        oracle.assert_equal(ours, theirs, 1e-9)


def test_what_does_not_fit_together_is_refused_with_the_byte(model):
    with pytest.raises(T7Error, match=r"does not number characters from 1 on \(at byte 0\)"):
        from_table(as_checkpoint(lstm(3, 3, 2), ["a", "b", 3]))
    with pytest.raises(T7Error, match=r"sample_every must be a whole number.* \(at byte 0\)"):
        from_table(as_checkpoint(lstm(3, 3, 2), "abc", sample_every=500.5))


def test_the_command_samples_from_it(capsys):
    run = EXPECTED["runs"][1]
    assert cli.main(["sample", str(PATH), "--argmax", "--prime", run["prime"], "--length", "200"]) == 0
    assert capsys.readouterr().out == run["prime"] + run["argmaxSample"] + "\n"


def test_the_command_inspects_it(capsys):
    assert cli.main(["inspect", str(PATH)]) == 0
    shown = capsys.readouterr().out
    assert "rnn_size                   32" in shown
    assert "validation loss            2.0443" in shown and "at iteration 5297" in shown
    assert "i2h_1" in shown and "decoder" in shown


def test_the_command_trains_on_from_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nodegraph.engine.machine.WORTH_COMPILING", 1e15)  # not for a single iteration
    text = "".join(EXPECTED["vocab"]) * 20
    (tmp_path / "text").write_text(text)
    given = ["--data", str(tmp_path / "text"), "--seq-length", "5", "--batch-size", "5", "--checkpoint-dir"]
    command = ["train", *given, str(tmp_path / "cv"), "--iterations", "1", "--init-from", str(PATH)]
    assert cli.main([*command, "--sample-every", "0"]) == 0
    assert "lstm with 2 layers of 32" in capsys.readouterr().out
    resumed, _, _ = CharacterModel.load(tmp_path / "cv" / "latest.safetensors")
    start, _, _ = CharacterModel.load(PATH)
    for ours, theirs in zip(resumed.network.parameters()[0], start.network.parameters()[0], strict=True):
        assert 0 < np.abs(ours - theirs).max() < 0.02


@pytest.mark.parametrize("name, wire", [("lstm", lstm), ("gru", gru), ("rnn", rnn)])
@pytest.mark.parametrize("dropout", [0, 0.5])
def test_each_kind_of_network_finds_its_names_again(name, wire, dropout):
    network = wire(4, 3, 2, dropout)
    table = as_checkpoint(network, "abcd", model=name, dropout=dropout)
    names = network.named_parameters()
    for node in network.nodes:
        node.annotations.clear()
    model, _, data = from_table(table)
    assert list(model.network.named_parameters()) == list(names)
    assert data["iteration"] == 7
    options = Options(model=name, rnn_size=3, dropout=dropout, batch_size=2, seq_length=2, dtype="float64")
    trainer = Trainer(options, "abcd" * 9, model)
    for path, array in trainer.model.network.named_parameters().items():
        np.testing.assert_array_equal(array, names[path])


def test_another_wiring_still_samples():
    x, h = nn.Identity()(), nn.Identity()()
    following = nn.Tanh()(nn.CAddTable()([nn.LookupTable(2, 3)(x), nn.Linear(3, 3)(h)]))
    output = nn.LogSoftMax()(nn.Linear(3, 2)(following))
    network = nodegraph.GModule([x, h], [following, output])
    model, _, _ = from_table(as_checkpoint(network, "ab", model="rnn", num_layers=1))
    assert set("".join(sample(model, 20))) <= set("ab")


def test_the_order_of_the_vocabulary_is_kept():
    model, _, _ = from_table(as_checkpoint(lstm(3, 3, 2), "bca"))
    assert model.vocabulary.characters == ["b", "c", "a"]
    assert next(sample(model, 1, argmax=True)) == "b"
    options = Options(rnn_size=3, batch_size=2, seq_length=2)
    assert Trainer(options, "abc" * 9, model).model.vocabulary.characters == ["b", "c", "a"]


def test_bytes_of_utf8_are_put_together_again():
    units = "é".encode().decode("ascii", "surrogateescape")
    model, _, _ = from_table(as_checkpoint(lstm(3, 3, 2), ["a", *units]))
    assert model.vocabulary.encode("aé").tolist() == [0, 1, 2]
    assert "".join(sample(model, 0, "éa")) == "éa"
    trainer = Trainer(Options(rnn_size=3, batch_size=2, seq_length=2), "aé" * 20, model)
    assert trainer.model.vocabulary.decode([1, 2, 0]) == "éa"


def test_a_checkpoint_with_bytes_is_saved_and_loaded(tmp_path):
    units = "é".encode().decode("ascii", "surrogateescape")
    model, _, _ = from_table(as_checkpoint(lstm(3, 3, 2), ["a", *units]))
    trainer = Trainer(Options(rnn_size=3, batch_size=2, seq_length=2), "aé" * 20, model)
    again, _, _ = CharacterModel.load(trainer.save(tmp_path / "model.safetensors"))
    assert again.vocabulary.encode("é").tolist() == [1, 2]


def test_bytes_that_are_no_utf8_are_latin_1():
    model, _, _ = from_table(as_checkpoint(lstm(2, 3, 2), ["a", "\udce9"]))
    assert model.vocabulary.characters == ["a", "é"]


def broken(**changes):
    table = as_checkpoint(lstm(2, 3, 2), "ab")
    for path, value in changes.items():
        owner, name = path.split("__")
        (table if owner == "top" else table.get(owner)).hash[name] = value
    return table


@pytest.mark.parametrize(
    "changes",
    [
        {"opt__rnn_size": 10**9},
        {"opt__rnn_size": "large"},
        {"opt__num_layers": 10**9},
        {"opt__num_layers": 1},
        {"opt__model": "transformer"},
        {"opt__learning_rate": Table()},
        {"vocab__c": 3},
        {"vocab__a": np.zeros(2)},
        {"vocab__a": 7},
        {"protos__rnn": Table()},
        {"protos__rnn": Record("nn.Tanh", Table())},
        {"protos__rnn": Record("nn.MSECriterion", Table())},
        {"top__epoch": "late"},
        {"top__protos": None},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(changes):
    with pytest.raises(T7Error):
        from_table(broken(**changes))


def test_a_network_is_no_checkpoint():
    with pytest.raises(T7Error, match="net_mlp.t7: it holds no checkpoint of char-rnn"):
        CharacterModel.load(oracle.DATA / "t7" / "net_mlp.t7")
    assert t7.load(oracle.DATA / "t7" / "net_mlp.t7")
