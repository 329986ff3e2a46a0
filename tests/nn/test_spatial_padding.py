"""Padding with zeros, reflections and replications, and cropping."""

import numpy as np
import pytest

from nodegraph import check, nn
from nodegraph.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(7)

SPATIAL = {
    nn.SpatialZeroPadding: "constant",
    nn.SpatialReflectionPadding: "reflect",
    nn.SpatialReplicationPadding: "edge",
}
"""Class -> NumPy's name of the mode."""

PADS = [(1,), (1, 2), (0, 0, 0, 0), (1, 2, 3, 0), (3, 3, 2, 2), (-1, -2, -1, 0), (-1, 2, 1, -2), (-4, 2, 0, 1)]


def expected(x, pads, mode):
    """By NumPy: pad, then crop; pads are those of (left, right, top, bottom, front, back)."""
    axes = list(zip(pads[::2], pads[1::2]))[::-1]
    lead = [(0, 0)] * (x.ndim - len(axes))
    padded = np.pad(x, lead + [(max(a, 0), max(b, 0)) for a, b in axes], mode=mode)
    crops = [slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(axes, padded.shape[-len(axes) :])]
    return padded[(..., *crops)]


@pytest.mark.parametrize("build", SPATIAL)
@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("shape", [(2, 4, 5), (3, 2, 4, 5)])
def test_like_numpy(build, pads, shape):
    x = RNG.standard_normal(shape)
    module = build(*pads)
    y = module.forward(x)
    np.testing.assert_array_equal(y, expected(x, (*pads, *[pads[0]] * (4 - len(pads))), SPATIAL[build]))
    assert module.output_shape(shape) == y.shape
    assert module.rowwise(shape) == (len(shape) == 4)
    assert not np.shares_memory(x, y)
    if len(shape) == 3:
        assert check.check_gradients(module, x) < 1e-6


@pytest.mark.parametrize("pads", [(1,), (1, 2, 0, 1, 3, 0), (-1, 0, 1, -2, 2, -1)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_volumes_like_numpy(pads, batch):
    x = RNG.standard_normal((*batch, 2, 3, 4, 3))
    module = nn.VolumetricReplicationPadding(*pads)
    y = module.forward(x)
    np.testing.assert_array_equal(y, expected(x, pads if len(pads) > 1 else pads * 6, "edge"))
    assert module.output_shape(x.shape) == y.shape
    assert module.rowwise(x.shape) == bool(batch)
    assert check.check_gradients(module, x) < 1e-6


@pytest.mark.parametrize("build", [*SPATIAL, nn.VolumetricReplicationPadding])
def test_float32_stays(build):
    x = RNG.standard_normal((2, 2, 3, 3)).astype(np.float32)
    module = build(1, 2)
    y = module.forward(x)
    assert y.dtype == module.backward(x, y).dtype == np.float32


def test_infinity_does_not_leak():
    x = np.array([[[np.inf, 1.0, 2.0]]])
    assert nn.SpatialZeroPadding(1, 0, 0, 0).forward(x).tolist() == [[[0.0, np.inf, 1.0, 2.0]]]


@pytest.mark.parametrize(
    "module, shape, message",
    [
        (nn.SpatialZeroPadding(1), (4, 5), "batch, planes, height, width"),
        (nn.SpatialZeroPadding(-2, -3, 0, 0), (1, 4, 5), "at least 6 elements along the width"),
        (nn.SpatialZeroPadding(-5, 2, 0, 0), (1, 4, 5), "more than 5 elements along the width"),
        (nn.SpatialReflectionPadding(0, 0, 4, 0), (1, 4, 5), "more than 4 elements"),
        (nn.SpatialReplicationPadding(1), (1, 0, 5), "at least 1 elements along the height"),
        (nn.VolumetricReplicationPadding(1), (4, 5, 6), "planes, depth, height, width"),
    ],
    ids=repr,
)
def test_wrong_shapes(module, shape, message):
    with pytest.raises(ShapeError, match=message):
        module.forward(np.zeros(shape))
    with pytest.raises(ShapeError):
        module.output_shape([shape])


@pytest.mark.parametrize("build", [*SPATIAL, nn.VolumetricReplicationPadding])
@pytest.mark.parametrize("pads", [(1.5,), (1, "2"), (None,)])
def test_arguments_that_make_no_sense(build, pads):
    with pytest.raises(ArgumentError):
        build(*pads)
