"""Soft-max and log-soft-max as steps of a program: the same numbers as the modules', whatever is wired around them."""

import importlib

import numpy as np
import pytest

from nodegraph import GModule, nn

from agreement import assert_agrees, assert_close, called, loops, numba, run

rng = np.random.default_rng(0)
KINDS = [nn.SoftMax, nn.LogSoftMax]


def attention(kind, weights=lambda scores: scores):
    """A loop in which the rows of a product, or parts of them, are normalised and multiplied by the state again."""
    x, h = nn.Identity()(), nn.Identity()()
    normalised = kind()(weights(nn.Linear(4, 5)(nn.CAddTable()([x, h]))))
    return GModule([x, h], [nn.Tanh()(nn.CAddTable()([nn.Linear(5, 4)(normalised), h])), normalised])


def inputs(steps=3, batch=7, size=1.0):
    return [size * rng.standard_normal((steps, batch, 4)), rng.standard_normal((batch, 4))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_calls_no_module_for_it(kernels, kind):
    net = assert_agrees(attention(kind), inputs(), [1.0, 0.5])
    assert loops(net) and called(net) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_row(kind, numpy_kernels):
    """Some columns are normalised, and all are read by another."""
    x, h = nn.Identity()(), nn.Identity()()
    scores = nn.Linear(4, 6)(nn.CAddTable()([x, h]))
    some, all_ = kind()(nn.Narrow(1, 1, 4)(scores)), nn.Sigmoid()(nn.Narrow(1, 2, 4)(scores))
    net = assert_agrees(GModule([x, h], nn.CMulTable()([some, all_])), inputs(), [1.0, 0.5])
    assert called(net) == []


@pytest.mark.parametrize("kind", KINDS)
def test_of_itself_of_an_input_and_read_twice(kind, numpy_kernels):
    x, h = nn.Identity()(), nn.Identity()()
    once = kind()(h)
    twice = kind()(once)
    cell = GModule([x, h], [nn.Tanh()(nn.CAddTable()([x, once, twice])), nn.CMulTable()([twice, once])])
    assert called(assert_agrees(cell, inputs(), [1.0, 0.5])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_large_numbers_nan_and_infinity(kernels, kind):
    x = nn.Identity()()
    graph = GModule(x, nn.MulConstant(1.0)(kind()(nn.MulConstant(1.0)(x))))
    input = 300 * rng.standard_normal((8, 5))
    input[1, 2], input[2, 0], input[3, 4], input[4], input[5] = np.nan, np.inf, -np.inf, -np.inf, 1e300
    eager = run(graph, input, [0.5])
    assert_close(run(graph.compile(), input, [0.5]), eager)
    assert graph.saved.made


def test_no_probability_is_above_one(kernels):
    x = nn.Identity()()
    graph = GModule(x, nn.LogSoftMax()(nn.MulConstant(1.0)(x))).float().compile()
    input = np.repeat(np.linspace(-200, 200, 400, dtype=np.float32)[:, None], 3, 1)
    input[:, 1:] -= np.geomspace(1e-7, 100, 400, dtype=np.float32)[:, None]
    assert graph.forward(input).max() <= 0


# The compiled functions themselves, for rows that lie in arrays in any way


def rows_of(array, rows, columns, offset, stride):
    return np.lib.stride_tricks.as_strided(array[offset:], (rows, columns), (stride * array.itemsize, array.itemsize))


@numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log", [False, True])
def test_rows_lie_in_arrays_in_any_way(dtype, log):
    """Rows r0 to r1 alone are computed, from where they lie to where they belong, and nothing else is written."""
    soft_max = importlib.import_module("nodegraph.engine.soft_max")
    forward, backward = soft_max.soft_max(dtype), soft_max.soft_max_backward(dtype)
    module, places, tolerance = KINDS[log](), ((3, 7), (2, 5), (1, 9)), 1e-6 if dtype == np.float32 else 1e-14
    a, y, g, into = (rng.standard_normal(60).astype(dtype) for _ in range(4))
    x = rows_of(a, 5, 4, *places[0]).copy()
    wanted, before = module.forward(x), y.copy()
    forward(1, 4, log, 4, a, *places[0], y, *places[1])
    rows_of(before, 5, 4, *places[1])[1:4] = wanted[1:4]
    np.testing.assert_allclose(y, before, rtol=tolerance, atol=tolerance)
    gradient = module.backward(x, rows_of(g, 5, 4, *places[2]).copy())
    rows_of(y, 5, 4, *places[1])[...] = wanted
    before = into.copy()
    backward(1, 4, log, 4, g, *places[2], y, *places[1], into, *places[0])
    rows_of(before, 5, 4, *places[0])[1:4] = gradient[1:4]
    np.testing.assert_allclose(into, before, rtol=tolerance, atol=tolerance)


@numba
@pytest.mark.parametrize("log", [False, True])
def test_rows_of_one_number(log):
    forward = importlib.import_module("nodegraph.engine.soft_max").soft_max(np.float64)
    x, y = np.array([np.nan, -3.0, np.nan, 5.0]), np.zeros(4)
    forward(0, 2, log, 1, x[1:], 0, 2, y[1:], 0, 2)
    np.testing.assert_array_equal(y, [0, 0, 0, 0] if log else [0, 1, 0, 1])


@numba
@pytest.mark.parametrize("log", [False, True])
def test_rows_of_odd_numbers(log):
    """No exponential is too large, and a NaN, or infinity as the largest, makes its own row NaN alone."""
    forward = importlib.import_module("nodegraph.engine.soft_max").soft_max(np.float64)
    x = np.array(
        [[1e300, -1e300, 0], [np.nan, 0, 1], [0, np.nan, 1], [np.inf, 0, 1], [-np.inf, 0, 0], [-800, -801, -802]]
    )
    y = np.empty(x.size)
    forward(0, len(x), log, 3, x.reshape(-1), 0, 3, y, 0, 3)
    y = np.exp(y.reshape(x.shape)) if log else y.reshape(x.shape)
    of_three = np.exp([0.0, -1.0, -2.0]) / np.exp([0.0, -1.0, -2.0]).sum()
    nan = [np.nan] * 3
    np.testing.assert_allclose(y, [[1, 0, 0], nan, nan, nan, [0, 0.5, 0.5], of_three], rtol=1e-14)
