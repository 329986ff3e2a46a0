"""A scene: what a picture shows, as boxes, edges and frames around them, before any colour or layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from nodegraph.node import Node


@dataclass(eq=False)
class Frame:
    """A labelled frame around boxes: a module unfolded, a loop, a stage, a time step. Frames lie in frames."""

    kind: str
    title: str
    subtitle: str = ""
    parent: Frame | None = None

    def path(self) -> list[Frame]:
        """This frame and those around it, the outermost first."""
        return [*(self.parent.path() if self.parent else []), self]


@dataclass(eq=False)
class Box:
    """One node of the picture.

    `kind` says what it is and thereby its form: input, output, view, pointwise, general, parametrised, folded, group.
    """

    kind: str
    name: str | None = None
    module: str = ""
    equation: list[str] = field(default_factory=list)
    description: str = ""
    shape: Any = None
    parameters: dict[tuple[Any, ...], np.ndarray] = field(default_factory=dict)
    note: str = ""
    values: list[tuple[str, bool]] = field(default_factory=list)
    problem: list[str] = field(default_factory=list)
    tag: str = ""
    counted_before: set[tuple[Any, ...]] = field(default_factory=set)
    bad_first: bool = False
    where: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    frame: Frame | None = None
    step: int | None = None
    node: Node | None = None

    @property
    def is_bad(self) -> bool:
        """Whether its values tell of something bad."""
        return any(bad for _, bad in self.values)

    @property
    def size(self) -> int:
        """The number of parameters, without those that a box before this one has."""
        return sum(array.size for key, array in self.parameters.items() if key not in self.counted_before)


@dataclass(eq=False)
class Edge:
    """A value on its way from one box to another; `position` names its place among several inputs."""

    tail: Box
    head: Box
    part: str = ""
    shape: Any = None
    position: str = ""
    feedback: bool = False
    bad: bool = False


@dataclass
class Scene:
    """All that a picture shows; `notes` stand below it, `sideways` has values go from left to right."""

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sideways: bool = False

    def length(self) -> int:
        """Over how many layers the edges go, all together: what the layout takes its time for."""
        layer = dict.fromkeys(self.boxes, 0)
        edges = [edge for edge in self.edges if not edge.feedback]
        for edge in edges:
            layer[edge.head] = max(layer[edge.head], layer[edge.tail] + 1)
        return sum(abs(layer[edge.head] - layer[edge.tail]) for edge in edges)

    def frames(self) -> Iterator[Frame]:
        """The frames that hold boxes, each once, outer ones first."""
        seen: dict[Frame, None] = {}
        for box in self.boxes:
            for frame in box.frame.path() if box.frame else []:
                seen.setdefault(frame)
        yield from seen

    def mark_first_bad(self, backward: bool) -> None:
        """Mark the boxes with bad values that take none: there it began."""
        ends = [(edge.head, edge.tail) if backward else (edge.tail, edge.head) for edge in self.edges]
        carried = {head for tail, head in ends if tail.is_bad}
        for box in self.boxes:
            box.bad_first = box.is_bad and box not in carried

    def tag_shared_weights(self) -> None:
        """Give boxes that hold the same parameters the same letter, and count each parameter where it comes first."""
        held = nx.Graph()
        held.add_edges_from((box, key) for box in self.boxes for key in box.parameters)
        number = 0
        counted: set[tuple[Any, ...]] = set()
        for box in self.boxes:
            box.counted_before = counted & box.parameters.keys()
            counted |= box.parameters.keys()
            if box.tag or not box.parameters:
                continue
            family = [other for other in nx.node_connected_component(held, box) if isinstance(other, Box)]
            for other in family if len(family) > 1 else []:
                other.tag = letters(number)
            number += len(family) > 1


def letters(number: int) -> str:
    """A, B, ..., Z, AA, AB and so on.

    >>> letters(0), letters(27)
    ('A', 'AB')
    """
    return (letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)
