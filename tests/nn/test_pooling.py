"""Pooling and unpooling: windows of every kind, gradients, indices, types, batches, and what is refused."""

import numpy as np
import pytest

from nodegraph import check, nn, random
from nodegraph.errors import ArgumentError, ShapeError, StateError

import oracle

RNG = np.random.default_rng(5)

CASES = {
    "temporal": (lambda: nn.TemporalMaxPooling(3, 2), (8, 3)),
    "temporal, overlapping": (lambda: nn.TemporalMaxPooling(3, 1), (5, 2)),
    "k-max": (lambda: nn.TemporalDynamicKMaxPooling(2, 0.6), (8, 3)),
    "spatial max": (lambda: nn.SpatialMaxPooling(3, 2, 2, 1, 1, 1), (2, 5, 6)),
    "spatial max, ceil": (lambda: nn.SpatialMaxPooling(3, 2, 2, 3).ceil(), (2, 6, 6)),
    "dilated": (lambda: nn.SpatialDilatedMaxPooling(2, 3, 1, 2, 1, 1, 3, 2), (2, 7, 6)),
    "volumetric max": (lambda: nn.VolumetricMaxPooling(2, 3, 2, 1, 2, 2, 1, 1, 0), (2, 3, 5, 4)),
    "volumetric, dilated": (
        lambda: nn.VolumetricDilatedMaxPooling(2, 3, 2, 1, 1, 2, 1, 0, 1, 2, 1, 2).ceil(),
        (1, 4, 4, 5),
    ),
    "adaptive max": (lambda: nn.SpatialAdaptiveMaxPooling(3, 2), (2, 5, 7)),
    "adaptive max, larger than the input": (lambda: nn.SpatialAdaptiveMaxPooling(5, 2), (2, 3, 3)),
    "fractional": (lambda: nn.SpatialFractionalMaxPooling(2, 3, 4, 3), (2, 7, 6)),
    "fractional, ratio": (lambda: nn.SpatialFractionalMaxPooling(2, 2, 0.6, 0.7), (2, 7, 6)),
    "fractional, one window": (lambda: nn.SpatialFractionalMaxPooling(2, 2, 1, 1), (2, 4, 5)),
    "volumetric, fractional": (lambda: nn.VolumetricFractionalMaxPooling(2, 2, 3, 2, 3, 1), (1, 4, 5, 4)),
    "average": (lambda: nn.SpatialAveragePooling(3, 2, 2, 1, 1, 1), (2, 5, 6)),
    "average, stride 1": (lambda: nn.SpatialAveragePooling(3, 2), (2, 4, 5)),
    "average, ceil": (lambda: nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1).ceil(), (2, 6, 4)),
    "average without padding": (lambda: nn.SpatialAveragePooling(3, 3, 2, 2, 1, 0).set_count_exclude_pad(), (2, 5, 6)),
    "volumetric average": (lambda: nn.VolumetricAveragePooling(2, 3, 2, 1, 2, 2), (2, 3, 5, 4)),
    "adaptive average": (lambda: nn.SpatialAdaptiveAveragePooling(3, 2), (2, 5, 7)),
    "adaptive average, larger": (lambda: nn.SpatialAdaptiveAveragePooling(5, 2), (2, 3, 3)),
    "lp": (lambda: nn.SpatialLPPooling(2, 2, 3, 2, 2, 1), (2, 4, 5)),
    "lp, power 4": (lambda: nn.SpatialLPPooling(2, 4, 2, 2), (2, 4, 5)),
    "feature lp": (lambda: nn.FeatureLPPooling(3, 2, 2, True), (8,)),
    "feature lp, two more axes": (lambda: nn.FeatureLPPooling(3, 2, 4, True), (8, 2, 3)),
}
"""A module and the shape of one sample."""

FRACTIONAL = (nn.SpatialFractionalMaxPooling, nn.VolumetricFractionalMaxPooling)


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    build, shape = request.param
    random.seed(1)
    module = build()
    return (module.fix_pooling_regions() if isinstance(module, FRACTIONAL) else module), shape


def run(module, input, grad_output):
    return module.forward(input), module.backward(input, grad_output)


def test_gradients(case):
    module, shape = case
    module.forward(np.zeros((2, *shape)))  # draws the regions that the clone of the check keeps
    assert check.check_gradients(module, RNG.standard_normal((2, *shape))) < 1e-6


def test_every_sample_is_pooled_by_itself(case):
    module, shape = case
    x = RNG.standard_normal((3, *shape))
    y = module.forward(x)
    g = RNG.standard_normal(y.shape)
    gx = module.backward(x, g)
    assert module.output_shape(x.shape) == y.shape
    assert module.rowwise(x.shape) is not isinstance(module, FRACTIONAL)
    samples = module.random_samples.copy() if isinstance(module, FRACTIONAL) else None
    for i in range(3):
        if samples is not None:
            module.random_samples = samples[i : i + 1]
        one, gradient = run(module, x[i : i + 1], g[i : i + 1])
        np.testing.assert_array_equal(one, y[i : i + 1])
        np.testing.assert_allclose(gradient, gx[i : i + 1], rtol=1e-14)
        if isinstance(module, nn.FeatureLPPooling):
            continue  # with or without batch is its constructor's choice
        assert not module.rowwise(shape)
        assert module.output_shape(shape) == y.shape[1:]
        one, gradient = run(module, x[i], g[i])
        np.testing.assert_array_equal(one, y[i])
        np.testing.assert_allclose(gradient, gx[i], rtol=1e-14)


def test_float32_stays_and_nothing_is_written_to(case):
    module, shape = case
    x = RNG.standard_normal((2, *shape)).astype(np.float32)
    before = x.copy()
    module.float()
    y = module.forward(x)
    g = np.ones_like(y)
    gx = module.backward(x, g)
    assert y.dtype == gx.dtype == np.float32
    assert not np.shares_memory(y, x) and not np.shares_memory(gx, g)
    np.testing.assert_array_equal(x, before)
    assert (g == 1).all()


def test_wrong_number_of_axes(case):
    module, shape = case
    for wrong in [(), (3,) * 6, [(2, *shape)]]:
        with pytest.raises(ShapeError, match="expected an array"):
            module.output_shape(wrong)


# Against PyTorch


@pytest.mark.parametrize("kernel, stride, pad", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (4, 3, 2)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("ceil", [False, True])
def test_max_pooling_like_pytorch(kernel, stride, pad, dilation, ceil):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = RNG.integers(-4, 5, (2, 3, 9, 8)).astype(float)  # with many ties
    module = nn.SpatialDilatedMaxPooling(kernel, 3, stride, 2, pad, 1, dilation, 1)
    theirs = torch.tensor(x, requires_grad=True)
    expected, indices = torch.nn.functional.max_pool2d(
        theirs, (3, kernel), (2, stride), (1, pad), (1, dilation), ceil, return_indices=True
    )
    y = (module.ceil() if ceil else module.floor()).forward(x)
    g = RNG.standard_normal(y.shape)
    expected.backward(torch.tensor(g))
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(module.indices, indices.numpy())
    np.testing.assert_allclose(module.backward(x, g), theirs.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("kernel, stride, pad", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (4, 3, 2), (2, 4, 1)])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("include", [False, True])
def test_average_pooling_like_pytorch(kernel, stride, pad, ceil, include):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = RNG.standard_normal((2, 3, 9, 8))
    module = nn.SpatialAveragePooling(kernel, 3, stride, 2, pad, 1)
    module = module.ceil() if ceil else module.floor()
    module = module.set_count_include_pad() if include else module.set_count_exclude_pad()
    expected = torch.nn.functional.avg_pool2d(torch.tensor(x), (3, kernel), (2, stride), (1, pad), ceil, include)
    np.testing.assert_allclose(module.forward(x), expected.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "sizes, counts", [((13, 13), (13, 13)), ((21, 25), (7, 5)), ((4, 7), (6, 3)), ((5, 6), (1, 1))]
)
def test_adaptive_pooling_like_pytorch(sizes, counts):
    """Also at sizes where Torch7's single precision puts the bounds of maxima elsewhere."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = RNG.standard_normal((2, 3, *sizes))
    for module, theirs in [
        (nn.SpatialAdaptiveMaxPooling, torch.nn.functional.adaptive_max_pool2d),
        (nn.SpatialAdaptiveAveragePooling, torch.nn.functional.adaptive_avg_pool2d),
    ]:
        y = module(*counts[::-1]).forward(x)
        np.testing.assert_allclose(y, theirs(torch.tensor(x), counts).numpy(), rtol=1e-13, atol=1e-14)


def test_volumetric_pooling_like_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    f = torch.nn.functional
    x = RNG.standard_normal((2, 2, 6, 9, 8))
    t = torch.tensor(x)
    dilated = nn.VolumetricDilatedMaxPooling(4, 2, 3, 1, 3, 2, 2, 1, 1, 2, 1, 2)  # starts two places in the padding
    y, indices = f.max_pool3d(t, (4, 3, 2), (1, 2, 3), (2, 1, 1), (2, 2, 1), return_indices=True)
    np.testing.assert_array_equal(dilated.forward(x), y.numpy())
    np.testing.assert_array_equal(dilated.indices, indices.numpy())
    average = nn.VolumetricAveragePooling(2, 3, 4, 1, 2, 3)
    np.testing.assert_allclose(
        average.forward(x), f.avg_pool3d(t, (2, 4, 3), (1, 3, 2)).numpy(), rtol=1e-13, atol=1e-14
    )


# Maxima and where they are

FLAT_INDICES = {"SpatialMaxPooling", "SpatialDilatedMaxPooling", "SpatialFractionalMaxPooling"}
FLAT_INDICES |= {"VolumetricFractionalMaxPooling", "TemporalDynamicKMaxPooling"}
"""Classes whose indices Torch keeps in the form that all have here."""


@pytest.mark.parametrize(
    "case",
    [c for c in oracle.cases("modules.json", "module") if c["module"] in FLAT_INDICES],
    ids=lambda case: case["constructor"],
)
def test_indices_are_those_of_torch(case):
    module, state = oracle.build(case), {k: oracle.value(v) for k, v in case["state"].items()}
    if "randomSamples" in state:
        module.fix_pooling_regions().random_samples = state["randomSamples"]
    module.forward(oracle.value(case["input"]))
    np.testing.assert_array_equal(module.indices, state["indices"] - 1)


@pytest.mark.parametrize("name", [name for name, (build, _) in CASES.items() if hasattr(build(), "indices")])
def test_indices_point_at_the_maxima(name):
    build, shape = CASES[name]
    module, x = build(), RNG.standard_normal((2, *shape))
    assert module.indices is None
    y = module.forward(x)
    if x.ndim == 3:
        np.testing.assert_array_equal(np.take_along_axis(x, module.indices, 1), y)
    else:
        planes, indices = x.reshape(*x.shape[:2], -1), module.indices.reshape(*x.shape[:2], -1)
        np.testing.assert_array_equal(np.take_along_axis(planes, indices, 2).reshape(y.shape), y)


def test_ties_go_to_the_first():
    module = nn.SpatialMaxPooling(2, 2)
    module.forward(np.zeros((1, 4, 4)))
    assert module.indices.tolist() == [[[0, 2], [8, 10]]]
    module = nn.TemporalMaxPooling(2, 1)
    module.forward(np.ones((3, 1)))
    assert module.indices.tolist() == [[0], [1]]
    module = nn.TemporalDynamicKMaxPooling(2)
    module.forward(np.array([[0.0], [1.0], [1.0], [1.0]]))
    assert module.indices.tolist() == [[1], [2]]


def test_padding_is_never_the_maximum():
    x = np.full((1, 2, 2), -np.inf)
    module = nn.SpatialMaxPooling(2, 2, 1, 1, 1, 1)
    assert (module.forward(x) == -np.inf).all()
    assert module.backward(x, np.ones((1, 3, 3))).sum() == 9


def test_nan_is_not_hidden():
    x = np.array([[[np.nan, 1.0], [2.0, 3.0]]])
    assert np.isnan(nn.SpatialMaxPooling(2, 2).forward(x)).all()
    assert np.isnan(nn.SpatialMaxPooling(2, 2).forward(x[:, ::-1, ::-1])).all()


def test_k_grows_with_the_sequence():
    module = nn.TemporalDynamicKMaxPooling(2, 0.5)
    assert [module.output_shape((n, 3))[0] for n in (2, 4, 5, 9)] == [2, 2, 3, 5]


# Windows at the end


@pytest.mark.parametrize("build", [nn.SpatialMaxPooling, nn.SpatialAveragePooling])
def test_ceil_mode(build):
    module = build(2, 2, 2, 2)
    assert module.output_shape((1, 5, 4)) == (1, 2, 2)
    assert module.ceil().output_shape((1, 5, 4)) == (1, 3, 2)
    assert module.floor().output_shape((1, 5, 4)) == (1, 2, 2)
    assert build(2, 2, 4, 4).ceil().output_shape((1, 4, 4)) == (1, 1, 1), "a window beyond the end"


def test_the_part_beyond_the_end_does_not_count_in_the_mean():
    x = np.arange(3.0).reshape(1, 1, 3)
    assert nn.SpatialAveragePooling(2, 1, 2, 1).ceil().forward(x).tolist() == [[[0.5, 2.0]]]


@pytest.mark.parametrize(
    "module, shape, message",
    [
        (nn.SpatialMaxPooling(3, 2), (1, 2, 2), "at least 3 elements along the width"),
        (nn.SpatialMaxPooling(3, 2, 2, 2, 1, 1).ceil(), (1, 0, 2), "at least 1 elements along the height"),
        (nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 1, 1, 2, 2), (1, 1, 4), "padding alone"),
        (nn.TemporalMaxPooling(3), (2, 5), "at least 3 elements along the frames"),
        (nn.TemporalDynamicKMaxPooling(3), (2, 5), "at least 3 frames"),
        (nn.VolumetricAveragePooling(3, 2, 2), (1, 2, 5, 5), "at least 3 elements along the time"),
        (nn.SpatialAdaptiveMaxPooling(2, 2), (1, 0, 4), "at least 1 element"),
        (nn.SpatialFractionalMaxPooling(2, 2, 3, 3), (1, 5, 4), "at least 5 elements along the width"),
        (nn.SpatialFractionalMaxPooling(2, 2, 0.9, 0.1), (1, 5, 4), "more elements along the height"),
        (nn.FeatureLPPooling(3, 1, 2), (2, 5), "at least 3 elements along the features"),
    ],
    ids=repr,
)
def test_too_small(module, shape, message):
    with pytest.raises(ShapeError, match=message):
        module.forward(np.zeros(shape))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.SpatialMaxPooling(0, 2),
        lambda: nn.SpatialMaxPooling(2.5, 2),
        lambda: nn.SpatialMaxPooling(2, 2, 0),
        lambda: nn.SpatialMaxPooling(3, 3, 1, 1, 2, 0),
        lambda: nn.SpatialMaxPooling(3, 3, 1, 1, -1, 0),
        lambda: nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 0, 0, 0),
        lambda: nn.SpatialAveragePooling(2, 2, -1),
        lambda: nn.TemporalMaxPooling("2"),
        lambda: nn.TemporalDynamicKMaxPooling(0),
        lambda: nn.TemporalDynamicKMaxPooling(1, 1.5),
        lambda: nn.SpatialAdaptiveMaxPooling(2, 0),
        lambda: nn.SpatialFractionalMaxPooling(1, 2, 3, 3),
        lambda: nn.SpatialFractionalMaxPooling(2, 2, 0.5, 3),
        lambda: nn.SpatialFractionalMaxPooling(2, 2, 1.5, 1.5),
        lambda: nn.SpatialLPPooling(1, 0, 2, 2),
        lambda: nn.FeatureLPPooling(2, 0, 2),
        lambda: nn.FeatureLPPooling(2, 1, 2, np.ones(2)),
    ],
)
def test_arguments_that_make_no_sense(build):
    with pytest.raises(ArgumentError):
        build()


# Fractional max-pooling


def test_fractional_regions_are_drawn_anew_unless_fixed():
    random.seed(2)
    module = nn.SpatialFractionalMaxPooling(2, 2, 0.6, 0.6)
    x = RNG.standard_normal((2, 3, 12, 12))
    first = module.forward(x)
    assert (module.forward(x) != first).any()
    fixed = module.fix_pooling_regions().forward(x)
    np.testing.assert_array_equal(module.forward(x), fixed)
    np.testing.assert_array_equal(module.clone().forward(x), fixed)
    assert module.forward(x[:1]).shape == (1, 3, 7, 7), "another batch has regions of its own"
    assert (module.fix_pooling_regions(False).forward(x) != fixed).any()


def test_fractional_regions_follow_the_seed():
    x = RNG.standard_normal((2, 3, 12, 12))
    module = nn.SpatialFractionalMaxPooling(2, 2, 0.6, 0.6)
    random.seed(3)
    first = module.forward(x)
    random.seed(3)
    np.testing.assert_array_equal(module.forward(x), first)


# Lp-pooling


def test_lp_pooling_is_the_norm():
    x = np.abs(RNG.standard_normal((1, 4, 4)))
    for p in (1, 2, 3, 0.5):
        norm = (x[0, :2, :2] ** p).sum() ** (1 / p)
        np.testing.assert_allclose(nn.SpatialLPPooling(1, p, 2, 2).forward(x)[0, 0, 0], norm, rtol=1e-14)


@pytest.mark.parametrize("power, gradient", [(2, 0), (4, 0), (1, 1)])
def test_lp_gradient_at_zero(power, gradient):
    module, x = nn.SpatialLPPooling(1, power, 2, 2), np.zeros((1, 2, 2))
    module.forward(x)
    assert (module.backward(x, np.ones((1, 1, 1))) == gradient).all()


# Unpooling

UNPOOLING = [
    (nn.SpatialMaxPooling(2, 3), nn.SpatialMaxUnpooling, (2, 7, 5)),
    (nn.SpatialMaxPooling(3, 2, 3, 2, 1, 1).ceil(), nn.SpatialMaxUnpooling, (2, 5, 6)),
    (nn.VolumetricMaxPooling(2, 3, 2, 2, 3, 2, 1, 0, 1), nn.VolumetricMaxUnpooling, (2, 4, 5, 6)),
]


@pytest.mark.parametrize("pooling, unpooling, shape", UNPOOLING)
@pytest.mark.parametrize("batch", [(), (3,)])
def test_unpooling_puts_the_maxima_back(pooling, unpooling, shape, batch):
    net = nn.Sequential(pooling, unpooling(pooling))
    x = RNG.standard_normal((*batch, *shape))
    y = net.forward(x)
    assert y.shape == x.shape == net.output_shape(x.shape)
    np.testing.assert_array_equal(y[y != 0], x[y != 0])
    np.testing.assert_array_equal(np.sort(y[y != 0]), np.sort(net[0].output.ravel()))
    assert check.check_gradients(net, x) < 1e-6
    assert net.float().forward(x.astype(np.float32)).dtype == np.float32


def test_unpooling_keeps_what_it_used():
    pooling = nn.SpatialMaxPooling(2, 2)
    unpooling = nn.SpatialMaxUnpooling(pooling)
    x = np.array([[[1.0, 2.0], [4.0, 3.0]]])
    y = pooling.forward(x)
    unpooling.forward(y)
    pooling.forward(-x)
    assert unpooling.backward(y, x).tolist() == [[[4.0]]]


def test_the_sizes_of_unpooling_are_known_before_a_run():
    pooling = nn.SpatialMaxPooling(2, 2)
    net = nn.Sequential(pooling, nn.Linear(2, 2), nn.SpatialMaxUnpooling(pooling))
    with pytest.raises(StateError):
        net[2].output_shape((1, 2, 2))
    pooling.output_shape((4, 5, 4))
    assert net[2].output_shape((4, 2, 2)) == (4, 5, 4)
    with pytest.raises(StateError, match="forward"):
        net[2].forward(np.zeros((4, 2, 2)))


def test_unpooling_refuses():
    with pytest.raises(ArgumentError, match="must be a SpatialMaxPooling"):
        nn.SpatialMaxUnpooling(nn.VolumetricMaxPooling(2, 2, 2))
    with pytest.raises(ArgumentError, match="strides"):
        nn.SpatialMaxUnpooling(nn.SpatialMaxPooling(2, 2, 1, 1))
    with pytest.raises(ArgumentError, match="dilation"):
        nn.SpatialMaxUnpooling(nn.SpatialDilatedMaxPooling(2, 2, 2, 2, 0, 0, 2, 2))
    pooling = nn.SpatialMaxPooling(2, 2)
    pooling.forward(np.zeros((3, 4, 6)))
    for shape in [(3, 3, 3), (2, 2, 3), (2, 3, 2, 3)]:
        with pytest.raises(ShapeError):
            nn.SpatialMaxUnpooling(pooling).forward(np.zeros(shape))
