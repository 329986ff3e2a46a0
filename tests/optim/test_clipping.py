"""Clipping: elements, norms, what is refused."""

import numpy as np
import pytest

from nodegraph import nn, optim
from nodegraph.errors import ArgumentError


def test_clipping_elements_of_a_module():
    layer = nn.Linear(2, 1)
    layer.grad_weight[...] = [[-9, 3]]
    layer.grad_bias[...] = np.nan
    optim.clip_gradients(layer, 5)
    np.testing.assert_array_equal(layer.grad_weight, [[-5, 3]])
    assert np.isnan(layer.grad_bias)


def test_clipping_the_norm_counts_shared_gradients_once():
    layer = nn.Linear(1, 1)
    net = nn.Sequential().add(layer).add(layer)
    layer.grad_weight[...], layer.grad_bias[...] = 3, 4
    assert optim.clip_gradient_norm(net, 10) == 5
    np.testing.assert_array_equal(layer.grad_weight, 3)
    assert optim.clip_gradient_norm(net, 1) == 5
    np.testing.assert_allclose([layer.grad_weight[0, 0], layer.grad_bias[0]], [0.6, 0.8])


def test_the_norm_of_large_float32_gradients_does_not_overflow():
    gradient = np.full(4, 1e30, np.float32)
    np.testing.assert_allclose(optim.clip_gradient_norm([gradient], 1), 2e30)
    np.testing.assert_allclose(gradient, 0.5)
    assert gradient.dtype == np.float32


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e307])
def test_the_norm_of_numbers_whose_squares_no_float_holds(size):
    gradients = [np.array([3 * size, 0.0]), np.array([[4 * size]]), np.zeros(0)]
    assert optim.clip_gradient_norm(gradients, size) == pytest.approx(5 * size, rel=1e-3)
    assert gradients[0][0] == pytest.approx(0.6 * size, rel=1e-3) and gradients[1][0, 0] == pytest.approx(0.8 * size)
    assert optim.clip_gradient_norm([np.zeros(2), np.zeros(0)], 1) == optim.clip_gradient_norm([], 1) == 0


def test_a_gradient_that_must_not_be_written():
    gradient = np.ones(2)
    gradient.setflags(write=False)
    for clip in (optim.clip_gradient_norm, optim.clip_gradients):
        with pytest.raises(ArgumentError, match="read-only"):
            clip(gradient, 0.1)


def test_gradients_with_an_infinite_norm_stay():
    gradient = np.array([np.inf, 1])
    assert optim.clip_gradient_norm(gradient, 1) == np.inf
    np.testing.assert_array_equal(gradient, [np.inf, 1])


@pytest.mark.parametrize("clip", [optim.clip_gradients, optim.clip_gradient_norm])
@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros(2), 0),
        (np.zeros(2), -1),
        (np.zeros(2), None),
        (3.0, 1),
        ([3.0], 1),
        (np.ones(2, int), 1),
        (np.zeros(2), True),
    ],
)
def test_clipping_refuses(clip, arguments):
    with pytest.raises(ArgumentError):
        clip(*arguments)
