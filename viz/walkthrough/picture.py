"""The picture on a page: the scene as SVG of which a script can find every box and edge, in the page's colours."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as xml
from dataclasses import fields
from typing import Any

import networkx as nx

from nodegraph.viz.dot import DotWriter
from nodegraph.viz.renderers import render
from nodegraph.viz.scene import Box, Scene
from nodegraph.viz.svg import finished
from nodegraph.viz.themes import THEMES

SVG = "{http://www.w3.org/2000/svg}"
GROUP = re.compile(r'<g id="((?:node|edge)\d+)" class="(?:node|edge)">\s*<title>([^<]*)</title>')

KEPT = {
    "g": {"id", "class", "transform"},
    "path": {"d"},
    "polygon": {"points"},
    "polyline": {"points"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "text": {"x", "y", "text-anchor", "font-size", "font-weight", "font-style"},
}
"""The elements of an SVG that a picture is made of, and what of them is kept besides colours and lines."""

LINES = {"stroke-width", "stroke-dasharray", "fill-opacity", "stroke-opacity"}


class Picture:
    """A scene drawn; `box_ids` and `edge_ids` tell the ids in the SVG of each box, and of each edge's pieces.

    Colours of our themes are written as CSS variables, which `colours` lists for light and for dark.
    """

    def __init__(self, scene: Scene) -> None:
        writer = DotWriter(scene, "light", backward=False)
        raw = render(writer.source(), "svg").decode()
        ids: dict[str, list[str]] = {}
        for found, title in GROUP.findall(raw):
            ids.setdefault(html.unescape(title), []).append(found)
        self.box_ids: dict[Box, str] = {box: ids[key][0] for box, key in writer.key.items()}
        self.edge_ids = {edge: found for edge, found in zip(scene.edges, _edge_ids(scene, writer, ids))}
        self.names = _colour_names()
        self.svg = self._cleaned(finished(raw))

    @property
    def colours(self) -> str:
        """The variables' declarations, each with its colour in light and in dark."""
        return "".join(f"{name}:light-dark({light},{dark});" for light, (name, dark) in self.names.items())

    def _cleaned(self, svg: str) -> str:
        """Only what a picture is made of: no links, no scripts, whatever attributes a node was given."""
        root = xml.fromstring(svg)
        box = root.get("viewBox", "0 0 1 1")
        width, height = box.split()[2:]
        found = xml.Element("svg", {"viewBox": box, "data-width": width, "data-height": height, "id": "picture"})
        found.set("font-family", root.get("font-family", "sans-serif"))
        self._copy(root, found, depth=0)
        return xml.tostring(found, encoding="unicode")

    def _copy(self, source: xml.Element, into: xml.Element, depth: int) -> None:
        for child in source:
            tag = child.tag.removeprefix(SVG)
            if tag == "a":
                self._copy(child, into, depth)
            elif tag in KEPT and not (tag == "polygon" and depth == 1 and "points" in child.attrib and not len(into)):
                kept = {name: value for name, value in child.attrib.items() if name in KEPT[tag] | LINES}
                style = self._colours_of(child)
                copy = xml.SubElement(into, tag, {**kept, **({"style": style} if style else {})})
                copy.text, copy.tail = (child.text, "\n") if tag == "text" else (None, None)
                self._copy(child, copy, depth + 1)

    def _colours_of(self, element: xml.Element) -> str:
        parts = []
        for name in ("fill", "stroke"):
            colour = element.get(name, "").lower()
            if colour in self.names:
                parts.append(f"{name}:var({self.names[colour][0]})")
            elif re.fullmatch(r"#[0-9a-f]{3,8}|[a-z]+", colour):
                parts.append(f"{name}:{colour}")
        return ";".join(parts)


def _edge_ids(scene: Scene, writer: DotWriter, ids: dict[str, list[str]]) -> list[list[str]]:
    """The SVG's ids for each edge; one that runs along the rails of a picture in columns has several pieces."""
    taken: dict[str, int] = {}
    found = []
    columns = writer.columns
    pieces = [link for link in columns.links if link.attributes.get("color") == columns.lane] if columns else []
    lanes = nx.Graph()
    lanes.add_edges_from((link.tail, link.head) for link in pieces)
    for edge in scene.edges:
        ends = writer.key[edge.tail], writer.key[edge.head]
        if columns and edge in columns.routed:
            path = nx.shortest_path(lanes, *ends)
            titles = [title for a, b in zip(path, path[1:]) for title in (f"{a}->{b}", f"{b}->{a}")]
            found.append([piece for title in titles for piece in ids.get(title, [])])
            continue
        title = "->".join(ends)
        number = taken[title] = taken.get(title, -1) + 1
        found.append(ids.get(title, [])[number : number + 1])
    return found


def _colour_names() -> dict[str, tuple[str, str]]:
    """A light colour -> the name of its CSS variable, and the colour for dark."""
    found: dict[str, tuple[str, str]] = {}
    light, dark = THEMES["light"], THEMES["dark"]
    for field in fields(light):
        _pair(field.name, getattr(light, field.name), getattr(dark, field.name), found)
    return found


def _pair(name: str, light: Any, dark: Any, found: dict[str, tuple[str, str]]) -> None:
    if isinstance(light, dict):
        for key in light:
            _pair(f"{name}-{key}", light[key], dark[key], found)
    elif isinstance(light, tuple):
        for kind, *pair in zip(("fill", "line"), light, dark):
            _pair(f"{name}-{kind}", *pair, found)
    else:
        found.setdefault(light.lower(), (f"--{name.replace('_', '-')}", dark))
