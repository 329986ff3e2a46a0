"""Running something once more: nothing is left changed, and what comes out must be what came out before."""

import numpy as np
import pytest

from nodegraph import nn, seed
from nodegraph.errors import StateError
from nodegraph.random import generator, get_state
from nodegraph.replay import check_same, replayed


def test_the_same_random_numbers_come_once_more_and_then_those_that_would_have_come():
    module, start = nn.Dropout(0.5), get_state()
    first, then = generator().random(4), get_state()
    with replayed(module, start, []):
        np.testing.assert_array_equal(generator().random(4), first)
    assert get_state() == then


def test_running_averages_stay_as_they_were_also_after_an_error():
    module = nn.BatchNormalization(3)
    module.forward(np.random.default_rng(0).standard_normal((5, 3)))
    before, then = module.running_mean.copy(), get_state()
    with pytest.raises(KeyError), replayed(module, get_state(), []):
        seed(3)
        module.forward(np.ones((5, 3)))
        assert (module.running_mean != before).any()
        raise KeyError
    np.testing.assert_array_equal(module.running_mean, before)
    assert get_state() == then


@pytest.mark.parametrize(
    "again",
    [None, np.array(2.0), np.ones((1, 3)), np.ones((2, 3)) + 1e-3, [np.ones((2, 3))], np.full((2, 3), np.nan)],
    ids=["nothing", "a number", "a shape that would spread", "another number", "a table", "NaN"],
)
def test_something_else_is_refused(again):
    with pytest.raises(StateError, match="no longer those of the run"):
        check_same(again, np.ones((2, 3)))


def test_nothing_is_not_a_number():
    with pytest.raises(StateError, match="no longer those of the run"):
        check_same(None, np.array(1.0))


def test_the_same_up_to_rounding_is_the_same_and_so_is_nan():
    for value in np.ones((2, 3)), [np.ones(2), [np.zeros(3, np.float32)]], np.array([np.nan, np.inf]), np.zeros((0, 3)):
        check_same(value, value)
    check_same(np.ones((2, 3)) + 1e-12, np.ones((2, 3)))
