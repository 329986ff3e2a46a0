"""load and save: what a file holds is told by its suffix and by what it has in it."""

import io

import numpy as np
import pytest

from nodegraph import load, nn, save
from nodegraph.errors import ArgumentError
from nodegraph.models.char_rnn import formats
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel


def test_a_module_comes_back_as_arrays_or_as_itself(tmp_path):
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNormalization(2))
    arrays = load(save(module, tmp_path / "net.safetensors"))
    assert sorted(arrays) == sorted(["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"])
    np.testing.assert_array_equal(arrays["0.weight"], module.modules[0].weight)
    again = load(save(module, tmp_path / "net.t7"))
    np.testing.assert_array_equal(again.modules[0].weight, module.modules[0].weight)


@pytest.mark.parametrize("suffix", ["safetensors", "t7"])
def test_a_character_model_comes_back_as_one(tmp_path, suffix):
    model = CharacterModel(Options(rnn_size=4, num_layers=1), Vocabulary("abc"))
    again = load(formats.save(model, tmp_path / f"model.{suffix}"))
    assert type(again) is CharacterModel and again.vocabulary.characters == ["a", "b", "c"]
    assert "".join(sample(again, 9, "a", argmax=True)) == "".join(sample(model, 9, "a", argmax=True))


@pytest.mark.parametrize("name", ["net", "net.pt", "net.T7", "net.t7.txt"])
def test_files_of_another_kind(tmp_path, name):
    for refused in (lambda: load(tmp_path / name), lambda: save(nn.Tanh(), tmp_path / name)):
        with pytest.raises(ArgumentError, match="the name of a file to load or save ends in .t7 or .safetensors"):
            refused()
    for path in (None, 3, io.BytesIO()):
        for refused in (lambda path=path: load(path), lambda path=path: save(nn.Tanh(), path)):
            with pytest.raises(ArgumentError, match="is given by its name, got"):
                refused()
    with pytest.raises(ArgumentError, match="a .safetensors file takes a module, got 3"):
        save(3, tmp_path / "three.safetensors")
