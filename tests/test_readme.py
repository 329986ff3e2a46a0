"""What the README shows works as it is written there."""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import webbrowser

import pytest

from nodegraph import load
from nodegraph.cli import main
from nodegraph.models import lstm
from nodegraph.viz import draw

README = pathlib.Path(__file__).parents[1] / "README.md"
HERE = pathlib.Path(__file__).parent
TINY = ["--rnn-size", "8", "--num-layers", "1", "--seq-length", "5", "--batch-size", "4"]
SHORTER = {
    "train": ["--iterations", "2", *TINY, "--data", "input.txt"],
    "train --resume": ["--iterations", "3", "--data", "input.txt"],
    "train --init-from": ["--iterations", "2", "--seq-length", "5", "--batch-size", "4"],
    "compare": ["--iterations", "2", *TINY, "--data", "input.txt"],
    "digits": ["--epochs", "1", "--hidden", "4"],
    "sine": ["--iterations", "2", "--hidden", "4", "--batch-size", "2"],
}
"""What is added to a command, by how it begins, so that it takes seconds."""

FOLLOWED = """
from nodegraph import GModule, nn
def make():
    x = nn.Identity()()
    return GModule(x, nn.Tanh()(nn.Linear(3, 2)(x)))
"""
pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not beside the installed package")


@pytest.fixture
def extras():
    for package in ("matplotlib", "onnx", "sklearn", "torch"):
        pytest.importorskip(package, reason=f"some of it needs {package}")


def commands(program):
    """All commands of a program in the README, in order: lines of blocks without comments, and words in quotes."""
    text = README.read_text(encoding="utf-8")
    found = re.findall(rf"^ {{4}}({program} [^/].*?)(?: {{2,}}#.*)?$|`({program} [^`\n]+)`", text, re.MULTILINE)
    return [shlex.split(line or quoted)[1:] for line, quoted in found if not re.search(r"\s{3,}", line)]


def test_the_examples_run_in_order(tmp_path, monkeypatch, extras):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["network"].tape["forget_gate"].output.shape == (20, 1, 2)
    assert re.sub(r"README.md:\d+", "", draw(names["lstm"](3, 2)).dot) == re.sub(
        r"lstm.py:\d+", "", draw(lstm.create(3, 2)).dot
    ), "the picture in the README is not that of the code above it"


def test_the_error_it_shows_is_the_one_that_comes():
    """The shown line number is that of the node in the shown file."""
    import numpy as np

    from nodegraph import GModule, annotate_nodes, nn
    from nodegraph.errors import ShapeError

    i2h, h2h = nn.Identity()(), nn.Identity()()
    preactivations = nn.CAddTable()([i2h, h2h])
    annotate_nodes()
    with pytest.raises(ShapeError) as caught:
        GModule([i2h, h2h], preactivations).forward([np.zeros((10, 512)), np.zeros((10, 256))])
    message = re.sub(r"at \S+:\d+", "at cell.py:8", str(caught.value))
    assert message in re.sub(r"\s+", " ", README.read_text(encoding="utf-8"))


def test_the_two_commands_are_those_that_ci_runs():
    commands = re.search(r"## Two commands\n(.*?)\n## ", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    lines = [line.strip() for line in commands.splitlines() if line.startswith("    ")]
    assert len(lines) == 2 and lines[0].endswith("nodegraph train") and lines[1].endswith("pytest")


def test_its_commands_run_in_order(tmp_path, monkeypatch, capsys, extras):
    """In one folder, with a small text, and with everything in its place that a command names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", lambda *arguments: True)
    torch_model = HERE / "data" / "t7" / "charrnn" / "lstm.t7"
    text = "The default. " + "".join(load(torch_model).vocabulary.characters)
    (tmp_path / "input.txt").write_text(20 * text, encoding="utf-8")
    (tmp_path / "my_cell.py").write_text(FOLLOWED, encoding="utf-8")
    lines = commands("nodegraph")
    assert ["train"] in lines and len({line[0] for line in lines}) >= 5
    for line in lines:
        line = ["cv/latest.safetensors" if word == "CHECKPOINT" else word for word in line]
        for word in line:
            if word.startswith("lm_lstm") and word.endswith(".t7"):
                shutil.copy(torch_model, word)
        beginnings = [beginning for beginning in SHORTER if " ".join(line).startswith(beginning)]
        status = main([*line, *(SHORTER[max(beginnings, key=len)] if beginnings else [])])
        assert status == 0, f"nodegraph {shlex.join(line)}: {capsys.readouterr().err}"


def test_the_python_commands_it_gives_are_there():
    """The benchmarks are files beside the tests, and pydoc tells of what it is asked for."""
    for words in commands("python"):
        if words[:2] == ["-m", "pydoc"]:
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
            assert words[2].rsplit(".", 1)[1] in done.stdout
        else:
            assert (README.parent / words[0]).exists() or words[:2] == ["-m", "pytest"], words
