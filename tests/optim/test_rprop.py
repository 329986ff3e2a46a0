"""Rprop where the text of Torch alone is not enough."""

import numpy as np

from nodegraph import optim


def test_rprop_sees_the_sign_of_gradients_however_small():
    """Torch multiplies the gradients to compare their signs, which gives 0 for small ones."""
    x = np.zeros(1)
    optimizer = optim.Rprop((x, np.full(1, 1e-200)))
    optimizer.step()
    optimizer.step()
    np.testing.assert_allclose(x, -0.22)
