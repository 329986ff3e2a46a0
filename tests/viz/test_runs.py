"""What is told of the numbers of a run."""

import numpy as np
import pytest

from nodegraph.viz.runs import is_bad, summary


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.array([1.0, 2.0, 6.0]), [("1 … 6, mean 3", False)]),
        ([np.array([2.5]), [np.full((2, 2), 2.5)]], [("all 2.5", False)]),
        (np.array([-1e-9, 1e9]), [("−1e−09 … 1e+09, mean 5e+08", False)]),
        ([np.array([1.0, np.inf]), None, np.array([np.nan, -np.inf])],
         [("all 1", False), ("1 NaN, 2 inf of 4 numbers", True)]),
        (np.array([np.nan, np.nan]), [("2 NaN of 2 numbers", True)]),
        (np.zeros((0, 3)), [("no numbers", False)]),
        ([], [("no numbers", False)]),
        ([None], [("no numbers", False)]),
    ],
)  # fmt: skip
def test_the_range_the_mean_and_what_is_no_number(value, told):
    assert summary(value) == told
    assert is_bad(value) == any(bad for _, bad in told)
