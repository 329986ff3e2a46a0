"""Chart: a picture of curves, drawn by matplotlib in the colours of a theme; it saves itself and shows itself."""

from __future__ import annotations

import io
import os
import pathlib
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from nodegraph.errors import ArgumentError, DrawingError
from nodegraph.viz.saving import save_whole
from nodegraph.viz.themes import BLUE, GREEN, ORANGE, PURPLE, SKY, THEMES, VERMILLION, YELLOW, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "light": (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, "#1a1a1a"),
    "dark": (SKY, ORANGE, "#2fc79c", PURPLE, YELLOW, "#ff7b5c", "#f0f2f4"),
}
"""Okabe and Ito's, which the colour-blind tell apart, as far as they stand out from the background."""

DASHES = ("solid", (0, (5, 2)), (0, (1.2, 1.6)), (0, (7, 2, 1.5, 2)))
FORMATS = ("svg", "png", "pdf")
SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "nodegraph",
    "axes.unicode_minus": True,
}


class Chart:
    """A figure of matplotlib's, which is in `figure`, with a theme. Notebooks show it as SVG.

    Raises DrawingError without matplotlib, which the extra `nodegraph[plot]` brings; ArgumentError for a theme that is
    not there.
    """

    def __init__(self, width: float, height: float, theme: str = "light") -> None:
        if theme not in THEMES:
            raise ArgumentError(f"theme must be one of {', '.join(THEMES)}, got {theme!r}")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise DrawingError("curves are drawn by matplotlib: pip install 'nodegraph[plot]'") from None
        self.theme: Theme = THEMES[theme]
        self.name = theme
        self.figure: Figure = Figure(figsize=(width, height), facecolor=self.theme.background, layout="constrained")

    def styles(self, n: int) -> list[tuple[str, Any]]:
        """`n` pairs of colour and dashes that differ as long as they last."""
        colours = COLOURS[self.name]
        pairs = [(colour, dashes) for dashes in DASHES for colour in colours]
        return list(islice(cycle(pairs), n))

    def prepare(self, axes: Axes) -> None:
        """Give axes the theme's colours: faint lines where values are read off, and no box."""
        axes.set_facecolor(self.theme.background)
        axes.grid(axis="y", color=self.theme.faint, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(colors=self.theme.faint, labelcolor=self.theme.text, length=3)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(self.theme.faint)
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            label.set_color(self.theme.text)

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a file, of the kind that its suffix says: .svg, .png or .pdf; returns the path.

        Raises ArgumentError for another suffix, DrawingError when the file cannot be written: the old one then stays.
        """
        path = pathlib.Path(path)
        format = path.suffix.lower().removeprefix(".")
        if format not in FORMATS:
            raise ArgumentError(f"a chart is saved as {', .'.join(('', *FORMATS))[2:]}, got {path.name!r}")
        return save_whole(path, self._rendered(format))

    def _rendered(self, format: str) -> bytes:
        import matplotlib

        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
        with matplotlib.rc_context(SETTINGS), io.BytesIO() as file:
            self.figure.savefig(file, format=format, dpi=160, metadata=dates[format])
            return file.getvalue()

    def _repr_svg_(self) -> str:
        return self._rendered("svg").decode()
