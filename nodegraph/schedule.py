"""Which nodes of a fed-back cell must run step by step, and which may run once for all steps."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx


@dataclass(frozen=True)
class Stage:
    """Nodes, by their places in forward order, that run together: step by step if they are a `loop`, else once."""

    places: tuple[int, ...]
    loop: bool


def stages(parents: list[list[int]], feedback: list[tuple[int, int]]) -> list[Stage]:
    """The stages of a cell in an order in which they can run.

    `parents` lists for each node the places of its parents, `feedback` pairs of nodes (from, to) such that the output
    of the first is the input of the second one step later. Feeding back makes cycles; each strongly connected
    component of the graph is a loop, and whatever lies before, between or after the loops depends on no later step.

    >>> stages([[], [], [0, 1], [2], [3]], feedback=[(3, 1)])
    [Stage(places=(0,), loop=False), Stage(places=(1, 2, 3), loop=True), Stage(places=(4,), loop=False)]
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(parents)))
    graph.add_edges_from((parent, place) for place, above in enumerate(parents) for parent in above)
    graph.add_edges_from(feedback)
    components = nx.condensation(graph)
    members = {c: tuple(sorted(components.nodes[c]["members"])) for c in components}
    found: list[Stage] = []
    for component in nx.lexicographical_topological_sort(components, key=lambda c: members[c][0]):
        places = members[component]
        loop = len(places) > 1 or graph.has_edge(places[0], places[0])
        if found and not loop and not found[-1].loop:
            places = found.pop().places + places
        found.append(Stage(places, loop))
    return found
