"""Training by PyTorch: the same losses as by our own engine, in one process and in two, and the same checkpoints."""

import os
import subprocess
import sys

import numpy as np
import pytest

from nodegraph.cli import main
from nodegraph.errors import ArgumentError
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn import launch
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

pytest.importorskip("torch", reason="PyTorch is not installed")
from nodegraph.models.char_rnn.torch_engine import TorchEngine  # noqa: E402

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SMALL = dict(rnn_size=8, num_layers=2, seq_length=6, batch_size=5, sample_every=0, dtype="float64", grad_clip=0.1)


def trainer(engine, **options):
    return Trainer(Options(**{**SMALL, **options}), TEXT, engine=engine)


@pytest.mark.parametrize("options", [{"model": "lstm"}, {"model": "gru"}, {"model": "rnn"}, {"grad_clip_norm": 0.1}])
def test_the_same_numbers_as_our_own_engine(options, tmp_path):
    ours, theirs = Trainer(Options(**SMALL, **options), TEXT), trainer(TorchEngine, **options)
    expected = [ours.step() for _ in range(8)]
    np.testing.assert_allclose([theirs.step() for _ in range(8)], expected, rtol=1e-12)
    np.testing.assert_allclose(theirs.gradient_norms, ours.gradient_norms, rtol=1e-10)
    np.testing.assert_allclose(theirs.validate(), ours.validate(), rtol=1e-12)
    (a, data), (b, same) = (checkpoint.load(t.save(tmp_path / f"{t.engine.main}")) for t in (ours, theirs))
    assert a.keys() == b.keys() and data["optimizer"] == same["optimizer"]
    for name in a.keys() - {"seconds"}:
        np.testing.assert_allclose(b[name], a[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_either_engine_goes_on_where_the_other_stopped(tmp_path):
    straight = trainer(TorchEngine)
    for _ in range(5):
        straight.step()
    path = straight.save(tmp_path / "checkpoint")
    expected = [straight.step() for _ in range(4)]
    for resumed in (Trainer.resume(path, TEXT), Trainer.resume(path, TEXT, TorchEngine)):
        np.testing.assert_allclose([resumed.step() for _ in range(4)], expected, rtol=1e-12)


def test_dropout_drops_in_training_alone():
    theirs = trainer(TorchEngine, dropout=0.5)
    theirs.step()
    assert theirs.validate() == theirs.validate() and theirs.engine.module.training is False
    assert theirs.step() != theirs.step()


def run(folder, *arguments):
    command = [sys.executable, "-m", "nodegraph", "train", "--data", "text.txt", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_two_processes_train_as_one(tmp_path, monkeypatch, capsys):
    (tmp_path / "text.txt").write_text(TEXT)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    options += ["--iterations", "6", "--eval-val-every", "4"]
    done = run(tmp_path, *options, "--engine", "torch", "--nproc", "2", "--checkpoint-dir", "two")
    assert done.returncode == 0 and done.stdout.count("to hear more") == 1, done.stderr
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--data", "text.txt", *options, "--checkpoint-dir", "one"]) == 0
    (one, data), (two, same) = (checkpoint.load(f"{name}/latest.safetensors") for name in ("one", "two"))
    for name in one.keys() - {"seconds"}:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(same["validations"], data["validations"], rtol=1e-12)


def test_what_the_user_gets_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT)
    for arguments, words in [
        (["--nproc", "2"], "--nproc is for --engine torch"),
        (["--engine", "torch", "--nproc", "0"], "--nproc must be at least 1"),
        (["--engine", "torch", "--nproc", "2", "--rnn-size", "0"], "rnn_size must be at least 1"),
    ]:
        assert main(["train", "--data", "text.txt", *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_more_processes_than_rows(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")
    with pytest.raises(ArgumentError, match="6 processes need a batch_size of at least as many, got 5"):
        trainer(TorchEngine)


@pytest.mark.parametrize("status", [0, 2])
def test_a_launched_process_ends_at_once_with_what_it_said(tmp_path, status):
    arguments = ["--iterations", "1", "--rnn-size", "2" if status == 0 else "0", "--sample-every", "0"]
    (tmp_path / "text.txt").write_text(TEXT)
    command = [sys.executable, "-m", "nodegraph", "train", "--data", "text.txt", "--batch-size", "5", *arguments]
    environment = {**os.environ, "TORCHELASTIC_RUN_ID": "x", "RANK": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert ("to hear more" in done.stdout) if status == 0 else ("rnn_size must be at least 1" in done.stderr)


def test_only_the_first_process_speaks(monkeypatch):
    assert launch.is_main()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")
    assert not launch.is_main()
