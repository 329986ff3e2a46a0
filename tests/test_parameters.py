"""All parameters as one vector: whatever memory they lie in, each is a part of it, and none is mistaken for another."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.parameters import unique


def with_weights(*weights):
    """A module with these arrays as its parameters."""
    net = nn.Sequential(*(nn.CMul(*weight.shape) for weight in weights))
    for module, weight in zip(net.modules, weights):
        module.weight, module.grad_weight = weight, np.zeros_like(weight)
    return net


def of_a_buffer():
    return [np.frombuffer(bytearray(np.arange(3.0).tobytes()))]


def of_shared_memory():
    buffer = memoryview(bytearray(48))
    return [np.ndarray((3,), buffer=buffer), np.ndarray((3,), buffer=buffer, offset=24)]


def side_by_side_in_shared_memory():
    buffer = bytearray(48)
    return [np.frombuffer(buffer, count=3)[:], np.frombuffer(buffer, offset=24)[:]]


def rows_of_a_matrix():
    block = np.arange(12.0).reshape(4, 3).copy()
    return [block[:1], block[1:]]


def single_in_a_double():
    return [np.arange(3.0).view(np.float32)]


def in_the_wrong_order():
    vector = np.arange(6.0)
    return [vector[3:], vector[:3]]


def with_a_gap():
    vector = np.arange(6.0)
    return [vector[:2], vector[3:]]


def columns():
    return [*np.arange(6.0).reshape(3, 2).T]


def turned_round():
    return [np.arange(6.0).reshape(2, 3).T]


def single_beside_double():
    memory = np.arange(4.0)
    return [memory[:2], memory[2:].view(np.float32)]


def of_two_vectors():
    return [np.arange(6.0)[:3], np.arange(6.0)[3:]]


@pytest.mark.parametrize(
    "place",
    [
        of_a_buffer, of_shared_memory, side_by_side_in_shared_memory, rows_of_a_matrix, single_in_a_double,
        in_the_wrong_order, with_a_gap, columns, turned_round, single_beside_double, of_two_vectors,
    ],
)  # fmt: skip
def test_parameters_become_parts_of_one_vector_wherever_they_lie(place):
    weights = place()
    net, before = with_weights(*weights), [weight.copy() for weight in weights]
    vector, gradient = net.get_parameters()
    assert vector.shape == gradient.shape == (sum(weight.size for weight in weights),)
    assert vector.dtype == weights[0].dtype
    np.testing.assert_array_equal(vector, np.concatenate([weight.ravel() for weight in before]))
    vector += 1
    gradient += 2
    for module, weight in zip(net.modules, before):
        np.testing.assert_array_equal(module.weight, weight + 1)
        np.testing.assert_array_equal(module.grad_weight, np.full(weight.shape, 2))


def test_a_part_of_a_vector_stays_where_it_is():
    whole = np.arange(6.0)
    vector, _ = with_weights(whole[1:3], whole[3:5]).get_parameters()
    assert vector.tolist() == [1, 2, 3, 4] and np.shares_memory(vector, whole)
    assert with_weights(whole[:2], whole[2:]).get_parameters()[0] is whole


def test_a_module_without_parameters():
    vector, gradient = nn.Tanh().get_parameters()
    assert vector.shape == gradient.shape == (0,)


whole = np.zeros(24)


@pytest.mark.parametrize(
    "arrays",
    [
        [whole[:6], whole[5:12]],
        [whole[5:12], whole[:6]],
        [whole[:6], whole[5::-1]],
        [whole[0:20:2], whole[1:10:2], whole[3:6:2]],
        [whole[:12].reshape(3, 4), whole[:12].reshape(3, 4).T],
        [whole[:10], whole[2:4], whole[8:12]],
        [whole[:4], whole[6:10], whole[2:5]],
    ],
)
def test_arrays_with_memory_in_common_are_refused(arrays):
    with pytest.raises(ArgumentError, match="overlap in memory"):
        unique(arrays, arrays)


@pytest.mark.parametrize(
    "arrays",
    [
        [whole[:6], whole[6:12]],
        [whole[0::2], whole[1::2]],
        [whole[5::-1], whole[:5:-1]],
        [whole[0:20:2], whole[1:10:2], whole[11:20:2]],
        [whole[:6], whole[3:3], whole[6:]],
    ],
)
def test_arrays_beside_and_between_each_other_are_not(arrays):
    assert all(a is b for a, b in zip(unique(arrays, arrays)[0], arrays, strict=True))
