"""The gated recurrent unit (Cho et al. 2014)."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.layers import character_network
from nodegraph.node import Node


def gru(input_size: int, rnn_size: int, n: int, dropout: float = 0.0) -> GModule:
    """char-rnn's network of `n` GRU layers; see `character_network` for what it takes and gives.

    With the gates z = sigmoid(W_z x + U_z h) and r = sigmoid(W_r x + U_r h), and h the state before::

        candidate = tanh(W x + U (r * h))
        next_h = z * candidate + (1 - z) * h

    >>> network = gru(65, 8, 1)
    >>> next_h, log_probabilities = network.forward([np.array([0, 5]), np.zeros((2, 8))])
    >>> log_probabilities.shape
    (2, 65)

    Source: karpathy/char-rnn, model/GRU.lua.
    """
    return character_network(gru_layer, ["h"], input_size, rnn_size, n, dropout)


def gru_layer(x: Node, states: list[Node], input_size: int, rnn_size: int, number: int) -> list[Node]:
    """One layer, wired as in char-rnn."""
    (prev_h,) = states

    def input_sum(part: str, hidden: Node) -> Node:
        i2h = nn.Linear(input_size, rnn_size)(x).annotate(name=f"i2h_{part}_{number}")
        h2h = nn.Linear(rnn_size, rnn_size)(hidden).annotate(name=f"h2h_{part}_{number}")
        return nn.CAddTable()([i2h, h2h])

    update_gate = nn.Sigmoid()(input_sum("update", prev_h)).annotate(name=f"update_gate_{number}")
    reset_gate = nn.Sigmoid()(input_sum("reset", prev_h)).annotate(name=f"reset_gate_{number}")
    gated_hidden = nn.CMulTable()([reset_gate, prev_h])
    candidate = nn.Tanh()(input_sum("candidate", gated_hidden)).annotate(name=f"candidate_{number}")

    taken = nn.CMulTable()([update_gate, candidate])
    kept = nn.CMulTable()([nn.AddConstant(1)(nn.MulConstant(-1)(update_gate)), prev_h])
    return [nn.CAddTable()([taken, kept])]
