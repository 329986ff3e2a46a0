"""The generator of random numbers: seeds, and its state."""

import numpy as np
import pytest

import nodegraph.random
from nodegraph.errors import ArgumentError


def test_the_same_seed_and_the_same_state_give_the_same_numbers():
    nodegraph.seed(3)
    state, first = nodegraph.random.get_state(), nodegraph.random.generator().random(4)
    nodegraph.seed(3)
    np.testing.assert_array_equal(nodegraph.random.generator().random(4), first)
    nodegraph.random.set_state(state)
    np.testing.assert_array_equal(nodegraph.random.generator().random(4), first)


def test_numpys_own_generator_is_left_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    nodegraph.seed(5)
    nodegraph.random.generator().random(10)
    assert np.random.random() == expected


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_seeds_that_are_none(seed):
    with pytest.raises(ArgumentError, match="a seed must be a whole number from 0"):
        nodegraph.seed(seed)
