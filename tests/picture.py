"""A diagram taken apart for tests: its boxes, edges and frames, as the renderer itself reads the DOT source."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml

from nodegraph.viz.renderers import graphviz_pure, render

SVG = "{http://www.w3.org/2000/svg}"


class Picture:
    """`boxes` maps a box's first line, or the second where several have the same, to its lines and attributes."""

    def __init__(self, diagram):
        whole = json.loads(render(diagram.dot, "dot_json", graphviz_pure()))
        objects = whole.get("objects", [])
        self.boxes, self.frames, names = {}, {}, {}
        for found in objects:
            if found["name"].startswith("n"):
                found["lines"] = lines(found["label"])
                name = found["lines"][0] if found["lines"] else ""
                while name in self.boxes:
                    name += "'"
                self.boxes[name] = names[found["_gvid"]] = found
                found["title"] = name
        for found in objects:
            if found["name"].startswith("cluster"):
                inside = [names[i]["title"] for i in found.get("nodes", []) if i in names]
                self.frames[lines(found["label"])[0]] = inside
        self.edges = {}
        for edge in whole.get("edges", []):
            if edge["tail"] in names and edge["head"] in names and edge.get("style") != "invis":
                ends = names[edge["tail"]]["title"], names[edge["head"]]["title"]
                edge["lines"] = lines(edge.get("label", ""))
                self.edges.setdefault(ends, []).append(edge)
        self.notes = lines(whole.get("label", ""))

    def edge(self, tail, head):
        (found,) = self.edges[tail, head]
        return found


def lines(label):
    """The rows of an HTML-like label."""
    return ["".join(row.itertext()) for row in xml.fromstring(label).iter("TR")] if label else []


def words(svg):
    """The lines of text in an SVG; parsing it shows that it is well-formed."""
    texts = xml.fromstring(svg).iter(SVG + "text")
    return ["".join(text.itertext()).replace("\xa0", " ") for text in texts]


def tooltips(svg):
    """The tooltips in an SVG."""
    links = xml.fromstring(svg).iter(SVG + "a")
    return [a.get("{http://www.w3.org/1999/xlink}title").replace("\xa0", " ") for a in links]
