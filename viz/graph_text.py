"""Graphs as text: what the nodes are called, and a graph printed a node a line."""

from __future__ import annotations

from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.component import Component
from nodegraph.nn.module import Module
from nodegraph.nn.view import Identity
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.labels import visible


def print_graph(graph: GModule | Recurrent) -> None:
    """Print the graph in order, a node a line: its name or number, its module, and whose outputs it takes.

    Nodes that only pass a value on are left out, so that the lines name whoever made it: Identity within the graph, and
    the parts of a split, which are written as `state[0]`.

    >>> x = nn.Identity()().annotate(name="x")
    >>> h, c = nn.SplitTable(1)(nn.Linear(3, 4)(x).annotate(name="product")).annotate(name="halves").split(2)
    >>> print_graph(GModule(x, nn.CMulTable()([nn.Tanh()(h), c]).annotate(name="y")))
    x        input
    product  Linear(3, 4) <- x
    halves   SplitTable(1) <- product
    4        Tanh() <- halves[0]
    y        CMulTable() <- 4, halves[1]
    -> y

    Raises ArgumentError for what is not a GModule or a Recurrent. Source: torch/nngraph, simple_print.lua.
    """
    if not isinstance(graph, (GModule, Recurrent)):
        raise ArgumentError(f"print_graph takes a GModule or a Recurrent, got {type(graph).__name__}")
    cell = graph.cell if isinstance(graph, Recurrent) else graph
    names, texts = node_names(cell), node_texts(graph)
    width = max(len(names[node]) for node in texts)
    print("\n".join(f"{names[node]:<{width}}  {text}" for node, text in texts.items()))
    print("->", ", ".join(names[maker(node)] for node in cell.outputs))


def node_texts(graph: GModule | Recurrent) -> dict[Node, str]:
    """What each node of a graph is, in a line, such as `Tanh() <- x`; those that only pass a value on are left out."""
    cell = graph.cell if isinstance(graph, Recurrent) else graph
    names, number = node_names(cell), {node: k for k, node in enumerate(cell.inputs)}
    texts = {}
    for place, node in enumerate(cell.nodes):
        if node in number:
            texts[node] = "input" + (f" {number[node]}" if len(number) > 1 else "")
            if isinstance(graph, Recurrent):
                state = graph.wiring.state_of.get(place)
                source = None if state is None else names[maker(cell.nodes[graph.wiring.feeder[state]])]
                where = " where a step counts" if graph.masked else ""
                texts[node] += ", a sequence" if source is None else f", fed back from {source}{where}"
        elif maker(node) is node and node.part is None:
            parents = ", ".join(names[maker(parent)] for parent in node.parents)
            texts[node] = in_a_line(node.module) + (f" <- {parents}" if parents else "")
    return texts


def node_names(graph: GModule) -> dict[Node, str]:
    """What the nodes of a graph are called: by their name, the part of a split by its place, others by their number.

    A name is one line, and nothing that a terminal would obey.

    >>> x = nn.Identity()().annotate(name="x")
    >>> a, b = x.split(2)
    >>> list(node_names(GModule(x, nn.CAddTable()([a, b]))).values())
    ['x', 'x[0]', 'x[1]', '3']
    """
    names: dict[Node, str] = {}
    for place, node in enumerate(graph.nodes):
        if node.name or node.part is None:
            names[node] = visible(node.name) if node.name else str(place)
        else:
            names[node] = f"{names[maker(node.parents[0])]}[{node.part[0]}]"
    return names


def maker(node: Node) -> Node:
    """The node that made the value which this one only passes on; the node itself if it does more than that."""
    while isinstance(node.module, Identity) and len(node.parents) == 1:
        node = node.parents[0]
    return node


def in_a_line(module: Module, limit: int = 60) -> str:
    """A module in one line, whatever is inside it; what goes beyond the limit is cut off.

    >>> in_a_line(nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
    'Sequential: Linear(3, 2), Tanh()'
    """
    children = module.children()
    if isinstance(module, GModule):
        text = f"GModule of {len(module.nodes)} nodes"
    elif children:
        text = f"{own_text(module)}: {', '.join(in_a_line(child, limit) for child in children)}"
    else:
        text = own_text(module)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def own_text(module: Module) -> str:
    """A module's class and arguments in one line, without the modules inside."""
    text = Component.__repr__(module) if module.children() else repr(module)
    return " ".join(text.removesuffix("()").split() if module.children() else text.split())
