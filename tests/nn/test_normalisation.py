"""The normalisations: what the reference values leave open."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
BATCHES = [
    (nn.BatchNormalization, "BatchNorm1d", (6, 3)),
    (nn.SpatialBatchNormalization, "BatchNorm2d", (4, 3, 2, 3)),
    (nn.VolumetricBatchNormalization, "BatchNorm3d", (2, 3, 2, 2, 2)),
]
KERNELS = {"rows and columns": RNG.uniform(0.5, 1, (3, 5)), "one vector": RNG.uniform(0.5, 1, 3), "default": None}
LOCAL = [nn.SpatialSubtractiveNormalization, nn.SpatialDivisiveNormalization, nn.SpatialContrastiveNormalization]


def images(*shape):
    return RNG.standard_normal(shape)


def with_pytorch():
    return pytest.importorskip("torch", reason="PyTorch is the judge here")


def assert_same_run(module, theirs, x):
    """Both give the same output, the same gradient of the input and of the parameters."""
    import torch

    gradient, their_x = RNG.standard_normal(x.shape), torch.tensor(x, requires_grad=True)
    for ours, other in zip(module.parameters()[0], theirs.parameters()):
        other.data = torch.tensor(ours.copy())
    expected = theirs(their_x)
    theirs.zero_grad()
    expected.backward(torch.tensor(gradient))
    module.zero_grad_parameters()
    np.testing.assert_allclose(module.forward(x), expected.detach(), 1e-9, 1e-10)
    np.testing.assert_allclose(module.backward(x, gradient), their_x.grad, 1e-8, 1e-9)
    for ours, other in zip(module.parameters()[1], theirs.parameters()):
        np.testing.assert_allclose(ours, other.grad, 1e-9, 1e-10)


# Batch normalisation


@pytest.mark.parametrize("make, judge, shape", BATCHES)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_against_pytorch_in_training_and_evaluation(make, judge, shape, affine):
    torch = with_pytorch()
    module = make(3, 1e-3, 0.3, affine)
    theirs = getattr(torch.nn, judge)(3, eps=1e-3, momentum=0.3, affine=affine).double()
    mean, var = module.running_mean, module.running_var
    for _ in range(2):
        assert_same_run(module, theirs, 5 + 2 * RNG.standard_normal(shape))
    module.evaluate(), theirs.eval()
    assert_same_run(module, theirs, RNG.standard_normal(shape))
    np.testing.assert_allclose(module.running_mean, theirs.running_mean, 1e-12)
    np.testing.assert_allclose(module.running_var, theirs.running_var, 1e-12)
    assert module.running_mean is mean and module.running_var is var, "the averages must be updated in place"
    assert list(module.named_parameters("buffer")) == ["running_mean", "running_var"]


@pytest.mark.parametrize("make, judge, shape", BATCHES)
@pytest.mark.parametrize("train", [True, False])
def test_batch_gradient(make, judge, shape, train):
    module = make(3)
    module.running_mean[:], module.running_var[:] = [1, 2, 3], [0.5, 1, 2]
    check_gradients(module if train else module.evaluate(), RNG.standard_normal(shape))
    np.testing.assert_array_equal(module.running_mean, [1, 2, 3])


@pytest.mark.parametrize("make, judge, shape", BATCHES)
def test_a_batch_of_one_uses_the_running_averages_and_leaves_them(make, judge, shape):
    module, x = make(3, affine=False), RNG.standard_normal((1, *shape[1:]))
    module.running_mean.fill(2)
    module.running_var.fill(4)
    np.testing.assert_allclose(module.forward(x), (x - 2) / np.sqrt(4 + 1e-5))
    np.testing.assert_allclose(module.backward(x, x), x / np.sqrt(4 + 1e-5))
    np.testing.assert_array_equal([module.running_mean, module.running_var], [[2] * 3, [4] * 3])


@pytest.mark.parametrize("make, judge, shape", BATCHES)
def test_a_single_sample_is_for_evaluation_only_and_keeps_its_shape(make, judge, shape):
    module, x = make(3), RNG.standard_normal(shape)
    with pytest.raises(ShapeError, match="in evaluation the batch may be left out"):
        module.forward(x[0])
    module.evaluate().zero_grad_parameters()
    np.testing.assert_allclose(module.forward(x[0]), module.forward(x)[0])
    module.forward(x[0])
    gradient = np.ones(shape[1:])
    assert module.backward(x[0], gradient, scale=2).shape == x[0].shape == shape[1:]
    np.testing.assert_array_equal(gradient, 1)
    np.testing.assert_allclose(module.grad_bias, 2 * np.ones(shape[1:]).sum() / 3)


def test_a_constant_feature_without_eps_gives_zero():
    module = nn.BatchNormalization(1, 0, affine=False)
    np.testing.assert_array_equal(module.forward(np.full((3, 1), 7.0)), np.zeros((3, 1)))


def test_rows_are_independent_in_evaluation_only():
    module, x = nn.SpatialBatchNormalization(3), images(4, 3, 2, 2)
    assert not module.rowwise(x.shape)
    assert module.evaluate().rowwise(x.shape) and not module.rowwise(x.shape[1:])
    np.testing.assert_array_equal(module.forward(x)[2:], module.forward(x[2:]))


def test_reset_forgets_the_averages():
    module = nn.BatchNormalization(2)
    module.forward(np.array([[1.0, 2.0], [3.0, 5.0]]))
    module.reset()
    np.testing.assert_array_equal([module.running_mean, module.running_var, module.bias], [[0, 0], [1, 1], [0, 0]])
    assert ((0 <= module.weight) & (module.weight < 1)).all()


def test_a_copy_used_for_a_run_does_not_lose_the_averages():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNormalization(3))
    net.forward(np.array([[1.0, 2.0], [3.0, 5.0]]))
    assert np.abs(net[1].running_mean).min() > 0


# Normalize and LayerNormalization


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, float("inf")])
@pytest.mark.parametrize("shape", [(4,), (3, 4)], ids=str)
def test_normalize_gives_length_one(p, shape):
    x = RNG.standard_normal(shape)
    np.testing.assert_allclose(np.linalg.norm(nn.Normalize(p).forward(x), p, axis=-1), 1, 1e-6)
    check_gradients(nn.Normalize(p), x)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_normalize_with_a_large_eps(p):
    x = RNG.standard_normal((3, 4))
    expected = x / ((np.abs(x) ** p).sum(1, keepdims=True) + 0.5) ** (1 / p)
    np.testing.assert_allclose(nn.Normalize(p, 0.5).forward(x), expected)
    check_gradients(nn.Normalize(p, 0.5), x)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, float("inf")])
def test_normalize_leaves_zeros_at_zero_and_their_gradient_finite(p):
    module, x = nn.Normalize(p), np.zeros((1, 3))
    np.testing.assert_array_equal(module.forward(x), x)
    assert np.isfinite(module.backward(x, np.ones((1, 3)))).all()


@pytest.mark.parametrize("affine", [True, False])
def test_layer_against_pytorch(affine):
    torch = with_pytorch()
    module = nn.LayerNormalization(5, 0.5, 1e-3, affine)
    theirs = torch.nn.LayerNorm(5, eps=1e-3 / 5, elementwise_affine=affine).double()
    assert_same_run(module, theirs, RNG.standard_normal((4, 5)))


@pytest.mark.parametrize("shape", [(5,), (3, 5)], ids=str)
def test_layer_gradient(shape):
    module = nn.LayerNormalization(5)
    module.weight[:], module.bias[:] = RNG.standard_normal((2, 5))
    check_gradients(module, RNG.standard_normal(shape))


def test_layer_starts_with_its_bias_and_returns_to_it():
    module = nn.LayerNormalization(3, bias=0.5)
    module.weight[:], module.bias[:] = 7, 7
    module.reset()
    np.testing.assert_array_equal([module.weight, module.bias], [[1] * 3, [0.5] * 3])


@pytest.mark.parametrize("module", [nn.Normalize(2), nn.Normalize(1), nn.LayerNormalization(4)], ids=repr)
def test_rows_are_independent(module):
    x = RNG.standard_normal((5, 4))
    assert module.rowwise(x.shape) and not module.rowwise(x.shape[1:])
    np.testing.assert_allclose(module.forward(x)[3:], module.forward(x[3:]), 1e-14)
    np.testing.assert_allclose(module.forward(x)[3], module.forward(x[3]), 1e-14)


# By the surroundings


@pytest.mark.parametrize("size", [1, 3, 5, 9])
@pytest.mark.parametrize("shape", [(1, 5, 2, 2), (2, 6, 2, 1)], ids=str)
def test_cross_map_against_pytorch(size, shape):
    torch = with_pytorch()
    module, theirs = nn.SpatialCrossMapLRN(size, 0.5, 0.6, 2), torch.nn.LocalResponseNorm(size, 0.5, 0.6, 2)
    assert_same_run(module, theirs, RNG.standard_normal(shape))
    check_gradients(module, RNG.standard_normal(shape))


@pytest.mark.parametrize("make", LOCAL)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 2, 3, 4)], ids=str)
def test_local_gradient(make, kernel, shape):
    check_gradients(make(2, kernel), images(*shape))


@pytest.mark.parametrize("make", LOCAL)
def test_a_vector_is_a_kernel_for_rows_and_columns(make):
    vector, x = KERNELS["one vector"], images(2, 4, 5)
    np.testing.assert_allclose(make(2, vector).forward(x), make(2, np.outer(vector, vector)).forward(x), 1e-10)


def test_weighted_mean_by_hand():
    x, kernel = images(2, 4, 5), KERNELS["rows and columns"]
    expected = np.empty((4, 5))
    for i, j in np.ndindex(4, 5):
        inside = [(a, b) for a, b in np.ndindex(3, 5) if 0 <= i + a - 1 < 4 and 0 <= j + b - 2 < 5]
        weights = sum(kernel[a, b] for a, b in inside)
        expected[i, j] = sum(kernel[a, b] * x[:, i + a - 1, j + b - 2].mean() for a, b in inside) / weights
    np.testing.assert_allclose(nn.SpatialSubtractiveNormalization(2, kernel).forward(x), x - expected, 1e-9)


def test_below_the_threshold_thresval_divides_and_is_constant():
    module, x = nn.SpatialDivisiveNormalization(1, np.ones((1, 1)), 0.5, 0.25), np.array([[[0.1, -0.4, 0.0, 2.0]]])
    np.testing.assert_allclose(module.forward(x), [[[0.4, -1.6, 0, 1]]])
    np.testing.assert_allclose(module.backward(x, np.ones_like(x)), [[[4, 4, 4, 0]]], atol=1e-15)


def test_contrastive_is_subtractive_then_divisive():
    kernel, x = KERNELS["rows and columns"], images(2, 2, 4, 5)
    first = nn.SpatialSubtractiveNormalization(2, kernel)
    second = nn.SpatialDivisiveNormalization(2, kernel, 0.9, 0.7)
    module = nn.SpatialContrastiveNormalization(2, kernel, 0.9, 0.7)
    np.testing.assert_allclose(module.forward(x), second.forward(first.forward(x)), 1e-12)
    gradient = np.ones_like(x)
    expected = first.backward(x, second.backward(first.output, gradient))
    np.testing.assert_allclose(module.backward(x, gradient), expected, 1e-12, 1e-15)


@pytest.mark.parametrize("make", LOCAL)
def test_the_caller_keeps_their_kernel(make):
    kernel = np.ones((3, 3))
    make(2, kernel).forward(images(2, 4, 4))
    np.testing.assert_array_equal(kernel, 1)


@pytest.mark.parametrize("make", [*LOCAL, lambda n, kernel: nn.SpatialCrossMapLRN(3)])
def test_images_are_independent(make):
    module, x = make(2, KERNELS["one vector"]), images(4, 2, 4, 5)
    assert module.rowwise(x.shape) and not module.rowwise(x.shape[1:])
    np.testing.assert_allclose(module.forward(x)[2:], module.forward(x[2:]), 1e-13)
    np.testing.assert_allclose(module.forward(x)[2], module.forward(x[2]), 1e-13)


# All of them


@pytest.mark.parametrize(
    "module, shape",
    [
        (nn.BatchNormalization(3), (4, 3)),
        (nn.BatchNormalization(3).evaluate(), (4, 3)),
        (nn.BatchNormalization(3, 0, 0.5, False), (4, 3)),
        (nn.SpatialBatchNormalization(3), (4, 3, 2, 2)),
        (nn.Normalize(1), (4, 3)),
        (nn.Normalize(2), (4, 3)),
        (nn.Normalize(float("inf")), (4, 3)),
        (nn.LayerNormalization(3), (4, 3)),
        (nn.SpatialCrossMapLRN(3), (2, 3, 2, 2)),
        *((make(2, kernel), (2, 2, 4, 5)) for make in LOCAL for kernel in KERNELS.values()),
    ],
    ids=lambda value: repr(value),
)
def test_float32_stays_float32(module, shape):
    module, x = module.float(), RNG.standard_normal(shape).astype(np.float32)
    assert module.forward(x).dtype == np.float32
    assert module.backward(x, x).dtype == np.float32
    arrays = [*module.parameters()[1], *module.named_parameters("buffer").values()]
    assert {a.dtype for a in arrays} <= {np.dtype(np.float32)}


@pytest.mark.parametrize("module", [nn.BatchNormalization(3), nn.LayerNormalization(3)], ids=repr)
def test_gradients_add_up_with_their_scale(module):
    x, gradient = RNG.standard_normal((2, 4, 3))
    module.zero_grad_parameters()
    module.forward(x)
    module.backward(x, gradient)
    once = [g.copy() for g in module.parameters()[1]]
    module.backward(x, gradient, scale=0.5)
    for total, g in zip(module.parameters()[1], once):
        np.testing.assert_allclose(total, 1.5 * g)


@pytest.mark.parametrize(
    "module, shape",
    [
        (nn.BatchNormalization(3), (4, 2)),
        (nn.BatchNormalization(3), (4, 3, 3)),
        (nn.BatchNormalization(3).evaluate(), (2,)),
        (nn.BatchNormalization(3), [(4, 3)]),
        (nn.SpatialBatchNormalization(3), (4, 3)),
        (nn.SpatialBatchNormalization(3), (4, 3, 0, 2)),
        (nn.SpatialBatchNormalization(3).evaluate(), (3, 4, 4, 3)),
        (nn.Normalize(2), (2, 3, 4)),
        (nn.Normalize(2), ()),
        (nn.Normalize(2), (3, 0)),
        (nn.LayerNormalization(3), (3, 4)),
        (nn.LayerNormalization(3), (2, 2, 3)),
        (nn.SpatialCrossMapLRN(3), (3, 4)),
        (nn.SpatialSubtractiveNormalization(2), (3, 4, 4)),
        (nn.SpatialDivisiveNormalization(2), (4, 4)),
        (nn.SpatialContrastiveNormalization(2), (1, 1, 4, 4)),
    ],
    ids=repr,
)
def test_other_shapes_are_refused(module, shape):
    with pytest.raises(ShapeError, match="expected an array of shape"):
        module.forward([np.zeros(s) for s in shape] if isinstance(shape, list) else np.zeros(shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNormalization(0),
        lambda: nn.BatchNormalization(2.5),
        lambda: nn.BatchNormalization(2, -1e-5),
        lambda: nn.BatchNormalization(2, 1e-5, 2),
        lambda: nn.BatchNormalization(2, 1e-5, 0.1, "no"),
        lambda: nn.Normalize(0),
        lambda: nn.Normalize("2"),
        lambda: nn.Normalize(2, -1),
        lambda: nn.LayerNormalization(0),
        lambda: nn.LayerNormalization(3, "bias"),
        lambda: nn.SpatialCrossMapLRN(4),
        lambda: nn.SpatialCrossMapLRN(0),
        lambda: nn.SpatialSubtractiveNormalization(0),
        lambda: nn.SpatialSubtractiveNormalization(1, np.ones((2, 3))),
        lambda: nn.SpatialSubtractiveNormalization(1, np.ones((3, 3, 3))),
        lambda: nn.SpatialDivisiveNormalization(1, np.array([-1.0, 0, 1])),
        lambda: nn.SpatialDivisiveNormalization(1, [[1.0], [1.0, 2.0]]),
        lambda: nn.SpatialDivisiveNormalization(1, None, "high"),
        lambda: nn.SpatialContrastiveNormalization(1, "kernel"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
