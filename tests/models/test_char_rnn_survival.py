"""A training that is killed, interrupted, or that runs into NaN or a full disk: what was saved stays, and goes on.

Kills at random moments are few here. NODEGRAPH_KILLS=200 in the environment makes them 200, over all options.
"""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nodegraph.errors import CheckpointError, NonFiniteError, TrainingStopped
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn import loop
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.training import CharacterModel, Trainer

KILLS = int(os.environ.get("NODEGRAPH_KILLS", "0"))
TEXT = "the quick brown fox jumps over the lazy dog. " * 12
SMALL = dict(rnn_size=6, num_layers=1, seq_length=5, batch_size=3, sample_every=0, eval_val_every=1, max_epochs=200)
VARIANTS = {
    "two layers with dropout": ["--num-layers", "2", "--dropout", "0.3"],
    "a schedule": ["--schedule", "cosine", "--max-epochs", "12"],
    "patience": ["--patience", "25", "--learning-rate", "0.05"],
    "another cell": ["--model", "gru", "--dtype", "float64", "--learning-rate-decay-after", "1"],
}


def trainer(**options):
    return Trainer(Options(**{**SMALL, **options}), TEXT)


def start(folder, *arguments):
    """The command, in a process of its own."""
    (folder / "text.txt").write_text(TEXT)
    given = [text for name, value in SMALL.items() for text in ("--" + name.replace("_", "-"), str(value))]
    command = [sys.executable, "-m", "nodegraph", "train", "--data", str(folder / "text.txt"), *given, *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)


def wait_for_another_checkpoint(process, path, seconds=60):
    """Until the process has saved once more."""
    before, end = path.stat().st_mtime_ns if path.exists() else 0, time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if path.exists() and path.stat().st_mtime_ns > before:
            return
        time.sleep(0.002)


def same(one, other):
    """Whether two checkpoints hold the same, but for the time that it took."""
    (a, a_data), (b, b_data) = checkpoint.load(one), checkpoint.load(other)
    arrays = (np.array_equal(a[name], b[name], equal_nan=True) for name in a if name != "seconds")
    return a.keys() == b.keys() and a_data == b_data and all(arrays)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of Unix")
@pytest.mark.parametrize("variant", VARIANTS if KILLS else list(VARIANTS)[:1])
def test_killed_at_any_moment_it_goes_on_to_the_same_bits(tmp_path, variant):
    folder, generator = tmp_path / "cv", random.Random(variant)
    latest, arguments = folder / "latest.safetensors", ["--checkpoint-dir", str(folder), *VARIANTS[variant]]
    for _ in range(max(3, KILLS // len(VARIANTS))):
        process = start(tmp_path, *arguments, *(["--resume"] if latest.exists() else []))
        wait_for_another_checkpoint(process, latest)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        error = process.communicate()[1]
        assert process.returncode in (0, -signal.SIGKILL), error
        for file in folder.glob("*.safetensors"):
            CharacterModel.load(file)
            if file.name.startswith("lm_"):
                file.unlink()
    last = start(tmp_path, *arguments, "--resume", "--iterations", "2")
    assert last.communicate() and last.returncode == 0
    whole, iterations = tmp_path / "whole", checkpoint.load(latest)[1]["iteration"]
    unbroken = start(tmp_path, *arguments, "--iterations", str(iterations), "--checkpoint-dir", str(whole))
    assert unbroken.communicate() and unbroken.returncode == 0
    assert same(latest, whole / "latest.safetensors") and same(folder / "best.safetensors", whole / "best.safetensors")


@pytest.mark.skipif(sys.platform == "win32", reason="signals to processes are of Unix")
def test_ctrl_c_at_any_moment_saves_and_says_nothing_else(tmp_path):
    folder, generator = tmp_path / "cv", random.Random(0)
    latest = folder / "latest.safetensors"
    for round in range(max(2, KILLS // 4)):
        process = start(tmp_path, "--checkpoint-dir", str(folder), *(["--resume"] if round else []))
        wait_for_another_checkpoint(process, latest)
        time.sleep(generator.uniform(0, 0.2))
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
        assert process.returncode == 130 and "Traceback" not in error
        arrays, data = checkpoint.load(latest)
        assert len(arrays["losses"]) == data["iteration"] > 0


def interrupt_in(function, call, error=KeyboardInterrupt):
    """The function, where one call of it is interrupted before it does anything."""
    calls = iter(range(10**6))

    def interrupted(*arguments, **named):
        if next(calls) == call:
            raise error
        return function(*arguments, **named)

    return interrupted


@pytest.mark.parametrize(
    "call, error",
    [*((call, KeyboardInterrupt) for call in range(1, 6)), (3, SystemExit), (4, SystemExit), (5, SystemExit)],
)
def test_an_end_between_any_two_files_keeps_latest_and_best(tmp_path, call, error):
    """An interrupt, after which the loop saves, and one after which it does not, as after a kill."""
    straight, training = trainer(), trainer()
    loop.train(straight, tmp_path / "straight", iterations=6, say=print)
    training.save = interrupt_in(training.save, call, error)
    with pytest.raises(error):
        loop.train(training, tmp_path / "cv", iterations=6, say=print)
    resumed = Trainer.resume(tmp_path / "cv" / "latest.safetensors", TEXT)
    loop.train(resumed, tmp_path / "cv", iterations=6 - resumed.iteration, say=print)
    for name in ("latest.safetensors", "best.safetensors"):
        assert same(tmp_path / "cv" / name, tmp_path / "straight" / name)


def test_an_interrupt_at_the_last_validation_saves_too(tmp_path):
    training = trainer(eval_val_every=1000)
    training.validate = interrupt_in(training.validate, 0)
    with pytest.raises(KeyboardInterrupt):
        loop.train(training, tmp_path, iterations=5, say=print)
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 5


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    training = trainer()
    loop.train(training, tmp_path, iterations=3, say=print)
    before = sorted(os.listdir(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match=r"^cannot write the checkpoint .*: No space left on device$"):
            loop.train(training, tmp_path, iterations=3, say=print)
    assert sorted(os.listdir(tmp_path)) == before
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 3


@pytest.mark.parametrize("sample_every", [0, 1])
def test_progress_that_nobody_can_be_told_saves_and_ends(tmp_path, monkeypatch, sample_every):
    training, lines = trainer(eval_val_every=100, sample_every=sample_every), []

    def gone(*_):
        if training.iteration == 4:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(loop, "_show", gone if not sample_every else lambda *_: None)
    with pytest.raises(BrokenPipeError):
        loop.train(training, tmp_path, iterations=9, say=gone if sample_every else lines.append)
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 4


# NaN


def spoil(training, value=np.nan):
    training.model.network.node("h2h_1").module.weight[0, 0] = value


def test_a_parameter_that_becomes_nan_is_named_and_never_saved(tmp_path):
    training = trainer()
    loop.train(training, tmp_path, iterations=2, say=print)
    step = training.step
    training.step = lambda: (step(), spoil(training, np.inf))[0]
    with pytest.raises(TrainingStopped, match=r"h2h_1.weight holds NaN or infinity after 3 iterations.*learning-rate"):
        loop.train(training, tmp_path, iterations=5, say=print)
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 2


def test_a_checkpoint_with_nan_is_named_when_it_is_to_be_trained_on(tmp_path):
    training = trainer()
    training.step()
    spoil(training)
    path = training.save(tmp_path / "c.safetensors")
    with pytest.raises(CheckpointError, match=r"c.safetensors .*: model.h2h_1.weight holds NaN or infinity"):
        Trainer.resume(path, TEXT)
    with pytest.raises(CheckpointError, match="h2h_1.weight holds NaN"):
        Trainer(Options(**SMALL), TEXT, CharacterModel.load(path)[0])


def test_a_model_with_nan_writes_no_text():
    training = trainer()
    spoil(training)
    training.model.network.evaluate()
    for argmax in (False, True):
        with pytest.raises(NonFiniteError, match="may be NaN"):
            list(sample(training.model, 5, prime="the", argmax=argmax))
