"""Walkthrough: a finished page, in one file, that saves itself and shows itself in a notebook."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import pathlib
from functools import cached_property
from importlib import resources
from typing import Any

from nodegraph.errors import ArgumentError
from nodegraph.viz.labels import visible
from nodegraph.viz.saving import save_whole, show_in_browser
from nodegraph.viz.walkthrough.picture import Picture

SCRIPTS = ("elements", "numbers", "heatmap", "diagram", "prose", "panel", "gradients", "over_time", "timeline", "walk")
"""The scripts in page/, in the order in which they are put together."""

HEIGHT = 760
"""Of the frame in a notebook, in pixels."""


class Walkthrough:
    """A page that needs nothing but itself: no network, no other file. `data` is what it shows, as JSON."""

    def __init__(self, data: dict[str, Any], picture: Picture) -> None:
        self.data, self.picture = data, picture

    @cached_property
    def html(self) -> str:
        """The page."""
        # "<" cannot end the script element that holds the data when it is written as JSON's escape.
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = data.replace("<", "\\u003c").encode("utf-8", "backslashreplace").decode()
        script = "(() => {\n'use strict';\n" + "\n".join(_file(f"{name}.js") for name in SCRIPTS) + "})();"
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        parts = {
            "title": html.escape(visible(self.data["title"])),
            "digest": digest,
            "style": f":root{{{self.picture.colours}}}\n" + _file("page.css"),
            "picture": self.picture.svg,
            "data": data,
            "script": script,
        }
        start, *pieces = _file("page.html").split("{{")
        filled = [parts[name] + rest for name, rest in (piece.split("}}", 1) for piece in pieces)]
        return start + "".join(filled)

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the page to an .html file; returns the path.

        Raises ArgumentError for another suffix, DrawingError where the file cannot be written: the old one then stays.
        """
        path = pathlib.Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ArgumentError(f"a walkthrough is saved as .html, got {path.name!r}")
        return save_whole(path, self.html)

    def view(self) -> pathlib.Path:
        """Open the page in the browser; returns the file made for it."""
        return show_in_browser(self.html, ".html")

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{HEIGHT}px;border:0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{html.escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return f"Walkthrough of {len(self.data['boxes'])} boxes, {len(self.html):,} characters of HTML"


def _file(name: str) -> str:
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")
