"""nngraph's gModule, read into a GModule: its nodes wired again as the file's nodes tell.

The wiring is in each node's `data`, which the nodes of the forward and the backward graph share: `mapindex` lists the
data of the nodes that it takes its inputs from. A split is two kinds of nodes, one with `nSplitOutputs` and behind it
one with a `selectindex` for each part; the graph's inputs are the parts of a split of the one node `innode`.

Source: torch/nngraph, gmodule.lua, node.lua.
"""

from __future__ import annotations

import re
from typing import Any

from nodegraph.errors import WiringError
from nodegraph.gmodule import GModule
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.translation import register
from nodegraph.io.t7.values import Record, Table, plain
from nodegraph.io.t7.wiring import give_graph
from nodegraph.nn.view import Identity
from nodegraph.node import Node

DEBUG_LABEL = re.compile(r"\[(.*?)\]:(-?\d{1,9})_", re.DOTALL)
ANNOTATIONS = {"graphAttributes": "graph_attributes"}
KINDS: dict[str, type] = {"name": str, "description": str, "graph_attributes": dict}
"""What the annotations that messages and pictures use must be."""


def read_graph(fields: Fields) -> GModule:
    """The GModule for the fields of a gModule; WiringError where its nodes do not fit together."""
    order = fields.get("forwardnodes")
    if not isinstance(order, Table):
        raise WiringError("it has no list of nodes in forward order")
    graph = Wiring(fields, _data(fields.get("innode")), _data(fields.get("outnode")), len(order.array))
    for node in order.array:
        graph.add(_data(node))
    inputs = [graph.inputs[place] for place in sorted(graph.inputs)]
    if list(graph.inputs) and sorted(graph.inputs) != list(range(1, len(inputs) + 1)):
        raise WiringError(f"of its inputs only those at {sorted(graph.inputs)} are there")
    return GModule(inputs, graph.outputs)


class Wiring:
    """The nodes wired so far, by the tables that stand for them in the file."""

    def __init__(self, fields: Fields, innode: Table, outnode: Table, count: int) -> None:
        self.fields, self.innode, self.outnode, self.count = fields, innode, outnode, count
        self.nodes: dict[int, Node] = {}
        self.splits: dict[int, list[Node]] = {}
        self.places: dict[int, int] = {id(innode): 1}  # what stands for an input of the graph -> the input's place
        self.inputs: dict[int, Node] = {}
        self.outputs: list[Node] = []

    def add(self, data: Table) -> None:
        """Wire the node that `data` describes; those that it takes its inputs from must have been added."""
        sources = data.get("mapindex", Table()).array
        parts, part = data.get("nSplitOutputs"), data.get("selectindex")
        if data is self.innode:
            return
        if data is self.outnode:
            self.outputs = [self._node(source) for source in sources]
        elif part is not None:
            self._select(data, sources, part)
        elif parts is not None and data.get("module") is None:
            self._split(data, sources, parts)
        else:
            self._wire(data, sources)
            if parts is not None:  # an old way to split: the parts hang on the node itself
                self.splits[id(data)] = self._parts(self.nodes[id(data)], parts)

    def _wire(self, data: Table, sources: list[Table]) -> None:
        module = Identity() if data.get("module") is None else self.fields.importer.component(data.get("module"))
        places = [self.places[id(source)] for source in sources if id(source) in self.places]
        if places:
            if len(sources) > 1 or places[0] in self.inputs:
                raise WiringError("an input of the graph is used beside others, or twice")
            node = self.inputs[places[0]] = module()
        else:
            node = module([self._node(source) for source in sources]) if sources else module()
        self.nodes[id(data)] = _annotated(node, data)

    def _split(self, data: Table, sources: list[Table], parts: int) -> None:
        (source,) = sources
        if source is self.innode:
            self.splits[id(data)] = []
        else:
            self.splits[id(data)] = self._parts(self._node(source), parts)

    def _parts(self, node: Node, count: int) -> list[Node]:
        if not isinstance(count, int) or not 1 <= count <= self.count:
            raise WiringError(f"a node is split into {count} parts, in a graph of {self.count} nodes")
        parts = node.split(count)
        return parts if isinstance(parts, list) else [parts]

    def _select(self, data: Table, sources: list[Table], part: int) -> None:
        (source,) = sources
        parts = self.splits.get(id(source))
        if parts is None or not isinstance(part, int) or part < 1 or (parts and part > len(parts)):
            raise WiringError(f"there is no part {part} of what is no such split")
        if parts:
            self.nodes[id(data)] = _annotated(parts[part - 1], data)
        else:
            self.places[id(data)] = part

    def _node(self, data: Table) -> Node:
        if id(data) not in self.nodes:
            raise WiringError("a node takes its input from one that does not come before it")
        return self.nodes[id(data)]


def _data(node: Any) -> Table:
    """What a node of the file holds."""
    data = node.fields.get("data") if isinstance(node, Record) else None
    if not isinstance(data, Table):
        raise WiringError("one of its nodes is none")
    return data


def _annotated(node: Node, data: Table) -> Node:
    """The node with the file's annotations, and with the place in a Lua file where it was made."""
    notes = data.get("annotations", Table())
    for name, note in notes.items():
        if name == "_debugLabel":
            if isinstance(note, str) and (match := DEBUG_LABEL.match(note)):
                node.where = match[1], int(match[2])
        elif isinstance(name, str):
            key = ANNOTATIONS.get(name, name)
            value = _as_kind(KINDS.get(key, object), plain(note))
            if value is not None:
                node.annotations[key] = value
    return node


def _as_kind(kind: type, note: Any) -> Any:
    """An annotation as what it must be here, None where it is not; in Lua a number serves as a text."""
    if kind is str and isinstance(note, (int, float)) and not isinstance(note, bool):
        return f"{note:.14g}"
    if kind is dict and note == []:
        return {}
    return note if isinstance(note, kind) else None


register("nn.gModule", read_graph, GModule, give_graph)
