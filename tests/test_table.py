"""Tables: what may be a value, and in which type it is computed."""

import numpy as np
import pytest

from nodegraph import nn, table


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("module", [nn.SoftMax(), nn.LogSoftMax(), nn.Tanh(), nn.CReLU(1), nn.Square(), nn.Sum(0)])
def test_integers_of_any_width_are_computed_as_the_numbers_they_are(module, dtype):
    x = np.array([[100, 90, 0], [120, 1, 7]], dtype)
    np.testing.assert_allclose(module.forward(x), module.forward(x.astype(float)), rtol=1e-12)


def test_sums_of_narrow_integers_do_not_overflow():
    assert nn.CAddTable().forward([np.array([200], np.uint8), np.array([100], np.uint8)]).item() == 300
    assert nn.MulConstant(2).forward(np.uint8(200)) == 400


def test_floats_long_integers_and_booleans_stay_the_arrays_they_are():
    for dtype in (np.float32, float, np.int64, bool):
        array = np.ones(3, dtype)
        assert table.as_value([array])[0] is array
