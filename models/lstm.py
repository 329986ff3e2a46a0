"""Long short-term memory: the tutorial's single cell, and char-rnn's network of layers."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule


def lstm(input_size: int, rnn_size: int, n: int, dropout: float = 0.0) -> GModule:
    inputs = [nn.Identity()()]
    for _ in range(n):
        inputs += [nn.Identity()(), nn.Identity()()]
    outputs = []
    for layer in range(n):
        prev_c, prev_h = inputs[2 * layer + 1 : 2 * layer + 3]
        x = inputs[0] if layer == 0 else outputs[-1]
        i2h = nn.Linear(input_size if layer == 0 else rnn_size, 4 * rnn_size)(x)
        h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h)
        sums = nn.CAddTable()([i2h, h2h])
        n1, n2, n3, n4 = nn.SplitTable(1)(nn.Reshape(4, rnn_size)(sums)).split(4)
        i, f, o, g = nn.Sigmoid()(n1), nn.Sigmoid()(n2), nn.Sigmoid()(n3), nn.Tanh()(n4)
        next_c = nn.CAddTable()([nn.CMulTable()([f, prev_c]), nn.CMulTable()([i, g])])
        next_h = nn.CMulTable()([o, nn.Tanh()(next_c)])
        outputs += [next_c, next_h]
    outputs.append(nn.LogSoftMax()(nn.Linear(rnn_size, input_size)(outputs[-1])))
    return GModule(inputs, outputs)
