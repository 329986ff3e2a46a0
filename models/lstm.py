"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gates: Gers, Schmidhuber and Cummins 2000)."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.layers import character_network
from nodegraph.nn.pointwise import number
from nodegraph.node import Node, annotate_nodes


def create(input_size: int, rnn_size: int, forget_bias: float | None = None) -> GModule:
    """One LSTM cell: takes `[x, prev_c, prev_h]`, gives `[next_c, next_h]`.

    With (i, f, o) = sigmoid and g = tanh of the four parts of W x + U prev_h + b::

        next_c = f * prev_c + i * g
        next_h = o * tanh(next_c)

    Shapes: x (batch, input_size), the states (batch, rnn_size).

    Initialisation: with a positive `forget_bias`, such as 1, the forget gates begin open, and long time lags are learnt
    sooner (Gers et al. 2000; Jozefowicz et al. 2015); with None their biases are drawn at random, as all others are.

    >>> network = create(3, 2, forget_bias=1)
    >>> next_c, next_h = network.forward([np.zeros((1, 3)), np.zeros((1, 2)), np.zeros((1, 2))])
    >>> next_h.shape
    (1, 2)

    Source: Adam Paszke, "LSTM implementation explained" (2015).
    """
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()

    i2h = nn.Linear(input_size, 4 * rnn_size)(x)
    h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h)
    preactivations = nn.CAddTable()([i2h, h2h])

    pre_sigmoid_chunk = nn.Narrow(1, 0, 3 * rnn_size)(preactivations)
    all_gates = nn.Sigmoid()(pre_sigmoid_chunk)
    in_chunk = nn.Narrow(1, 3 * rnn_size, rnn_size)(preactivations)
    in_transform = nn.Tanh()(in_chunk)

    in_gate = nn.Narrow(1, 0, rnn_size)(all_gates)
    forget_gate = nn.Narrow(1, rnn_size, rnn_size)(all_gates)
    out_gate = nn.Narrow(1, 2 * rnn_size, rnn_size)(all_gates)

    c_forget = nn.CMulTable()([forget_gate, prev_c])
    c_input = nn.CMulTable()([in_gate, in_transform])
    next_c = nn.CAddTable()([c_forget, c_input])

    c_transform = nn.Tanh()(next_c)
    next_h = nn.CMulTable()([out_gate, c_transform])

    if forget_bias is not None:
        i2h.module.bias[rnn_size : 2 * rnn_size] = number(forget_bias, "forget_bias")
        h2h.module.bias[rnn_size : 2 * rnn_size] = 0
    annotate_nodes()
    return GModule([x, prev_c, prev_h], [next_c, next_h])


def stack(input_size: int, rnn_size: int, n: int) -> GModule:
    """`n` cells, each fed the next_h of the one below; takes `[x, c_1, h_1, ...]`, gives `[c_1, h_1, ...]`.

    >>> network = stack(3, 4, 3)
    >>> outputs = network.forward([np.zeros((1, 3))] + [np.zeros((1, 4))] * 6)
    >>> len(outputs), outputs[-1].shape
    (6, (1, 4))
    """
    x = nn.Identity()().annotate(name="x")
    inputs, outputs = [x], []
    for layer in range(1, n + 1):
        state = [nn.Identity()().annotate(name=f"prev_{name}_{layer}") for name in ("c", "h")]
        cell = create(input_size if layer == 1 else rnn_size, rnn_size)
        next_c, next_h = cell([x, *state]).annotate(name=f"lstm_{layer}").split(2)
        inputs += state
        outputs += [next_c, next_h]
        x = next_h
    return GModule(inputs, outputs)


def lstm(input_size: int, rnn_size: int, n: int, dropout: float = 0.0) -> GModule:
    """char-rnn's network of `n` LSTM layers; see `character_network` for what it takes and gives.

    The states are c and h of each layer. Nodes `i2h_1`, `h2h_1`, ... hold the gates' weights, in the order in, forget,
    out, transform.

    >>> network = lstm(65, 8, 2)
    >>> outputs = network.forward([np.array([0, 5])] + [np.zeros((2, 8))] * 4)
    >>> [output.shape for output in outputs]
    [(2, 8), (2, 8), (2, 8), (2, 8), (2, 65)]

    Source: karpathy/char-rnn, model/LSTM.lua.
    """
    return character_network(lstm_layer, ["c", "h"], input_size, rnn_size, n, dropout)


def lstm_layer(x: Node, states: list[Node], input_size: int, rnn_size: int, number: int) -> list[Node]:
    """One layer, wired as in char-rnn: all four products at once, reshaped and split into the gates."""
    prev_c, prev_h = states
    i2h = nn.Linear(input_size, 4 * rnn_size)(x).annotate(name=f"i2h_{number}")
    h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h).annotate(name=f"h2h_{number}")
    all_input_sums = nn.CAddTable()([i2h, h2h])

    reshaped = nn.Reshape(4, rnn_size)(all_input_sums)
    n1, n2, n3, n4 = nn.SplitTable(1)(reshaped).split(4)
    in_gate = nn.Sigmoid()(n1).annotate(name=f"in_gate_{number}")
    forget_gate = nn.Sigmoid()(n2).annotate(name=f"forget_gate_{number}")
    out_gate = nn.Sigmoid()(n3).annotate(name=f"out_gate_{number}")
    in_transform = nn.Tanh()(n4).annotate(name=f"in_transform_{number}")

    next_c = nn.CAddTable()([nn.CMulTable()([forget_gate, prev_c]), nn.CMulTable()([in_gate, in_transform])])
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    return [next_c, next_h]
