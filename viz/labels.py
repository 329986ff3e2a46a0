"""The text in boxes, on edges and frames, as Graphviz's HTML-like labels in which nothing a user typed is markup."""

from __future__ import annotations

import html
import textwrap
import unicodedata

from nodegraph import table
from nodegraph.viz.scene import Box, Edge, Frame
from nodegraph.viz.themes import Theme

LARGE, MIDDLE, SMALL = 12, 10, 9
"""Sizes of type, in points; Graphviz takes whole ones."""

INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
WIDEST, MOST_LINES = 44, 6
"""Longer lines are broken, and after so many lines cut off; the whole text is in the tooltip."""


def box_label(box: Box, theme: Theme) -> str:
    """All that a box says: name, module, equation, description, shape and parameters, values, what went wrong."""
    title = box.name or box.module
    rows = text(title, LARGE, theme.text, bold=True) if title else []
    if box.name and box.module:
        rows += text(box.module, SMALL, theme.faint)
    for line in box.equation:
        rows += text(line, MIDDLE, theme.text)
    if box.description:
        rows += text(box.description, SMALL, theme.text, italic=True)
    if box.note and box.note != box.name:
        rows += text(box.note, SMALL, theme.faint)
    facts = [shape_text(box.shape)] if box.shape is not None else []
    if box.size:
        facts.append(f"{box.size:,} parameter{'s' if box.size > 1 else ''}")
    if facts:
        rows += text("   ".join(facts), SMALL, theme.faint)
    if box.tag:
        rows += text(f"weights {box.tag}", SMALL, theme.boxes["parametrised"][1], bold=True)
    for line, bad in box.values:
        rows += text(line, SMALL, theme.wrong if bad else theme.text, bold=bad)
    if box.bad_first:
        rows += text("here first", SMALL, theme.wrong, bold=True)
    for line in box.problem:
        rows += text(line, SMALL, theme.wrong, bold=True)
    return label(rows)


def edge_label(edge: Edge, theme: Theme) -> str:
    """The part of a table that the value is, what it is called there, and its shape; "" if there is nothing to say."""
    rows = text(edge.part, SMALL, theme.text) if edge.part else []
    rows += text(edge.position, SMALL, theme.faint) if edge.position else []
    if edge.shape is not None:
        rows += text(shape_text(edge.shape), SMALL, theme.wrong if edge.head.problem else theme.faint)
    return label(rows, padding=2) if rows else ""


def frame_label(frame: Frame, theme: Theme) -> str:
    rows = text(frame.title, MIDDLE, theme.text, bold=True)
    if frame.subtitle:
        rows += text(frame.subtitle, SMALL, theme.faint)
    return label(rows)


def small_label(lines: list[str], theme: Theme) -> str:
    return label([row for line in lines for row in text(line, SMALL, theme.faint)], padding=1)


def shape_text(shape: object) -> str:
    return table.describe_shape(shape)


def text(content: str, size: int, colour: str, bold: bool = False, italic: bool = False) -> list[str]:
    """Text as typed, each line a row of a table; long lines are broken."""
    weight = ("<B>", "</B>") if bold else ("<I>", "</I>") if italic else ("", "")
    rows = []
    for line in _lines(content):
        width = _width(line, size)
        cell = f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{weight[0]}{_escaped(line)}{weight[1]}</FONT>'
        rows.append(f'<TR><TD WIDTH="{width}">{cell}</TD></TR>' if width else f"<TR><TD>{cell}</TD></TR>")
    return rows


class Label(str):
    """The source of an HTML-like label, which must not be quoted."""


def label(rows: list[str], padding: int = 0) -> Label:
    """The rows as a label. Its transparent background marks where it lies, for `svg.finished`."""
    borders = f'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}" BGCOLOR="transparent"'
    return Label(f"<<TABLE {borders}>{''.join(rows) or '<TR><TD></TD></TR>'}</TABLE>>")


def plain(content: str) -> str:
    """A text as typed for a tooltip, in which Graphviz looks for its own escapes twice, and for HTML's."""
    lines = [visible(line).replace("&", "&amp;").replace("\\", "\\" * 4) for line in content.split("\n")]
    return "\\n".join(lines)


def _lines(content: str) -> list[str]:
    """The lines of a text, none too long, not too many, without characters that a picture cannot hold."""
    lines = [part for line in content.split("\n") for part in _broken(visible(line))]
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "…"]


def _broken(line: str) -> list[str]:
    if len(line) <= WIDEST:
        return [line]
    return textwrap.wrap(line, WIDEST, drop_whitespace=False, replace_whitespace=False, expand_tabs=False)


def _escaped(line: str) -> str:
    """A line in HTML; Graphviz has escapes of its own even there."""
    return html.escape(line).replace("\\", "\\\\")


def visible(content: str, keep: str = "") -> str:
    """Control characters and the like, which XML has no place for, written as Python would."""
    odd = {c for c in content if unicodedata.category(c) in INVISIBLE or c in "\ufffe\uffff"} - set(keep)
    return "".join(repr(c)[1:-1] if c in odd else c for c in content)


def _width(line: str, size: int) -> int:
    """The least width in points where a renderer may take too little room for a character; 0 if it does not."""
    if all(unicodedata.east_asian_width(c) not in "WF" for c in line):
        return 0
    return round(sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.6 for c in line) * size)
