"""Prose: the little markup in which an author writes the texts of a walkthrough."""

from __future__ import annotations

import itertools
import re
import textwrap
from typing import Any

from nodegraph.errors import ArgumentError

MARK = re.compile(
    r"`(?P<code>[^`\n]+)`|\*\*(?P<strong>[^*\n]+)\*\*|\*(?P<em>[^*\n]+)\*"
    r"|\[(?P<a>[^]\n]+)\]\((?P<target>#[^)\s]+|[\w.-]+\.html(?:#[^)\s]+)?)\)"
)

Block = list[Any]


def blocks(text: str | None, what: str = "the text") -> list[Block]:
    """Text as blocks: ["p", span, ...] a paragraph, ["ul", [span, ...], ...] a list, ["pre", text] as typed.

    A span is a string, or [kind, string] where kind is "code", "strong" or "em", written `code`, **strong**, *em*.
    An empty line ends a paragraph; lines that begin with "- " are a list; paragraphs of lines that begin with four
    spaces or more stand as typed. What all lines are indented by does not count. All else is text, HTML too.

    A question, on lines of which the first begins with "? ", is followed by its answer, of which the first begins with
    "! ": ["ask", [span, ...], [span, ...]], of which the page shows the answer to who wants it.

    A link, ["a", string, target], is written [string](target), and leads to a step, as in [there](#backward/h),
    [then](#forward/h/3) for one at t = 3 or [that](#loss), or to another page in the same folder, [on](next.html).

    >>> blocks("The gate `f` *forgets*.")
    [['p', 'The gate ', ['code', 'f'], ' ', ['em', 'forgets'], '.']]
    """
    if text is None:
        return []
    if not isinstance(text, str):
        raise ArgumentError(f"{what} must be a string, got {text!r}")
    parts = [part for part in re.split(r"\n(?:[ \t]*\n)+", textwrap.dedent(text).strip("\n")) if part.strip()]
    whole = itertools.groupby(parts, key=_is_typed)
    return [_block(part) for typed, group in whole for part in (["\n\n".join(group)] if typed else group)]


def _is_typed(part: str) -> bool:
    """Whether all lines begin with four spaces; such parts that follow each other are one, empty lines and all."""
    return all(line.startswith("    ") for line in part.split("\n") if line.strip())


def _block(part: str) -> Block:
    if _is_typed(part):
        return ["pre", textwrap.dedent("\n".join(line.rstrip() for line in part.split("\n")))]
    lines = [line for line in part.split("\n") if line.strip()]
    if lines[0].lstrip().startswith("? ") and (asked := _question(list(map(str.strip, lines)))):
        return asked
    if lines[0].lstrip().startswith("- "):
        items: list[str] = []
        for line in map(str.strip, lines):
            if line.startswith("- "):
                items.append(line[2:])
            else:
                items[-1] += " " + line
        return ["ul", *(spans(item) for item in items)]
    return ["p", *spans(" ".join(map(str.strip, lines)))]


def _question(lines: list[str]) -> Block | None:
    """The block of a question with its answer; None where there is no answer."""
    for i, line in enumerate(lines):
        if line.startswith("! "):
            return ["ask", *(spans(" ".join(part)[2:]) for part in (lines[:i], lines[i:]))]
    return None


def spans(text: str) -> list[Any]:
    """A line as strings and marked strings."""
    found: list[Any] = []
    end = 0
    for match in MARK.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        marked = {kind: content for kind, content in match.groupdict().items() if content is not None}
        kind, content = next(iter(marked.items()))
        found.append([kind, content, marked["target"]] if kind == "a" else [kind, content])
        end = match.end()
    return [*found, text[end:]] if end < len(text) else found
