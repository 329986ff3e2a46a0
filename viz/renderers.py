"""Renderers: the programs that lay a diagram out, Graphviz's own `dot` or the `graphviz-pure` from PyPI."""

from __future__ import annotations

import importlib.metadata
import pathlib
import shutil
import threading

import graphviz
from graphviz.backend import dot_command

from nodegraph.errors import DrawingError

_one_at_a_time = threading.Lock()


def programs() -> list[str]:
    """The renderers on this computer, the preferred one first."""
    return [program for program in (shutil.which("dot"), graphviz_pure()) if program]


def graphviz_pure() -> str | None:
    """Where the command `graphviz-pure` is, which need not be on the PATH."""
    try:
        files = importlib.metadata.files("graphviz-pure") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    installed = [str(file.locate().resolve()) for file in files if file.stem == "graphviz-pure"]
    return installed[0] if installed else shutil.which("graphviz-pure")


def render(dot: str, format: str, program: str | None = None) -> bytes:
    """The picture in a format such as "svg" or "png"; by the first renderer found unless one is given.

    Raises DrawingError if there is none or it fails.
    """
    found = [program] if program else programs()
    if not found:
        raise DrawingError("no renderer found: `pip install graphviz-pure`, or put Graphviz's `dot` on the PATH")
    with _one_at_a_time:
        # The one place from which python-graphviz takes the program that it runs.
        usual, dot_command.DOT_BINARY = dot_command.DOT_BINARY, pathlib.Path(found[0])
        try:
            return graphviz.pipe("dot", format, dot.encode(), quiet=True)
        except graphviz.CalledProcessError as error:
            told = error.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
            raise DrawingError(f"{found[0]} could not make {format}: {told[-1]}")
        except (OSError, graphviz.ExecutableNotFound) as error:
            raise DrawingError(f"{found[0]} could not be run: {error}")
        finally:
            dot_command.DOT_BINARY = usual
