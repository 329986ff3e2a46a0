"""The library is typed: mypy --strict accepts it, by the rules in pyproject.toml, and what a user writes with it."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import nodegraph
import nodegraph.models
import nodegraph.viz

pytest.importorskip("mypy", reason="mypy is not installed")

numpys_types = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="NumPy's own types are good enough from 2.4 on"
)

HERE = pathlib.Path(__file__).parent
CONFIGURATION = HERE.parent / "pyproject.toml"
MISTAKES = """
from nodegraph import GModule, nn, optim
from nodegraph.viz import drow
x = nn.Identity()()
reveal = GModule(x, nn.Tanh()(x)).forword(1)
nn.Linear("3", 2)
optim.Adam(nn.Linear(3, 2), learning_rate="fast")
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs mypy beside the packages, which lie here as they do when installed; gives its exit code and text."""
    folder = tmp_path_factory.mktemp("typed")
    for package in (nodegraph, nodegraph.models, nodegraph.viz):
        target = folder / package.__name__.replace(".", "/")
        shutil.copytree(package.__path__[0], target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)

    def run(*arguments):
        options = ["--cache-dir", str(folder / "cache"), "--config-file", str(CONFIGURATION)]
        command = [sys.executable, "-m", "mypy", *options, *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_packages_are_marked_as_typed():
    assert (pathlib.Path(nodegraph.__path__[0]) / "py.typed").exists()


@numpys_types
def test_the_library(mypy):
    code, text = mypy("-p", "nodegraph")
    assert code == 0, text


@numpys_types
def test_a_users_file(mypy):
    code, text = mypy(str(HERE / "data" / "typed_user.py"))
    assert code == 0, text


def test_mistakes_are_found(mypy, tmp_path):
    path = tmp_path / "mistakes.py"
    path.write_text(MISTAKES)
    code, text = mypy(str(path))
    assert code == 1
    for mistake in ('"drow"', '"forword"', 'incompatible type "str"; expected "int"', 'expected "float"'):
        assert mistake in text
