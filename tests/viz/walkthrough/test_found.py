"""`nodegraph walk`, as a user types it."""

import json
import pathlib
import re

import pytest

from nodegraph.cli import main

SMALL = ["--input-size", "3", "--rnn-size", "2"]

FILE = """
import numpy as np
from nodegraph import GModule, Recurrent, nn

def net():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return GModule([x, h], nn.CAddTable()([nn.Linear(4, 5)(x), h]).annotate(name="total"))

def words():
    i, h = nn.Identity()().annotate(name="i"), nn.Identity()().annotate(name="h")
    return GModule([i, h], nn.CAddTable()([nn.LookupTable(7, 5)(i), h]))

def recurrent():
    return Recurrent(words(), feedback=[(0, 1)])

def sequence():
    return nn.Sequential(nn.OneHot(3), nn.Linear(3, 2))

def ran():
    model = net()
    model.forward([np.full((1, 4), 7.0), np.ones((1, 5))])
    return model
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "text.txt").write_text("to be, or not to be. " * 20)
    return tmp_path


def walked(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def refused(*arguments, capsys):
    assert main(["walk", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name, steps", [("lstm", 12), ("gru", 12), ("rnn", 12), ("lstm-cell", 1)])
def test_a_model_with_a_name(name, steps, capsys):
    assert main(["walk", name, *SMALL]) == 0
    assert capsys.readouterr().out.strip() == f"{name}.html"
    assert len(walked(f"{name}.html")["runs"]) == steps


def test_a_cell_over_time():
    assert main(["walk", "lstm-cell", *SMALL, "--steps", "5", "--out", "cell.html"]) == 0
    assert len(walked("cell.html")["runs"]) == 5


def test_a_graph_from_a_file():
    assert main(["walk", "net.py:net", "--shapes", "(1,4)", "(1,5)"]) == 0
    assert "total" in [box["title"] for box in walked("net_net.html")["boxes"]]
    assert main(["walk", "net.py:ran"]) == 0
    data = walked("net_ran.html")
    assert data["arrays"][data["runs"][0]["outputs"][0]]["stats"][:2] == [7, 7]


def test_what_takes_indices_gets_indices():
    for function, shapes, most in (
        ("words", ["(9,)", "(9,5)"], 6),
        ("recurrent", ["(9,1)", "(1,5)"], 6),
        ("sequence", ["(9,)"], 2),
    ):
        assert main(["walk", f"net.py:{function}", "--shapes", *shapes, "--out", "words.html"]) == 0
        data = walked("words.html")
        seen = [i for run in data["runs"] for i in data["arrays"][run["outputs"][0]]["whole"]]
        assert len(set(seen)) > 1 and 0 <= min(seen) and max(seen) <= most


def test_a_checkpoint_reads_text(capsys):
    small = ["--rnn-size", "4", "--num-layers", "1", "--seq-length", "5", "--batch-size", "2", "--sample-every", "0"]
    assert main(["train", "--data", "text.txt", *small, "--iterations", "1"]) == 0
    assert main(["walk", "cv/latest.safetensors"]) == 0
    assert "".join(walked("latest.html")["labels"]) == "to be, or no"
    assert main(["walk", "cv/latest.safetensors", "--text", "robot", "--out", "robot.html"]) == 0
    assert walked("robot.html")["labels"] == list("robo")
    assert "'Z'" in refused("cv/latest.safetensors", "--text", "Z", capsys=capsys)
    assert "empty" in refused("cv/latest.safetensors", "--text", "", capsys=capsys)


def test_open_shows_it_in_the_browser(monkeypatch):
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    assert main(["walk", "lstm-cell", *SMALL, "--open"]) == 0
    assert shown[0].startswith("file://") and shown[0].endswith("/lstm-cell.html")


def test_what_cannot_be_walked(capsys):
    told = refused("net.py:net", capsys=capsys)
    assert 'a shape for each of its 2 inputs (x, h), as in --shapes "(1, 3)" "(1, 3)"' in told
    assert 'the shape of its input, as in --shapes "(1, 3)"' in refused("net.py:sequence", capsys=capsys)
    given = ["--shapes", "(9,1)", "(1,5)", "--steps", "3"]
    assert "as many steps as the shape of its first input says" in refused("net.py:recurrent", *given, capsys=capsys)
    assert "no vocabulary" in refused("lstm", *SMALL, "--text", "hi", capsys=capsys)
    assert "positive" in refused("lstm", *SMALL, "--steps", "0", capsys=capsys)
    assert "saved as .html" in refused("lstm-cell", *SMALL, "--out", "x.png", capsys=capsys)
    assert "cannot write" in refused("lstm-cell", *SMALL, "--out", "nowhere/x.html", capsys=capsys)
