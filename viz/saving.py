"""Saving: pictures and pages as files that are there as a whole, or not at all."""

from __future__ import annotations

import pathlib
import tempfile
import webbrowser

from nodegraph.errors import CheckpointError, DrawingError
from nodegraph.io.writing import write_whole


def save_whole(path: pathlib.Path, content: str | bytes) -> pathlib.Path:
    """Write a picture or a page into a folder that is there; returns the path.

    DrawingError, in one sentence, where it cannot be written: the file that was there before is still there.
    """
    try:
        return write_whole(path, content.encode() if isinstance(content, str) else content, new_folder=False)
    except CheckpointError as error:
        raise DrawingError(str(error)) from error


def show_in_browser(content: str, suffix: str) -> pathlib.Path:
    """Open a picture or a page in the browser; returns the file that is made for it, with such a suffix."""
    with tempfile.NamedTemporaryFile(prefix="nodegraph-", suffix=suffix, delete=False) as file:
        path = pathlib.Path(file.name)
    save_whole(path, content)
    webbrowser.open(path.as_uri())
    return path
