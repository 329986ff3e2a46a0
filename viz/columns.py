"""Columns: the time steps of an unrolled graph side by side, from left to right.

Graphviz orders boxes within a layer freely, but keeps to edges between boxes of the same layer. So all copies of a
node are put into one layer, invisible edges lead from each step to the next, and between two steps runs a rail of
points, which keeps their columns apart. A state that goes up again to the top of the next step takes such a rail.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from nodegraph.viz.scene import Box, Edge, Scene


@dataclass
class Link:
    """An edge of the layout: along a rail, between a box and a rail, or unseen.

    `flat` ones run within a layer, from left to right; `arrow` says in which direction of the graph there is a head.
    """

    tail: str
    head: str
    attributes: dict[str, str] = field(default_factory=dict)
    flat: bool = False
    arrow: str = ""


UNSEEN = {"style": "invis"}


class Columns:
    """The layers of an unrolled graph, and what holds them in place.

    `points` are the points of the rails, with the colour of those that show, `links` what is drawn or hidden between
    them and the boxes, `routed` the scene's edges that links stand for, `rows` each layer's members from left to
    right, those without order together.
    """

    def __init__(self, scene: Scene, key: dict[Box, str], line: str, lane: str) -> None:
        self.scene, self.key, self.lane = scene, key, lane
        self.separator = {"style": "dotted", "color": line}
        self.points: dict[str, str | None] = {}
        self.links: list[Link] = []
        self.routed: set[Edge] = set()
        self.layer = layers(scene)
        self.steps = sorted({box.step for box in scene.boxes} - {None})
        self.column_of = {step: column for column, step in enumerate(self.steps)}
        self.bottom = max(self.layer.values())
        self.members: list[dict[float, list[str]]] = [{} for _ in range(self.bottom + 1)]
        self._place_boxes()
        taken = self._put_lanes()
        for column in range(len(self.steps) + 1):
            separator = {"weight": "100", **self.separator}
            self._rail(f"rail{column}", column - 0.5, 0, self.bottom, separator, taken.get(column))
        self._put_ends()

    @property
    def rows(self) -> list[list[list[str]]]:
        return [[members[column] for column in sorted(members)] for members in self.members]

    def _column(self, box: Box) -> float:
        if box.step is not None:
            return self.column_of[box.step]
        return -1 if box.kind == "input" else len(self.steps)

    def _place_boxes(self) -> None:
        """The boxes in their columns; one that alone of its layer takes a state goes first, where the state arrives."""
        for step, column in self.column_of.items():
            self.members[0][column] = [f"title{step}"]
        takes_state: dict[tuple[int, float], set[Box]] = {}
        for edge in self.scene.edges:
            if edge.head.step is not None and edge.tail in self.layer and edge.tail.step != edge.head.step:
                takes_state.setdefault((self.layer[edge.head], self._column(edge.head)), set()).add(edge.head)
        for box, layer in self.layer.items():
            column = self._column(box)
            alone = takes_state.get((layer, column)) == {box}
            self.members[layer].setdefault(column - 0.2 if alone else column, []).append(self.key[box])

    def _put_lanes(self) -> dict[int, dict[int, dict[str, str]]]:
        """Route what goes to a higher layer of the next step: out to a rail, up, and in.

        Returns, for the rail before each step, which of its points begin a piece that a lane runs on.
        """
        lanes: dict[Box, list[Edge]] = {}
        for edge in self.scene.edges:
            if is_carried(edge) and self.layer[edge.head] < self.layer[edge.tail] - 1:
                lanes.setdefault(edge.tail, []).append(edge)
                self.routed.add(edge)
        taken: dict[int, dict[int, dict[str, str]]] = {}
        for number, (tail, edges) in enumerate(lanes.items()):
            top, bottom = min(self.layer[edge.head] for edge in edges), self.layer[tail]
            colour, rail, pieces = {"color": self.lane}, self.column_of[tail.step] + 1, range(top, bottom)
            if any(layer in taken.setdefault(rail, {}) for layer in range(top - 1, bottom + 1)):
                name = f"lane{number}"
                self._rail(name, rail - 0.4 + 0.1 * number / len(lanes), top, bottom, {"weight": "50", **colour})
            else:
                name = f"rail{rail}"
                taken[rail].update(dict.fromkeys(pieces, colour))
            leaving = {**colour, "headclip": "false"}
            self.links.append(Link(self.key[tail], f"{name}_{bottom}", leaving, flat=True, arrow="backward"))
            self.points.update({f"{name}_{layer}": self.lane for layer in range(top, bottom + 1)})
            for edge in edges:
                start = f"{name}_{self.layer[edge.head]}"
                entering = {**colour, "tailclip": "false"}
                self.links.append(Link(start, self.key[edge.head], entering, flat=True, arrow="forward"))
        return taken

    def _rail(
        self,
        name: str,
        column: float,
        top: int,
        bottom: int,
        attributes: dict[str, str],
        lanes: dict[int, dict[str, str]] | None = None,
    ) -> None:
        """A straight line of points down the layers, joined by links; `lanes` says which pieces look otherwise."""
        names = [f"{name}_{layer}" for layer in range(top, bottom + 1)]
        self.points = {**dict.fromkeys(names), **self.points}
        for layer, point in enumerate(names, top):
            self.members[layer].setdefault(column, []).append(point)
        for layer, (above, below) in enumerate(itertools.pairwise(names), top):
            own = {"weight": "100", **lanes[layer]} if lanes and layer in lanes else attributes
            self.links.append(Link(above, below, {**own, "headclip": "false", "tailclip": "false"}))

    def _put_ends(self) -> None:
        """Unseen rails beside the first and the last states; Graphviz forgets the order of boxes without links."""
        for name, column in (("left", -1), ("right", len(self.steps))):
            self._rail(name, column - 0.1, 0, self.bottom, {**UNSEEN, "weight": "20"})
            for layer, members in enumerate(self.members):
                for member in members.get(column, []):
                    if layer < self.bottom:
                        self.links.append(Link(member, f"{name}_{layer + 1}", UNSEEN))
                    self.links.append(Link(f"{name}_{layer - 1}", member, UNSEEN))

    def is_flat(self, edge: Edge) -> bool:
        """Whether an edge runs within a layer."""
        return edge.tail in self.layer and self.layer[edge.tail] == self.layer.get(edge.head)

    def enters(self, edge: Edge) -> bool:
        """Whether an edge leads into a column from above, past the layer of the titles."""
        return edge.tail not in self.layer and edge.head in self.layer


def is_carried(edge: Edge) -> bool:
    """Whether an edge leads from one time step into another."""
    return edge.tail.step is not None and edge.head.step not in (None, edge.tail.step)


def layers(scene: Scene) -> dict[Box, int]:
    """A layer from 1 on for each box in a time step, below those of its step that it depends on.

    What nothing depends on but a lower layer is right above it, as far as only such boxes lead there.
    The first states are in the layers of what takes them, the last ones in those of what gives them.
    """
    found: dict[Box, int] = {}
    above: dict[Box, list[Box]] = {}
    below: dict[Box, list[Box]] = {}
    for edge in scene.edges:
        if edge.tail.step is not None and edge.tail.step == edge.head.step:
            above.setdefault(edge.head, []).append(edge.tail)
            below.setdefault(edge.tail, []).append(edge.head)
    in_steps = [box for box in scene.boxes if box.step is not None]
    for box in in_steps:
        found[box] = max((found[other] + 1 for other in above.get(box, [])), default=1)
    loose: set[Box] = set()
    for box in in_steps:
        if len(below.get(box, [])) == 1 and loose.issuperset(above.get(box, [])):
            loose.add(box)
    for box in reversed(in_steps):
        if box in loose:
            found[box] = found[below[box][0]] - 1
    for edge in scene.edges:
        if edge.tail.step is None and edge.tail.kind == "input" and edge.head.step is not None:
            found[edge.tail] = min(found.get(edge.tail, found[edge.head]), found[edge.head])
        if edge.head.step is None and edge.head.kind == "output" and edge.tail.step is not None:
            found[edge.head] = found[edge.tail]
    return found
