"""The stop at the first NaN or infinity: what is looked at, and how the numbers are told."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.debug import Mode
from nodegraph.errors import NonFiniteError


def stopped(module, input):
    with nodegraph.debug(stop_at_nan=True), pytest.raises(NonFiniteError) as caught:
        module.forward(input)
    return str(caught.value)


def test_one_part_of_a_table_is_enough():
    told = stopped(nn.SplitTable(0), np.array([[1.0, 2.0], [np.nan, 3.0]]))
    assert told.endswith("its output has 1 NaN among 4 numbers; its input ranges from 1 to 3 and has 1 NaN")


def test_an_empty_table_has_nothing_to_look_at():
    with nodegraph.debug(stop_at_nan=True):
        assert nn.FlattenTable().forward([]) == []


def test_a_mean_of_nothing():
    class Mean(nn.Module):
        def update_output(self, input):
            return input.sum(0) / len(input)

    assert stopped(Mean(), np.zeros((0, 2))).endswith("its output has 2 NaN among 2 numbers; its input is empty")


def test_several_kinds_of_numbers_that_are_none():
    told = stopped(nn.Identity(), np.array([np.nan, np.inf, -np.inf, -np.inf, np.nan]))
    assert told.endswith("its output has 2 NaN and 1 inf and 2 -inf among 5 numbers; "
                         "its input has 2 NaN and 1 inf and 2 -inf")  # fmt: skip


def test_a_plain_number_of_a_module_of_ones_own():
    class Worst(nn.Module):
        def update_output(self, input):
            return float(input.max())

    assert stopped(Worst(), np.array([1.0, np.inf])).startswith(
        "Worst() got (2,): its output has 1 inf among 1 numbers"
    )
    with nodegraph.debug(stop_at_nan=True):
        assert Worst().forward(np.array([1.0, 2.0])) == 2


def test_nobody_looks_unless_told_to():
    assert Mode().folder is None and not Mode().stop_at_nan
