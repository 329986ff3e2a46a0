"""Several cells together: layers of cells upon each other, and cells that read a sequence from both ends."""

from __future__ import annotations

from collections.abc import Callable

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.nn.parametric import size
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent

MakeCell = Callable[[int, int], GModule]
"""make(input_size, rnn_size), such as the functions of this package; the cell's last output is its hidden state."""


def stacked(make: MakeCell, input_size: int, rnn_size: int, n: int) -> GModule:
    """`n` cells as one, each fed the hidden state of the one below: `[x, states_1, states_2, ...]` -> the next states.

    The states stand in the order of the layers, those of a layer as its cell has them. x is (batch, input_size). The
    output of the whole is the last one, the hidden state of the uppermost layer.

    >>> from nodegraph.models.variants import gru_cell
    >>> cell = stacked(gru_cell, 3, 2, n=2)
    >>> hs, h_1, h_2 = Recurrent(cell).forward([np.zeros((5, 4, 3)), np.zeros((4, 2)), np.zeros((4, 2))])
    >>> hs.shape, h_2.shape
    ((5, 4, 2), (4, 2))

    Initialisation: that of the cells; layer k is the node `layer_k`, as in `cell.node("layer_1").module.node("W_z")`.
    Source: Graves, Mohamed and Hinton, "Speech recognition with deep recurrent neural networks" (2013).
    """
    x = nn.Identity()().annotate(name="x")
    inputs, outputs = [x], []
    for number in range(1, size(n, "n") + 1):
        cell = make(input_size if number == 1 else rnn_size, rnn_size)
        states = state_inputs(cell, str(number))
        layer = cell([x, *states]).annotate(name=f"layer_{number}")
        following = parts(layer, len(cell.outputs))
        x = following[-1]
        inputs += states
        outputs += following
    return GModule(inputs, outputs)


def bidirectional(
    make: MakeCell,
    input_size: int,
    rnn_size: int,
    n: int = 1,
    masked: bool = False,
    batch_first: bool = False,
    initial_states: bool = True,
) -> GModule:
    """`n` layers that read whole sequences forwards and backwards, each with two cells of its own.

    `[xs, states...]` -> `[hs, final states...]`, where xs is (steps, batch, input_size). With the forward cell's hidden
    states f and the backward cell's b::

        f_t = cell(x_t, f_(t-1)),   b_t = other cell(x_t, b_(t+1)),   h_t = [f_t, b_t]

    so hs is (steps, batch, 2 rnn_size), and a layer above the first takes that. The states stand in the order of the
    layers, in each those of the forward cell first. As it needs the end of the sequence at its beginning, it is no cell
    to be put into `Recurrent`: it has its own inside. With `masked` the input has one more entry, the last: lengths or
    a mask, as in `Recurrent`, and the backward cell begins at each sequence's own end. With `batch_first` xs, hs and
    mask are (batch, steps, ...). With `initial_states` False all begin with zeros, and the input is xs alone.

    >>> from nodegraph.models.variants import gru_cell
    >>> network = bidirectional(gru_cell, 3, 2)
    >>> hs, f, b = network.forward([np.zeros((5, 4, 3)), np.zeros((4, 2)), np.zeros((4, 2))])
    >>> hs.shape
    (5, 4, 4)
    >>> reader = bidirectional(gru_cell, 3, 2, batch_first=True, initial_states=False)
    >>> [output.shape for output in reader.forward(np.zeros((4, 5, 3)))]
    [(4, 5, 4), (4, 2), (4, 2)]

    Initialisation: that of the cells, which are in `network.node("forward_1").module.cell` and `backward_1`.
    Source: Schuster and Paliwal, "Bidirectional recurrent neural networks" (1997); with LSTM: Graves and Schmidhuber,
    "Framewise phoneme classification with bidirectional LSTM" (2005).
    """
    hs = nn.Identity()().annotate(name="xs")
    inputs, final = [hs], []
    mask = [nn.Identity()().annotate(name="mask")] if masked else []
    for number in range(1, size(n, "n") + 1):
        both = []
        for direction in ("forward", "backward"):
            cell = make(input_size if number == 1 else 2 * rnn_size, rnn_size)
            name = f"{direction}_{number}"
            states = state_inputs(cell, name) if initial_states else []
            xs = hs if direction == "forward" else nn.Reverse(int(batch_first))([hs, *mask])
            run = Recurrent(cell, masked=masked, batch_first=batch_first)([xs, *states, *mask]).annotate(name=name)
            ys, *following = parts(run, len(cell.inputs))
            both.append(ys if direction == "forward" else nn.Reverse(int(batch_first))([ys, *mask]))
            inputs += states
            final += following
        hs = nn.JoinTable(2)(both).annotate(name=f"hs_{number}")
    return GModule([*inputs, *mask], [hs, *final])


def state_inputs(cell: GModule, suffix: str) -> list[Node]:
    """A new input for each state of a cell, with its name and a suffix."""
    return [nn.Identity()().annotate(name=f"{node.name}_{suffix}") for node in cell.inputs[1:]]


def parts(node: Node, n: int) -> list[Node]:
    """What a node gives, as `n` nodes; one of a single value is itself the part."""
    return [node] if n == 1 else node.split(n)
