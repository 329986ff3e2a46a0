"""Sum, Mean, Max, Min: what the reference values leave open."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
NUMPY = {nn.Sum: np.sum, nn.Mean: np.mean, nn.Max: np.max, nn.Min: np.min}
CLASSES = list(NUMPY)


@pytest.mark.parametrize("reduce", CLASSES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_one_axis_disappears(reduce, axis):
    x = RNG.standard_normal((2, 3, 4))
    np.testing.assert_allclose(reduce(axis).forward(x), NUMPY[reduce](x, axis), 1e-12)
    check_gradients(reduce(axis), x)


@pytest.mark.parametrize("reduce", CLASSES)
def test_a_vector_gives_one_element(reduce):
    module, x = reduce(), RNG.standard_normal(5)
    np.testing.assert_allclose(module.forward(x), [NUMPY[reduce](x)], 1e-12)
    assert module.backward(x, np.ones(1)).shape == (5,)


@pytest.mark.parametrize("reduce", CLASSES)
def test_the_first_axis_goes_unless_another_is_named(reduce):
    assert reduce().output_shape((2, 3, 4)) == reduce().forward(np.ones((2, 3, 4))).shape == (3, 4)


@pytest.mark.parametrize("reduce", CLASSES)
@pytest.mark.parametrize(
    "axis, n_input_dims, shape, effective",
    [(0, 2, (2, 3, 4), 1), (0, 2, (3, 4), 0), (0, 1, (2, 3, 4), 0), (-1, 2, (2, 3, 4), 2), (1, 2, (2, 3, 4), 2)],
)
def test_n_input_dims_shifts_for_exactly_one_axis_more_and_never_a_negative_axis(
    reduce, axis, n_input_dims, shape, effective
):
    x = RNG.standard_normal(shape)
    np.testing.assert_allclose(reduce(axis, n_input_dims).forward(x), NUMPY[reduce](x, effective), 1e-12)
    check_gradients(reduce(axis, n_input_dims), x)


@pytest.mark.parametrize("size_average", [False, True])
def test_sum_may_keep_its_axis(size_average):
    module, x = nn.Sum(1, None, size_average, squeeze=False), RNG.standard_normal((2, 3, 4))
    assert module.forward(x).shape == module.output_shape(x.shape) == (2, 1, 4)
    check_gradients(module, x)


def test_of_equal_elements_the_first_gets_the_gradient():
    x = np.array([[1.0, 2.0, 2.0], [1.0, 1.0, 3.0]])
    for module, expected in (nn.Max(1), [[0, 5, 0], [0, 0, 7]]), (nn.Min(1), [[5, 0, 0], [7, 0, 0]]):
        module.forward(x)
        np.testing.assert_array_equal(module.backward(x, np.array([5.0, 7.0])), expected)


@pytest.mark.parametrize("reduce", CLASSES)
def test_nan_is_not_lost(reduce):
    assert np.isnan(reduce(1).forward(np.array([[1.0, np.nan, 2.0]]))).all()


@pytest.mark.parametrize("reduce", CLASSES)
def test_float32_stays_float32(reduce):
    module, x = reduce(1), RNG.standard_normal((3, 4)).astype(np.float32)
    assert module.forward(x).dtype == np.float32
    assert module.backward(x, np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize("reduce", CLASSES)
@pytest.mark.parametrize("axis, expected", [(0, False), (1, True), (-1, True), (-2, False)])
def test_rows_are_independent_unless_the_first_axis_is_reduced(reduce, axis, expected):
    module, x = reduce(axis), RNG.standard_normal((4, 3))
    assert module.rowwise(x.shape) is expected
    if expected:
        np.testing.assert_array_equal(module.forward(x)[2:], module.forward(x[2:]))


def test_backward_writes_to_nothing_that_the_caller_holds():
    for module in nn.Sum(1), nn.Mean(1):
        x, gradient = np.ones((2, 3)), np.ones(2)
        module.forward(x)
        module.backward(x, gradient)[...] = 9
        np.testing.assert_array_equal(gradient, np.ones(2))


@pytest.mark.parametrize("reduce", CLASSES)
@pytest.mark.parametrize("input", [np.zeros(3), np.zeros(()), [np.zeros((2, 2))]], ids=["1-D", "number", "table"])
def test_an_input_without_the_axis_is_refused(reduce, input):
    with pytest.raises(ShapeError, match="expected an array"):
        reduce(1).forward(input)


@pytest.mark.parametrize("module", [nn.Mean(1), nn.Max(1), nn.Min(1)], ids=repr)
def test_nothing_has_no_mean_and_no_extremes(module):
    with pytest.raises(ShapeError, match="at least one element along axis 1"):
        module.forward(np.zeros((2, 0)))


def test_nothing_sums_to_zero():
    np.testing.assert_array_equal(nn.Sum(1).forward(np.zeros((2, 0))), [0, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sum(1.5),
        lambda: nn.Max("1"),
        lambda: nn.Mean(0, 1.5),
        lambda: nn.Sum(0, None, 3),
        lambda: nn.Sum(0, 1, True, None),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
