"""The graph of nodes as networkx sees it, and the checks on its wiring."""

from __future__ import annotations

import networkx as nx

from nodegraph.errors import WiringError
from nodegraph.node import Node


def forward_order(inputs: tuple[Node, ...], outputs: tuple[Node, ...]) -> list[Node]:
    """The nodes that the outputs depend on, each after its parents, in Torch's order: depth first from the outputs.

    Raises WiringError for a cycle, an unused input, an input that has parents, a node that hangs loose.
    """
    nodes = _depth_first(outputs)
    _check_inputs(inputs, set(nodes))
    _check_loose_ends(nodes)
    return nodes


def forward_graph(nodes: list[Node]) -> nx.DiGraph:
    """The graph along which values flow: an edge from each node to those that take its output.

    The attribute `positions` of an edge lists the places that the value takes among the inputs.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    for node in nodes:
        for position, parent in enumerate(node.parents):
            if not graph.has_edge(parent, node):
                graph.add_edge(parent, node, positions=[])
            graph.edges[parent, node]["positions"].append(position)
    return graph


def _depth_first(outputs: tuple[Node, ...]) -> list[Node]:
    above = nx.DiGraph()
    pending = list(outputs)
    while pending:
        node = pending.pop()
        if node not in above or not above.nodes[node]:
            above.add_node(node, visited=True)
            above.add_edges_from((node, parent) for parent in node.parents)
            pending.extend(node.parents)
    if not nx.is_directed_acyclic_graph(above):
        cycle = [node.describe() for node, _ in nx.find_cycle(above)]
        raise WiringError("the graph has a cycle: " + " takes the output of ".join([*cycle, cycle[0]]))
    sink = object()
    above.add_edges_from((sink, node) for node in outputs)
    return list(nx.dfs_postorder_nodes(above, sink))[:-1]


def _check_inputs(inputs: tuple[Node, ...], used: set[Node]) -> None:
    for position, node in enumerate(inputs):
        if node in inputs[:position]:
            raise WiringError(f"{node.describe()} is given twice among the graph's inputs")
        if node.parents:
            parent = node.parents[0].short()
            raise WiringError(f"{node.describe()} is given as an input of the graph, but takes the output of {parent}")
        if node not in used:
            raise WiringError(f"the input {node.describe()} is not used: no output of the graph depends on it")
    for node in used:
        if not node.parents and node not in inputs and not node.module.source:
            raise WiringError(f"{node.describe()} has no parents, and it is missing among the graph's inputs")


def _check_loose_ends(nodes: list[Node]) -> None:
    used = set(nodes)
    for node in nodes:
        for child in node.children:
            if child in used:
                continue
            if child.part:
                raise WiringError(f"{child.describe()} is not used: no output of the graph depends on it")
            raise WiringError(
                f"{child.describe()} hangs loose: it takes the output of {node.short()}, "
                "but no output of the graph depends on it"
            )
