"""The activation functions made of straight pieces."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

GRID = np.linspace(-7.03, 7.03, 50)  # has none of the kinks


@pytest.mark.parametrize(
    "module, input, output, derivative",
    [
        (nn.ReLU(), [-1, 0, 1], [0, 0, 1], [0, 0, 1]),
        (nn.ReLU(True), [-1, 0, 1], [0, 0, 1], [0, 0, 1]),
        (nn.ReLU6(), [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0]),
        (nn.Threshold(), [0, 1e-6, 1], [0, 0, 1], [0, 0, 1]),
        (nn.Threshold(1, 5), [0, 1, 2], [5, 5, 2], [0, 0, 1]),
        (nn.Threshold(1, 5, True), [0, 1, 2], [5, 5, 2], [0, 0, 1]),
        (nn.HardTanh(), [-2, -1, 0, 1, 2], [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
        (nn.HardTanh(0, np.inf), [-1, 0, 5], [0, 0, 5], [0, 0, 1]),
        (nn.Clamp(-2, 1), [-3, -2, 0, 1, 2], [-2, -2, 0, 1, 1], [0, 0, 1, 0, 0]),
        (nn.SoftShrink(), [-1, -0.5, 0, 0.5, 1], [-0.5, 0, 0, 0, 0.5], [1, 0, 0, 0, 1]),
        (nn.SoftShrink(0), [-1, 0, 1], [-1, 0, 1], [1, 0, 1]),
        (nn.HardShrink(), [-1, -0.5, 0, 0.5, 1], [-1, 0, 0, 0, 1], [1, 0, 0, 0, 1]),
        (nn.LeakyReLU(), [-1, 0, 1], [-0.01, 0, 1], [0.01, 0.01, 1]),
        (nn.LeakyReLU(True), [-1, 0, 1], [-0.01, 0, 1], [0.01, 0.01, 1]),
        (nn.LeakyReLU(-2), [-1, 0, 1], [2, 0, 1], [-2, -2, 1]),
        (nn.PReLU(), [-1, 0, 1], [-0.25, 0, 1], [0.25, 0.25, 1]),
        (nn.RReLU(0.25, 0.75).evaluate(), [-1, 0, 1], [-0.5, 0, 1], [0.5, 0.5, 1]),
    ],
    ids=repr,
)
def test_values_at_the_kinks(module, input, output, derivative):
    input = np.array(input, float)
    before = input.copy()
    np.testing.assert_array_equal(module.forward(input), output)
    np.testing.assert_array_equal(module.backward(input, np.ones(len(input))), derivative)
    np.testing.assert_array_equal(input, before)


@pytest.mark.parametrize(
    "module, name, options",
    [
        (nn.ReLU(), "relu", {}),
        (nn.ReLU6(), "relu6", {}),
        (nn.Threshold(0.5, -2), "threshold", {"threshold": 0.5, "value": -2}),
        (nn.HardTanh(-2, 3), "hardtanh", {"min_val": -2, "max_val": 3}),
        (nn.SoftShrink(0.7), "softshrink", {"lambd": 0.7}),
        (nn.HardShrink(0.7), "hardshrink", {"lambd": 0.7}),
        (nn.LeakyReLU(0.3), "leaky_relu", {"negative_slope": 0.3}),
        (nn.RReLU(0.1, 0.5).evaluate(), "rrelu", {"lower": 0.1, "upper": 0.5}),
    ],
    ids=repr,
)
def test_against_pytorch(module, name, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    theirs = torch.tensor(GRID, requires_grad=True)
    output = getattr(torch.nn.functional, name)(theirs, **options)
    output.sum().backward()
    np.testing.assert_allclose(module.forward(GRID), output.detach().numpy(), rtol=1e-14)
    np.testing.assert_allclose(module.backward(GRID, np.ones(50)), theirs.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.ReLU6(), nn.Threshold(), nn.SoftShrink(), nn.HardShrink()], ids=repr)
def test_nan_stays_visible(module):
    assert np.isnan(module.forward(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.HardTanh(1, 1),
        lambda: nn.Clamp(2, 1),
        lambda: nn.ReLU(0.1),
        lambda: nn.Threshold("0"),
        lambda: nn.SoftShrink(-1),
        lambda: nn.HardShrink(-1),
        lambda: nn.RReLU(0.5, 0.1),
        lambda: nn.RReLU(-0.5, 0.1),
        lambda: nn.PReLU(-1),
        lambda: nn.PReLU(1.5),
        lambda: nn.CReLU(0),
        lambda: nn.CReLU(1, None),
    ],
)
def test_arguments(make):
    with pytest.raises(ArgumentError):
        make()


def test_rrelu_draws_a_slope_for_each_negative_element():
    nodegraph.random.seed(3)
    module, x = nn.RReLU(0.1, 0.4), np.where(np.arange(200) % 2, 2.0, -2.0)
    output = module.forward(x)
    assert (output[1::2] == 2).all() and (module.noise[1::2] == 1).all()
    assert (module.noise[::2] >= 0.1).all() and (module.noise[::2] < 0.4).all() and len(set(output[::2])) == 100
    np.testing.assert_array_equal(output, x * module.noise)
    np.testing.assert_array_equal(module.backward(x, np.full(200, 3.0)), 3 * module.noise)


class TestPReLU:
    @pytest.mark.parametrize("planes, shape", [(0, (2, 3)), (0, (4,)), (3, (3,)), (3, (2, 3)), (3, (2, 3, 2, 2))])
    def test_gradients(self, planes, shape):
        module = nn.PReLU(planes)
        module.weight[...] = np.linspace(-0.5, 0.5, len(module.weight))
        assert check_gradients(module, np.random.default_rng(0).normal(size=shape)) < 1e-6

    def test_against_pytorch(self):
        torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
        module, rng = nn.PReLU(3), np.random.default_rng(0)
        module.weight[...] = [0.1, 0.2, -0.3]
        x, gradient = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
        theirs, weight = (torch.tensor(a, requires_grad=True) for a in (x, module.weight))
        output = torch.nn.functional.prelu(theirs, weight)
        output.backward(torch.tensor(gradient))
        np.testing.assert_allclose(module.forward(x), output.detach().numpy())
        np.testing.assert_allclose(module.backward(x, gradient), theirs.grad.numpy())
        np.testing.assert_allclose(module.grad_weight, weight.grad.numpy())

    def test_gradients_add_up_and_scale(self):
        module, x = nn.PReLU(), np.array([-1.0, -2.0])
        module.forward(x)
        module.backward(x, np.ones(2))
        module.backward(x, np.ones(2), 10)
        assert module.grad_weight == -33

    def test_rows(self):
        module, x = nn.PReLU(3), np.random.default_rng(0).normal(size=(4, 3))
        assert module.rowwise((4, 3)) and not module.rowwise((3,)) and nn.PReLU().rowwise((3,))
        rows = [module.forward(x[i : i + 1]) for i in range(4)]
        np.testing.assert_array_equal(module.forward(x), np.concatenate(rows))

    def test_float32(self):
        module, x = nn.PReLU(3).float(), -np.ones((2, 3), np.float32)
        assert module.forward(x).dtype == module.backward(x, x).dtype == module.grad_weight.dtype == np.float32

    @pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2), ()])
    def test_wrong_number_of_planes(self, shape):
        with pytest.raises(ShapeError, match=r"PReLU\(3\) got .* expected an array of shape \(batch, 3, "):
            nn.PReLU(3).forward(np.zeros(shape))


class TestCReLU:
    @pytest.mark.parametrize("n, shape", [(1, (3,)), (1, (2, 3)), (3, (2, 3, 2)), (3, (2, 3, 2, 2))])
    def test_is_both_rectified_halves(self, n, shape):
        module, x = nn.CReLU(n), np.random.default_rng(0).normal(size=shape)
        axis = len(shape) - n
        output = module.forward(x)
        np.testing.assert_array_equal(output, np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis))
        assert module.output_shape(shape) == output.shape and module.rowwise(shape) == (axis == 1)
        assert check_gradients(module, x) < 1e-6

    def test_gradient_at_zero_is_zero(self):
        module, x = nn.CReLU(1, True), np.zeros(1)
        module.forward(x)
        assert module.backward(x, np.ones(2)) == 0

    def test_float32(self):
        module, x = nn.CReLU(1), -np.ones((2, 3), np.float32)
        assert module.backward(x, np.ones_like(module.forward(x))).dtype == np.float32

    def test_other_numbers_of_axes(self):
        with pytest.raises(ShapeError, match="expected an array of 2 axes, or of one more for a batch"):
            nn.CReLU(2).forward(np.zeros(3))
