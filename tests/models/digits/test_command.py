"""`nodegraph digits`, as a user types it."""

import struct

import numpy as np
import pytest

from nodegraph.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small MNIST in it, in which a digit is a bright row."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    for part, n in (("train", 200), ("t10k", 50)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.uint8(200) * np.eye(10, dtype=np.uint8)[labels][:, :, None].repeat(4, axis=2)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / "mnist" / name).write_bytes(head + array.tobytes())
    return tmp_path


def test_it_trains_tells_and_draws(folder, capsys):
    arguments = ["--mnist", "mnist", "--hidden", "10", "--epochs", "2", "--out", "wrong.svg"]
    assert main(["digits", *arguments]) == 0
    out = capsys.readouterr().out
    assert "200 images of 10 x 4 to train on, 50 for the test" in out
    assert (
        "epoch   1 of 2: loss" in out and "in the test" in out and "read as" in out and "of 50 digits read right" in out
    )
    assert "digits misread" in (folder / "wrong.svg").read_text()


def test_a_part_to_choose_options_by(folder, capsys):
    assert main(["digits", "--mnist", "mnist", "--validate", "--hidden", "5", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "170 images of 10 x 4 to train on, 30 for the validation" in out and "in the validation" in out
    assert "of 30 digits read right" in out


def test_the_default_data_are_scikit_learns(folder, capsys):
    pytest.importorskip("sklearn", reason="needs the extra nodegraph[examples]")
    assert main(["digits", "--hidden", "10", "--epochs", "1", "--model", "rnn"]) == 0
    assert "1348 images of 8 x 8" in capsys.readouterr().out and (folder / "misread.svg").exists()


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["--mnist", "nothing"], 2, "there is no folder nothing"),
        (["--mnist", "mnist", "--hidden", "0"], 2, "hidden must be at least 1"),
        (["--mnist", "mnist", "--out", "picture.gif"], 2, "must end in .svg"),
        (["--mnist", "mnist", "--out", "no/picture.svg"], 2, "there is no folder no"),
        (["--mnist", "mnist", "--epochs", "1", "--hidden", "5", "--out", "x" * 300 + ".svg"], 2, "cannot write xxx"),
        (["--mnist", "mnist", "--learning-rate", "1e38", "--hidden", "5"], 1, "smaller learning rate"),
    ],
)
def test_bad_input_gives_one_sentence(folder, capsys, arguments, status, words):
    assert main(["digits", *arguments]) == status
    err = capsys.readouterr().err
    assert words in err and err.startswith("nodegraph: ") and err.count("\n") == 1
    assert not list(folder.glob("*.svg"))
