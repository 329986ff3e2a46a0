"""A checkpointed run computes what any run does, and keeps the values of a few steps only."""

import tracemalloc

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, Recurrent, nn
from nodegraph.models import lstm

rng = np.random.default_rng(0)


def run(net, input, scale=1.0):
    nodegraph.seed(7)
    net.zero_grad_parameters()
    output = net.forward(input)
    grad_input = net.backward(input, [np.cos(y) for y in output], scale)
    return [*output, *grad_input, *[g.copy() for g in net.parameters()[1]]]


def with_dropout_and_averages():
    x, h = nn.Identity()(), nn.Identity()()
    sums = nn.CAddTable()([nn.BatchNormalization(3)(x), nn.Linear(3, 3)(nn.Dropout(0.3)(h))])
    return GModule([x, h], nn.Tanh()(sums).annotate(name="new"))


@pytest.mark.parametrize("steps", [1, 2, 5, 16, 23])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_same_numbers(steps, compiled):
    cell, states = lstm.create(3, 4), [rng.standard_normal((2, 4)) for _ in range(2)]
    input = [rng.standard_normal((steps, 2, 3)), *states]
    expected = run(Recurrent(cell, compiled=False), input, 0.5)
    for a, b in zip(run(Recurrent(cell, compiled=compiled, checkpointed=True), input, 0.5), expected):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_random_numbers_are_drawn_once_and_averages_updated_once():
    input = [rng.standard_normal((9, 4, 3)), rng.standard_normal((4, 3))]
    cell = with_dropout_and_averages()
    twin = cell.clone()
    net, plain = Recurrent(cell, checkpointed=True), Recurrent(twin, compiled=False)
    found, states = run(net, input), nodegraph.random.get_state()
    expected = run(plain, input)
    assert nodegraph.random.get_state() == states
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-12)
    for a, b in zip(cell.named_parameters("buffer").values(), twin.named_parameters("buffer").values()):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_the_tape_shows_all_steps():
    cell, input = lstm.create(3, 4), [rng.standard_normal((10, 2, 3)), *rng.standard_normal((2, 2, 4))]
    net, plain = Recurrent(cell, checkpointed=True), Recurrent(cell)
    for one in (net, plain):
        run(one, input)
    np.testing.assert_allclose(net.tape["forget_gate"].output, plain.tape["forget_gate"].output, atol=1e-12)
    np.testing.assert_allclose(net.tape["forget_gate"].grad_output, plain.tape["forget_gate"].grad_output, atol=1e-12)


def test_memory_grows_with_the_square_root_of_the_steps():
    def most(checkpointed):
        net = Recurrent(lstm.create(4, 64), checkpointed=checkpointed)
        input = [np.zeros((400, 4, 4)), np.zeros((4, 64)), np.zeros((4, 64))]
        run(Recurrent(net.cell, checkpointed=checkpointed), input)  # so that what is compiled does not count
        tracemalloc.start()
        try:
            run(net, input)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most(True) < most(False) / 2.5
