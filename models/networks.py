"""The character networks by name: char-rnn's own three, and one of each cell of `variants`."""

from __future__ import annotations

from collections.abc import Callable

from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.models.gru import gru
from nodegraph.models.layers import Layer, character_network
from nodegraph.models.lstm import lstm
from nodegraph.models.rnn import rnn
from nodegraph.models.variants import CELLS
from nodegraph.models.variants.layers import MakeCell
from nodegraph.nn.init import uniform
from nodegraph.node import Node


def network_of(make: MakeCell) -> tuple[Callable[..., GModule], int]:
    """A function `wire(input_size, rnn_size, n, dropout=0.0)` for `n` layers of a cell, and its number of states.

    See `character_network` for what the network takes and gives. The nodes have the cell's names and the number of
    their layer, such as `W_f_1`.

    >>> from nodegraph.models.variants import peephole_lstm
    >>> wire, states = network_of(peephole_lstm)
    >>> outputs = wire(65, 8, n=2).forward([np.array([0, 5])] + [np.zeros((2, 8))] * 4)
    >>> states, [output.shape for output in outputs]
    (2, [(2, 8), (2, 8), (2, 8), (2, 8), (2, 65)])
    """
    states = [node.name.removeprefix("prev_") for node in make(1, 1).inputs[1:]]

    def wire(input_size: int, rnn_size: int, n: int, dropout: float = 0.0) -> GModule:
        return character_network(layer_of(make), states, input_size, rnn_size, n, dropout)

    return wire, len(states)


def layer_of(make: MakeCell) -> Layer:
    """The nodes of a cell as a layer, so that what does not depend on its states runs once for all steps."""

    def layer(x: Node, states: list[Node], input_size: int, rnn_size: int, number: int) -> list[Node]:
        cell = make(input_size, rnn_size)
        copies = dict(zip(cell.inputs, [x, *states]))
        for node in cell.nodes:
            if node not in copies:
                copies[node] = node.copy(tuple(copies[parent] for parent in node.parents))
                if node.name:
                    copies[node].annotate(name=f"{node.name}_{number}")
        return [copies[node] for node in cell.outputs]

    return layer


MODELS = {"lstm": (lstm, 2), "gru": (gru, 1), "rnn": (rnn, 1), **{name: network_of(CELLS[name]) for name in CELLS}}
"""Name -> the function that wires the network, and the number of states of each layer."""


def model_named(text: str) -> str:
    """The name of the model that this is, or is the beginning of; ArgumentError where that is none or several.

    >>> model_named("peephole"), model_named("gru")
    ('peephole-lstm', 'gru')
    """
    found = [text] if text in MODELS else [name for name in MODELS if text and name.startswith(text)]
    if len(found) != 1:
        raise ArgumentError(
            f"{text!r} is {'no model' if not found else ' or '.join(found)}; models: {', '.join(MODELS)}"
        )
    return found[0]


def parameters_of(model: str, input_size: int, rnn_size: int, n: int) -> int:
    """The number of parameters of a network of `n` layers.

    >>> parameters_of("lstm", input_size=65, rnn_size=128, n=2)
    240321
    """
    wire, _ = MODELS[model]
    return sum(array.size for array in wire(input_size, rnn_size, n).named_parameters().values())


def size_with_parameters(model: str, parameters: int, input_size: int, n: int) -> int:
    """The `rnn_size` with which a network of `n` layers comes nearest to a number of parameters.

    >>> size_with_parameters("gru", 240321, input_size=65, n=2)
    149
    """

    def too_small(size: int) -> bool:
        # Where the two sizes are one, a cell may do without a matrix, and the number falls; elsewhere it grows.
        size = size - 1 if size == input_size > 1 else size
        return parameters_of(model, input_size, size, n) < parameters

    above = 1
    while too_small(above):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        if too_small(middle):
            below = middle
        else:
            above = middle
    near = [max(1, size) for size in (below, above, below - 1, input_size)]
    return min(near, key=lambda size: abs(parameters_of(model, input_size, size, n) - parameters))


GATE_BIASES = {
    **dict.fromkeys(CELLS, {"W_f": 1}),
    **dict.fromkeys(["no-forget-gate", "coupled-gates"], {"W_i": -1}),
    **dict.fromkeys(["mut1", "mut2", "mut3"], {"W_z": -1}),
    "original-lstm": {"W_i": -1, "W_o": -1},
    "gru-cell": {"W_z": 1},
}
"""Cell -> the biases that it starts from, by the names of their nodes: so that it remembers, as its docstring says."""


def initialise(network: GModule, model: str, rnn_size: int) -> None:
    """Draw all parameters from [-0.08, 0.08), then set the gates' biases so that the network starts remembering.

    An LSTM's forget biases are 1, those of the cells of `variants` what they advise; char-rnn's GRU and RNN have none.
    """
    for parameter in network.named_parameters().values():
        uniform(parameter, 0.08)
    biases = GATE_BIASES.get(model, {})
    for node in network.nodes:
        name, _, _ = (node.name or "").rpartition("_")
        if model == "lstm" and name == "i2h":
            node.module.bias[rnn_size : 2 * rnn_size] = 1
        elif name in biases:
            node.module.bias.fill(biases[name])
