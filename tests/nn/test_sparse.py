"""SparseLinear and IndexLinear: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

from nodegraph import nn, table
from nodegraph.errors import ArgumentError, InputError, ShapeError

from module_examples import numbers

ONE = np.array([[0, 0.5], [3, -1.2], [3, 0.4]])
OTHER = np.array([[1, 0.7]])
NONE = np.zeros((0, 2))


def dense(pairs, n=6):
    row = np.zeros(n)
    np.add.at(row, pairs[:, 0].astype(int), pairs[:, 1])
    return row


SPARSE_INPUTS = [
    (ONE, dense(ONE)),
    ([ONE, OTHER], np.stack([dense(ONE), dense(OTHER)])),
    ([OTHER, NONE, ONE], np.stack([dense(OTHER), np.zeros(6), dense(ONE)])),
    (np.stack([ONE, ONE[::-1] * [1, 2]]), np.stack([dense(ONE), 2 * dense(ONE)])),
    (NONE, np.zeros(6)),
    ([], np.zeros((0, 6))),
]


def as_keys(input):
    """The same features as IndexLinear takes them."""
    if isinstance(input, list):
        return [[pairs[:, 0] for pairs in input], [pairs[:, 1] for pairs in input]]
    return [input[:, 0].astype(int), input[:, 1]]


def backward(module, input, grad_output):
    module.zero_grad_parameters()
    return module.forward(input), module.backward(input, grad_output, 0.5)


@pytest.mark.parametrize("input, full", SPARSE_INPUTS)
def test_a_sparse_layer_is_a_linear_layer_of_the_full_input(input, full):
    linear = nn.Linear(6, 3)
    expected, full_gradient = backward(linear, full, numbers(*full.shape[:-1], 3))
    cases = [(nn.SparseLinear(6, 3, True), input, linear.weight, lambda g: g)]
    if isinstance(input, list) or input.ndim == 2:
        cases.append((nn.IndexLinear(6, 3, True), as_keys(input), linear.weight.T, lambda g: g.T))
    for module, given, weight, turn in cases:
        module.weight[...], module.bias[...] = weight, linear.bias
        output, grad_input = backward(module, given, numbers(*full.shape[:-1], 3))
        np.testing.assert_allclose(output, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(turn(module.grad_weight), linear.grad_weight, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(module.grad_bias, linear.grad_bias, rtol=1e-12, atol=1e-12)
        assert table.shape(grad_input) == table.shape(given)
    if full.ndim == 1 and len(input):
        found = backward(cases[0][0], input, numbers(3))[1]
        np.testing.assert_array_equal(found[:, 0], 0)
        np.testing.assert_allclose(found[:, 1], full_gradient[input[:, 0].astype(int)], rtol=1e-12)


def test_flat_keys_with_sizes_are_the_batch_in_another_form():
    keys, values = as_keys([OTHER, NONE, ONE])
    module = nn.IndexLinear(6, 3, True).reset()
    flat = [np.concatenate(keys), np.concatenate(values), np.array([1, 0, 3])]
    expected, (_, grad_values) = backward(module, [keys, values], numbers(3, 3))
    expected_weight = module.grad_weight.copy()
    output, grad_input = backward(module, flat, numbers(3, 3))
    np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(module.grad_weight, expected_weight)
    np.testing.assert_array_equal(grad_input[1], np.concatenate(grad_values))
    one = [np.concatenate(keys), np.concatenate(values), 4]
    np.testing.assert_allclose(module.forward(one), (output - module.bias).sum(0, keepdims=True) + module.bias)


def test_pairs_of_value_zero_are_not_there_whatever_their_index():
    module = nn.SparseLinear(6, 3, True)
    padded = np.concatenate([ONE, [[-1, 0], [99, 0], [np.nan, 0]]])
    np.testing.assert_array_equal(module.forward(ONE), module.forward(padded))
    assert not module.backward(padded, np.ones(3))[3:].any()


def test_without_do_grad_input_the_gradient_is_zero():
    for module, input in ((nn.SparseLinear(6, 3), [ONE, OTHER]), (nn.IndexLinear(6, 3), as_keys([ONE, OTHER]))):
        module.forward(input)
        grad_input = module.backward(input, np.ones((2, 3)))
        assert table.shape(grad_input) == table.shape(input) and not any(g.any() for g in table.leaves(grad_input))


def test_weight_decay_adds_to_the_gradient():
    module = nn.SparseLinear(6, 3)
    module.weight_decay = 0.1
    module.forward(ONE)
    module.backward(ONE, np.zeros(3))
    np.testing.assert_allclose(module.grad_weight, 0.1 * module.weight)


@pytest.mark.parametrize("index", [-1, 6, 0.5, np.nan])
def test_a_bad_index_is_named(index):
    with pytest.raises(InputError, match=f"found {index}"):
        nn.SparseLinear(6, 3).forward(np.array([[index, 1.0]]))
    with pytest.raises(InputError, match=f"found {index}"):
        nn.IndexLinear(6, 3).forward([np.array([index]), np.array([1.0])])


def test_keys_may_start_elsewhere():
    module = nn.IndexLinear(3, 2, keys_offset=-10).reset()
    np.testing.assert_allclose(module.forward([np.array([12]), np.array([2.0])]), 2 * module.weight[2] + module.bias)
    with pytest.raises(InputError, match="expected indices from 10 to 12, found 0"):
        module.forward([np.array([0]), np.array([2.0])])


@pytest.mark.parametrize("sizes", [np.array([1, 1]), np.array([2, 2]), np.array([1.5, 1.5]), np.array([-1, 4])])
def test_sizes_must_add_up(sizes):
    with pytest.raises(InputError):
        nn.IndexLinear(6, 3).forward([np.array([0, 1, 2]), np.ones(3), sizes])


@pytest.mark.parametrize(
    "input",
    [
        np.zeros((3, 2)),
        [np.zeros(3, int), np.zeros(2)],
        [np.zeros((1, 3), int), np.zeros((1, 3))],
        [[np.zeros(3, int)], [np.zeros(3), np.zeros(3)]],
        [[np.zeros(3, int)], np.zeros(3)],
        [[np.zeros(3, int)], [np.zeros(3)], np.array([3])],
        [np.zeros(3, int), np.zeros(3), np.ones((3, 1), int)],
    ],
)
def test_keys_and_values_must_go_together(input):
    with pytest.raises(ShapeError, match="expected a table"):
        nn.IndexLinear(6, 3).forward(input)


def test_index_linear_starts_at_zero_or_from_the_arrays_given():
    assert not nn.IndexLinear(6, 3).weight.any()
    weight, bias = numbers(6, 3), numbers(3)
    module = nn.IndexLinear(None, None, False, None, weight, bias)
    assert module.weight is weight and module.bias is bias and (module.input_size, module.output_size) == (6, 3)
    assert nn.IndexLinear(None, None, weight=numbers(6, 7), normalize=True).output_size == 3


def normalised(values, keys, state, train):
    """One value after the other, as in Torch's loop over the entries."""
    out = []
    for value, key in zip(values, keys):
        if train and abs(value) > state[key, 0]:
            state[key, :2] = abs(value), 1 / abs(value)
        out.append((np.sign(value) if abs(value) > state[key, 0] else value * state[key, 1]) + state[key, 3])
    return np.array(out)


def test_normalize_divides_by_the_largest_value_seen_in_training():
    module = nn.IndexLinear(6, 3, normalize=True).reset()
    module.weight[:, 3] = numbers(6)
    state = module.weight.copy()
    keys, values = np.array([0, 3, 3, 1, 3, 0]), np.array([0.5, 1.0, -4.0, 2.0, 3.0, -0.25])
    for train, factor in ((True, 1.0), (True, 0.5), (False, 3.0)):
        module.train = train
        expected = normalised(factor * values, keys, state, train) @ state[keys, 4:] + module.bias
        np.testing.assert_allclose(module.forward([keys, factor * values]), expected, rtol=1e-12)
    np.testing.assert_array_equal(module.weight[:, :2], state[:, :2])
    np.testing.assert_array_equal(module.weight[[0, 1, 3], 2], 1)


def test_normalize_trains_a_bias_for_each_feature():
    module = nn.IndexLinear(6, 3, normalize=True).reset()
    input, g = [np.array([0, 3, 3]), np.array([0.5, 1.0, -4.0])], numbers(3)
    module.forward(input)
    module.zero_grad_parameters()
    module.forward(input)
    module.backward(input, g)
    assert not module.grad_weight[:, :3].any()
    for place in ((0, 3), (3, 3), (3, 5)):
        value, losses = module.weight[place], []
        for step in (1e-6, -1e-6):
            module.weight[place] = value + step
            losses.append(module.forward(input) @ g)
        module.weight[place] = value
        assert module.grad_weight[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.SparseLinear(0, 3),
        lambda: nn.SparseLinear(6, 3, "yes"),
        lambda: nn.IndexLinear(6, 3, True, normalize=True),
        lambda: nn.IndexLinear(6, 3, keys_offset=0.5),
        lambda: nn.IndexLinear(6, 3, weight=np.zeros(6)),
        lambda: nn.IndexLinear(6, 3, bias=np.zeros(4)),
        lambda: nn.IndexLinear(6, 3, weight=np.zeros((6, 3), int)),
        lambda: nn.IndexLinear(None, None),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_construction(make):
    with pytest.raises(ArgumentError):
        make()
