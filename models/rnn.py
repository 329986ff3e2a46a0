"""The simple recurrent network (Elman 1990)."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.layers import character_network
from nodegraph.node import Node, annotate_nodes


def create(input_size: int, rnn_size: int) -> GModule:
    """One simple cell: `[x, prev_h]` -> next_h = tanh(W x + U prev_h + b).

    Shapes: x (batch, input_size), the state (batch, rnn_size).

    >>> create(3, 2).forward([np.zeros((1, 3)), np.zeros((1, 2))]).shape
    (1, 2)
    """
    x, prev_h = nn.Identity()(), nn.Identity()()

    i2h = nn.Linear(input_size, rnn_size)(x)
    h2h = nn.Linear(rnn_size, rnn_size)(prev_h)
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h]))

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def rnn(input_size: int, rnn_size: int, n: int, dropout: float = 0.0) -> GModule:
    """char-rnn's network of `n` simple layers, next_h = tanh(W x + U h + b); see `character_network`.

    >>> network = rnn(65, 8, 1)
    >>> next_h, log_probabilities = network.forward([np.array([0, 5]), np.zeros((2, 8))])
    >>> next_h.shape
    (2, 8)

    Source: karpathy/char-rnn, model/RNN.lua.
    """
    return character_network(rnn_layer, ["h"], input_size, rnn_size, n, dropout)


def rnn_layer(x: Node, states: list[Node], input_size: int, rnn_size: int, number: int) -> list[Node]:
    """One layer, wired as in char-rnn."""
    i2h = nn.Linear(input_size, rnn_size)(x).annotate(name=f"i2h_{number}")
    h2h = nn.Linear(rnn_size, rnn_size)(states[0]).annotate(name=f"h2h_{number}")
    return [nn.Tanh()(nn.CAddTable()([i2h, h2h]))]
