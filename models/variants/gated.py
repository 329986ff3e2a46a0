"""Gated cells with one state: the GRU (Cho et al. 2014), and three that a search found (Jozefowicz et al. 2015)."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.variants.blocks import blend, candidate, gate, product, weights
from nodegraph.node import Node, annotate_nodes


def gru_cell(input_size: int, rnn_size: int, reset_after: bool = False) -> GModule:
    """The gated recurrent unit: `[x, h]` -> next_h, for x (batch, input_size) and h (batch, rnn_size)::

        r = sigmoid(W_r x + b_r + U_r h)
        z = sigmoid(W_z x + b_z + U_z h)
        n = tanh(W_n x + b_n + U_n (r * h))
        next_h = z * h + (1 - z) * n

    With `reset_after` the reset gate comes after the product, as in cuDNN and PyTorch, n = tanh(W_n x + b_n +
    r * (U_n h + b)). Where z is open the cell keeps its state; char-rnn's GRU, `nodegraph.models.gru`, has it the other
    way round.

    Initialisation: set the bias of node `W_z` to 1, so that the cell remembers from the start.

    >>> gru_cell(3, 2).forward([np.zeros((5, 3)), np.zeros((5, 2))]).shape
    (5, 2)

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
    """
    W, U, _ = weights(input_size, rnn_size)
    x, prev_h = nn.Identity()(), nn.Identity()()

    reset_gate = gate(W("r", x), U("r", prev_h))
    update_gate = gate(W("z", x), U("z", prev_h))
    recurrent = product(reset_gate, U("n", prev_h, bias=True)) if reset_after else U("n", product(reset_gate, prev_h))
    new = candidate(W("n", x), recurrent)
    next_h = blend(update_gate, prev_h, new)

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def mut1(input_size: int, rnn_size: int) -> GModule:
    """MUT1: `[x, h]` -> next_h, for x (batch, input_size) and h (batch, rnn_size)::

        z = sigmoid(W_z x + b_z)
        r = sigmoid(W_r x + b_r + U_r h)
        n = tanh(U_n (r * h) + b_n + tanh(x))
        next_h = z * n + (1 - z) * h

    x itself stands in the sum, so it has to be as wide as h; where it is not, node `projection` maps it there first,
    P x without bias.

    Initialisation: a negative bias of node `W_z`, such as -1, so that the cell remembers from the start.

    >>> mut1(3, 2).forward([np.zeros((5, 3)), np.zeros((5, 2))]).shape
    (5, 2)

    Source: Jozefowicz et al., "An empirical exploration of recurrent network architectures" (2015).
    """
    W, U, _ = weights(input_size, rnn_size)
    x, prev_h = nn.Identity()(), nn.Identity()()

    update_gate = gate(W("z", x))
    reset_gate = gate(W("r", x), U("r", prev_h))
    new = candidate(U("n", product(reset_gate, prev_h), bias=True), nn.Tanh()(as_wide(x, input_size, rnn_size)))
    next_h = blend(update_gate, new, prev_h)

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def mut2(input_size: int, rnn_size: int) -> GModule:
    """MUT2: `[x, h]` -> next_h, for x (batch, input_size) and h (batch, rnn_size)::

        z = sigmoid(W_z x + b_z + U_z h)
        r = sigmoid(x + U_r h + b_r)
        n = tanh(U_n (r * h) + W_n x + b_n)
        next_h = z * n + (1 - z) * h

    x itself stands in the second sum, so it has to be as wide as h; where it is not, node `projection` maps it there
    first, P x without bias.

    Initialisation: a negative bias of node `W_z`, such as -1, so that the cell remembers from the start.

    >>> mut2(3, 2).forward([np.zeros((5, 3)), np.zeros((5, 2))]).shape
    (5, 2)

    Source: Jozefowicz et al., "An empirical exploration of recurrent network architectures" (2015).
    """
    W, U, _ = weights(input_size, rnn_size)
    x, prev_h = nn.Identity()(), nn.Identity()()

    update_gate = gate(W("z", x), U("z", prev_h))
    reset_gate = gate(as_wide(x, input_size, rnn_size), U("r", prev_h, bias=True))
    new = candidate(U("n", product(reset_gate, prev_h)), W("n", x))
    next_h = blend(update_gate, new, prev_h)

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def mut3(input_size: int, rnn_size: int) -> GModule:
    """MUT3: `[x, h]` -> next_h, for x (batch, input_size) and h (batch, rnn_size)::

        z = sigmoid(W_z x + b_z + U_z tanh(h))
        r = sigmoid(W_r x + b_r + U_r h)
        n = tanh(U_n (r * h) + W_n x + b_n)
        next_h = z * n + (1 - z) * h

    Initialisation: a negative bias of node `W_z`, such as -1, so that the cell remembers from the start.

    >>> mut3(3, 2).forward([np.zeros((5, 3)), np.zeros((5, 2))]).shape
    (5, 2)

    Source: Jozefowicz et al., "An empirical exploration of recurrent network architectures" (2015).
    """
    W, U, _ = weights(input_size, rnn_size)
    x, prev_h = nn.Identity()(), nn.Identity()()

    update_gate = gate(W("z", x), U("z", nn.Tanh()(prev_h)))
    reset_gate = gate(W("r", x), U("r", prev_h))
    new = candidate(U("n", product(reset_gate, prev_h)), W("n", x))
    next_h = blend(update_gate, new, prev_h)

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def as_wide(x: Node, input_size: int, rnn_size: int) -> Node:
    """x itself where it has the width of the state, else x mapped to that width."""
    if input_size == rnn_size:
        return x
    return nn.Linear(input_size, rnn_size, bias=False)(x).annotate(name="projection")
