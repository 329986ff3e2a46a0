"""unroll: a cell over time as one big graph."""

from __future__ import annotations

from numbers import Integral

from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.tables import JustTable, SelectTable, SplitTable, StackTable
from nodegraph.nn.view import Identity
from nodegraph.node import Node
from nodegraph.recurrent_wiring import Wiring, one_or_all


def unroll(
    cell: GModule, steps: int, feedback: list[tuple[int, int]] | None = None, sequences: list[int] | None = None
) -> GModule:
    """The cell at each of `steps` time steps, as an ordinary GModule that takes and gives what `Recurrent` does.

    Every step has nodes of its own, made of the cell's own modules, so that the weights are shared by being the same.

    >>> from nodegraph import nn
    >>> x, h = nn.Identity()(), nn.Identity()()
    >>> cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))
    >>> ys, h_end = unroll(cell, 5).forward([np.zeros((5, 4, 3)), np.zeros((4, 2))])
    >>> ys.shape, h_end.shape
    ((5, 4, 2), (4, 2))
    """
    if not isinstance(steps, Integral) or steps < 1:
        raise ArgumentError(f"the number of steps must be a positive whole number, got {steps!r}")
    wiring = Wiring(cell, feedback, sequences)
    inputs = [Identity()().annotate(name=node.name) for node in cell.inputs]
    xs, states = wiring.parts(one_or_all(inputs))
    slices = [_as_list(SplitTable(0)(x).split(steps)) for x in xs]
    collected: list[list[Node]] = [[] for _ in wiring.sequences]
    unused: list[Node] = []
    for t in range(steps):
        outputs = _copy_nodes(cell, wiring.cell_input([parts[t] for parts in slices], states), t)
        states = [outputs[i] for i in wiring.fed_from]
        for nodes, i in zip(collected, wiring.sequences):
            nodes.append(outputs[i])
        unused += [node for i, node in enumerate(outputs) if i not in wiring.fed_from + wiring.sequences]
    ends = [StackTable(0)(nodes if steps > 1 else JustTable()(nodes)) for nodes in collected] + states
    if unused:
        ends[0] = SelectTable(0)([ends[0], *unused])  # What nobody asked for must not hang loose.
    return GModule(inputs, ends)


def _copy_nodes(cell: GModule, sources: list[Node] | Node, t: int) -> list[Node]:
    """The cell's nodes anew, for time step `t`, its inputs taking the output of `sources`; returns the outputs."""
    source_of = dict(zip(cell.inputs, sources if isinstance(sources, list) else [sources]))
    copies: dict[Node, Node] = {}
    for node in cell.nodes:
        parents = [source_of[node]] if node in source_of else [copies[parent] for parent in node.parents]
        copy = node.copy(tuple(parents))
        if node.name:
            copy.annotate(name=f"{node.name} {t}")
        copy.annotations["step"] = t
        copies[node] = copy
    return [copies[node] for node in cell.outputs]


def _as_list(nodes: Node | list[Node]) -> list[Node]:
    return nodes if isinstance(nodes, list) else [nodes]
