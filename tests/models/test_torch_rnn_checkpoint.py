"""torch-rnn's checkpoints: the text and the probabilities that the original script gave."""

import numpy as np
import pytest

import nodegraph
from nodegraph import cli
from nodegraph.errors import DataError, T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import values
from nodegraph.models.char_rnn import torch_rnn_checkpoint
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.training import CharacterModel, Options, Trainer

import oracle

FOLDER = oracle.DATA / "recurrent"
NAMES = ["torch_rnn_lstm", "torch_rnn_lstm_normalised", "torch_rnn_rnn_normalised"]
NORMALISED = FOLDER / "torch_rnn_lstm_normalised.t7"


@pytest.fixture(params=NAMES)
def case(request):
    path = FOLDER / f"{request.param}.t7"
    return nodegraph.load(path), t7.read(FOLDER / f"{request.param}_expected.t7")


def test_log_probabilities_are_those_of_the_script(case):
    model, expected = case
    states = model.zero_states(2)
    for step in range(5):
        *states, log_probabilities = model.network.forward([expected["input"][:, step] - 1, *states])
        np.testing.assert_allclose(log_probabilities, expected["output"][:, step], rtol=0, atol=1e-12)


def test_argmax_samples_are_those_of_the_script(case):
    model, expected = case
    text = expected["text"]
    assert "".join(sample(model, len(text) - 2, "ab", argmax=True)) == text


def test_options_vocabulary_and_losses_are_there():
    model, arrays, data = CharacterModel.load(NORMALISED)
    options = model.options
    assert (options.model, options.rnn_size, options.num_layers, options.dtype) == ("lstm", 4, 2, "float64")
    assert (options.dropout, options.batch_size, options.seq_length, options.max_epochs) == (0.3, 20, 7, 3)
    assert model.vocabulary.characters == ["a", "b", "é", " ", "\n"]
    assert arrays["losses"].tolist() == [3, 2.5, 2]
    assert data["iteration"] == 30 and data["validations"] == [(20, 2.5), (30, 2.25)]


def test_it_is_wired_as_char_rnn_so_that_training_goes_on(tmp_path):
    start = nodegraph.load(NORMALISED)
    options = Options(model="lstm", rnn_size=4, num_layers=2, seq_length=4, batch_size=2, dtype="float64")
    trainer = Trainer(options, "ab é\n" * 100, start)
    for name, array in trainer.model.network.named_parameters().items():
        np.testing.assert_array_equal(array, start.network.named_parameters()[name])
    assert np.isfinite(trainer.step())


def test_a_text_of_some_of_its_characters_will_do_to_go_on_with():
    start = nodegraph.load(NORMALISED)
    options = Options(model="lstm", rnn_size=4, num_layers=2, seq_length=4, batch_size=2, dtype="float64")
    assert Trainer(options, "ab " * 100, start).model.vocabulary.characters == start.vocabulary.characters
    with pytest.raises(DataError, match="the character 'x' is not among the 5 of the vocabulary"):
        Trainer(options, "axe" * 100, start)


def test_the_commands_take_it(tmp_path, capsys):
    assert cli.main(["sample", str(NORMALISED), "--argmax", "--prime", "ab", "--length", "5"]) == 0
    assert cli.main(["inspect", str(NORMALISED)]) == 0
    assert cli.main(["convert", str(NORMALISED), str(tmp_path / "model.safetensors")]) == 0
    assert "i2h_2" in capsys.readouterr().out
    ours = CharacterModel.load(tmp_path / "model.safetensors")[0].network.named_parameters()
    theirs = nodegraph.load(NORMALISED).network.named_parameters()
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def net(value):
    return value.get("model").fields["net"].fields["modules"].array


def rename(value, place, name):
    net(value)[place].name = name


BROKEN = {
    "another layer": lambda value: rename(value, 1, "nn.GRU"),
    "two kinds of layers": lambda value: rename(value, 1, "nn.VanillaRNN"),
    "no lookup": lambda value: rename(value, 0, "nn.Tanh"),
    "no decoder": lambda value: net(value).pop(-2),
    "no layers": lambda value: net(value).__delitem__(slice(1, -3)),
    "a normalisation at first": lambda value: net(value).insert(1, net(value)[3]),
    "a weight of another size": lambda value: net(value)[1].fields.update(weight=np.zeros((5, 16))),
    "an embedding of another size": lambda value: net(value)[0].fields.update(weight=np.zeros((9, 3))),
    "too few characters": lambda value: value.get("model").fields["idx_to_token"].array.pop(),
    "characters that are none": lambda value: value.get("model").fields["idx_to_token"].array.__setitem__(0, 7),
    "no network": lambda value: value.get("model").fields.pop("net"),
    "options that make no sense": lambda value: value.get("opt").set("batch_size", "many"),
    "an iteration that is none": lambda value: value.set("i", "many"),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_what_does_not_fit_together_is_refused_with_the_byte(damage):
    value = values(NORMALISED)
    damage(value)
    with pytest.raises(T7Error, match=r"\(at byte \d+\)$"):
        torch_rnn_checkpoint.from_table(value)
