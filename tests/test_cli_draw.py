"""`nodegraph draw` and `nodegraph summary`, as a user types them."""

import xml.etree.ElementTree as xml

import pytest

from nodegraph.cli import main

SMALL = ["--input-size", "3", "--rnn-size", "2"]

FILE = """
from nodegraph import GModule, Recurrent, nn

def net():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return GModule([x, h], nn.CAddTable()([nn.Linear(4, 5)(x), h]).annotate(name="total"))

def recurrent():
    return Recurrent(net())

def sequential():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "text.txt").write_text("to be, or not to be. " * 20)
    return tmp_path


def run(*arguments, capsys=None):
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def words(path):
    return " ".join(xml.parse(path).getroot().itertext())


def test_draw_writes_an_svg_under_the_models_name_and_says_so(folder, capsys):
    status, out, _ = run("draw", "lstm-cell", *SMALL, capsys=capsys)
    assert status == 0 and out.strip() == "lstm-cell.svg"
    text = words("lstm-cell.svg")
    assert all(name in text for name in ("i2h", "prev_h", "forget_gate", "next_c"))


def test_the_numbers_are_the_same_whenever_a_command_runs(folder):
    for model in (["lstm-cell", *SMALL], ["net.py:net", "--shapes", "(2,4)", "(2,5)"]):
        for ending, *verb in (("svg", "draw", "--detail", "values"), ("html", "walk")):
            paths = [folder / f"{time}.{ending}" for time in ("first", "second")]
            for path in paths:
                assert main([verb[0], *model, *verb[1:], "--out", str(path)]) == 0
            assert paths[0].read_bytes() == paths[1].read_bytes()


def test_draw_from_a_file_and_a_checkpoint(folder, capsys):
    assert run("draw", "net.py:net", capsys=capsys)[1].strip() == "net_net.svg"
    assert "total" in words("net_net.svg")
    small = ["--rnn-size", "4", "--num-layers", "1", "--seq-length", "5", "--batch-size", "2", "--sample-every", "0"]
    assert main(["train", "--data", "text.txt", *small, "--iterations", "1"]) == 0
    capsys.readouterr()
    assert run("draw", "cv/latest.safetensors", capsys=capsys)[1].strip() == "latest.svg"
    assert "decoder" in words("latest.svg")


def test_shapes_are_shown_for_models_that_know_them_and_for_those_given(capsys):
    run("draw", "lstm-cell", *SMALL, "--detail", "shapes", "--out", "a.svg", capsys=capsys)
    assert "1 × 8" in words("a.svg") or "(1, 8)" in words("a.svg")
    run("draw", "net.py:net", "--detail", "shapes", "--shapes", "(7,4)", "(7,5)", "--out", "b.svg", capsys=capsys)
    assert "7 × 5" in words("b.svg") or "(7, 5)" in words("b.svg")


def test_values_are_those_of_a_run(capsys):
    status, out, _ = run("draw", "lstm", *SMALL, "--num-layers", "1", "--detail", "values", capsys=capsys)
    assert status == 0 and "mean" in words(out.strip())


@pytest.mark.parametrize("model", ["net.py:recurrent", "net.py:net", "lstm"])
def test_the_schedule_of_a_recurrent_or_of_a_cell(model, capsys):
    assert run("draw", model, "--detail", "schedule", "--out", "a.svg", capsys=capsys)[0] == 0
    assert "step by step" in words("a.svg")


def test_options_reach_draw_as_they_are(monkeypatch, capsys):
    seen = {}

    class Diagram:
        def save(self, path):
            seen["path"] = path

    def draw(model, **options):
        seen.update(options)
        return Diagram()

    monkeypatch.setattr("nodegraph.viz.draw", draw)
    options = ["--direction", "backward", "--depth", "1", "--theme", "dark", "--detail", "shapes", "--out", "deep.pdf"]
    status, out, _ = run("draw", "net.py:net", *options, "--shapes", "7,4", "[7,5]", capsys=capsys)
    assert status == 0 and out == "deep.pdf\n"
    assert seen == {
        "direction": "backward",
        "detail": "shapes",
        "input_shapes": [(7, 4), (7, 5)],
        "depth": 1,
        "theme": "dark",
        "path": "deep.pdf",
    }


@pytest.mark.parametrize("suffix, start", [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")])
def test_the_format_is_that_of_the_suffix(suffix, start, folder, capsys):
    assert run("draw", "net.py:sequential", "--out", f"out.{suffix}", capsys=capsys)[0] == 0
    assert (folder / f"out.{suffix}").read_bytes().startswith(start)


def test_summary_prints_a_table(capsys):
    status, out, _ = run("summary", "lstm-cell", *SMALL, capsys=capsys)
    assert status == 0 and out.splitlines()[-1].split() == ["total", "56", "40"]
    assert run("summary", "net.py:sequential", capsys=capsys)[1].splitlines()[-1].split() == ["total", "25"]
    status, out, _ = run("summary", "net.py:sequential", "--shapes", "(10, 4)", capsys=capsys)
    assert "Sequential: (10, 4) -> (10, 5)" in out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["summary", "nothing"], "there is no model or checkpoint nothing"),
        (["summary", "net.py:other"], "net.py has no function 'other'"),
        (["summary", "net.py:net", "--shapes", "(10,4)"], "the graph has 2 inputs"),
        (["summary", "net.py:net", "--shapes", "(10,3)", "(10,5)"], "Linear at net.py:6 got (10, 3)"),
        (["summary", "net.py:net", "--shapes", "ten"], "a shape is a tuple of sizes"),
        (["summary", "net.py:net", "--shapes", "(10,"], "a shape is a tuple of sizes"),
        (["summary", "text.txt"], "text.txt is not a checkpoint"),
        (["draw", "net.py:net", "--rnn-size", "3"], "rnn_size: for the models"),
        (["draw", "lstm", "--rnn-size", "0"], "rnn_size must be positive"),
        (["draw", "net.py:net", "--detail", "values"], "needs the shapes of its inputs"),
        (["draw", "net.py:net", "--out", "out.doc"], ".doc"),
        (["draw", "net.py:net", "--out", "nowhere/out.svg"], "nowhere"),
        (["draw", "net.py:net", "--depth", "-1"], "depth"),
    ],
)
def test_bad_input_gives_a_sentence_and_status_2(folder, arguments, words, capsys):
    before = sorted(folder.iterdir())
    status, out, err = run(*arguments, capsys=capsys)
    assert status == 2 and not out
    assert err.startswith("nodegraph: ") and words in err and "Traceback" not in err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("arguments", [["draw"], ["draw", "lstm", "--detail", "all"], ["summary", "lstm", "--out"]])
def test_what_the_command_does_not_know_has_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
