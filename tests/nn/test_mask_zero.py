"""MaskZero: the samples that are all zeros are left out."""

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, Recurrent, nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

X = np.array([[0.5, -1.0], [0.0, 0.0], [0.0, 2.0]])


def linear():
    module = nn.Linear(2, 2)
    module.weight[...], module.bias[...] = [[0.25, -1.5], [2.0, 0.75]], [0.125, -0.5]
    module.zero_grad_parameters()
    return module


def test_values_of_torch7():
    mask, grad_output = nn.MaskZero(linear(), 1), np.array([[1.0, -2.0], [0.0, 0.0], [0.5, 3.0]])
    np.testing.assert_array_equal(mask.forward(X), [[1.75, -0.25], [0, 0], [-2.875, 1]])
    np.testing.assert_array_equal(mask.backward(X, grad_output), [[-3.75, -3], [0, 0], [6.125, 1.5]])
    grad_weight, grad_bias = mask.parameters()[1]
    np.testing.assert_array_equal(grad_weight, [[0.5, 0], [-1, 8]])
    np.testing.assert_array_equal(grad_bias, [1.5, 1])


def test_what_comes_in_for_samples_left_out_goes_nowhere():
    mask, grad_output = nn.MaskZero(linear(), 1), np.ones((3, 2))
    mask.forward(X)
    grad_input = mask.backward(X, grad_output)
    assert not grad_input[1].any() and grad_input[[0, 2]].all()
    np.testing.assert_array_equal(mask.modules[0].grad_bias, [2, 2])


def test_the_axes_of_a_sample():
    x = np.array([[3.0, 0.0], [0.0, 0.0]])
    assert nn.MaskZero(nn.AddConstant(1), 1).forward(x).tolist() == [[4, 1], [0, 0]]
    assert nn.MaskZero(nn.AddConstant(1), 2).forward(x).tolist() == [[4, 1], [1, 1]]  # a single sample
    assert nn.MaskZero(nn.AddConstant(1), 1).forward(x[1]).tolist() == [0, 0]
    assert nn.MaskZero(nn.AddConstant(1), 0).forward(x[0]).tolist() == [4, 0]  # a batch of numbers


def test_of_a_table_the_first_array_counts():
    module = nn.MaskZero(nn.ParallelTable(nn.Identity(), nn.ConcatTable(nn.Identity(), nn.AddConstant(1))), 1)
    first, [second, third] = module.forward([X, np.zeros((3, 1))])
    np.testing.assert_array_equal(first, X)
    assert second.tolist() == [[0], [0], [0]] and third.tolist() == [[1], [0], [1]]
    assert module.output_shape([(3, 2), (3, 1)]) == [(3, 2), [(3, 1), (3, 1)]]


def test_a_nan_is_not_left_out_and_one_made_of_zeros_is():
    assert np.isnan(nn.MaskZero(nn.Identity(), 1).forward(np.array([[0.0, np.nan]]))).tolist() == [[False, True]]
    assert nn.MaskZero(nn.Log(), 1).forward(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_gradients_where_nothing_is_left_out():
    check_gradients(nn.MaskZero(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), 1), X[[0, 2]])


def test_single_precision_stays():
    assert nn.MaskZero(linear(), 1).float().forward(X.astype(np.float32)).dtype == np.float32


def test_a_recurrence_begins_anew():
    """The state is zero after a step of zeros, planned or not, as if the sequence began there."""
    nodegraph.seed(1)
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.MaskZero(nn.SelectTable(1), 1)([x, nn.Tanh()(nn.CAddTable()([nn.Linear(2, 3)(x), nn.Linear(3, 3)(h)]))])
    network = Recurrent(GModule([x, h], [new, new]))
    steps = np.random.default_rng(0).normal(size=(5, 4, 2))
    steps[2, 1] = 0
    outputs, _ = network.forward([steps, np.zeros((4, 3))])
    assert not outputs[2, 1].any() and outputs[2, 0].all()
    alone, _ = network.forward([steps[3:], np.zeros((4, 3))])
    np.testing.assert_allclose(alone[:, 1], outputs[3:, 1], rtol=1e-14)
    assert np.abs(alone[:, 0] - outputs[3:, 0]).min() > 0


@pytest.mark.parametrize("shape", [(), (2,), (3, 2, 2, 2)])
def test_another_number_of_axes_is_refused(shape):
    with pytest.raises(ShapeError, match="expected an array of 2 axes, or of one more for a batch"):
        nn.MaskZero(nn.Identity(), 2).forward(np.zeros(shape))


def test_an_output_without_the_samples_is_refused():
    module = nn.MaskZero(nn.Sum(0), 1)
    for run in (lambda: module.forward(X), lambda: module.output_shape((3, 2))):
        with pytest.raises(ShapeError, match=r"first axis lists the 3 samples, the module's is \(2,\)"):
            run()


def test_the_number_of_axes_must_be_one():
    for wrong in (-1, 1.5, "1", None):
        with pytest.raises(ArgumentError, match="n_input_dim"):
            nn.MaskZero(nn.Identity(), wrong)
