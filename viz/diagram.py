"""Diagram: a finished picture that saves itself, and shows itself in a notebook."""

from __future__ import annotations

import os
import pathlib

from nodegraph.errors import ArgumentError
from nodegraph.viz.renderers import render
from nodegraph.viz.saving import save_whole, show_in_browser
from nodegraph.viz.svg import finished

FORMATS = {".svg": "svg", ".png": "png", ".pdf": "pdf"}


class Diagram:
    """A picture in DOT, Graphviz's language, which is in `dot`. Notebooks show it as SVG."""

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a file, of the kind that its suffix says: .svg, .png, .pdf, or .dot or .gv for the source.

        Returns the path. Raises ArgumentError for another suffix, DrawingError where the renderer cannot do it or the
        file cannot be written, of which the old one then stays.
        """
        path = pathlib.Path(path)
        suffix = path.suffix.lower()
        if suffix in (".dot", ".gv"):
            return save_whole(path, self.dot)
        if suffix not in FORMATS:
            raise ArgumentError(f"a picture is saved as .svg, .png, .pdf, .dot or .gv, got {path.name!r}")
        return save_whole(path, self.svg() if suffix == ".svg" else render(self.dot, FORMATS[suffix]))

    def svg(self) -> str:
        """The picture as the text of an SVG file."""
        return finished(render(self.dot, "svg").decode())

    def view(self) -> pathlib.Path:
        """Open the picture in the browser; returns the file made for it."""
        return show_in_browser(self.svg(), ".svg")

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"Diagram of {len(self.dot):,} characters of DOT"
