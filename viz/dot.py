"""A scene in DOT, Graphviz's language."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from nodegraph.viz.columns import UNSEEN, Columns, is_carried
from nodegraph.viz.given_attributes import given_attributes
from nodegraph.viz.labels import Label, box_label, edge_label, frame_label, plain, small_label, visible
from nodegraph.viz.scene import Box, Edge, Frame, Scene
from nodegraph.viz.themes import FORMS, THEMES

FONT = "Helvetica"
POINT = {"shape": "point", "width": "0.02", "height": "0.02", "label": ""}
LONG, VERY_LONG = 1000, 5000
"""Where edges go over more layers all together, Graphviz is told to look less long for the best layout."""


class DotWriter:
    """Writes one scene."""

    def __init__(self, scene: Scene, theme: str, backward: bool) -> None:
        self.scene, self.theme, self.backward = scene, THEMES[theme], backward
        self.key = {box: f"n{i}" for i, box in enumerate(scene.boxes)}
        steps = {box.step for box in scene.boxes} - {None}
        self.columns = Columns(scene, self.key, self.theme.faint, self.theme.feedback) if len(steps) > 1 else None
        self.frame_number = {} if self.columns else {frame: i for i, frame in enumerate(scene.frames())}

    def source(self) -> str:
        graph: dict[str, str] = {
            "bgcolor": self.theme.background,
            "rankdir": {(0, 0): "TB", (0, 1): "BT", (1, 0): "LR", (1, 1): "RL"}[self.scene.sideways, self.backward],
            "fontname": FONT,
            "nodesep": "0.3",
            "ranksep": "0.35",
            "pad": "0.2",
        }
        length = self.scene.length()
        if length > LONG:
            graph |= {"nslimit": "2", "nslimit1": "2", "mclimit": "0.5"}
        if length > VERY_LONG:
            graph["splines"] = "line"
        if self.scene.notes:
            graph |= {"label": small_label(self.scene.notes, self.theme), "labelloc": "b"}
        node = {"fontname": FONT, "margin": "0.15,0.08", "height": "0.3", "width": "0.5"}
        edge = {"fontname": FONT, "color": self.theme.edge, "fontcolor": self.theme.text, "arrowsize": "0.6"}
        lines = ["digraph {"]
        lines += [f"  {what} {attributes(of)}" for what, of in (("graph", graph), ("node", node), ("edge", edge))]
        lines += self.frame_lines(None, "  ")
        lines += self.column_lines() if self.columns else []
        drawn = [edge for edge in self.scene.edges if not self.columns or edge not in self.columns.routed]
        return "\n".join([*lines, *map(self.edge, drawn), "}"]) + "\n"

    def frame_lines(self, frame: Frame | None, indent: str) -> list[str]:
        """The boxes directly in a frame, and the frames inside it with theirs; in columns there are no frames."""
        boxes = [box for box in self.scene.boxes if box.frame is frame or not self.frame_number]
        lines = [f"{indent}{self.key[box]} {attributes(self.box(box))}" for box in boxes]
        for inner, number in self.frame_number.items():
            if inner.parent is frame:
                fill, line = self.theme.frames[inner.kind]
                style = {"label": frame_label(inner, self.theme), "style": "rounded,filled", "fillcolor": fill}
                style |= {"labelloc": "b" if self.backward else "t"}
                style |= {"color": line, "margin": "10", "labeljust": "l", "tooltip": plain(inner.title)}
                lines += [f"{indent}subgraph cluster_{number} {{", f"{indent}  graph {attributes(style)}"]
                lines += [*self.frame_lines(inner, indent + "  "), indent + "}"]
        return lines

    def box(self, box: Box) -> dict[str, Any]:
        fill, line = self.theme.boxes[box.kind]
        given = given_attributes(box.attributes)
        ink = given.get("fontcolor")
        label = box_label(box, replace(self.theme, text=ink, faint=ink) if ink else self.theme)
        found = {"label": label, **FORMS[box.kind], "fillcolor": fill, "color": line}
        if box.problem or box.is_bad:
            found |= {"color": self.theme.wrong, "penwidth": "2.4"}
        if box.problem or box.bad_first:
            found["fillcolor"] = self.theme.wrong_fill
        tip = [box.where, box.name, box.module, box.description, *box.problem]
        found["tooltip"] = "\\n".join(plain(line) for line in tip if line) or box.note
        return {**found, **given}

    def edge(self, edge: Edge) -> str:
        found: dict[str, Any] = {}
        if label := edge_label(edge, self.theme):
            found["label"] = label
        if edge.feedback:
            found |= {"style": "dashed", "color": self.theme.feedback, "constraint": "false"}
        if is_carried(edge):
            found |= {"color": self.theme.feedback, "constraint": "false"}
        if edge.bad or edge.head.problem:
            found |= {"color": self.theme.wrong, "penwidth": "1.8"}
        ends = (edge.head, edge.tail) if self.backward else (edge.tail, edge.head)
        found["tooltip"] = " → ".join(plain(box.name or box.module or box.note) for box in ends)
        if self.columns and self.columns.enters(edge):
            found["minlen"] = "2"
        return self.arrow(self.key[edge.tail], self.key[edge.head], found, self.columns and self.columns.is_flat(edge))

    def arrow(self, tail: str, head: str, found: dict[str, str], flat: bool | None = False) -> str:
        """An edge, in the backward graph turned round; within a layer only its arrow, which leaves the order alone."""
        if self.backward and flat:
            found = {**found, "dir": "back"} if found.get("dir") != "none" else found
        elif self.backward:
            tail, head = head, tail
        return f"  {tail} -> {head} {attributes(found)}"

    def column_lines(self) -> list[str]:
        """The columns' titles and rails, and their layers, from left to right."""
        columns = self.columns
        lines = []
        for step in columns.steps:
            label = frame_label(Frame("step", f"step {step}"), self.theme)
            lines.append(f"  title{step} {attributes({'shape': 'plaintext', 'margin': '0.05', 'label': label})}")
        for point, colour in columns.points.items():
            lines.append(f"  {point} {attributes({**POINT, **({'color': colour} if colour else UNSEEN)})}")
        for link in columns.links:
            headed = link.arrow == ("backward" if self.backward else "forward")
            found = link.attributes if headed else {**link.attributes, "dir": "none"}
            lines.append(self.arrow(link.tail, link.head, found, link.flat))
        for row in columns.rows:
            lines.append(f"  {{ rank=same; {'; '.join(itertools.chain(*row))} }}")
            for left, right in itertools.pairwise(row):
                lines += [f"  {a} -> {b} {attributes(UNSEEN)}" for a in left for b in right]
        return lines


def attributes(given: dict[str, str]) -> str:
    """An attribute list; only labels that this package made are in HTML, all else is quoted."""
    return "[" + " ".join(f"{name_of(name)}={quoted(value)}" for name, value in given.items()) + "]"


def name_of(name: Any) -> str:
    return name if isinstance(name, str) and name.isidentifier() and name.isascii() else quoted(str(name))


def quoted(value: str) -> str:
    """A string that Graphviz reads as it is, but for the escapes that it knows."""
    if isinstance(value, Label):
        return value
    text = visible(value, keep="\n\t").replace('"', '\\"')
    trailing = len(text) - len(text.rstrip("\\"))
    return f'"{text}\\"' if trailing % 2 else f'"{text}"'
