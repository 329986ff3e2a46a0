"""What every optimiser does: steps, state that goes on bit by bit, float32, whose parameters it takes."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from nodegraph import nn, optim
from nodegraph.errors import ArgumentError, InputError, StateError
from nodegraph.optim.flat import FlatOptimizer
from nodegraph.optim.optimizer import Elementwise, Optimizer

from optim_problems import ALL, Problem, every_optimizer, parts


@every_optimizer
def test_it_lowers_the_loss(make):
    problem = Problem()
    optimizer = make(problem.pair)
    before = problem.closure()
    problem.run(optimizer, 10)
    assert problem.closure() < before


@every_optimizer
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_restored_state_goes_on_bit_by_bit(make, steps):
    one, other = Problem(), Problem()
    optimizer = make(one.pair)
    one.run(optimizer, steps)
    state = optimizer.state_dict()
    for x, y in zip(other.x, one.x):
        x[...] = y
    one.run(optimizer, 3)

    restored = type(optimizer)(other.pair)
    restored.load_state_dict(state)
    other.run(restored, 3)
    assert restored.evaluations == optimizer.evaluations
    for x, y in zip(other.x, one.x):
        assert x.tobytes() == y.tobytes()


@every_optimizer
def test_a_state_is_plain_and_a_copy(make):
    problem = Problem()
    optimizer = make(problem.pair)
    problem.run(optimizer, 2)
    state = optimizer.state_dict()
    assert {type(part) for part in parts(state)} <= {int, float, bool, str, np.ndarray}
    before = [np.array(part) for part in parts(state)]
    optimizer.load_state_dict(state)
    problem.run(optimizer, 2)
    assert all(np.array_equal(a, b) for a, b in zip(before, parts(state)))


@every_optimizer
def test_float32_stays_float32(make):
    problem, reference = Problem(np.float32), Problem()
    optimizer = make(problem.pair)
    problem.run(optimizer, 3)
    reference.run(make(reference.pair), 3)
    for x, y in zip(problem.x, reference.x):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=1e-2, atol=1e-3)
    arrays = [part for part in parts(optimizer.state_dict()["memory"]) if isinstance(part, np.ndarray)]
    assert all(array.dtype == np.float32 for array in arrays)


@every_optimizer
def test_gradients_are_not_written_to(make):
    problem = Problem()
    optimizer = make(problem.pair)
    seen = []

    def closure():
        loss = problem.closure()
        seen.append([g.copy() for g in problem.gradients])
        return loss

    for _ in range(3):
        optimizer.step(closure)
        for gradient, last in zip(problem.gradients, seen[-1]):
            np.testing.assert_array_equal(gradient, last)


@every_optimizer
def test_a_closure_must_return_a_loss(make):
    problem = Problem()
    with pytest.raises(InputError, match="must return the loss"):
        make(problem.pair).step(lambda: None)
    with pytest.raises(ArgumentError, match="must be a function, got 3.5"):
        make(problem.pair).step(3.5)


@pytest.mark.parametrize("make", [m for n, m in ALL.items() if n[:3] not in ("NAG", "LBF", "CG")])
def test_gradients_computed_before_the_step_do_as_well(make):
    one, other = Problem(), Problem()
    with_closure, without = make(one.pair), make(other.pair)
    for _ in range(3):
        with_closure.step(one.closure)
        other.closure()
        assert without.step() is None
    for x, y in zip(one.x, other.x):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("make", [optim.NAG, optim.LBFGS, optim.CG, lambda p: optim.Rprop(p, niter=2)])
def test_methods_that_evaluate_themselves_need_the_closure(make):
    with pytest.raises(ArgumentError, match="closure"):
        make(Problem().pair).step()


@pytest.mark.parametrize("name", ["SGD", "SGD, nesterov", "NAG", "ASGD", "Adagrad", "RMSprop", "Adam", "Adamax"])
def test_a_step_allocates_next_to_nothing(name):
    x, gradient = np.ones(100_000, np.float32), np.ones(100_000, np.float32)
    optimizer = ALL[name]((x, gradient))
    optimizer.step(lambda: 1.0)
    tracemalloc.start()
    try:
        optimizer.step(lambda: 1.0)
        assert tracemalloc.get_traced_memory()[1] < x.nbytes / 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("base", [Optimizer, Elementwise, FlatOptimizer])
def test_an_optimiser_of_ones_own_says_how_it_steps(base):
    problem = Problem()
    with pytest.raises(NotImplementedError):
        type("Unfinished", (base,), {})(problem.pair).step(problem.closure)


def test_shared_parameters_take_one_step():
    layer = nn.Linear(2, 2)
    net = nn.Sequential().add(layer).add(nn.Tanh()).add(layer)
    layer.grad_weight[...] = 1
    before = layer.weight.copy()
    optim.SGD(net, learning_rate=0.1).step()
    np.testing.assert_allclose(layer.weight, before - 0.1)


def test_zero_grad():
    layer = nn.Linear(2, 2)
    layer.grad_weight[...] = layer.grad_bias[...] = 1
    optim.Adam(layer).zero_grad()
    assert not layer.grad_weight.any() and not layer.grad_bias.any()


@pytest.mark.parametrize("make", [optim.Adam, lambda p: optim.LBFGS(p, max_iter=2)])
def test_a_module_may_be_flattened_or_converted_between_steps(make):
    layer = nn.Linear(3, 2)
    optimizer = make(layer)
    input = np.random.default_rng(0).standard_normal((5, 3))

    def closure():
        optimizer.zero_grad()
        output = layer.forward(input.astype(layer.weight.dtype))
        layer.backward(input.astype(layer.weight.dtype), output)
        return 0.5 * (output**2).sum()

    losses = []
    for change in (lambda: None, layer.get_parameters, layer.float):
        losses += [optimizer.step(closure) for _ in range(2)]
        change()
    losses.append(optimizer.step(closure))
    assert losses == sorted(losses, reverse=True)
    assert layer.weight.dtype == np.float32


def test_a_module_whose_parameters_changed_shape_is_refused():
    net = nn.Sequential().add(nn.Linear(2, 2))
    optimizer = optim.SGD(net)
    net.add(nn.Linear(2, 3))
    for refused in optimizer.step, optimizer.zero_grad, lambda: optimizer.load_state_dict(optimizer.state_dict()):
        with pytest.raises(StateError, match="other shapes"):
            refused()


def test_arrays_that_do_not_lie_in_one_piece():
    x, gradient = np.zeros((4, 6)), np.ones((3, 2))
    optim.Adam((x[::2, ::2].T, gradient), learning_rate=0.5, weight_decay=0.1).step()
    np.testing.assert_allclose(x[::2, ::2], -0.5, rtol=1e-6)
    assert np.count_nonzero(x) == 6


@pytest.mark.parametrize(
    "parameters",
    [
        nn.Tanh(),
        np.zeros(3),
        (np.zeros(3), np.zeros(2)),
        ([np.zeros(3)], []),
        ([np.zeros(3, int)], [np.zeros(3)]),
        ([1.0], [1.0]),
        (np.broadcast_to(np.zeros(1), 3), np.zeros(3)),
        None,
    ],
    ids=["no parameters", "no gradient", "shapes", "numbers of arrays", "integers", "no arrays", "read-only", "None"],
)
def test_parameters_that_cannot_be(parameters):
    with pytest.raises(ArgumentError):
        optim.SGD(parameters)


@every_optimizer
def test_the_closure_is_not_kept(make):
    problem = Problem()
    optimizer = make(problem.pair)

    def closure():
        return problem.closure()

    gone = weakref.ref(closure)
    optimizer.step(closure)
    del closure
    gc.collect()
    assert gone() is None


def test_a_modules_weight_that_cannot_be_trained_is_refused_also_when_it_comes_later():
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer)
    for weight, message in ((np.broadcast_to(1.0, (2, 2)), "read-only"), ([[1, 2], [3, 4]], "its weight and its grad")):
        layer.weight = weight
        for refused in (optimizer.step, optimizer.zero_grad, lambda: optim.SGD(layer)):
            with pytest.raises(ArgumentError, match=message):
                refused()
