"""The history of a training: what a Trainer and its checkpoint know, and early stopping and schedules that it shows."""

import math
import pathlib

import numpy as np
import pytest

from nodegraph.errors import ArgumentError, CheckpointError, DataError
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn import loop
from nodegraph.models.char_rnn.history import history_of, read_histories
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
SMALL = dict(rnn_size=6, num_layers=1, seq_length=10, batch_size=5, sample_every=0)


def trainer(**options):
    return Trainer(Options(**{**SMALL, **options}), TEXT)


def train(training, folder, **budget):
    said = []
    loop.train(training, folder, say=said.append, **budget)
    return said


# What is measured


def test_every_iteration_is_measured():
    training = trainer(learning_rate_decay_after=0, learning_rate_decay=0.5)
    n = training.batches.train
    for _ in range(n + 1):
        training.step()
    loss = training.validate()
    history = history_of(training)
    assert history.names == ["loss", "validation_loss", "epoch", "learning_rate", "gradient_norm", "seconds"]
    assert history["loss"][1].tolist() == training.losses
    assert history["validation_loss"][0].tolist() == [n + 1] and history["validation_loss"][1].tolist() == [loss]
    assert history["learning_rate"][1].tolist() == [0.002] * n + [0.001]
    assert history["epoch"][1][n - 1] == 1
    assert (np.diff(history["seconds"][1]) > 0).all()


def test_the_gradients_norm_is_that_before_clipping():
    training = trainer(grad_clip=1e-9, dtype="float64")
    training.step()
    assert training.gradient_norms[0] > 0.1 and np.abs(training.engine.gradients).max() <= 1e-9


def test_clipping_the_norm_scales_the_whole_gradient_down_before_each_element_is_clipped():
    limits = {"plain": (1e9, 0.0), "clipped": (1e9, 0.01), "both": (1e-4, 0.01)}.values()
    plain, clipped, both = (trainer(dtype="float64", grad_clip=c, grad_clip_norm=n) for c, n in limits)
    for training in (plain, clipped, both):
        training.step()
    assert clipped.gradient_norms == plain.gradient_norms == both.gradient_norms
    scaled = plain.engine.gradients * 0.01 / plain.gradient_norms[0]
    np.testing.assert_allclose(clipped.engine.gradients, scaled, rtol=1e-12)
    np.testing.assert_allclose(both.engine.gradients, scaled.clip(-1e-4, 1e-4), rtol=1e-12)


def test_a_checkpoint_holds_it_all_and_a_resumed_training_adds_to_it(tmp_path):
    training = trainer()
    train(training, tmp_path, iterations=5)
    resumed = Trainer.resume(tmp_path / "latest.safetensors", TEXT)
    train(resumed, tmp_path, iterations=3)
    (read,) = read_histories([tmp_path / "latest.safetensors"]).values()
    ours = history_of(resumed)
    for name in ours.names:
        np.testing.assert_array_equal(read[name][0], ours[name][0])
        np.testing.assert_allclose(read[name][1], ours[name][1], rtol=1e-12)
    assert read["validation_loss"][0].tolist() == [5, 8] and len(read["gradient_norm"][0]) == 8
    assert read["loss"][1][:5].tolist() == training.losses


def test_a_checkpoint_from_before_these_measurements(tmp_path):
    training = trainer()
    training.step()
    arrays, data = checkpoint.load(training.save(tmp_path / "a.safetensors"))
    for name in ("learning_rates", "gradient_norms", "seconds"):
        del arrays[name]
    path = checkpoint.save(tmp_path / "a.safetensors", arrays, data)
    assert read_histories([path])["a"].names == ["loss", "epoch"]
    resumed = Trainer.resume(path, TEXT)
    resumed.step()
    history = history_of(resumed)
    assert history["learning_rate"][0].tolist() == [2] and "seconds" not in history


def test_names_tell_checkpoints_apart(tmp_path):
    for folder in ("a", "b"):
        training = trainer()
        training.step()
        training.save(tmp_path / folder / "latest.safetensors")
    paths = [tmp_path / folder / "latest.safetensors" for folder in ("a", "b")]
    histories = read_histories(paths)
    assert list(histories) == ["a/latest", "b/latest"]
    table = histories["a/latest"].save(tmp_path / "mine.csv")
    assert list(read_histories([paths[0], table, paths[0]])) == ["latest", "mine"]


def test_files_that_differ_in_their_suffix_alone_keep_their_whole_names(tmp_path):
    training = trainer()
    training.step()
    checkpoint_file = training.save(tmp_path / "mine.safetensors")
    table = history_of(training).save(tmp_path / "mine.csv")
    assert list(read_histories([checkpoint_file, table])) == [str(checkpoint_file), str(table)]


def test_a_history_without_epochs(tmp_path):
    """A checkpoint that was converted from losses alone does not tell how many iterations an epoch has."""
    training = trainer()
    training.step()
    path = training.save(tmp_path / "a.safetensors")
    arrays, data = checkpoint.load(path)
    checkpoint.save(path, arrays, {**data, "epoch": 0.0})
    (history,) = read_histories([path]).values()
    assert "loss" in history and "epoch" not in history


def test_files_without_a_history(tmp_path):
    path = trainer().save(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="tells nothing of how its model was trained"):
        read_histories([path])
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_histories([tmp_path / "b.safetensors"])


def test_a_checkpoint_of_char_rnn_itself():
    path = pathlib.Path(__file__).parents[1] / "data" / "t7" / "charrnn" / "lstm.t7"
    (history,) = read_histories([path]).values()
    assert np.isfinite(history["loss"][1]).all() and "epoch" in history


# Early stopping


def scripted(losses, training):
    """The trainer, whose validations give these losses after iterations 2, 4, ..., and in between the next one."""

    def validate():
        loss = losses[math.ceil(training.iteration / 2) - 1]
        earlier = [v for v in training.validations if v[0] < training.iteration]
        training.validations = [*earlier, (training.iteration, loss)]
        return loss

    training.validate = validate
    return training


def test_training_ends_when_patience_does(tmp_path):
    training = scripted([3.0, 2.0, 2.5, 2.0, 1.0], trainer(eval_val_every=2, patience=2))
    said = train(training, tmp_path)
    assert training.iteration == 8
    assert "no better validation loss in 2 validations" in said[-1] and "2.0000 after 4 iterations" in said[-1]
    assert Trainer.resume(tmp_path / "best.safetensors", TEXT).iteration == 4
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 8


def test_the_best_of_another_training_is_not_shown_for_this_ones(tmp_path):
    train(scripted([1.0], trainer(eval_val_every=2)), tmp_path / "other", iterations=2)
    training = trainer(eval_val_every=2, patience=1)
    train(scripted([2.0], training), tmp_path / "here", iterations=2)
    resumed = scripted([2.0, 3.0], Trainer.resume(tmp_path / "here" / "latest.safetensors", TEXT))
    said = train(resumed, tmp_path / "other")
    assert said[-1].endswith("the best was 2.0000 after 2 iterations")


def test_without_patience_it_goes_on_and_the_best_is_kept(tmp_path):
    training = scripted([3.0, 2.0, 2.5, 2.1, 2.2], trainer(eval_val_every=2))
    train(training, tmp_path, iterations=10)
    assert training.iteration == 10
    assert Trainer.resume(tmp_path / "best.safetensors", TEXT).validations[-1] == (4, 2.0)


@pytest.mark.parametrize("first", [3, 4, 7, 8])
def test_a_training_in_parts_ends_where_one_in_one_piece_does(tmp_path, first):
    losses, options = [3.0, 2.0, 2.5, 2.2, 2.1, 1.0], dict(eval_val_every=2, patience=3)
    whole, part = scripted(losses, trainer(**options)), scripted(losses, trainer(**options))
    train(whole, tmp_path / "whole")
    train(part, tmp_path / "parts", iterations=first)
    resumed = scripted(losses, Trainer.resume(tmp_path / "parts" / "latest.safetensors", TEXT))
    train(resumed, tmp_path / "parts")
    assert resumed.iteration == whole.iteration == 10
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_a_training_that_has_ended_so_does_not_go_on_when_resumed(tmp_path):
    training = scripted([2.0, 3.0], trainer(eval_val_every=2, patience=1))
    train(training, tmp_path)
    resumed = Trainer.resume(tmp_path / "latest.safetensors", TEXT)
    train(resumed, tmp_path)
    assert resumed.iteration == training.iteration == 4
    patient = Trainer.resume(tmp_path / "latest.safetensors", TEXT, patience=0)
    train(patient, tmp_path, iterations=3)
    assert patient.iteration == 7


def test_an_interrupted_validation_is_made_up_for(tmp_path):
    training = trainer(eval_val_every=2, patience=50)

    def interrupted():
        raise KeyboardInterrupt

    training.validate = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(training, tmp_path)
    resumed = Trainer.resume(tmp_path / "latest.safetensors", TEXT)
    train(resumed, tmp_path, iterations=2)
    assert [iteration for iteration, _ in resumed.validations] == [2, 4]


def test_validating_twice_counts_once():
    training = trainer()
    training.step()
    assert training.validate() == training.validate() and len(training.validations) == 1


def test_patience_needs_something_to_validate_on(tmp_path):
    with pytest.raises(ArgumentError, match="patience needs text to validate on"):
        train(trainer(patience=1, train_frac=1.0, val_frac=0.0), tmp_path)


# Schedules


def test_a_cosine_brings_the_learning_rate_to_0_at_the_last_epoch(tmp_path):
    training = trainer(schedule="cosine", max_epochs=2, learning_rate=0.01)
    train(training, tmp_path)
    rates, n = np.array(training.learning_rates), 2 * training.batches.train
    np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(n) / n)))
    assert training.optimizer.learning_rate == pytest.approx(0)


def test_a_cosine_goes_on_when_resumed_also_from_another_rate(tmp_path):
    straight, training = trainer(schedule="cosine", max_epochs=2), trainer(schedule="cosine", max_epochs=2)
    for _ in range(10):
        straight.step()
    for _ in range(5):
        training.step()
    path = training.save(tmp_path / "a.safetensors")
    resumed, quicker = Trainer.resume(path, TEXT), Trainer.resume(path, TEXT, learning_rate=0.02)
    for _ in range(5):
        resumed.step()
        quicker.step()
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)
    np.testing.assert_allclose(np.array(quicker.learning_rates[5:]) / straight.learning_rates[5:], 10)
