"""Max pooling with gaps in the windows: without gaps, which is the default, it is max pooling."""

import numpy as np
import pytest

from nodegraph import nn

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    "dilated, plain, shape",
    [
        (nn.SpatialDilatedMaxPooling(2, 3), nn.SpatialMaxPooling(2, 3), (2, 6, 4)),
        (nn.SpatialDilatedMaxPooling(3, 2, 1, 2, 1, 0), nn.SpatialMaxPooling(3, 2, 1, 2, 1, 0), (2, 6, 5)),
        (nn.VolumetricDilatedMaxPooling(2, 3, 2), nn.VolumetricMaxPooling(2, 3, 2), (2, 4, 6, 6)),
        (
            nn.VolumetricDilatedMaxPooling(2, 3, 2, 1, 2, 1, 1, 0, 1),
            nn.VolumetricMaxPooling(2, 3, 2, 1, 2, 1, 1, 0, 1),
            (2, 4, 6, 7),
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, nn.Module) else "",
)
def test_windows_have_no_gaps_unless_told_to(dilated, plain, shape):
    x = rng.standard_normal(shape)
    y = plain.forward(x)
    np.testing.assert_array_equal(dilated.forward(x), y)
    np.testing.assert_array_equal(dilated.backward(x, y), plain.backward(x, y))
