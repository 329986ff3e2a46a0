"""A checkpointed run computes what any run does, and keeps the values of a few steps only."""

import tracemalloc

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ModuleError, StateError
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


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("back", [True, False])
def test_the_tape_shows_the_run_that_was_also_where_random_numbers_were_drawn(compiled, back):
    """A node outside the loop draws once for each piece."""
    x, h = nn.Identity()(), nn.Identity()()
    dropped = nn.Dropout(0.5)(x).annotate(name="dropped")
    cell = GModule([x, h], [nn.Tanh()(nn.CAddTable()([dropped, nn.Linear(3, 3)(h)])), nn.Identity()(dropped)])
    net, input = Recurrent(cell, checkpointed=True, compiled=compiled), rng.standard_normal((10, 2, 3))
    output, _ = net.forward(input)
    if back:
        gradient = np.zeros_like(output)
        gradient[7] = 1
        net.backward(input, [gradient, None])
        np.testing.assert_array_equal(net.tape["dropped"].grad_output[7:], gradient[7:])
    np.testing.assert_array_equal(net.tape["dropped"].output, output)


def test_memory_grows_with_the_square_root_of_the_steps(monkeypatch):
    monkeypatch.setattr("nodegraph.engine.machine.WORTH_COMPILING", 1e15)  # The arrays are the same with numba.

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


@pytest.mark.parametrize("checkpointed", [False, True])
def test_the_tape_before_a_backward_has_no_gradients(checkpointed):
    net = Recurrent(lstm.create(3, 4), checkpointed=checkpointed)
    net.forward(rng.standard_normal((5, 2, 3)))
    gate = net.tape["forget_gate"]
    assert gate.output.shape == (5, 2, 4) and gate.grad_output is None


class Breakable(nn.Module):
    broken = False

    def update_output(self, input):
        return 2 * input

    def update_grad_input(self, input, grad_output):
        if self.broken:
            raise ValueError("broken")
        return 2 * grad_output

    def output_shape(self, shape):
        return shape


@pytest.mark.parametrize("compiled", [True, False])
def test_a_backward_that_fails_leaves_the_gradients_as_they_were(compiled):
    x, h = nn.Identity()(), nn.Identity()()
    module = Breakable()
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([module(nn.Linear(3, 4)(x)), nn.Linear(4, 4)(h)])))
    net, input = Recurrent(cell, checkpointed=True, compiled=compiled), rng.standard_normal((9, 2, 3))
    net.backward(input, net.forward(input))
    before = [gradient.copy() for gradient in net.parameters()[1]]
    output, module.broken = net.forward(input), True
    with pytest.raises(ModuleError, match="broken"):
        net.backward(input, output)
    for gradient, kept in zip(net.parameters()[1], before):
        np.testing.assert_array_equal(gradient, kept)
    module.broken = False
    net.backward(input, output)


def change_weights(net, input):
    net.parameters()[0][0][...] *= 2


def change_input(net, input):
    input[4] += 1


@pytest.mark.parametrize("change", [change_weights, change_input])
def test_what_has_changed_since_forward_is_no_longer_that_run(change):
    net, input = Recurrent(lstm.create(3, 4), checkpointed=True), rng.standard_normal((9, 2, 3))
    output = net.forward(input)
    change(net, input)
    with pytest.raises(StateError, match="no longer those of the run"):
        net.backward(input, output)


def test_gradients_are_added_to_those_that_are_there():
    net, input = Recurrent(lstm.create(3, 4), checkpointed=True), rng.standard_normal((9, 2, 3))
    net.zero_grad_parameters()
    once = []
    for n in (1, 2):
        net.backward(input, net.forward(input))
        once = once or [g.copy() for g in net.parameters()[1]]
        for gradient, single in zip(net.parameters()[1], once):
            np.testing.assert_allclose(gradient, n * single, atol=1e-12)


def test_gradients_may_be_left_out():
    cell, input = lstm.create(3, 4), rng.standard_normal((9, 2, 3))
    for left_out in ([0], [1, 2], [0, 1], [0, 1, 2]):
        found = []
        for net in Recurrent(cell, checkpointed=True), Recurrent(cell):
            outputs = net.forward(input)
            found.append(net.backward(input, [None if i in left_out else y for i, y in enumerate(outputs)]))
        np.testing.assert_allclose(*found, atol=1e-12)
