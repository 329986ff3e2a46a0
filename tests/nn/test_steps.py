"""Reverse and Last: whole arrays, and sequences of different lengths within them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nodegraph import check_gradients, nn
from nodegraph.errors import InputError, ShapeError
from nodegraph.nn.steps import valid_steps

from module_examples import numbers

MASKS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 4)))


def test_reverse_turns_an_axis_round():
    np.testing.assert_array_equal(nn.Reverse(1).forward(np.array([[1, 2], [3, 4]])), [[2, 1], [4, 3]])
    check_gradients(nn.Reverse(-1), numbers(2, 3))
    assert nn.Reverse(1).rowwise((2, 3)) and not nn.Reverse(0).rowwise((2, 3))
    with pytest.raises(ShapeError, match="axis 1"):
        nn.Reverse(1).forward(numbers(3))


@given(MASKS)
def test_reverse_turns_each_sequence_round_within_its_own_steps(mask):
    x = numbers(*mask.shape, 2)
    y = nn.Reverse().forward([x, mask])
    for b, counts in enumerate(mask.T):
        np.testing.assert_array_equal(y[counts, b], x[counts, b][::-1])
        np.testing.assert_array_equal(y[~counts, b], x[~counts, b])
    np.testing.assert_array_equal(nn.Reverse().forward([y, mask]), x)
    check_gradients(nn.Reverse(), [x, mask])


@given(MASKS)
def test_last_takes_each_sequence_s_own_last_step(mask):
    x = numbers(*mask.shape, 2)
    for b, y in enumerate(nn.Last().forward([x, mask])):
        np.testing.assert_array_equal(y, x[mask[:, b], b][-1] if mask[:, b].any() else np.zeros(2))
    check_gradients(nn.Last(), [x, mask])


@pytest.mark.parametrize("module", [nn.Reverse, nn.Last])
def test_the_steps_may_be_the_second_axis(module):
    x, lengths = numbers(5, 3, 2), np.array([5, 2, 0])
    expected = module().forward([x, lengths])
    turned = module(1).forward([x.swapaxes(0, 1), lengths])
    np.testing.assert_array_equal(turned.swapaxes(0, 1) if turned.ndim == 3 else turned, expected)
    check_gradients(module(1), [x.swapaxes(0, 1), valid_steps(lengths, 5, 3).T])


@pytest.mark.parametrize("axis, expected", [(0, [4, 5]), (-1, [1, 3, 5])])
def test_last_of_an_array(axis, expected):
    x = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(nn.Last(axis).forward(x), expected)
    check_gradients(nn.Last(axis), x)


def test_a_nan_in_the_gradient_of_an_empty_sequence_stays_there():
    module, input = nn.Last(), [numbers(3, 2), np.array([3, 0])]
    module.forward(input)
    np.testing.assert_array_equal(module.backward(input, np.array([1.0, np.nan]))[0], [[0, 0], [0, 0], [1, 0]])


@pytest.mark.parametrize(
    "given, words",
    [
        (np.array([4, 2]), "found 4"), (np.array([1, -1]), "found -1"), (np.array([1.5, 2]), "found 1.5"),
        (np.array([np.nan, 2]), "found nan"), (np.array([True, False]), "found booleans"),
        (np.full((3, 2), 2), "zeros and ones, found 2"),
    ],
)  # fmt: skip
def test_what_is_neither_lengths_nor_a_mask(given, words):
    with pytest.raises(InputError, match=words):
        nn.Last().forward([numbers(3, 2), given])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (), (3, 2, 1)])
def test_lengths_and_masks_fit_the_sequences(shape):
    with pytest.raises(ShapeError, match=r"expected lengths \(batch,\), here \(2,\), or a mask .*\(3, 2\)"):
        nn.Reverse().forward([numbers(3, 2), np.ones(shape, int)])


def test_lengths_are_for_the_first_two_axes():
    with pytest.raises(ShapeError, match="axis 0 or 1, not -1"):
        nn.Last(-1).forward([numbers(3, 2), np.array([1, 1])])


def test_there_is_no_last_of_no_steps():
    with pytest.raises(ShapeError, match="expected at least one step along axis 1"):
        nn.Last(1).forward(numbers(2, 0, 3))
    given = [numbers(0, 2, 3), np.array([0, 0])]
    assert (nn.Last().forward(given) == np.zeros((2, 3))).all()
    for module in nn.Last(), nn.Reverse():
        output = module.forward(given)
        assert module.backward(given, output)[0].shape == (0, 2, 3)
