"""LinearWeightNorm and WeightNorm: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError

from module_examples import numbers


def random_lengths(module):
    module.g[...] = 1 + np.random.default_rng(1).random(module.g.shape)
    return module


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: nn.LinearWeightNorm(4, 3), (5, 4)),
        (lambda: nn.LinearWeightNorm(4, 3, False), (4,)),
        (lambda: nn.LinearWeightNorm(4, 3, eps=10.0), (5, 4)),
        (lambda: nn.WeightNorm(nn.Linear(4, 3)), (5, 4)),
        (lambda: nn.WeightNorm(nn.Linear(4, 3), 1), (5, 4)),
        (lambda: nn.WeightNorm(nn.Linear(4, 3, False), -1), (4,)),
        (lambda: nn.WeightNorm(nn.SpatialConvolution(2, 3, 2, 2)), (1, 2, 3, 3)),
        (lambda: nn.WeightNorm(nn.SpatialFullConvolution(2, 3, 2, 2), 1), (1, 2, 3, 3)),
    ],
)
def test_gradients_agree_with_central_differences(make, shape):
    module = random_lengths(make())
    if getattr(module, "eps", 0) == 10.0:
        module.v *= 100
    check_gradients(module, numbers(*shape))


@pytest.mark.parametrize("make", [lambda: nn.LinearWeightNorm(4, 3), lambda: nn.WeightNorm(nn.Linear(4, 3))])
def test_gradients_of_several_passes_add_up(make):
    module, x, g = random_lengths(make()), numbers(5, 4), numbers(5, 3)
    module.zero_grad_parameters()
    module.forward(x)
    module.backward(x, g)
    once = [gradient.copy() for gradient in module.parameters()[1]]
    module.backward(x, g)
    module.backward(x, g, 0.5)
    for total, single in zip(module.parameters()[1], once):
        np.testing.assert_allclose(total, 2.5 * single, rtol=1e-12)


def test_linear_weight_norm_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3).double())
    ours = random_lengths(nn.LinearWeightNorm(4, 3))
    g, v = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    with torch.no_grad():
        for tensor, array in ((g, ours.g), (v, ours.v), (theirs.bias, ours.bias)):
            tensor.copy_(torch.tensor(array))
    y = theirs(torch.tensor(numbers(5, 4)))
    y.backward(torch.tensor(numbers(5, 3)))
    np.testing.assert_allclose(ours.forward(numbers(5, 4)), y.detach(), rtol=1e-12)
    ours.backward(numbers(5, 4), numbers(5, 3))
    for gradient, tensor in ((ours.grad_g, g), (ours.grad_v, v), (ours.grad_bias, theirs.bias)):
        np.testing.assert_allclose(gradient, tensor.grad, rtol=1e-12)


def test_from_and_to_linear():
    linear, x = nn.Linear(4, 3), numbers(5, 4)
    normed = nn.LinearWeightNorm.from_linear(linear)
    np.testing.assert_allclose(normed.forward(x), linear.forward(x), rtol=1e-12)
    normed.g *= 2
    normed.v *= 7
    np.testing.assert_allclose(normed.to_linear().forward(x), normed.forward(x), rtol=1e-12)
    np.testing.assert_allclose(normed.weight_matrix(), 2 * linear.weight, rtol=1e-12)
    assert nn.LinearWeightNorm.from_linear(nn.Linear(4, 3, False).float()).to_linear().bias is None
    assert nn.LinearWeightNorm.from_linear(nn.Linear(4, 3).float()).to_linear().weight.dtype == np.float32


def test_without_its_bias_it_is_the_same_but_for_that():
    normed, x = nn.LinearWeightNorm(4, 3), numbers(5, 4)
    with_bias = normed.forward(x)
    bias = normed.bias
    assert normed.no_bias() is normed and list(normed.named_parameters()) == ["v", "g"]
    np.testing.assert_allclose(normed.forward(x), with_bias - bias, rtol=1e-12, atol=1e-15)
    check_gradients(normed, x)


def test_the_length_of_v_does_not_matter_and_a_row_of_zeros_does_no_harm():
    normed, x = nn.LinearWeightNorm(4, 3), numbers(5, 4)
    expected = normed.forward(x)
    normed.v *= 9
    np.testing.assert_allclose(normed.forward(x), expected, rtol=1e-12)
    normed.v[1] = 0
    np.testing.assert_array_equal(normed.forward(x)[:, 1], normed.bias[1])


def test_the_parameters_are_v_g_and_the_modules_bias():
    normed = nn.WeightNorm(nn.Linear(4, 3))
    assert list(normed.named_parameters()) == ["v", "g", "0.bias"]
    assert list(nn.LinearWeightNorm(4, 3).named_parameters()) == ["v", "g", "bias"]
    whole, _ = normed.get_parameters()
    assert whole.size == 12 + 3 + 3
    whole *= 2
    assert normed.v.base is whole


def test_the_start_is_torchs():
    normed = nn.WeightNorm(nn.Linear(400, 300))
    assert not normed.modules[0].bias.any()
    assert abs(normed.v.std() / (2 / 400) ** 0.5 - 1) < 0.02
    np.testing.assert_allclose(normed.g[:, 0], np.linalg.norm(normed.v, axis=1))


def test_the_weight_follows_v_and_g_in_evaluation_too():
    normed, x = nn.WeightNorm(nn.Linear(4, 3)).evaluate(), numbers(5, 4)
    before = normed.forward(x)
    normed.g *= 2
    np.testing.assert_allclose(normed.forward(x), 2 * before, rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.WeightNorm(nn.Tanh()),
        lambda: nn.WeightNorm(nn.Mul()),
        lambda: nn.WeightNorm("Linear"),
        lambda: nn.WeightNorm(nn.Linear(4, 3), 2),
        lambda: nn.WeightNorm(nn.Linear(4, 3), 0.5),
        lambda: nn.WeightNorm(nn.WeightNorm(nn.Linear(4, 3)).modules[0]),
        lambda: nn.LinearWeightNorm(4, 0),
        lambda: nn.LinearWeightNorm(4, 3, eps=-1),
        lambda: nn.LinearWeightNorm(4, 3, eps="tiny"),
        lambda: nn.LinearWeightNorm.from_linear(nn.Tanh()),
        lambda: nn.LinearWeightNorm(4, 3).init_from_weight(np.zeros((4, 3))),
    ],
)
def test_what_has_no_weight_to_normalise_is_refused(make):
    with pytest.raises(ArgumentError):
        make()
