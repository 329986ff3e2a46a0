"""Options of applications: bounds, choices, and the command line made from them."""

import argparse
from dataclasses import dataclass

import pytest

from nodegraph.errors import ArgumentError
from nodegraph.models.options import Checked, add_options, chosen, file_to_write, option


@dataclass
class Some(Checked):
    size: int = option(8, "how large", least=1, most=9)
    rate: float = option(0.5, "how quick, 100 % at most", above=0)
    part: float = option(0.5, "how much", above=0, below=1)
    model_kind: str = option("a", "which", choices=("a", "b"))


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(size=0), "size must be at least 1 and at most 9, got 0"),
        (dict(size=10), "size must be at least 1 and at most 9, got 10"),
        (dict(rate=0), "rate must be above 0, got 0"),
        (dict(rate=float("nan")), "rate must be above 0, got nan"),
        (dict(part=1), "part must be above 0 and below 1, got 1"),
        (dict(part=-float("inf")), "part must be above 0 and below 1, got -inf"),
        (dict(size="4"), "size must be a whole number, got '4'"),
        (dict(size=True), "size must be a whole number, got True"),
        (dict(size=4.0), "size must be a whole number, got 4.0"),
        (dict(rate=10**400), "rate must be a number that a float can hold, got 1000000"),
        (dict(model_kind="c"), "model_kind must be one of a, b, got 'c'"),
    ],
)
def test_bounds_and_choices(wrong, words):
    with pytest.raises(ArgumentError, match=words):
        Some(**wrong)


def test_the_command_line_gives_what_was_given_and_defaults_for_the_rest():
    parser = argparse.ArgumentParser()
    add_options(parser, Some)
    assert chosen(parser.parse_args(["--size", "3", "--model-kind", "b"]), Some) == Some(3, 0.5, 0.5, "b")
    assert "how quick, 100 % at most (default: 0.5)" in " ".join(parser.format_help().split())


def test_a_file_to_write(tmp_path):
    assert file_to_write(str(tmp_path / "a.svg"), ".svg", ".png") == tmp_path / "a.svg"
    with pytest.raises(ArgumentError, match="must end in .svg or .png, got 'a.gif'"):
        file_to_write("a.gif", ".svg", ".png")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ArgumentError, match="it is a folder"):
        file_to_write(str(tmp_path / "folder.svg"), ".svg")
    with pytest.raises(ArgumentError, match="there is no folder"):
        file_to_write(str(tmp_path / "no" / "a.svg"), ".svg")


def test_a_file_that_must_not_be_written(unprivileged):
    (unprivileged / "a.svg").touch(0o400)
    with pytest.raises(ArgumentError, match=r"^cannot write .*a.svg: Permission denied$"):
        file_to_write(str(unprivileged / "a.svg"), ".svg")
    unprivileged.chmod(0o500)
    with pytest.raises(ArgumentError, match=r"^cannot write .*b.svg: Permission denied$"):
        file_to_write(str(unprivileged / "b.svg"), ".svg")
