"""unroll: the graph that it makes; that it computes what Recurrent does is said in the tests of Recurrent."""

import numpy as np
import pytest

from nodegraph import GModule, nn, unroll
from nodegraph.models import lstm


@pytest.mark.parametrize("steps", [1, 3])
def test_the_graph_is_the_cell_at_each_step_and_what_cuts_and_stacks_the_sequences(steps):
    cell = lstm.create(3, 2)
    network = unroll(cell, steps)
    copies = [node for node in network.nodes if "step" in node.annotations]
    assert len(copies) == steps * len(cell.nodes)
    assert {node.module for node in copies} == {node.module for node in cell.nodes}
    around = [node.module.kind for node in network.nodes if node not in copies and not node.part]
    assert sorted(set(around) - {"JustTable"}) == ["Identity", "SplitTable", "StackTable"]
    assert around.count("Identity") == len(cell.inputs) == 3


def test_what_nobody_asked_for_hangs_at_the_first_output():
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.CAddTable()([x, h])
    network = unroll(GModule([x, h], [new, nn.Tanh()(new)]), 2, sequences=[0])
    selected = network.outputs[0]
    assert selected.module.kind == "SelectTable" and [node.module.kind for node in selected.parents[1:]] == ["Tanh"] * 2


def test_a_cell_without_states():
    x = nn.Identity()()
    network, value = unroll(GModule(x, nn.Tanh()(x)), 3, feedback=[]), np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(network.forward(value), np.tanh(value))
    assert all(isinstance(node.parents, tuple) for node in network.nodes)
    assert not any(node.name for node in network.nodes)
