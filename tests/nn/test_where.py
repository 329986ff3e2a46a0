"""Where: it selects, so that what is not chosen may be anything."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.errors import ShapeError

CONDITION = np.array([1, 0, 1, 0])


@pytest.mark.parametrize("condition", [CONDITION, CONDITION > 0, CONDITION * -2.5])
def test_it_takes_the_first_where_the_condition_is_not_zero(condition):
    a, b = np.arange(4.0), np.arange(10.0, 14)
    np.testing.assert_array_equal(nn.Where().forward([condition, a, b]), [0, 11, 2, 13])


def test_nan_in_what_is_not_chosen_goes_nowhere():
    a, b = np.where(CONDITION, 1.0, np.nan), np.where(CONDITION, np.nan, 2.0)
    where = nn.Where()
    assert where.forward([CONDITION, a, b]).tolist() == [1, 2, 1, 2]
    gradients = where.backward([CONDITION, a, b], np.array([np.nan, 4, 5, np.inf]))
    np.testing.assert_array_equal(gradients, [[0, 0, 0, 0], [np.nan, 0, 5, 0], [0, 4, 0, np.inf]])


def test_three_arrays_of_equally_many_elements():
    for shapes in ([(2,), (2,)], [(2,), (2,), (3,)]):
        with pytest.raises(ShapeError, match="expected"):
            nn.Where().forward([np.ones(shape) for shape in shapes])
