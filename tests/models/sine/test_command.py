"""`nodegraph sine`, as a user types it, and its plot."""

import sys

import pytest

from nodegraph.cli import main
from nodegraph.models.sine.forecaster import Options, new_forecaster

SMALL = ["--iterations", "20", "--hidden", "4"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_tells_errors_and_noise_floor_and_draws(folder, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra nodegraph[plot]")
    assert main(["sine", *SMALL, "--ahead", "5", "--theme", "dark"]) == 0
    out = capsys.readouterr().out
    for words in ("-0.05 to 0.05", "0.1 / sqrt(12) = 0.02887", "iteration    20", "x the noise floor", "at step 5"):
        assert words in out
    assert (folder / "sine.svg").read_text().startswith("<?xml")


def test_without_matplotlib_the_errors_are_there_for_the_asking(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["sine", *SMALL]) == 2
    assert "pip install 'nodegraph[plot]'" in capsys.readouterr().err
    assert main(["sine", *SMALL, "--no-plot"]) == 0
    assert "noise floor" in capsys.readouterr().out and not list(folder.iterdir())


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--out", "sine.gif"], "must end in .svg or .png or .pdf"),
        (["--out", "no/sine.svg"], "there is no folder no"),
        (["--iterations", "0"], "iterations must be at least 1"),
        (["--longest-period", "30"], "shortest period, 40, is above 30"),
    ],
)
def test_bad_input_gives_one_sentence(capsys, arguments, words):
    assert main(["sine", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err and err.startswith("nodegraph: ") and err.count("\n") == 1


def test_the_plot_shows_both_ways_of_predicting_and_their_errors():
    pytest.importorskip("matplotlib", reason="needs the extra nodegraph[plot]")
    from nodegraph.models.sine.plot import plot

    options = Options(hidden=4, ahead=7)
    one_step, free, errors = plot(new_forecaster(options), options).figure.axes
    for axes, samples in ((one_step, 37), (free, 30)):
        true, noisy, predicted = (line.get_xydata() for line in axes.lines)
        assert len(true) == 37 and len(noisy) == samples and predicted[:, 0].tolist() == list(range(30, 37))
        assert abs(noisy - true[:samples]).max() <= 0.05 + 1e-6
    assert [len(line.get_xydata()) for line in errors.lines] == [7, 7]
