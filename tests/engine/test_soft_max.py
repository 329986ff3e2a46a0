"""Soft-max and log-soft-max as steps of a program: the same numbers as the modules', whatever is wired around them."""

import numpy as np
import pytest

from nodegraph import GModule, nn

from agreement import assert_agrees, assert_close, called, loops, run

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
