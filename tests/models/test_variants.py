"""The LSTM's family: every cell gives the numbers of its equations, written out here once more in NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest

from nodegraph import Recurrent, check_gradients, unroll
from nodegraph.errors import ArgumentError
from nodegraph.models.variants import CELLS
from nodegraph.models.variants.gated import gru_cell, mut1, mut2
from nodegraph.models.variants.memory_cell import CentredSigmoid, memory_cell

rng = np.random.default_rng(0)
tanh = np.tanh


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(cell):
    """W, U, p and b as dictionaries over the gates; of two biases of one gate that of U is `bU`."""
    w = SimpleNamespace(W={}, U={}, p={}, b={}, bU={})
    for node in cell.nodes:
        kind, _, gate = (node.name or "").partition("_")
        if kind in ("W", "U", "p"):
            getattr(w, kind)[gate] = node.module.weight
            if getattr(node.module, "bias", None) is not None:
                (w.bU if gate in w.b else w.b)[gate] = node.module.bias
    return w


def peephole_lstm(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"])
    f = sigmoid(x @ W["f"].T + h @ U["f"].T + p["f"] * c + b["f"])
    z = tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    next_c = f * c + i * z
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * tanh(next_c)


def original_lstm(w, x, c, h):
    W, U, b = w.W, w.U, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + b["i"])
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + b["o"])
    g = 4 / (1 + np.exp(-(x @ W["z"].T + h @ U["z"].T + b["z"]))) - 2
    next_c = c + i * g
    return next_c, o * (2 / (1 + np.exp(-next_c)) - 1)


def no_input_gate(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    f = sigmoid(x @ W["f"].T + h @ U["f"].T + p["f"] * c + b["f"])
    next_c = f * c + tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * tanh(next_c)


def no_forget_gate(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"])
    next_c = c + i * tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * tanh(next_c)


def no_output_gate(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"])
    f = sigmoid(x @ W["f"].T + h @ U["f"].T + p["f"] * c + b["f"])
    next_c = f * c + i * tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    return next_c, tanh(next_c)


def no_input_activation(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"])
    f = sigmoid(x @ W["f"].T + h @ U["f"].T + p["f"] * c + b["f"])
    next_c = f * c + i * (x @ W["z"].T + h @ U["z"].T + b["z"])
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * tanh(next_c)


def no_output_activation(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    next_c, _ = peephole_lstm(w, x, c, h)
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * next_c


def coupled_gates(w, x, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"])
    next_c = (1 - i) * c + i * tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"])
    return next_c, o * tanh(next_c)


def no_peepholes(w, x, c, h):
    W, U, b = w.W, w.U, w.b
    i, f, o = (sigmoid(x @ W[gate].T + h @ U[gate].T + b[gate]) for gate in "ifo")
    next_c = f * c + i * tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    return next_c, o * tanh(next_c)


def full_gate_recurrence(w, x, i, f, o, c, h):
    W, U, p, b = w.W, w.U, w.p, w.b
    fed_i = i @ U["ii"].T + f @ U["if"].T + o @ U["io"].T
    fed_f = i @ U["fi"].T + f @ U["ff"].T + o @ U["fo"].T
    fed_o = i @ U["oi"].T + f @ U["of"].T + o @ U["oo"].T
    next_i = sigmoid(x @ W["i"].T + h @ U["i"].T + p["i"] * c + b["i"] + fed_i)
    next_f = sigmoid(x @ W["f"].T + h @ U["f"].T + p["f"] * c + b["f"] + fed_f)
    next_c = next_f * c + next_i * tanh(x @ W["z"].T + h @ U["z"].T + b["z"])
    next_o = sigmoid(x @ W["o"].T + h @ U["o"].T + p["o"] * next_c + b["o"] + fed_o)
    return next_i, next_f, next_o, next_c, next_o * tanh(next_c)


def gru(w, x, h):
    W, U, b = w.W, w.U, w.b
    r = sigmoid(x @ W["r"].T + h @ U["r"].T + b["r"])
    z = sigmoid(x @ W["z"].T + h @ U["z"].T + b["z"])
    n = tanh(x @ W["n"].T + (r * h) @ U["n"].T + b["n"])
    return (z * h + (1 - z) * n,)


def gru_reset_after(w, x, h):
    W, U, b = w.W, w.U, w.b
    r = sigmoid(x @ W["r"].T + h @ U["r"].T + b["r"])
    z = sigmoid(x @ W["z"].T + h @ U["z"].T + b["z"])
    n = tanh(x @ W["n"].T + b["n"] + r * (h @ U["n"].T + w.bU["n"]))
    return (z * h + (1 - z) * n,)


def mut1_equations(w, x, h, added=None):
    added = x if added is None else added
    z = sigmoid(x @ w.W["z"].T + w.b["z"])
    r = sigmoid(x @ w.W["r"].T + h @ w.U["r"].T + w.b["r"])
    return (tanh((r * h) @ w.U["n"].T + tanh(added) + w.b["n"]) * z + h * (1 - z),)


def mut2_equations(w, x, h, added=None):
    added = x if added is None else added
    z = sigmoid(x @ w.W["z"].T + h @ w.U["z"].T + w.b["z"])
    r = sigmoid(added + h @ w.U["r"].T + w.b["r"])
    return (tanh((r * h) @ w.U["n"].T + x @ w.W["n"].T + w.b["n"]) * z + h * (1 - z),)


def mut3_equations(w, x, h):
    z = sigmoid(x @ w.W["z"].T + tanh(h) @ w.U["z"].T + w.b["z"])
    r = sigmoid(x @ w.W["r"].T + h @ w.U["r"].T + w.b["r"])
    return (tanh((r * h) @ w.U["n"].T + x @ w.W["n"].T + w.b["n"]) * z + h * (1 - z),)


EQUATIONS = {
    "original-lstm": original_lstm,
    "peephole-lstm": peephole_lstm,
    "no-input-gate": no_input_gate,
    "no-forget-gate": no_forget_gate,
    "no-output-gate": no_output_gate,
    "no-input-activation": no_input_activation,
    "no-output-activation": no_output_activation,
    "coupled-gates": coupled_gates,
    "no-peepholes": no_peepholes,
    "full-gate-recurrence": full_gate_recurrence,
    "gru-cell": gru,
    "mut1": mut1_equations,
    "mut2": mut2_equations,
    "mut3": mut3_equations,
}
MAKE = {**CELLS, "gru reset after": lambda *sizes: gru_cell(*sizes, reset_after=True)}


def input_for(cell, steps, input_size=3, rnn_size=2, batch=4):
    """Random numbers for a cell, over time if there are steps; no state is zero, so that every term counts."""
    states = [rng.standard_normal((batch, rnn_size)) for _ in cell.inputs[1:]]
    return [rng.standard_normal((*steps, batch, input_size)), *states]


def as_list(output):
    return output if isinstance(output, list) else [output]


def test_every_cell_has_its_equations_here():
    assert EQUATIONS.keys() == CELLS.keys()


@pytest.mark.parametrize("name", MAKE)
def test_equations(name):
    input_size = 2 if name in ("mut1", "mut2") else 3
    cell = MAKE[name](input_size, 2)
    input = input_for(cell, (), input_size)
    expected = EQUATIONS.get(name, gru_reset_after)(weights_of(cell), *input)
    for ours, theirs in zip(as_list(cell.forward(input)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("make, equations", [(mut1, mut1_equations), (mut2, mut2_equations)])
def test_an_input_that_is_not_as_wide_as_the_state_is_mapped_first_where_the_equations_add_it(make, equations):
    cell = make(3, 2)
    x, h = input_for(cell, ())
    projected = x @ cell.node("projection").module.weight.T
    expected = equations(weights_of(cell), x, h, added=projected)[0]
    np.testing.assert_allclose(cell.forward([x, h]), expected, rtol=1e-12, atol=1e-12)
    assert not any(node.name == "projection" for node in make(2, 2).nodes)


@pytest.mark.parametrize("name", MAKE)
def test_gradients(name):
    cell = MAKE[name](3, 2)
    check_gradients(cell, input_for(cell, ()))


@pytest.mark.parametrize("name", MAKE)
def test_over_time_equal_to_the_unrolled_graph(name):
    cell = MAKE[name](3, 2)
    input, gradients, results = input_for(cell, (5,)), None, []
    for module in (Recurrent(cell), unroll(cell, 5)):
        cell.zero_grad_parameters()
        output = module.forward(input)
        gradients = gradients or [rng.standard_normal(y.shape) for y in output]
        grad_input = module.backward(input, gradients)
        results.append([*output, *grad_input, *(g.copy() for g in cell.parameters()[1])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert results[0][0].shape == (5, 4, 2)


@pytest.mark.parametrize("name", sorted(set(CELLS) - {"original-lstm", "no-forget-gate", "no-input-gate"}))
def test_the_bias_that_the_docstring_names_makes_the_cell_remember(name):
    cell = MAKE[name](3, 2)
    remembering = {"coupled-gates": {"W_i": -50}, "gru-cell": {"W_z": 50}}
    shut = {"W_z": -50} if name.startswith("mut") else {"W_f": 50, "W_i": -50}
    for node, bias in remembering.get(name, shut).items():
        cell.node(node).module.bias[:] = bias
    input = input_for(cell, ())
    state = -1 if len(input) == 2 else -2
    np.testing.assert_allclose(as_list(cell.forward(input))[state], input[state], atol=1e-12)


@pytest.mark.parametrize("name", ["original-lstm", "no-forget-gate"])
def test_the_error_carousel_carries_the_error_back_unchanged(name):
    """With the gates shut, what is wrong with the cell state after 50 steps is as wrong with it before them."""
    cell = CELLS[name](3, 2)
    for node in ("W_i", "W_o"):
        cell.node(node).module.bias[:] = -50
    input = input_for(cell, (50,))
    net, error = Recurrent(cell), rng.standard_normal((4, 2))
    net.forward(input)
    grad_input = net.backward(input, [np.zeros((50, 4, 2)), error, np.zeros((4, 2))])
    np.testing.assert_allclose(grad_input[1], error, atol=1e-12)


@pytest.mark.parametrize("reach", [1, 2])
def test_the_centred_sigmoid_is_a_stretched_tanh(reach):
    x = rng.standard_normal(10)
    np.testing.assert_allclose(CentredSigmoid(reach).forward(x), reach * tanh(x / 2), atol=1e-15)
    check_gradients(CentredSigmoid(reach), x)


@pytest.mark.parametrize("reach", [0, -1, "2", float("nan")])
def test_a_reach_must_be_positive(reach):
    with pytest.raises(ArgumentError, match="reach must be"):
        CentredSigmoid(reach)


@pytest.mark.parametrize("options", [{"gates": "ix"}, {"gates": "io", "gate_recurrence": True}])
def test_gates_that_there_are_not(options):
    with pytest.raises(ArgumentError, match="'ifo'"):
        memory_cell(3, 2, **options)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("sizes", [(0, 2), (3, -1), (3, 1.5)])
def test_senseless_sizes(name, sizes):
    with pytest.raises(ArgumentError):
        CELLS[name](*sizes)


@pytest.mark.parametrize("name", CELLS)
def test_gates_and_states_have_names_to_look_them_up(name):
    cell = CELLS[name](3, 2)
    names = {node.name for node in cell.nodes}
    assert {"x", "prev_h", "next_h"} <= names
    assert sum(str(node.module) == "Sigmoid()" and node.name is None for node in cell.nodes) == 0
