"""LookupTable, LookupTableMaskZero and OneHot: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.errors import ArgumentError, InputError

from module_examples import numbers

MODULES = [lambda: nn.LookupTable(5, 3), lambda: nn.OneHot(5), lambda: nn.LookupTableMaskZero(5, 3)]


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("index", [-2, 5, 1.5, -0.5, np.nan, np.inf, -np.inf])
def test_an_index_that_is_none_is_refused_by_name(make, index):
    with pytest.raises(InputError, match=f"found {index}"):
        make().forward(np.array([0, index, 1]))


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float32, np.float64])
def test_indices_may_have_any_type_of_number(make, dtype):
    module = make()
    np.testing.assert_array_equal(module.forward(np.array([4, 0], dtype)), module.forward(np.array([4, 0])))


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("wrong", [np.array([True, False]), np.array([1 + 0j]), np.array(["1"])])
def test_what_is_not_a_number_is_no_index(make, wrong):
    with pytest.raises(InputError):
        make().forward(wrong)


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 2), (0,), (2, 0)])
def test_indices_may_stand_in_any_shape(make, shape):
    module = make()
    input = np.ones(shape, int)
    output = module.forward(input)
    assert output.shape == module.output_shape(shape) == (*shape, output.shape[-1])
    grad_input = module.backward(input, np.ones_like(output))
    assert grad_input.shape == shape and not grad_input.any()


def test_the_output_does_not_follow_the_weight():
    lookup = nn.LookupTable(5, 3)
    output = lookup.forward(np.array([1]))
    before = output.copy()
    lookup.weight += 1
    np.testing.assert_array_equal(output, before)


@pytest.mark.parametrize("padding, max_norm, norm_type, by_freq", [
    (None, None, 2, False), (2, None, 2, False), (None, 0.8, 2, False), (0, 0.8, 1, False), (None, 1.1, 3, False),
    (1, None, 2, True),
])  # fmt: skip
def test_lookup_agrees_with_pytorch(padding, max_norm, norm_type, by_freq):
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    theirs = torch.nn.Embedding(5, 3, padding, max_norm, norm_type, by_freq).double()
    ours = nn.LookupTable(5, 3, padding, max_norm, norm_type)
    if by_freq:
        assert ours.scale_grad_by_freq() is ours
    ours.weight[...] = theirs.weight.detach().numpy()
    input, grad_output = np.array([[0, 2, 2], [1, 2, 0]]), numbers(2, 3, 3)
    y = theirs(torch.tensor(input))
    y.backward(torch.tensor(grad_output))
    np.testing.assert_allclose(ours.forward(input), y.detach(), rtol=1e-6)
    ours.backward(input, grad_output)
    np.testing.assert_allclose(ours.weight, theirs.weight.detach(), rtol=1e-6)
    np.testing.assert_allclose(ours.grad_weight, theirs.weight.grad, rtol=1e-12)


def test_max_norm_changes_the_rows_looked_up_and_no_others_even_for_copies_of_the_array():
    lookup = nn.LookupTable(4, 3, max_norm=0.5)
    lookup.weight[...] = 2.0
    whole, _ = lookup.get_parameters()
    lookup.forward(np.array([1, 1, 3]))
    np.testing.assert_allclose(np.linalg.norm(lookup.weight, axis=1), [12**0.5, 0.5, 12**0.5, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(whole.reshape(4, 3), lookup.weight)


def test_setters_do_what_the_constructor_does():
    lookup = nn.LookupTable(5, 3).set_padding(4).set_max_norm(2).set_norm_type(1)
    assert (lookup.padding_index, lookup.max_norm, lookup.norm_type) == (4, 2, 1)
    assert lookup.set_padding(None).padding_index is None


def test_every_mention_of_an_index_adds_to_its_gradient():
    lookup = nn.LookupTable(5, 2)
    lookup.forward(np.array([3, 1, 3, 3]))
    lookup.backward(None, np.array([[1.0, 2], [10, 20], [3, 4], [5, 6]]))
    np.testing.assert_array_equal(lookup.grad_weight, [[0, 0], [10, 20], [0, 0], [9, 12], [0, 0]])


def test_weights_are_drawn_from_the_normal_distribution():
    nodegraph.random.seed(0)
    lookup = nn.LookupTable(100, 50)
    assert abs(lookup.weight.std() - 1) < 0.05 and abs(lookup.weight.mean()) < 0.05
    assert abs(lookup.reset(0.1).weight.std() - 0.1) < 0.005


def test_mask_zero_has_a_row_of_zeros_that_stays():
    lookup = nn.LookupTableMaskZero(4, 3)
    assert lookup.weight.shape == (5, 3) and not lookup.weight[0].any()
    lookup.weight[0] = 7
    input = np.array([[-1, 3], [0, -1]])
    output = lookup.forward(input)
    np.testing.assert_array_equal(output, [[np.zeros(3), lookup.weight[4]], [lookup.weight[1], np.zeros(3)]])
    lookup.backward(input, np.ones((2, 2, 3)))
    np.testing.assert_array_equal(lookup.grad_weight[:, 0], [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(lookup.weight[0], 0)
    assert not lookup.reset().weight[0].any()


def test_one_hot_rows_pick_the_columns_of_a_linear():
    linear, indices = nn.Linear(5, 3), np.array([4, 0, 4])
    np.testing.assert_allclose(linear.forward(nn.OneHot(5).forward(indices)), linear.weight.T[indices] + linear.bias)


def test_one_hot_takes_a_plain_number_and_follows_the_models_type():
    one_hot = nn.OneHot(4)
    np.testing.assert_array_equal(one_hot.forward(2), [0, 0, 1, 0])
    assert one_hot.backward(2, np.ones(4)) == 0
    net = nn.Sequential(nn.OneHot(4), nn.Linear(4, 2)).float()
    assert net.forward(np.array([1, 2])).dtype == np.float32
    assert net.double().forward(np.array([1, 2])).dtype == np.float64


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LookupTable(0, 3),
        lambda: nn.LookupTable(5, 3, 5),
        lambda: nn.LookupTable(5, 3, -1),
        lambda: nn.LookupTable(5, 3, 1.5),
        lambda: nn.LookupTable(5, 3, None, 0),
        lambda: nn.LookupTable(5, 3, None, 1, -2),
        lambda: nn.LookupTable(5, 3, None, np.nan),
        lambda: nn.LookupTableMaskZero(0, 3),
        lambda: nn.OneHot(0),
        lambda: nn.OneHot(2.5),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_construction(make):
    with pytest.raises(ArgumentError):
        make()


def test_the_row_of_the_padding_index_is_zero_and_stays_so():
    lookup, indices = nn.LookupTable(5, 3, padding_index=0), np.array([[1, 2, 0], [0, 0, 4]])
    for _ in range(2):
        assert not lookup.forward(indices)[indices == 0].any() and lookup.weight[1:].all()
        lookup.backward(indices, np.ones((2, 3, 3)))
        lookup.update_parameters(0.1)
        lookup.reset()
