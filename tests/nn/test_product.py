"""MM, MV and DotProduct: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

from module_examples import numbers


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_mm_multiplies_matrices_transposed_or_not(batch, trans_a, trans_b):
    a, b = numbers(*batch, 3, 4), numbers(*batch, 4, 5)
    given = [a.swapaxes(-1, -2) if trans_a else a, b.swapaxes(-1, -2) if trans_b else b]
    module = nn.MM(trans_a, trans_b)
    np.testing.assert_allclose(module.forward(given), a @ b, rtol=1e-12)
    check_gradients(module, given)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("trans", [False, True])
def test_mv_multiplies_a_matrix_by_a_vector(batch, trans):
    matrix, vector = numbers(*batch, 3, 4), numbers(*batch, 4)
    given = [matrix.swapaxes(-1, -2) if trans else matrix, vector]
    module = nn.MV(trans)
    np.testing.assert_allclose(module.forward(given), np.einsum("...ij,...j->...i", matrix, vector), rtol=1e-12)
    check_gradients(module, given)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_dot_product_of_one_pair_or_many(shape):
    a, b = numbers(*shape, seed=1), numbers(*shape, seed=2)
    np.testing.assert_allclose(nn.DotProduct().forward([a, b]), np.atleast_1d((a * b).sum(-1)), rtol=1e-12)
    check_gradients(nn.DotProduct(), [a, b])


@pytest.mark.parametrize(
    "module, shapes",
    [
        (nn.MM(), [(3, 4), (3, 4)]),
        (nn.MM(), [(2, 3, 4), (1, 4, 5)]),
        (nn.MM(), [(3, 4), (2, 4, 5)]),
        (nn.MM(), [(4,), (4,)]),
        (nn.MM(True), [(3, 4), (4, 5)]),
        (nn.MV(), [(3, 4), (3,)]),
        (nn.MV(), [(2, 3, 4), (4,)]),
        (nn.MV(), [(2, 3, 4), (1, 4)]),
        (nn.MV(True), [(3, 4), (4,)]),
        (nn.DotProduct(), [(3, 4), (4,)]),
        (nn.DotProduct(), [(3, 4), (1, 4)]),
        (nn.DotProduct(), [(2, 3, 4), (2, 3, 4)]),
        (nn.CosineDistance(), [(3, 4), (3, 1)]),
    ],
)
def test_nothing_is_broadcast(module, shapes):
    with pytest.raises(ShapeError, match="expected"):
        module.forward([np.ones(shape) for shape in shapes])


def test_only_batches_of_matrices_have_independent_rows():
    assert nn.MM().rowwise([(2, 3, 4), (2, 4, 5)]) and not nn.MM().rowwise([(3, 4), (4, 5)])
    assert nn.MV().rowwise([(2, 3, 4), (2, 4)]) and not nn.MV().rowwise([(3, 4), (4,)])


def test_whether_to_transpose_is_true_or_false():
    for wrong in (lambda: nn.MM(1), lambda: nn.MM(False, None), lambda: nn.MV("yes")):
        with pytest.raises(ArgumentError):
            wrong()
