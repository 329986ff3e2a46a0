"""A network of recurrent layers over characters, as char-rnn builds it around its LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Callable

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.node import Node

Layer = Callable[[Node, list[Node], int, int, int], list[Node]]
"""layer(x, states, input_size, rnn_size, number) wires one layer and gives its next states, the hidden one last."""


def character_network(
    layer: Layer, states: list[str], input_size: int, rnn_size: int, n: int, dropout: float = 0.0
) -> GModule:
    """`n` layers from a character's index to the log-probabilities of the next character.

    Takes `[x, *states]`, where x (batch,) holds indices from 0 to `input_size` - 1 and each layer has one state
    (batch, rnn_size) for each name in `states`; gives `[*next states, log-probabilities (batch, input_size)]`. Dropout
    follows each layer, but not along the states.

    Source: karpathy/char-rnn, model/LSTM.lua, GRU.lua, RNN.lua.
    """
    if not isinstance(n, int) or n < 1:
        raise ArgumentError(f"a network needs at least one layer, got {n!r}")
    x = nn.Identity()().annotate(name="x")
    inputs, outputs = [x], []
    for number in range(1, n + 1):
        previous = [nn.Identity()().annotate(name=f"prev_{state}_{number}") for state in states]
        inputs += previous
        if number == 1:
            h = nn.OneHot(input_size)(x).annotate(name="one_hot")
        following = layer(h, previous, input_size if number == 1 else rnn_size, rnn_size, number)
        for node, state in zip(following, states):
            node.annotate(name=f"next_{state}_{number}")
        outputs += following
        h = following[-1]
        if dropout > 0:
            h = nn.Dropout(dropout)(h)
    decoder = nn.Linear(rnn_size, input_size)(h).annotate(name="decoder")
    return GModule(inputs, [*outputs, nn.LogSoftMax()(decoder).annotate(name="log_probabilities")])
