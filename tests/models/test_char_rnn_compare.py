"""compare: the same budget for each model, a table, a file with all numbers, and curves."""

import csv
import math
import os

import numpy as np
import pytest

from nodegraph.errors import ArgumentError, CheckpointError, DataError
from nodegraph.models.char_rnn import compare
from nodegraph.models.char_rnn.compare import Budget, Comparison
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import CharacterModel, Trainer
from nodegraph.models.networks import parameters_of

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
OPTIONS = Options(rnn_size=6, num_layers=1, seq_length=10, batch_size=5)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    comparison = Comparison(["rnn", "gru"], TEXT, OPTIONS, Budget(iterations=12), seeds=[1, 2])
    comparison.train(folder)
    return comparison, folder


def test_each_model_is_trained_with_each_seed_and_the_same_budget(done):
    comparison, folder = done
    assert [(run.model, run.seed) for run in comparison.runs] == [("rnn", 1), ("gru", 1), ("rnn", 2), ("gru", 2)]
    assert all(len(run.history["loss"][0]) == 12 for run in comparison.runs)
    assert sorted(os.listdir(folder)) == [f"{m}_seed{s}.safetensors" for m in ("gru", "rnn") for s in (1, 2)]
    assert all(run.history["validation_loss"][0].tolist()[-1] == 12 for run in comparison.runs)


def test_it_trains_as_train_does(done):
    comparison, folder = done
    trainer = Trainer(Options(**{**vars(OPTIONS), "model": "gru", "seed": 2}), TEXT)
    losses = [trainer.step() for _ in range(12)]
    run = comparison.runs[3]
    assert run.history["loss"][1].tolist() == losses and run.loss == trainer.validate()
    model, _, _ = CharacterModel.load(folder / "gru_seed2.safetensors")
    assert model.options.model == "gru"


def test_the_table(done):
    comparison, _ = done
    head, *rows = comparison.table().splitlines()
    assert head.split() == "model size parameters validation loss bits/char chars/s ms/step iterations".split()
    losses = {m: [run.loss for run in comparison.runs if run.model == m] for m in ("rnn", "gru")}
    best, other = sorted(losses, key=lambda model: np.mean(losses[model]))
    for row, model in zip(rows, (best, other)):
        name, size, parameters, mean, plus_minus, spread, bits, speed, step, iterations = row.split()
        assert (name, size, plus_minus, iterations) == (model, "6", "+-", "12")
        assert parameters == f"{parameters_of(model, len(set(TEXT)), 6, 1):,}"
        assert mean == f"{np.mean(losses[model]):.3f}" and bits == f"{np.mean(losses[model]) / math.log(2):.3f}"
        assert spread == f"{abs(losses[model][0] - losses[model][1]) / math.sqrt(2):.3f}"
        assert float(speed.replace(",", "")) == pytest.approx(1000 * 50 / float(step), rel=0.1)


def test_one_seed_has_no_spread():
    comparison = Comparison(["rnn"], TEXT, OPTIONS, Budget(iterations=2))
    comparison.train()
    assert "+-" not in comparison.table()


def test_a_budget_of_time_counts_the_iterations_alone():
    comparison = Comparison(["rnn"], TEXT, OPTIONS, Budget(minutes=0.2 / 60))
    comparison.train()
    seconds = comparison.runs[0].history["seconds"][1]
    assert seconds[-2] - seconds[0] < 0.2 <= seconds[-1] - seconds[0]
    assert len(comparison.runs[0].history["validation_loss"][0]) <= compare.VALIDATIONS


def test_validating_is_not_more_work_than_training():
    assert Budget(iterations=100_000).validations(50) == compare.VALIDATIONS
    assert Budget(iterations=100).validations(50) == 4 and Budget(iterations=1).validations(50) == 2


def test_equal_parameters_change_the_sizes_of_all_but_the_first():
    models = ["lstm", "gru", "rnn", "full-gate-recurrence"]
    options = Options(**{**vars(OPTIONS), "rnn_size": 20, "num_layers": 2})
    comparison = Comparison(models, TEXT, options, Budget(iterations=1), equal="parameters")
    sizes = [options.rnn_size for options in comparison.options.values()]
    assert sizes[0] == 20 and sizes[3] < 20 < sizes[1] < sizes[2]
    n = len(set(TEXT))
    counts = [parameters_of(model, n, size, 2) for model, size in zip(models, sizes)]
    assert max(counts) < 1.06 * min(counts)


def test_a_training_that_goes_wrong_does_not_end_the_others(tmp_path):
    options = Options(**{**vars(OPTIONS), "learning_rate": 1e6, "grad_clip": 1e9})
    comparison = Comparison(["no-output-activation", "rnn"], TEXT, options, Budget(iterations=60))
    comparison.train(tmp_path)
    wrong = comparison.runs[0]
    assert "explodes" in wrong.failure or "loss is" in wrong.failure
    row = next(row for row in comparison.table().splitlines() if row.startswith("no-output"))
    assert "1 of 1 diverged" in row
    assert "no-output-activation_seed1.safetensors" not in os.listdir(tmp_path)
    assert len(comparison.runs) == 2


def test_the_files(done, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra nodegraph[plot]")
    comparison, _ = done
    table, picture = comparison.save(tmp_path, theme="dark")
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 12 and {row["run"] for row in rows} == {
        f"{m} seed {s}" for m in ("rnn", "gru") for s in (1, 2)
    }
    assert picture.name == "compare.svg" and "gru" in picture.read_text()


def test_without_matplotlib_there_is_the_table(done, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert [path.name for path in done[0].save(tmp_path)] == ["compare.csv"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(models=[]), "the models to compare must be some"),
        (dict(models=["gru", "gru"]), "each only once"),
        (dict(seeds=[1, 1]), "the seeds to compare .* each only once"),
        (dict(equal="depth"), "'size' or 'parameters', got 'depth'"),
        (dict(models=["transformer"]), "model must be one of"),
    ],
)
def test_what_makes_no_comparison(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        Comparison(**{"models": ["rnn"], "text": TEXT, "options": OPTIONS, "budget": Budget(1), **arguments})


@pytest.mark.parametrize(
    "budget, words",
    [
        ({}, "one of the two"),
        (dict(iterations=1, minutes=1), "one of the two"),
        (dict(iterations=0), "iterations must be positive, got 0"),
        (dict(minutes=math.nan), "minutes must be positive"),
        (dict(minutes=math.inf), "minutes must be positive"),
    ],
)
def test_what_makes_no_budget(budget, words):
    with pytest.raises(ArgumentError, match=words):
        Budget(**budget)


@pytest.mark.parametrize("name", ["rnn_seed1.safetensors", "compare.csv", "compare.svg"])
def test_a_file_that_must_not_be_written_is_told_before_training(unprivileged, name):
    (unprivileged / name).touch(0o400)
    comparison = Comparison(["rnn"], TEXT, OPTIONS, Budget(iterations=3), seeds=[1])
    with pytest.raises(CheckpointError, match=f"^cannot write .*{name}: Permission denied$"):
        comparison.train(unprivileged)
    assert not comparison.runs


def test_too_little_text_and_no_place_for_the_files(tmp_path):
    whole = Options(**{**vars(OPTIONS), "train_frac": 1.0, "val_frac": 0.0})
    with pytest.raises(DataError, match="needs text to validate on"):
        Comparison(["rnn"], TEXT, whole, Budget(1)).train()
    (tmp_path / "file").write_text("in the way")
    comparison = Comparison(["rnn"], TEXT, OPTIONS, Budget(1))
    with pytest.raises(CheckpointError, match="cannot write"):
        comparison.train(tmp_path / "file")
    assert comparison.runs == []
