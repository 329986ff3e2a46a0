"""What is done to an SVG after Graphviz wrote it."""

from __future__ import annotations

import re

NUMBER = r"-?[\d.]+"
LABEL = re.compile(
    rf'<polygon fill="(?:none|transparent)" stroke="(?:none|transparent)" points="({NUMBER}),{NUMBER} [^"]*"/>\n'
    r"((?:<text [^\n]*</text>\n)+)"
)
COMMENT_OR_TITLE = re.compile(r"<!--(?:(?!-->).)*-->\n|<title>[^<]*</title>\n", re.DOTALL)
FONT_OF_EACH = ' font-family="Helvetica,sans-Serif"'
FONT = 'font-family="Helvetica, Arial, Liberation Sans, sans-serif"'
COORDINATES = re.compile(r'(?<= d=")[^"]*(?=")|(?<= points=")[^"]*(?=")')
START = re.compile(rf'text-anchor="start" x="{NUMBER}"')


def finished(svg: str) -> str:
    """The SVG with the lines of every label centred in it, whatever font the reader's computer has, and tidied.

    Graphviz lets each line of an HTML-like label start where it ends up centred in the font that Graphviz knows. The
    labels' tables have a transparent background, which shows where their middle is. Fonts as wide as the one that
    Graphviz measured with are named, once for all. Comments go, and so do Graphviz's names for nodes and edges, which
    browsers would show instead of the tooltips; coordinates are cut to a tenth of a point.
    """

    def label(match: re.Match[str]) -> str:
        xs = [float(point.split(",")[0]) for point in re.search(r'points="([^"]*)"', match[0])[1].split()]
        middle = f'text-anchor="middle" x="{(min(xs) + max(xs)) / 2:.2f}"'
        return START.sub(middle, match[2])

    svg = COORDINATES.sub(lambda match: re.sub(r"(\.\d)\d+", r"\1", match[0]), svg)
    svg = COMMENT_OR_TITLE.sub("", LABEL.sub(label, svg))
    return re.sub(r"(<svg[^>]*)>", rf"\1 {FONT}>", svg.replace(FONT_OF_EACH, ""), count=1)
