"""Graphviz attributes that a user, or a file, gives a node: those that change its looks, and can do nothing else."""

from __future__ import annotations

import re
from typing import Any

TEXTS = {"label", "xlabel", "tooltip"}
LINKS = {"URL", "href"}
WORDS = {
    "color", "colorscheme", "fillcolor", "fixedsize", "fontcolor", "fontname", "gradientangle", "group", "labelloc",
    "nojustify", "ordering", "orientation", "regular", "shape", "style", "target",
}  # fmt: skip
NUMBERS = {"distortion", "fontsize", "height", "margin", "penwidth", "peripheries", "sides", "skew", "width"}

WORD = re.compile(r"[\w #.,:;/+-]*")
"""Graphviz writes a font's name into an SVG as it stands, quotes and all."""

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
SAFE_SCHEMES = {"http", "https", "mailto"}

LARGEST = 100
"""Of what is larger, such as the number of lines around a box, a small file could make a huge picture."""


def given_attributes(given: dict[Any, Any]) -> dict[str, str]:
    """Those of the attributes that a picture takes over.

    Left out are files to read, ids and classes, which a page needs for itself, links that run code, and what is no
    word or no number where that is expected.

    >>> given_attributes({"shape": "star", "URL": "javascript:alert(1)", "image": "/etc/passwd", "width": 1e9})
    {'shape': 'star'}
    """
    return {name: str(value) for name, value in given.items() if _is_safe(name, str(value))}


def _is_safe(name: Any, value: str) -> bool:
    if name in LINKS:
        scheme = SCHEME.match(re.sub(r"[\s\x00-\x20]", "", value))
        return scheme is None or scheme[1].lower() in SAFE_SCHEMES
    if name in NUMBERS:
        return all(map(_is_moderate, value.split(",")))
    return name in TEXTS or (name in WORDS and WORD.fullmatch(value) is not None)


def _is_moderate(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False
