"""Cells in layers and from both ends, the highway layer, attention, and the tree-LSTM."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, check_gradients, nn, unroll
from nodegraph.errors import ArgumentError
from nodegraph.models.variants import (
    additive_attention,
    bidirectional,
    child_sum_tree_lstm,
    dot_product_attention,
    full_gate_recurrence,
    gru_cell,
    highway,
    no_peepholes,
    peephole_lstm,
    stacked,
)

rng = np.random.default_rng(0)
normal = rng.standard_normal
MAKE = {"gru": (gru_cell, 1), "peephole": (peephole_lstm, 2), "full gate recurrence": (full_gate_recurrence, 5)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def as_list(output):
    return output if isinstance(output, list) else [output]


def assert_equals_unrolled(cell, input):
    results, gradients = [], None
    for module in (Recurrent(cell), unroll(cell, len(input[0]))):
        cell.zero_grad_parameters()
        output = as_list(module.forward(input))
        gradients = gradients or [normal(y.shape) for y in output]
        grad_input = as_list(module.backward(input, gradients if len(gradients) > 1 else gradients[0]))
        results.append([*output, *grad_input, *(g.copy() for g in cell.parameters()[1])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


# Stacked


@pytest.mark.parametrize("name", MAKE)
def test_stacked_cells_give_what_one_gives_to_the_next(name):
    make, n = MAKE[name]
    stack = stacked(make, 3, 2, 3)
    x, states = normal((4, 3)), [normal((4, 2)) for _ in range(3 * n)]
    outputs = as_list(stack.forward([x, *states]))
    h = x
    for k in range(3):
        cell = stack.node(f"layer_{k + 1}").module
        expected = as_list(cell.forward([h, *states[k * n : k * n + n]]))
        for ours, theirs in zip(outputs[k * n : k * n + n], expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        h = expected[-1]


@pytest.mark.parametrize("name", MAKE)
def test_stacked_gradients_and_time(name):
    make, n = MAKE[name]
    stack = stacked(make, 3, 2, 2)
    states = [normal((4, 2)) for _ in range(2 * n)]
    check_gradients(stack, [normal((4, 3)), *states])
    assert_equals_unrolled(stack, [normal((5, 4, 3)), *states])


def test_the_states_of_a_stack_have_the_names_of_the_cells():
    names = [node.name for node in stacked(peephole_lstm, 3, 2, 2).inputs]
    assert names == ["x", "prev_c_1", "prev_h_1", "prev_c_2", "prev_h_2"]


# Bidirectional


@pytest.mark.parametrize("name", MAKE)
def test_bidirectional_is_one_run_forwards_and_one_over_the_reversed_sequence(name):
    make, n = MAKE[name]
    network = bidirectional(make, 3, 2)
    xs, states = normal((5, 4, 3)), [normal((4, 2)) for _ in range(2 * n)]
    hs, *final = network.forward([xs, *states])
    forward = unroll(network.node("forward_1").module.cell, 5).forward([xs, *states[:n]])
    backward = unroll(network.node("backward_1").module.cell, 5).forward([xs[::-1], *states[n:]])
    np.testing.assert_allclose(hs, np.concatenate([forward[0], backward[0][::-1]], 2), atol=1e-14)
    for ours, theirs in zip(final, [*forward[1:], *backward[1:]], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-14)


@pytest.mark.parametrize("name, layers", [("gru", 1), ("peephole", 1), ("gru", 2)])
def test_bidirectional_gradients(name, layers):
    make, n = MAKE[name]
    check_gradients(bidirectional(make, 3, 2, layers), [normal((3, 2, 3)), *normal((2 * n * layers, 2, 2))])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name, layers", [("gru", 1), ("peephole", 2)])
def test_bidirectional_without_initial_states_and_with_the_batch_first(name, layers, masked):
    make, n = MAKE[name]
    network = bidirectional(make, 3, 2, layers, masked, batch_first=True, initial_states=False)
    plain = bidirectional(make, 3, 2, layers, masked)
    for a, b in zip(plain.parameters()[0], network.parameters()[0], strict=True):
        a[...] = b
    xs, states = normal((4, 5, 3)), [np.zeros((4, 2)) for _ in range(2 * n * layers)]
    mask = [np.array([5, 2, 0, 3])] * masked
    given = [xs, *mask] if masked else xs
    hs, *final = network.forward(given)
    expected, *expected_final = plain.forward([xs.swapaxes(0, 1), *states, *mask])
    np.testing.assert_array_equal(hs, expected.swapaxes(0, 1))
    for ours, theirs in zip(final, expected_final, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    check_gradients(network, given)


@pytest.mark.parametrize("arrange", [stacked, bidirectional])
@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_the_number_of_layers_must_be_positive(arrange, n):
    with pytest.raises(ArgumentError, match="n must be"):
        arrange(gru_cell, 3, 2, n)


# Highway


def test_highway():
    layer, x = highway(3, nn.Tanh), normal((4, 3))
    t, h = layer.node("W_t").module, layer.node("W_h").module
    open_ = sigmoid(x @ t.weight.T + t.bias)
    expected = open_ * np.tanh(x @ h.weight.T + h.bias) + (1 - open_) * x
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-12)
    check_gradients(layer, x)
    check_gradients(highway(3), x)
    ys = Recurrent(layer).forward(normal((5, 4, 3)))
    assert ys.shape == (5, 4, 3)


# Attention


def test_dot_product_attention():
    layer, q, m = dot_product_attention(3), normal((4, 3)), normal((4, 6, 3))
    kept, read = layer.forward([q, m])
    a = softmax(np.einsum("bsi,bi->bs", m, q) / np.sqrt(3))
    np.testing.assert_allclose(read, np.einsum("bs,bsi->bi", a, m), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.tape["attention"].output, a, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(kept, m)
    check_gradients(layer, [q, m])


@pytest.mark.parametrize("slots", [1, 6])
def test_additive_attention(slots):
    layer, q, m = additive_attention(3, 2, slots, 5), normal((4, 3)), normal((4, slots, 2))
    W, (U,), (v,) = layer.node("W").module, *(layer.node(name).module.parameters()[0] for name in "Uv")
    scores = np.array(
        [[(v @ np.tanh(W.weight @ q[b] + W.bias + U @ m[b, s])).item() for s in range(slots)] for b in range(4)]
    )
    kept, read = layer.forward([q, m])
    np.testing.assert_allclose(read, np.einsum("bs,bsi->bi", softmax(scores), m), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(kept, m)
    check_gradients(layer, [q, m])


@pytest.mark.parametrize("make", [lambda: dot_product_attention(3), lambda: additive_attention(3, 3, 6, 5)])
def test_a_memory_stays_while_queries_come(make):
    layer, memory = make(), normal((4, 6, 3))
    reads, kept = Recurrent(layer).forward([normal((5, 4, 3)), memory])
    assert reads.shape == (5, 4, 3)
    np.testing.assert_array_equal(kept, memory)
    assert_equals_unrolled(layer, [normal((5, 4, 3)), memory])


def test_a_cell_that_attends_is_wired_from_a_cell_and_an_attention():
    x, memory, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    kept, read = additive_attention(2, 4, slots=6, attention_size=3)([prev_h, memory]).split(2)
    cell = GModule([x, memory, prev_h], [kept, gru_cell(3 + 4, 2)([nn.JoinTable(1)([x, read]), prev_h])])
    assert_equals_unrolled(cell, [normal((5, 4, 3)), normal((4, 6, 4)), normal((4, 2))])


@pytest.mark.parametrize("make", [lambda: dot_product_attention(0), lambda: additive_attention(3, 2, 0, 5)])
def test_senseless_sizes_of_attention(make):
    with pytest.raises(ArgumentError):
        make()


# Tree


def tree_lstm(cell, x, *children):
    """The states (c, h) of a tree's node from those of its children, as Tai et al. write it."""
    W = {gate: cell.node(f"W_{gate}").module.weight for gate in "ifou"}
    b = {gate: cell.node(f"W_{gate}").module.bias for gate in "ifou"}
    U = {gate: cell.node(f"U_{gate}").module.weight for gate in "ifou"}
    h_sum = sum(h for _, h in children)
    i = sigmoid(x @ W["i"].T + h_sum @ U["i"].T + b["i"])
    o = sigmoid(x @ W["o"].T + h_sum @ U["o"].T + b["o"])
    u = np.tanh(x @ W["u"].T + h_sum @ U["u"].T + b["u"])
    c = i * u
    for c_k, h_k in children:
        c = c + sigmoid(x @ W["f"].T + h_k @ U["f"].T + b["f"]) * c_k
    return c, o * np.tanh(c)


@pytest.mark.parametrize("children", [1, 2, 3])
def test_tree_lstm_equations(children):
    cell = child_sum_tree_lstm(3, 2, children)
    x, states = normal((4, 3)), normal((children, 2, 4, 2))
    expected = tree_lstm(cell, x, *states)
    for ours, theirs in zip(cell.forward([x, *states.reshape(-1, 4, 2)]), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    check_gradients(cell, [x, *states.reshape(-1, 4, 2)])


def test_tree_lstm_over_a_tree():
    """One cell at the five nodes of the tree ((a b) c), with the gradients of its weights from all of them."""
    cell = child_sum_tree_lstm(3, 2)
    words, zero = [nn.Identity()() for _ in range(5)], nn.Identity()()
    a, b, c = (cell([word, zero, zero, zero, zero]).split(2) for word in words[:3])
    ab = cell([words[3], *a, *b]).split(2)
    tree = GModule([*words, zero], cell([words[4], *ab, *c]))
    xs, zeros = [normal((4, 3)) for _ in range(5)], np.zeros((4, 2))
    nobody = (zeros, zeros)
    leaves = [tree_lstm(cell, x, nobody, nobody) for x in xs[:3]]
    expected = tree_lstm(cell, xs[4], tree_lstm(cell, xs[3], *leaves[:2]), leaves[2])
    for ours, theirs in zip(tree.forward([*xs, zeros]), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    check_gradients(tree, [*xs, zeros])


def test_a_tree_of_single_children_is_an_lstm_over_time():
    cell, lstm = child_sum_tree_lstm(3, 2, children=1), no_peepholes(3, 2)
    for kind in "WU":
        for gate, other in zip("ifou", "ifoz"):
            lstm.node(f"{kind}_{other}").module.share(cell.node(f"{kind}_{gate}").module, "weight", "bias")
    input = [normal((5, 4, 3)), normal((4, 2)), normal((4, 2))]
    for ours, theirs in zip(Recurrent(cell).forward(input), Recurrent(lstm).forward(input), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_children_of_a_tree_have_no_order():
    cell, x, (one, other) = child_sum_tree_lstm(3, 2), normal((4, 3)), normal((2, 2, 4, 2))
    for a, b in zip(cell.forward([x, *one, *other]), cell.forward([x, *other, *one])):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_tree_needs_children():
    with pytest.raises(ArgumentError, match="children"):
        child_sum_tree_lstm(3, 2, children=0)
