"""Batch normalisation where a feature is the same in all rows of a batch."""

import numpy as np
import pytest

from nodegraph import nn


@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_a_feature_that_does_not_vary_becomes_the_bias_and_gets_no_gradient(eps):
    x = np.random.default_rng(0).standard_normal((6, 3))
    x[:, 1] = 2
    module = nn.BatchNormalization(3, eps)
    module.bias[...] = [0, 5, 0]
    assert (module.forward(x)[:, 1] == 5).all()
    grad_input = module.backward(x, np.arange(18.0).reshape(6, 3))
    assert np.isfinite(grad_input).all() and (grad_input[:, 1] == 0).all() == (eps == 0)
