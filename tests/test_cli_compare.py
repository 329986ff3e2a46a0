"""`nodegraph compare` and `nodegraph curves`, and the variants in `nodegraph train`, as a user types them."""

import pytest

from nodegraph.cli import main
from nodegraph.history import read_table
from nodegraph.models.char_rnn.compare import Comparison
from nodegraph.models.networks import MODELS

SMALL = ["--data", "text.txt", "--rnn-size", "6", "--num-layers", "1", "--seq-length", "10", "--batch-size", "5"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("to be, or not to be. " * 100)
    return tmp_path


def test_compare(folder, capsys):
    assert main(["compare", *SMALL, "--models", "rnn, no-input-g", "--iterations", "3", "--seeds", "1,2"]) == 0
    out, _ = capsys.readouterr()
    assert "no-input-gate" in out and "+-" in out and "compare/compare.csv" in out
    assert len(read_table("compare/compare.csv")) == 4
    main(["sample", "compare/no-input-gate_seed2.safetensors", "--length", "20"])
    assert len(capsys.readouterr().out) == 21


def test_an_interrupted_comparison_shows_what_is_done(folder, capsys, monkeypatch):
    one = Comparison.one

    def interrupted(comparison, trainer, bar):
        if comparison.runs:
            raise KeyboardInterrupt
        return one(comparison, trainer, bar)

    monkeypatch.setattr(Comparison, "one", interrupted)
    assert main(["compare", *SMALL, "--models", "rnn,gru", "--iterations", "2", "--out", "c"]) == 130
    assert "rnn" in capsys.readouterr().out and len(read_table("c/compare.csv")) == 1


def test_the_models_are_listed(capsys):
    assert main(["compare", "--list"]) == 0
    assert capsys.readouterr().out.split() == list(MODELS)


def test_a_variant_is_trained_resumed_inspected_and_drawn(folder, capsys):
    arguments = ["train", *SMALL, "--sample-every", "0", "--model", "mut2", "--iterations", "2"]
    assert main(arguments) == 0 and main([*arguments, "--resume"]) == 0
    assert main(["inspect", "cv/latest.safetensors"]) == 0
    out, _ = capsys.readouterr()
    assert "mut2 with 1 layers of 6" in out and "W_z_1" in out and "4 (" in out
    assert main(["summary", "peephole-lstm", "--num-layers", "2", "--rnn-size", "4"]) == 0
    assert "W_f_2" in capsys.readouterr().out


def test_curves(folder, capsys):
    main(["train", *SMALL, "--sample-every", "0", "--iterations", "4"])
    capsys.readouterr()
    assert main(["curves", "cv/latest.safetensors", "--out", "a.csv"]) == 0
    assert capsys.readouterr().out == "a.csv\n"
    assert list(read_table("a.csv")) == ["latest"]
    pytest.importorskip("matplotlib", reason="needs the extra nodegraph[plot]")
    for arguments in (
        ["cv/latest.safetensors"],
        ["cv/latest.safetensors", "--against", "epoch", "--also", "learning_rate, gradient-norm", "--out", "b.png"],
        ["cv/latest.safetensors", "cv/best.safetensors", "a.csv", "--theme", "dark", "--out", "c.pdf"],
    ):
        assert main(["curves", *arguments]) == 0
    assert capsys.readouterr().out == "curves.svg\nb.png\nc.pdf\n"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["compare", "--models", "lstmm"], "'lstmm' is no model; models: lstm, gru, rnn"),
        (["compare", "--models", "mut"], "'mut' is mut1 or mut2 or mut3"),
        (["compare", "--models", "gru,gru"], "each only once"),
        (["compare", "--seeds", "a"], "--seeds must be whole numbers"),
        (["compare", "--seeds", "-1"], "seed must be at least 0"),
        (["compare", "--iterations", "0"], "iterations must be positive"),
        (["compare", "--iterations", "1", "--minutes", "1"], "one of the two"),
        (["compare", "--data", "nothing"], "there is no file or folder nothing"),
        (["curves", "nothing"], "there is no checkpoint nothing"),
        (["curves", "text.txt"], "not a checkpoint"),
        (["train", "--patience", "-1"], "patience must be at least 0"),
    ],
)
def test_bad_input_gives_one_sentence_and_status_2(folder, capsys, arguments, words):
    data = [] if "--data" in arguments or arguments[0] == "curves" else ["--data", "text.txt"]
    assert main([*arguments, *data]) == 2
    _, err = capsys.readouterr()
    assert words in err and err.startswith("nodegraph: ") and err.count("\n") == 1
