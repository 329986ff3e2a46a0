"""The soft-max family: what the reference values leave open."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ShapeError

RNG = np.random.default_rng(0)
CLASSES = [nn.SoftMax, nn.SoftMin, nn.LogSoftMax, nn.SpatialSoftMax, nn.SpatialLogSoftMax]
SHAPES = {(5,): 0, (3, 5): 1, (3, 2, 4): 0, (2, 3, 2, 2): 1}
"""Shape -> the axis of the classes."""


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spread", [1, 100])
def test_against_pytorch(make, shape, spread):
    torch = pytest.importorskip("torch", reason="PyTorch is the judge here")
    judge = {nn.SoftMin: torch.nn.functional.softmin}.get(make, torch.softmax)
    if "Log" in make.__name__:
        judge = torch.log_softmax
    x, gradient = spread * RNG.standard_normal(shape), RNG.standard_normal(shape)
    theirs = torch.tensor(x, requires_grad=True)
    expected = judge(theirs, dim=SHAPES[shape])
    expected.backward(torch.tensor(gradient))
    module = make()
    np.testing.assert_allclose(module.forward(x), expected.detach(), 1e-12, 1e-14)
    np.testing.assert_allclose(module.backward(x, gradient), theirs.grad, 1e-10, 1e-12)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient(make, shape):
    check_gradients(make(), RNG.standard_normal(shape))


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("offset", [0, 40, -40, 1e4, -1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_common_offset_changes_nothing_and_the_type_is_kept(make, offset, dtype):
    x = np.array([[0, 1, -2], [3, 3, 1]], dtype)
    module = make()
    expected, actual = make().forward(x), module.forward(x + dtype(offset))
    assert actual.dtype == dtype
    assert module.backward(x + dtype(offset), np.ones_like(x)).dtype == dtype
    np.testing.assert_allclose(actual, expected, 1e-5)


def test_extreme_scores_neither_overflow_nor_vanish():
    x = np.array([[1000.0, 0.0], [-np.inf, 0.0], [31.0, -31.0]], np.float32)
    np.testing.assert_allclose(nn.LogSoftMax().forward(x), [[0, -1000], [-np.inf, 0], [0, -62]])
    np.testing.assert_allclose(nn.SoftMax().forward(x), [[1, 0], [0, 1], [1, np.exp(-62)]], 1e-5)


def test_log_probabilities_are_never_positive():
    x = (20 * RNG.standard_normal((2000, 3))).clip(-31, 31).astype(np.float32)
    assert nn.LogSoftMax().forward(x).max() <= 0


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 2, 2)], ids=str)
def test_rows_are_independent(make, shape):
    module, x = make(), RNG.standard_normal(shape)
    x[0] += 50  # the first rows need their maximum taken off, the last do not
    assert module.rowwise(shape)
    np.testing.assert_allclose(module.forward(x)[3:], module.forward(x[3:]), 1e-13, 1e-13)


@pytest.mark.parametrize("shape", [(4,), (3, 4, 2)], ids=str)
def test_without_a_batch_there_are_no_rows(shape):
    assert not nn.SoftMax().rowwise(shape)


@pytest.mark.parametrize("make", CLASSES)
def test_integers_are_numbers_too(make):
    np.testing.assert_allclose(make().forward(np.array([1, 2, 3])), make().forward(np.array([1.0, 2.0, 3.0])))


def test_an_empty_batch_is_fine():
    assert nn.LogSoftMax().forward(np.zeros((0, 3))).shape == (0, 3)
    assert nn.SoftMax().forward(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("input", [np.zeros(()), np.zeros((1,) * 5), np.zeros((2, 0)), [np.zeros(2)]], ids=str)
def test_other_shapes_are_refused(make, input):
    with pytest.raises(ShapeError, match="expected"):
        make().forward(input)
