"""Up-sampling by repetition and interpolation, and the pixel shuffle."""

import numpy as np
import pytest

from nodegraph import check, nn
from nodegraph.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(6)

CASES = {
    "nearest": (lambda: nn.SpatialUpSamplingNearest(3), (2, 3, 2, 4)),
    "factor 1": (lambda: nn.SpatialUpSamplingNearest(1), (2, 3, 2, 4)),
    "bilinear": (lambda: nn.SpatialUpSamplingBilinear(3), (2, 3, 2, 4)),
    "bilinear to a size": (lambda: nn.SpatialUpSamplingBilinear({"oheight": 2, "owidth": 7}), (2, 3, 4, 3)),
    "bilinear, one row": (lambda: nn.SpatialUpSamplingBilinear(2), (2, 3, 1, 3)),
    "images": (lambda: nn.UpSampling(2), (2, 3, 2, 4)),
    "images, bilinear": (lambda: nn.UpSampling(2, "bilinear"), (2, 3, 2, 4)),
    "volumes": (lambda: nn.UpSampling(2, "nearest"), (2, 1, 2, 3, 2)),
    "volumes, trilinear": (lambda: nn.UpSampling(3, "trilinear"), (2, 1, 2, 3, 2)),
    "volumes to a size": (
        lambda: nn.UpSampling({"odepth": 3, "oheight": 4, "owidth": 1}, "linear"),
        (2, 1, 2, 3, 2),
    ),
    "pixel shuffle": (lambda: nn.PixelShuffle(2), (2, 8, 3, 2)),
    "pixel shuffle by 1": (lambda: nn.PixelShuffle(1), (2, 2, 3, 2)),
}
"""A module and the shape of an input with batch."""


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    build, shape = request.param
    return build(), shape


def test_gradients(case):
    module, shape = case
    assert check.check_gradients(module, RNG.standard_normal(shape)) < 1e-6


def test_samples_are_independent(case):
    module, shape = case
    x = RNG.standard_normal(shape)
    y = module.forward(x)
    assert module.output_shape(shape) == y.shape
    assert module.rowwise(shape)
    np.testing.assert_array_equal(module.forward(x[:1]), y[:1])
    np.testing.assert_array_equal(module.forward(np.concatenate([x, x])), np.concatenate([y, y]))
    if not isinstance(module, nn.UpSampling):  # which takes an array of 4 axes for a batch of images
        assert not module.rowwise(shape[1:])
        np.testing.assert_array_equal(module.forward(x[0]), y[0])
        np.testing.assert_array_equal(module.backward(x[0], y[0]).shape, x[0].shape)


def test_float32_stays(case):
    module, shape = case
    x = RNG.standard_normal(shape).astype(np.float32)
    y = module.forward(x)
    assert y.dtype == module.backward(x, y).dtype == np.float32


@pytest.mark.parametrize(
    "mode, shape", [("nearest", (2, 3, 4, 5)), ("linear", (2, 3, 4, 5)), ("linear", (1, 2, 3, 4, 2))]
)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_like_pytorch(mode, shape, scale):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = {"nearest": "nearest", "linear": "bilinear" if len(shape) == 4 else "trilinear"}[mode]
    x = torch.tensor(RNG.standard_normal(shape), requires_grad=True)
    corners = True if mode == "linear" else None
    expected = torch.nn.functional.interpolate(x, scale_factor=scale, mode=theirs, align_corners=corners)
    g = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(g))
    module = nn.UpSampling(scale, mode)
    y = module.forward(x.detach().numpy())
    # Torch7 works the places out in single precision, for doubles too.
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(module.backward(x.detach().numpy(), g), x.grad.numpy(), rtol=1e-5, atol=1e-5)


def test_interpolation_keeps_the_corners():
    x = RNG.standard_normal((1, 4, 5))
    y = nn.SpatialUpSamplingBilinear({"oheight": 9, "owidth": 13}).forward(x)
    np.testing.assert_allclose(y[:, ::8, ::12], x[:, ::3, ::4], atol=1e-6)


@pytest.mark.parametrize("shape, larger", [((0, 4, 3, 3), (0, 1, 6, 6)), ((2, 4, 3, 0), (2, 1, 6, 0))])
def test_pixel_shuffle_of_nothing(shape, larger):
    module = nn.PixelShuffle(2)
    y = module.forward(np.zeros(shape))
    assert y.shape == larger
    assert module.backward(np.zeros(shape), y).shape == shape


def test_pixel_shuffle_like_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = RNG.standard_normal((2, 18, 2, 4))
    y = nn.PixelShuffle(3).forward(x)
    np.testing.assert_array_equal(y, torch.nn.functional.pixel_shuffle(torch.tensor(x), 3).numpy())


@pytest.mark.parametrize(
    "module, shape, message",
    [
        (nn.UpSampling(2), (2, 3, 4), "batch, planes, depth, height, width"),
        (nn.UpSampling(2), (2, 3, 0, 4), "at least 1 element"),
        (nn.UpSampling({"oheight": 3, "owidth": 4}, "linear"), (1, 1, 2, 2, 2), "no odepth"),
        (nn.SpatialUpSamplingNearest(2), (3, 4), "planes, height, width"),
        (nn.SpatialUpSamplingBilinear(2), (1, 2, 3, 4, 5), "planes, height, width"),
        (nn.PixelShuffle(2), (6, 3, 3), "a multiple of 4"),
        (nn.PixelShuffle(2), (4, 3), "planes, height, width"),
    ],
    ids=repr,
)
def test_wrong_shapes(module, shape, message):
    with pytest.raises(ShapeError, match=message):
        module.forward(np.zeros(shape))
    with pytest.raises(ShapeError):
        module.output_shape([shape])


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.UpSampling(0),
        lambda: nn.UpSampling(1.5),
        lambda: nn.UpSampling(2, "cubic"),
        lambda: nn.UpSampling(2, np.ones(2)),
        lambda: nn.UpSampling({"oheight": 3, "owidth": 4}),
        lambda: nn.UpSampling({"oheight": 3}, "linear"),
        lambda: nn.UpSampling({"oheight": 3, "owidth": 4, "height": 3}, "linear"),
        lambda: nn.SpatialUpSamplingBilinear({"oheight": 0, "owidth": 4}),
        lambda: nn.SpatialUpSamplingNearest(-1),
        lambda: nn.PixelShuffle(0),
    ],
)
def test_arguments_that_make_no_sense(build):
    with pytest.raises(ArgumentError):
        build()
