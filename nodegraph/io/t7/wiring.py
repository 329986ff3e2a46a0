"""A GModule as nngraph's gModule: the nodes, edges and orders that nngraph makes of the same wiring, field by field.

Source: torch/nngraph, gmodule.lua, node.lua; torch/graph, init.lua, Node.lua.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nodegraph.io.t7.values import Record, Table
from nodegraph.nn.tables import JustElement, Part
from nodegraph.nn.view import Identity

if TYPE_CHECKING:
    from nodegraph.gmodule import GModule
    from nodegraph.io.t7.exporting import Exporter
    from nodegraph.node import Node

NOWHERE = "[[C]]:-1_"


def give_graph(gmodule: GModule, exporter: Exporter) -> dict[str, Any]:
    """The fields of the gModule."""
    graph = Nodes(exporter)
    for node in gmodule.nodes:
        graph.add(node)
    outnode, innode = new_node({}), new_node({})
    for node in gmodule.outputs:
        connect(outnode, graph.taken_once(graph.made[node], outnode))
    inputs = [graph.made[node] for node in gmodule.inputs]
    for node, source in zip(inputs, [innode] if len(inputs) == 1 else split(innode, len(inputs))):
        connect(node, source)

    backward = Graph.below(outnode)
    forward = backward.reverse()
    forward_nodes = forward.topological_order()
    for node in forward_nodes:
        data(node).set("forwardNodeId", node.fields["id"])
    modules = [data(node).get("module") for node in forward_nodes]
    return {
        "fg": forward.record(),
        "bg": backward.record(),
        "innode": next(node for node in forward_nodes if data(node) is data(innode)),
        "outnode": outnode,
        "forwardnodes": Table(forward_nodes),
        "backwardnodes": Table(backward.topological_order()),
        "modules": Table([module for module in modules if module is not None]),
        "nInputs": len(inputs),
        "verbose": False,
        "output": exporter.empty() if len(gmodule.outputs) == 1 else Table(),
        "gradInput": exporter.empty() if len(inputs) == 1 else Table(),
    }


class Nodes:
    """nngraph's nodes for those of a GModule."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter
        self.made: dict[Node, Record] = {}
        self.splits: dict[Node, list[dict[int, Record]]] = {}

    def add(self, node: Node) -> None:
        """Make a node's counterpart; its parents must have theirs."""
        if isinstance(node.module, Part) and node.module.n > 1:
            self.made[node] = self._part(node.parents[0], node.module)
        else:
            module = JustElement() if isinstance(node.module, Part) else node.module
            made = self.made[node] = new_node({"module": self.exporter.in_place(module)})
            for parent in node.parents:
                connect(made, self.taken_once(self.made[parent], made))
        data(self.made[node]).set("annotations", annotations(node))

    def _part(self, parent: Node, part: Part) -> Record:
        """One part of a split; the parts that were made together come from one node."""
        splits = self.splits.setdefault(parent, [])
        free = next((parts for parts in splits if part.index in parts), None)
        if free is None:
            free = dict(enumerate(split(self.made[parent], part.n)))
            splits.append(free)
        return free.pop(part.index)

    def taken_once(self, source: Record, taker: Record) -> Record:
        """The source; or an Identity behind it where the taker has it already, which nngraph could not tell apart."""
        if data(taker).get("mapindex").get(data(source)) is None:
            return source
        again = new_node({"module": self.exporter.record(Identity())})
        connect(again, source)
        return again


def annotations(node: Node) -> Table:
    """A node's annotations, and in nngraph's form the place where it was made."""
    file, line = node.where
    notes = Table(hash={**node.annotations, "_debugLabel": f"[{file}]:{line}_"})
    if "graph_attributes" in notes.hash:
        notes.hash["graphAttributes"] = notes.hash.pop("graph_attributes")
    return notes


def new_node(content: dict[str, Any]) -> Record:
    """A node of nngraph's with the data given, wired to nothing."""
    notes = Table(hash={"_debugLabel": NOWHERE})
    return bare_node(Table(hash={**content, "annotations": notes, "mapindex": Table(), "reverseMap": Table()}))


def bare_node(content: Table) -> Record:
    fields = {"data": content, "id": 0, "children": Table(), "visited": False, "marked": False}
    return Record("nngraph.Node", Table(hash=fields))


def data(node: Record) -> Table:
    """What the nodes that stand for the same thing share."""
    return node.fields["data"]


def connect(node: Record, source: Record) -> None:
    """Let a node take the next of its inputs from a source; nngraph's `Node:add(child, true)`."""
    add_child(node, source)
    mapindex = data(node).get("mapindex")
    mapindex.array.append(data(source))
    mapindex.set(data(source), len(mapindex.array))
    data(source).get("reverseMap").set(node, True)


def add_child(node: Record, child: Record) -> None:
    add_once(node.fields["children"], child)


def add_once(listed: Table, value: Any) -> int:
    """Put a value into a list that also holds the place of each value; returns the place."""
    place = listed.get(value)
    if place is None:
        listed.array.append(value)
        place = len(listed.array)
        listed.set(value, place)
    return place


def split(node: Record, count: int) -> list[Record]:
    """nngraph's `Node:split`: one node that splits, and one for each part."""
    whole = new_node({"nSplitOutputs": count})
    connect(whole, node)
    parts = [new_node({"selectindex": i}) for i in range(1, count + 1)]
    for part in parts:
        connect(part, whole)
    return parts


class Graph:
    """torch/graph's Graph: nodes and edges in the order in which they were added, each node numbered by its place."""

    def __init__(self) -> None:
        self.nodes, self.edges = Table(), Table()

    @classmethod
    def below(cls, root: Record) -> Graph:
        """The graph of all nodes that can be reached from one, breadth first."""
        graph, pending, seen = cls(), [root], {id(root)}
        for node in pending:  # grows on the way
            for child in node.fields["children"].array:
                graph.add(node, child)
                if id(child) not in seen:
                    seen.add(id(child))
                    pending.append(child)
        return graph

    def add(self, source: Record, target: Record) -> None:
        edge = Record("graph.Edge", Table(hash={"from": source, "to": target}))
        self.edges.array.append(edge)
        self.edges.set(edge, len(self.edges.array))
        for node in (source, target):
            node.fields["id"] = add_once(self.nodes, node)
        add_child(source, target)

    def pairs(self) -> list[tuple[Record, Record]]:
        """The two ends of each edge."""
        return [(edge.fields["from"], edge.fields["to"]) for edge in self.edges.array]

    def reverse(self) -> Graph:
        """The graph with its edges turned round, made of new nodes with the same data."""
        graph, twins = Graph(), {}
        for ends in self.pairs():
            source, target = (twins.setdefault(id(node), bare_node(data(node))) for node in ends)
            graph.add(target, source)
        return graph

    def topological_order(self) -> list[Record]:
        """The nodes, sources first: depth first over the edges turned round, each node after all that it goes to."""
        behind: dict[int, list[Record]] = {}
        for source, target in self.pairs():
            behind.setdefault(id(target), []).append(source)
        has_successor = {id(source) for source, _ in self.pairs()}
        # torch/graph starts at the roots of the reversed graph, in the order of that graph's nodes.
        listed = list(dict.fromkeys(node for source, target in self.pairs() for node in (target, source)))
        order, seen = [], set()
        for root in (node for node in listed if id(node) not in has_successor):
            stack = [(root, iter(behind.get(id(root), [])))]
            seen.add(id(root))
            while stack:
                node, sources = stack[-1]
                following = next((source for source in sources if id(source) not in seen), None)
                if following is None:
                    order.append(stack.pop()[0])
                else:
                    seen.add(id(following))
                    stack.append((following, iter(behind.get(id(following), []))))
        return order

    def record(self) -> Record:
        return Record("graph.Graph", Table(hash={"nodes": self.nodes, "edges": self.edges}))
