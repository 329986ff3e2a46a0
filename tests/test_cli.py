"""The command line, as a user types it."""

import importlib.metadata
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from nodegraph.cli import main
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

SMALL = ["--rnn-size", "8", "--seq-length", "10", "--batch-size", "5", "--sample-every", "0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("to be, or not to be. " * 100)
    return tmp_path


def test_train_resume_sample_inspect(folder, capsys):
    assert main(["train", "--data", "text.txt", *SMALL, "--iterations", "5"]) == 0
    assert main(["train", "--data", "text.txt", "--resume", "--iterations", "5"]) == 0
    out, _ = capsys.readouterr()
    assert "9 distinct" in out and "validation loss" in out and "nodegraph sample" in out
    assert main(["sample", "cv/latest.safetensors", "--length", "30", "--prime", "to be", "--seed", "1"]) == 0
    first = capsys.readouterr().out
    assert main(["sample", "cv/latest.safetensors", "--length", "30", "--prime", "to be", "--seed", "1"]) == 0
    assert capsys.readouterr().out == first and first.startswith("to be") and len(first) == 36
    assert main(["inspect", "cv/latest.safetensors"]) == 0
    assert "10 (" in capsys.readouterr().out


def test_init_from_names_the_checkpoint_with_nan(folder, capsys):
    training = Trainer(Options(rnn_size=8, seq_length=10, batch_size=5), (folder / "text.txt").read_text())
    training.parameters[3] = np.nan
    training.save("nan.safetensors")
    assert main(["train", "--data", "text.txt", *SMALL, "--init-from", "nan.safetensors"]) == 2
    assert capsys.readouterr().err == "nodegraph: nan.safetensors: i2h_1.weight holds NaN or infinity\n"


def test_init_from_takes_the_models_sizes_from_the_checkpoint(folder, capsys):
    main(["train", "--data", "text.txt", *SMALL, "--model", "gru", "--iterations", "2", "--checkpoint-dir", "a"])
    start = ["--init-from", "a/latest.safetensors", "--seq-length", "10", "--batch-size", "5"]
    assert main(["train", "--data", "text.txt", *start, "--iterations", "2"]) == 0
    assert "gru with 2 layers of 8" in capsys.readouterr().out.split("to hear more")[-2]
    assert main(["train", "--data", "text.txt", *start, "--rnn-size", "9"]) == 2
    assert "the rnn_size of a/latest.safetensors is 8, and cannot become 9" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "--data", "nothing.txt"], "there is no file or folder nothing.txt"),
        (["train", "--data", "text.txt", "--batch-size", "5000"], "too few"),
        (["train", "--data", "text.txt", "--rnn-size", "0"], "rnn_size must be at least 1"),
        (["train", "--data", "text.txt", "--minutes", "-1"], "--minutes must be positive"),
        (["train", "--data", "text.txt", "--minutes", "nan"], "--minutes must be positive"),
        (["train", "--data", "text.txt", *SMALL, "--checkpoint-dir", "text.txt"], "cannot write checkpoints into"),
        (["train", "--data", "text.txt", *SMALL, "--checkpoint-dir", ""], "--checkpoint-dir names a folder"),
        (["train", "--data", "text.txt", "--savefile", "a/b"], "--savefile is part of a file's name"),
        (["train", "--data", ""], "the name of the file or folder to read is empty"),
        (["train", "--data", "text.txt", "--train-frac", "0"], "train_frac must be above 0"),
        (["train", "--data", "text.txt", "--learning-rate", "inf"], "learning_rate must be at least 0 and below inf"),
        (["train", "--data", "text.txt", "--resume", "."], "it is a folder"),
        (["train", "--data", "text.txt", "--resume"], "there is no checkpoint"),
        (["train", "--data", "text.txt", "--resume", "--init-from", "x"], "exclude each other"),
        (["sample", "text.txt"], "not a checkpoint"),
        (["inspect", "nothing"], "there is no checkpoint"),
        (["sample", "cv/latest.safetensors", "--prime", "é"], "'é' is not among"),
        (["sample", "cv/latest.safetensors", "--temperature", "0"], "temperature must be positive"),
        (["sample", "cv/latest.safetensors", "--seed", "-1"], "--seed must not be negative, got -1"),
    ],
)
def test_bad_input_gives_one_sentence_and_status_2(folder, capsys, arguments, words):
    if "cv/latest.safetensors" in arguments:
        main(["train", "--data", "text.txt", *SMALL, "--iterations", "1"])
        capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(arguments) == 2
    _, err = capsys.readouterr()
    assert words in err and err.startswith("nodegraph: ") and err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_too_little_memory_gives_one_sentence(capsys, monkeypatch):
    def hungry(given):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("nodegraph.commands.summary", hungry)
    assert main(["summary", "lstm"]) == 2
    assert capsys.readouterr().err == "nodegraph: there is not enough memory: Unable to allocate 9 TiB\n"


@pytest.mark.parametrize("rate", ["1e6", "1e39"])
def test_an_exploding_loss_gives_advice_and_status_1(folder, capsys, rate):
    arguments = ["train", "--data", "text.txt", *SMALL, "--learning-rate", rate, "--grad-clip", "1e9"]
    assert main([*arguments, "--iterations", "200"]) == 1
    assert "--learning-rate" in capsys.readouterr().err


def test_the_installed_command(folder):
    command = [sys.executable, "-m", "nodegraph", "train", "--data", "text.txt", *SMALL, "--iterations", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0 and "saved" in done.stdout, done.stderr
    done = subprocess.run([sys.executable, "-m", "nodegraph", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "train" in done.stdout
    done = subprocess.run([sys.executable, "-m", "nodegraph", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == f"nodegraph {importlib.metadata.version('nodegraph')}\n"


def start(*arguments, **where):
    """The command in a process of its own."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **where}
    return subprocess.Popen([sys.executable, "-m", "nodegraph", *arguments], **streams)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is of Linux")
def test_where_nothing_can_be_written_there_is_one_sentence():
    with open("/dev/full", "w") as full:
        command = start("compare", "--list", stdout=full)
    assert command.communicate()[1] == "nodegraph: cannot write what there is to tell: No space left on device\n"
    assert command.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="closed streams and signals are of Unix")
def test_a_closed_standard_error_ends_nothing(folder):
    arguments = ["train", "--data", "text.txt", *SMALL, "--iterations", "3"]
    command = start(*arguments, stderr=None, preexec_fn=lambda: os.close(2))
    assert "to hear more" in command.communicate()[0] and command.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="closed streams and signals are of Unix")
@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_a_training_that_is_asked_to_end_saves(folder, number):
    arguments = ["train", "--data", "text.txt", *SMALL, "--max-epochs", "1000000", "--eval-val-every", "10000000"]
    # The tests may run under nohup, by which a process and those that it starts are deaf to SIGHUP.
    heard = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}
    command = start(*arguments[:-4], "--sample-every", "1", *arguments[-4:], **heard)
    while "the model writes" not in command.stdout.readline():
        assert command.poll() is None
    command.send_signal(number)
    told, error = command.communicate(timeout=60)
    assert command.returncode == 128 + number and "--resume goes on from there" in told and "Traceback" not in error
    assert main(["inspect", "cv/latest.safetensors"]) == 0


def test_what_a_terminal_cannot_show_is_written_in_ascii(folder):
    (folder / "text.txt").write_text("漢字 é " * 200, encoding="utf-8")
    command = [sys.executable, "-m", "nodegraph", "train", "--data", "text.txt", *SMALL[:-1], "1", "--iterations", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and r"\u6f22" in done.stdout, done.stderr


def test_options_show_their_meaning_and_default(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("--rnn-size N", "(default: 128)", "--learning-rate-decay-after", "(default: 0.002)", "--resume"):
        assert words in shown
