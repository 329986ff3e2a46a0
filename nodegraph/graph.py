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
    used = set(nodes)
    _check_inputs(inputs, nodes, used)
    _check_loose_ends(nodes, used)
    return nodes


def forward_graph(nodes: list[Node]) -> nx.DiGraph:
    """The graph along which values flow: an edge from each node to those that take its output.

    The attribute `positions` of an edge lists the places that the value takes among the inputs.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    for node in nodes:
        positions: dict[Node, list[int]] = {}
        for position, parent in enumerate(node.parents):
            positions.setdefault(parent, []).append(position)
        graph.add_edges_from((parent, node, {"positions": places}) for parent, places in positions.items())
    return graph


def _depth_first(outputs: tuple[Node, ...]) -> list[Node]:
    """The nodes above the outputs, each after its parents. No recursion, for a graph may be deeper than Python's stack.

    `path` leads from an output up to the node that is being visited; a parent that lies on it closes a cycle.
    """
    done: dict[Node, None] = {}
    path: dict[Node, None] = {}
    pending = list(reversed(outputs))
    while pending:
        node = pending[-1]
        if node in done:
            pending.pop()
        elif node in path:
            del path[pending.pop()]
            done[node] = None
        else:
            path[node] = None
            for parent in reversed(node.parents):
                if parent in path:
                    raise _cycle([*path][[*path].index(parent) :])
                pending.append(parent)
    return list(done)


def _cycle(nodes: list[Node], most: int = 8) -> WiringError:
    """The error for nodes each of which takes the output of the next, and the last that of the first."""
    if len(nodes) <= most:
        names = [node.describe() for node in nodes]
    else:
        first, last = nodes[: most // 2], nodes[-most // 2 :]
        left_out = f"{len(nodes) - most} more nodes, the last of which"
        names = [*(node.describe() for node in first), left_out, *(node.describe() for node in last)]
    return WiringError("the graph has a cycle: " + " takes the output of ".join([*names, names[0]]))


def _check_inputs(inputs: tuple[Node, ...], nodes: list[Node], used: set[Node]) -> None:
    given: set[Node] = set()
    for node in inputs:
        if node in given:
            raise WiringError(f"{node.describe()} is given twice among the graph's inputs")
        given.add(node)
        if node.parents:
            parent = node.parents[0].short()
            raise WiringError(f"{node.describe()} is given as an input of the graph, but takes the output of {parent}")
        if node not in used:
            raise WiringError(f"the input {node.describe()} is not used: no output of the graph depends on it")
    for node in nodes:
        if not node.parents and node not in given and not node.module.source:
            raise WiringError(f"{node.describe()} has no parents, and it is missing among the graph's inputs")


def _check_loose_ends(nodes: list[Node], used: set[Node]) -> None:
    for node in nodes:
        for child in node.children:
            if child in used:
                continue
            if child.part:
                raise WiringError(
                    f"{child.describe()} is not used: no output of the graph depends on it; "
                    "nn.SelectTable takes a single value of a table"
                )
            raise WiringError(
                f"{child.describe()} hangs loose: it takes the output of {node.short()}, "
                "but no output of the graph depends on it"
            )
