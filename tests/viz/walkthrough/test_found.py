"""`nodegraph walk`, as a user types it."""

import json
import pathlib
import re

import pytest

from nodegraph.cli import main

SMALL = ["--input-size", "3", "--rnn-size", "2"]

FILE = """
import numpy as np
from nodegraph import GModule, nn

def net():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return GModule([x, h], nn.CAddTable()([nn.Linear(4, 5)(x), h]).annotate(name="total"))

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
    assert "shapes" in refused("net.py:net", capsys=capsys)
    assert "no vocabulary" in refused("lstm", *SMALL, "--text", "hi", capsys=capsys)
    assert "positive" in refused("lstm", *SMALL, "--steps", "0", capsys=capsys)
    assert "saved as .html" in refused("lstm-cell", *SMALL, "--out", "x.png", capsys=capsys)
    assert "cannot write" in refused("lstm-cell", *SMALL, "--out", "nowhere/x.html", capsys=capsys)
