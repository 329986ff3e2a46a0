"""Cells to run over time, each with an input for it, and cells wired at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from nodegraph import GModule, nn
from nodegraph.models import gru, lstm, rnn

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def elman():
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)])))


def delay():
    """The output of one step is the input of the step before: fed back, but without a cycle."""
    x, before = nn.Identity()(), nn.Identity()()
    return GModule([x, before], [nn.Linear(3, 3)(x), nn.CMulTable()([before, nn.Tanh()(x)])])


def kept_state():
    """A state that no step changes, and an output that is an input."""
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], [h, nn.CMulTable()([x, h]), x])


def batch_normalised():
    """A module whose rows depend on each other must step."""
    x, h = nn.Identity()(), nn.Identity()()
    mixed = nn.CAddTable()([nn.BatchNormalization(3)(x), nn.Linear(3, 3)(h)])
    return GModule([x, h], [nn.Tanh()(mixed), nn.BatchNormalization(3)(mixed)])


def containers():
    x, h = nn.Identity()(), nn.Identity()()
    block = nn.Sequential(nn.JoinTable(1), nn.Linear(6, 3), nn.Tanh())
    return GModule([x, h], [block([x, h]), nn.Sequential(nn.Linear(3, 2), nn.LogSoftMax())(h)])


CELLS = {
    "elman": (elman, lambda t, b: [normal(t, b, 3), normal(b, 4)]),
    "tutorial": (lambda: lstm.create(3, 2), lambda t, b: [normal(t, b, 3), normal(b, 2), normal(b, 2)]),
    "stack": (lambda: lstm.stack(3, 2, 2), lambda t, b: [normal(t, b, 3)] + [normal(b, 2) for _ in range(4)]),
    "delay": (delay, lambda t, b: [normal(t, b, 3), normal(b, 3)]),
    "kept_state": (kept_state, lambda t, b: [normal(t, b, 3), normal(b, 3)]),
    "batch_normalised": (batch_normalised, lambda t, b: [normal(t, b + 1, 3), normal(b + 1, 3)]),
    "containers": (containers, lambda t, b: [normal(t, b, 3), normal(b, 3)]),
    "lstm": (lambda: lstm.lstm(5, 3, 2), lambda t, b: [rng.integers(0, 5, (t, b))] + [normal(b, 3) for _ in range(4)]),
    "gru": (lambda: gru.gru(5, 3, 2), lambda t, b: [rng.integers(0, 5, (t, b))] + [normal(b, 3) for _ in range(2)]),
    "rnn": (lambda: rnn.rnn(5, 3, 2), lambda t, b: [rng.integers(0, 5, (t, b))] + [normal(b, 3) for _ in range(2)]),
}


def random_cell(draw: Callable) -> GModule:
    """Pointwise, linear and table modules over one input and two states, (batch, 4), any of whose nodes feed back."""
    nodes = inputs = [nn.Identity()() for _ in range(3)]
    for _ in range(draw(st.integers(1, 10))):
        one, two = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        kind = draw(st.sampled_from(["tanh", "linear", "add", "mul", "split"]))
        if kind == "tanh":
            node = nn.Tanh()(one)
        elif kind == "linear":
            node = nn.Linear(4, 4)(one)
        elif kind == "split":
            a, b = nn.SplitTable(1)(nn.Reshape(2, 2)(one)).split(2)
            node = nn.JoinTable(1)([b, nn.Sigmoid()(a)])
        else:
            node = (nn.CAddTable() if kind == "add" else nn.CMulTable())([one, two])
        nodes = [*nodes, node]
    loose = [node for node in nodes if not node.children]
    states = [draw(st.sampled_from(nodes)) for _ in range(2)]
    return GModule(inputs, [*states, *loose])
