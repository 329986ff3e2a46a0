"""The options of an application: a dataclass whose fields have a help text and bounds, and their command line."""

from __future__ import annotations

import argparse
import operator
import os
import pathlib
import reprlib
import sys
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from nodegraph.errors import ArgumentError, CheckpointError
from nodegraph.io.writing import check_writable

KINDS: dict[str, tuple[type, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": (str, "a text"),
}
"""The types of options, as their fields are annotated."""


BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "most": ("at most", operator.le),
    "below": ("below", operator.lt),
}
"""The bounds that an option may have, in words and as what must hold; no bound holds for NaN."""


def option(default: Any, help: str, **check: Any) -> Any:
    """A field with its help text, and the bounds or choices that its value must keep to."""
    return field(default=default, metadata={"help": help, **check})


@dataclass
class Checked:
    """Base of dataclasses made of `option`s: ArgumentError for a value out of its bounds or not among its choices.

    >>> @dataclass
    ... class Options(Checked):
    ...     epochs: int = option(3, "number of epochs", least=1)
    >>> Options().epochs
    3
    >>> Options(epochs=0)
    Traceback (most recent call last):
    ...
    nodegraph.errors.ArgumentError: epochs must be at least 1, got 0
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value, check = getattr(self, f.name), f.metadata
            kind, described = KINDS[getattr(f.type, "__name__", f.type)]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ArgumentError(f"{f.name} must be {described}, got {reprlib.repr(value)}")
            if isinstance(value, Integral) and abs(value) > sys.float_info.max:
                raise ArgumentError(f"{f.name} must be a number that a float can hold, got {reprlib.repr(value)}")
            if "choices" in check and value not in check["choices"]:
                raise ArgumentError(f"{f.name} must be one of {', '.join(check['choices'])}, got {reprlib.repr(value)}")
            if not all(holds(value, check[name]) for name, (_, holds) in BOUNDS.items() if name in check):
                bounds = " and ".join(f"{words} {check[name]}" for name, (words, _) in BOUNDS.items() if name in check)
                raise ArgumentError(f"{f.name} must be {bounds}, got {value}")


Options = TypeVar("Options", bound=Checked)


def add_option(parser: argparse.ArgumentParser, f: Field) -> None:
    """An argument for a field; its default is left out here, so that one can tell what the user gave."""
    kind: Any = {"int": int, "float": float, "str": str}.get(str(f.type), f.type)
    choices = f.metadata.get("choices")
    metavar = {int: "N", float: "X", str: "NAME"}[kind]
    text = f"{f.metadata['help']}{': ' + ', '.join(choices) if choices else ''} (default: {f.default})"
    parser.add_argument(
        "--" + f.name.replace("_", "-"),
        type=kind,
        choices=choices,
        metavar=metavar,
        default=argparse.SUPPRESS,
        help=text.replace("%", "%%"),
    )


def add_options(parser: argparse.ArgumentParser, options: type[Options]) -> None:
    """An argument for each option."""
    for f in fields(options):
        add_option(parser, f)


def chosen(given: argparse.Namespace, options: type[Options]) -> Options:
    """The options as the user gave them, the others by default."""
    return options(**{f.name: getattr(given, f.name) for f in fields(options) if hasattr(given, f.name)})


def file_to_write(path: str, *suffixes: str) -> pathlib.Path:
    """The path of a file that is to be written; ArgumentError, before any work, for a wrong suffix or place.

    >>> file_to_write("curves.svg", ".svg", ".png").name
    'curves.svg'
    """
    file = pathlib.Path(path)
    if file.suffix not in suffixes:
        raise ArgumentError(f"the name of a file to write must end in {' or '.join(suffixes)}, got {path!r}")
    if os.path.isdir(file):
        raise ArgumentError(f"cannot write {path}: it is a folder")
    try:
        check_writable(file)
    except CheckpointError as error:
        raise ArgumentError(str(error)) from error
    return file
