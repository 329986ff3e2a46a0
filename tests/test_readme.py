"""What the README shows works as it is written there."""

import pathlib
import re

import pytest

from nodegraph.models import lstm
from nodegraph.viz import draw

README = pathlib.Path(__file__).parents[1] / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not beside the installed package")


def test_the_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
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
    assert message in re.sub(r"\s+", " ", README.read_text())


def test_the_two_commands_are_those_that_ci_runs():
    commands = re.search(r"## Two commands\n(.*?)\n## ", README.read_text(), re.DOTALL)[1]
    lines = [line.strip() for line in commands.splitlines() if line.startswith("    ")]
    assert len(lines) == 2 and lines[0].endswith("nodegraph train") and lines[1].endswith("pytest")
