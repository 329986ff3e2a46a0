"""The declared cells and networks: wired as their sources wire them, with the numbers of their equations."""

import numpy as np
import pytest

from nodegraph import check_gradients, seed
from nodegraph.errors import ArgumentError
from nodegraph.models import gru, lstm, rnn

rng = np.random.default_rng(0)
NETWORKS = {"lstm": (lstm.lstm, 2), "gru": (gru.gru, 1), "rnn": (rnn.rnn, 1)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_tutorials_cell():
    """As in the tutorial: create(3, 2), forward {x, prev_c, prev_h}."""
    network = lstm.create(3, 2)
    x, c, h = rng.standard_normal((1, 3)), rng.standard_normal((1, 2)), rng.standard_normal((1, 2))
    next_c, next_h = network.forward([x, c, h])
    i2h, h2h = network.node("i2h").module, network.node("h2h").module
    i, f, o, g = np.split(x @ i2h.weight.T + i2h.bias + h @ h2h.weight.T + h2h.bias, 4, axis=1)
    expected_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(next_c, expected_c)
    np.testing.assert_allclose(next_h, sigmoid(o) * np.tanh(expected_c))


def test_the_forget_gates_of_the_tutorials_cell_begin_open():
    cell, other = lstm.create(3, 2, forget_bias=1), lstm.create(3, 2)
    gates, zeros = slice(2, 4), np.zeros((5, 2))
    cell.forward([np.zeros((5, 3)), zeros, zeros])
    np.testing.assert_allclose(cell.tape["forget_gate"].output, 1 / (1 + np.exp(-1)))
    biases = [cell.node(name).module.bias for name in ("i2h", "h2h")]
    assert all((bias[gates] == value).all() for bias, value in zip(biases, (1, 0)))
    assert all((np.delete(bias, [2, 3]) != 0).all() for bias in biases)
    assert (other.node("i2h").module.bias[gates] != 1).all() and (other.node("h2h").module.bias[gates] != 0).all()
    for wrong in ("1", float("nan"), True):
        with pytest.raises(ArgumentError, match="forget_bias must be a number"):
            lstm.create(3, 2, forget_bias=wrong)


def test_the_tutorials_cell_is_made_of_its_seven_kinds_of_modules():
    kinds = {type(node.module).__name__ for node in lstm.create(3, 2).nodes}
    assert kinds == {"Identity", "Linear", "Narrow", "Sigmoid", "Tanh", "CMulTable", "CAddTable"}


def test_layers_made_in_a_loop_as_in_the_tutorial():
    network = [lstm.create(3, 4), lstm.create(4, 4), lstm.create(4, 4)]
    x = rng.standard_normal((1, 3))
    previous_state = [[np.zeros((1, 4)), np.zeros((1, 4))] for _ in network]
    next_state = []
    layer_input = [x, *previous_state[0]]
    for layer, cell in enumerate(network):
        layer_output = cell.forward(layer_input)
        next_state.append(layer_output)
        layer_h = layer_output[1]
        if layer + 1 < len(network):
            layer_input = [layer_h, *previous_state[layer + 1]]
    stack = lstm.stack(3, 4, 3)
    for ours, theirs in zip(stack.parameters()[0], [p for cell in network for p in cell.parameters()[0]]):
        ours[...] = theirs
    outputs = stack.forward([x, *[part for state in previous_state for part in state]])
    for ours, theirs in zip(outputs, [part for state in next_state for part in state]):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("layers", [1, 3])
def test_shapes_and_gradients(name, layers):
    make, states = NETWORKS[name]
    network = make(5, 3, layers)
    input = [np.array([0, 4, 2]), *rng.standard_normal((states * layers, 3, 3))]
    outputs = network.forward(input)
    assert [y.shape for y in outputs] == [(3, 3)] * states * layers + [(3, 5)]
    np.testing.assert_allclose(np.exp(outputs[-1]).sum(1), 1)
    check_gradients(network, input)


def test_gradients_of_the_tutorials_cell_and_stack():
    check_gradients(lstm.create(3, 2), [rng.standard_normal((4, 3)), *rng.standard_normal((2, 4, 2))])
    check_gradients(lstm.stack(3, 2, 2), [rng.standard_normal((4, 3)), *rng.standard_normal((4, 4, 2))])


def test_gru_follows_its_equations():
    network = gru.gru(5, 3, 1)
    x, h = np.array([1, 3]), rng.standard_normal((2, 3))
    names = {}
    for node, suffix in {"update_gate_1": "z", "reset_gate_1": "r", "candidate_1": ""}.items():
        total = network.node(node).parents[0]
        names["x" + suffix], names["h" + suffix] = (parent.module for parent in total.parents)

    def on(name, value):
        return value @ names[name].weight.T + names[name].bias

    rows = np.eye(5)[x]
    z, r = sigmoid(on("xz", rows) + on("hz", h)), sigmoid(on("xr", rows) + on("hr", h))
    candidate = np.tanh(on("x", rows) + on("h", r * h))
    np.testing.assert_allclose(network.forward([x, h])[0], z * candidate + (1 - z) * h)


def test_dropout_follows_every_layer_and_only_in_training():
    network = lstm.lstm(5, 20, 2, dropout=0.5)
    assert len(network.find_modules("Dropout")) == 2
    input = [np.array([1]), *np.zeros((4, 1, 20))]
    seed(0)
    assert not np.array_equal(network.forward(input)[-1], network.forward(input)[-1])
    network.evaluate()
    np.testing.assert_array_equal(network.forward(input)[-1], network.forward(input)[-1])


@pytest.mark.parametrize("arguments", [(5, 3, 0), (0, 3, 1), (5, -1, 1), (5, 3, 1.5), (5, 3, 1, 2.0)])
def test_senseless_sizes(arguments):
    for make, _ in NETWORKS.values():
        with pytest.raises(ArgumentError):
            make(*arguments)


@pytest.mark.parametrize("make", [lstm.lstm, gru.gru, rnn.rnn])
def test_parameters_have_names_that_do_not_depend_on_the_dropout(make):
    names = list(make(5, 3, 2).named_parameters())
    assert names == list(make(5, 3, 2, 0.5).named_parameters()) and not any(name[0].isdigit() for name in names)
