"""Optimisers beyond Torch7's values: PyTorch's, state that goes on bit by bit, what is refused, clipping, schedules."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodegraph import nn, optim
from nodegraph.errors import ArgumentError, InputError, StateError

ALL = {
    "SGD": lambda p: optim.SGD(p, learning_rate=0.01, learning_rate_decay=0.1, momentum=0.9, weight_decay=0.1),
    "SGD, individual": lambda p: optim.SGD(p, learning_rates=[1, 2, 0.5], weight_decays=[0, 0.1, 0]),
    "SGD, nesterov": lambda p: optim.SGD(p, learning_rate=0.01, momentum=0.5, dampening=0, nesterov=True),
    "NAG": lambda p: optim.NAG(p, learning_rate=0.01),
    "ASGD": lambda p: optim.ASGD(p, eta0=0.01, t0=2),
    "Adagrad": lambda p: optim.Adagrad(p, learning_rate=0.1),
    "Adadelta": optim.Adadelta,
    "RMSprop": optim.RMSprop,
    "Adam": optim.Adam,
    "Adamax": optim.Adamax,
    "Rprop": optim.Rprop,
    "LBFGS": lambda p: optim.LBFGS(p, max_iter=3, n_correction=2),
    "LBFGS, lswolfe": lambda p: optim.LBFGS(
        p, max_iter=2, line_search="lswolfe", line_search_options={"c2": 0.5, "max_iter": 5}
    ),
    "CG": lambda p: optim.CG(p, max_iter=3),
}
every_optimizer = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


class Problem:
    """A small regression: three arrays of different shapes, one of them of shape ()."""

    def __init__(self, dtype=np.float64):
        rng = np.random.default_rng(3)
        self.inputs, self.targets = rng.standard_normal((20, 4)).astype(dtype), rng.standard_normal(20).astype(dtype)
        self.x = [rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), (3,), ())]
        self.gradients = [np.full_like(x, np.nan) for x in self.x]

    def closure(self):
        w, v, b = self.x
        hidden = np.tanh(self.inputs @ w)
        error = hidden @ v + b - self.targets
        self.gradients[2][...] = error.mean()
        self.gradients[1][...] = hidden.T @ error / 20
        self.gradients[0][...] = self.inputs.T @ (np.outer(error, v) * (1 - hidden**2)) / 20
        return float(0.5 * (error**2).mean())

    def run(self, optimizer, steps):
        return [optimizer.step(self.closure) for _ in range(steps)]

    @property
    def pair(self):
        return self.x, self.gradients


def parts(state):
    """What the nested dictionaries of a state hold."""
    return [part for value in state.values() for part in parts(value)] if isinstance(state, dict) else [state]


# What every optimiser does


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


# Parameters


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
    with pytest.raises(StateError, match="other shapes"):
        optimizer.step()


def test_arrays_that_do_not_lie_in_one_piece():
    x, gradient = np.zeros((4, 6)), np.ones((3, 2))
    optim.Adam((x[::2, ::2].T, gradient), learning_rate=0.5, weight_decay=0.1).step()
    np.testing.assert_allclose(x[::2, ::2], -0.5, rtol=1e-6)
    assert np.count_nonzero(x) == 6


def test_individual_rates_as_a_vector_or_a_list():
    one, other = Problem(), Problem()
    vector = np.arange(16.0)
    as_list = [vector[:12].reshape(4, 3), vector[12:15], 15.0]
    one.run(optim.SGD(one.pair, learning_rates=vector, weight_decays=vector), 2)
    other.run(optim.SGD(other.pair, learning_rates=as_list, weight_decays=as_list), 2)
    for x, y in zip(one.x, other.x):
        np.testing.assert_array_equal(x, y)


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


# Settings


@pytest.mark.parametrize(
    "name, settings",
    [
        ("SGD", {"learning_rate": -1}),
        ("SGD", {"learning_rate": math.nan}),
        ("SGD", {"learning_rate": "0.1"}),
        ("SGD", {"learning_rate": None}),
        ("SGD", {"learning_rate_decay": -0.1}),
        ("SGD", {"weight_decay": -0.1}),
        ("SGD", {"momentum": 1.5}),
        ("SGD", {"momentum": 0.9, "dampening": 1.5}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "dampening": 0}),
        ("SGD", {"nesterov": True, "momentum": 0.9}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("SGD", {"nesterov": "yes"}),
        ("SGD", {"learning_rates": np.ones(15)}),
        ("SGD", {"learning_rates": [1.0, np.ones(4), 1.0]}),
        ("SGD", {"learning_rates": 1.0}),
        ("SGD", {"learning_rates": [None, 1.0, 1.0]}),
        ("SGD", {"learning_rates": ["a", 1.0, 1.0]}),
        ("SGD", {"weight_decays": [-1, 0, 0]}),
        ("SGD", {"weight_decays": np.ones(16), "weight_decay": 0.1}),
        ("NAG", {"momentum": 0}),
        ("ASGD", {"lambda_": -1}),
        ("Adagrad", {"learning_rate": math.inf}),
        ("Adadelta", {"rho": 1}),
        ("RMSprop", {"alpha": -0.1}),
        ("RMSprop", {"initial_mean": -1}),
        ("Adam", {"beta1": 1}),
        ("Adam", {"beta2": -0.5}),
        ("Adam", {"epsilon": -1e-8}),
        ("Adamax", {"beta2": 1}),
        ("Rprop", {"etaplus": 0.5}),
        ("Rprop", {"etaminus": 1.5}),
        ("Rprop", {"stepsizemin": 1, "stepsizemax": 0.5}),
        ("Rprop", {"niter": 0}),
        ("Rprop", {"niter": 1.5}),
        ("LBFGS", {"max_iter": True}),
        ("LBFGS", {"n_correction": 0}),
        ("LBFGS", {"line_search": "armijo"}),
        ("LBFGS", {"line_search": 3}),
        ("LBFGS", {"line_search_options": {"c1": 1e-4}}),
        ("LBFGS", {"line_search": "lswolfe", "line_search_options": np.ones(2)}),
        ("LBFGS", {"line_search": "lswolfe", "line_search_options": {"c3": 1e-4}}),
        ("LBFGS", {"line_search": "lswolfe", "line_search_options": {"c1": -1}}),
        ("CG", {"max_eval": 0}),
        ("CG", {"sig": 2}),
    ],
)
def test_settings_that_make_no_sense(name, settings):
    with pytest.raises(ArgumentError):
        getattr(optim, name)(Problem().pair, **settings)


def test_a_setting_is_checked_when_it_is_changed_too():
    optimizer = optim.Adam(Problem().pair)
    with pytest.raises(ArgumentError, match="Adam: learning_rate must be a number that is not negative, got -1"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 1e-3


def test_the_learning_rate_may_change_between_steps():
    x = np.zeros(1)
    optimizer = optim.SGD((x, np.ones(1)), learning_rate=1)
    optimizer.step()
    optimizer.learning_rate = np.float64(0.25)
    optimizer.step()
    assert x == -1.25
    assert type(optimizer.learning_rate) is float


# States that do not fit


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: {},
        lambda state: None,
        lambda state: {**state, "optimizer": "SGD"},
        lambda state: {**state, "evaluations": None},
        lambda state: {**state, "evaluations": -5},
        lambda state: {**state, "settings": {**state["settings"], "learning_rate": -1}},
        lambda state: {**state, "settings": {**state["settings"], "momentum": 0.9}},
        lambda state: {**state, "settings": {}},
        lambda state: {**state, "memory": {"velocity": state["memory"]["mean"]}},
        lambda state: {**state, "memory": {"mean": {"0": np.zeros((4, 3))}}},
        lambda state: {**state, "memory": {"mean": {**state["memory"]["mean"], "1": np.zeros(4)}}},
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil):
    problem = Problem()
    optimizer = optim.Adam(problem.pair)
    problem.run(optimizer, 2)
    state = optimizer.state_dict()
    with pytest.raises(InputError, match="Adam"):
        optimizer.load_state_dict(spoil(state))
    np.testing.assert_equal(optimizer.state_dict(), state)


def test_settings_of_a_state_that_contradict_each_other():
    optimizer = optim.SGD(Problem().pair)
    state = optimizer.state_dict()
    state["settings"]["nesterov"] = True
    with pytest.raises(InputError, match="nesterov"):
        optimizer.load_state_dict(state)
    assert not optimizer.nesterov


def test_the_state_of_lbfgs_for_other_parameters():
    problem = Problem()
    optimizer = optim.LBFGS(problem.pair)
    problem.run(optimizer, 1)
    with pytest.raises(InputError, match="shape"):
        optim.LBFGS((np.zeros(3), np.zeros(3))).load_state_dict(optimizer.state_dict())


def test_a_line_search_of_ones_own():
    def halving(evaluate, x, t, d, f, g, gtd, least=1e-6):
        evaluations = 1
        while t > least and evaluate(x + t * d)[0] > f:
            t, evaluations = t / 2, evaluations + 1
        return *evaluate(x + t * d), x + t * d, t, evaluations + 1

    problem = Problem()
    optimizer = optim.LBFGS(problem.pair, line_search=halving, line_search_options={"least": 1e-4})
    before = problem.run(optimizer, 1)[0]
    assert problem.closure() < before / 2
    with pytest.raises(InputError, match="line search"):
        optim.LBFGS(Problem().pair).load_state_dict(optimizer.state_dict())
    optim.LBFGS(Problem().pair, line_search=halving).load_state_dict(optimizer.state_dict())


# Where Torch's text alone is not enough


def test_rprop_sees_the_sign_of_gradients_however_small():
    """Torch multiplies the gradients to compare their signs, which gives 0 for small ones."""
    x = np.zeros(1)
    optimizer = optim.Rprop((x, np.full(1, 1e-200)))
    optimizer.step()
    optimizer.step()
    np.testing.assert_allclose(x, -0.22)


@pytest.mark.parametrize("settings", [{}, {"max_iter": 2}, {"max_eval": 7.5}])
@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan], ids=["flat", "without end", "nan"])
def test_cg_ends_on_losses_that_have_no_minimum(settings, slope):
    x, gradient = np.array([1.0, 2.0]), np.full(2, slope)
    with np.errstate(all="ignore"):
        optimizer = optim.CG((x, gradient), **settings)
        optimizer.step(lambda: slope * x.sum())
    if not math.isnan(slope):
        assert np.isfinite(x).all()


def test_lswolfe_extrapolates_and_ends_where_both_conditions_hold():
    def evaluate(x):
        return float(((x - 50) ** 2).sum()), 2 * (x - 50)

    x = np.zeros(1)
    f, g = evaluate(x)
    for t in (1e-3, 0.4, 30.0):
        new_f, new_g, new_x, step, _ = optim.lswolfe(evaluate, x, t, -g, f, g, float(-g @ g), c2=0.1)
        assert new_f <= f - 1e-4 * step * g @ g
        assert abs(new_g @ g) <= 0.1 * g @ g
        np.testing.assert_allclose(new_x, -step * g)


def barrier(x):
    """x - log x, which has its minimum at 1, and no value from 0 on downwards."""
    with np.errstate(all="ignore"):
        return (float(x[0] - np.log(x[0])) if x[0] > 0 else math.inf), 1 - 1 / x if x[0] > 0 else np.array([math.nan])


@pytest.mark.parametrize("step", [0.1, 1.0, 10.0, 1e3])
def test_lswolfe_comes_back_from_where_there_is_no_loss(step):
    x = np.array([3.0])
    loss, gradient = barrier(x)
    found = optim.lswolfe(barrier, x, step, -gradient, loss, gradient, -float(gradient @ gradient))
    assert found[0] < loss and found[2] > 0


def test_lswolfe_ends_on_a_loss_that_falls_without_end():
    def cliff(x):
        with np.errstate(all="ignore"):
            return -float(np.exp(x[0])), -np.exp(x)

    x = np.array([1.0])
    loss, gradient = cliff(x)
    found = optim.lswolfe(cliff, x, 1.0, -gradient, loss, gradient, -float(gradient @ gradient))
    assert found[0] < loss and found[4] <= 42


VALLEYS = [
    ([0.33, -1.22, -1.07, 1.4, 0.29], 0.0),
    ([0.5, 0.0, -3.0, 0.2, 1.0], 0.1),
    ([0.02, 1.0, -0.5, -8.0, 0.0], 4.0),
    ([2.0, -0.3, 0.0, 0.1, 0.0], -6.0),
]
"""Coefficients of polynomials of degree 4, and where to begin."""


@pytest.mark.parametrize(("coefficients", "start"), VALLEYS)
def test_cg_comes_to_the_bottom_of_a_valley(coefficients, start):
    x, gradient = np.array([start]), np.zeros(1)

    def closure():
        gradient[:] = np.polyval(np.polyder(coefficients), x)
        return float(np.polyval(coefficients, x)[0])

    optimizer = optim.CG((x, gradient))
    for _ in range(3):
        optimizer.step(closure)
    assert abs(np.polyval(np.polyder(coefficients), x[0])) < 1e-5 and np.polyval(np.polyder(coefficients, 2), x[0]) > 0


def test_cg_never_goes_up_where_no_cubic_fits_and_where_there_is_a_kink():
    falling = [-0.76, 2.02, 6.94, -7.58, 14.21]  # without end, on both sides

    def polynomial(x):
        return float(np.polyval(falling, x[0])), np.polyval(np.polyder(falling), x)

    def kinks(x):
        return float(abs(x[0] + 1.25) - 0.73 * abs(x[0] + 0.54)), np.sign(x + 1.25) - 0.73 * np.sign(x + 0.54)

    for function, start in (polynomial, 0.08), (kinks, -0.13), (barrier, 3.0), (barrier, 0.01):
        x, gradient = np.array([start]), np.zeros(1)

        def closure(x=x, gradient=gradient, function=function):
            loss, gradient[:] = function(x)
            return loss

        optimizer = optim.CG((x, gradient))
        losses = []
        for _ in range(3):
            optimizer.step(closure)
            losses += optimizer.losses
        assert all(b <= a for a, b in zip(losses, losses[1:]))
        if function is polynomial:
            assert losses[-1] < losses[0]
        if function is barrier:
            np.testing.assert_allclose(x, 1, atol=1e-5)


def test_lbfgs_goes_down_where_the_loss_is_concave():
    """There the change of the gradient tells nothing of the way to a minimum, and is not taken into the memory."""
    x, gradient = np.array([0.1]), np.zeros(1)

    def closure():
        gradient[:] = -np.sin(x)
        return float(np.cos(x)[0])

    optimizer = optim.LBFGS((x, gradient), learning_rate=0.5, max_iter=200)
    optimizer.step(closure)
    np.testing.assert_allclose(x, math.pi, atol=1e-4)


def test_lbfgs_ends_after_as_many_iterations_as_it_may_make():
    x, gradient = np.array([3.0, -2.0]), np.zeros(2)

    def closure():
        gradient[:] = [2 * x[0], 8 * x[1]]
        return float(x[0] ** 2 + 4 * x[1] ** 2)

    def search(loss_at, x, step, direction, *rest, **options):
        loss, gradient = loss_at(x + 0.01 * direction)
        return loss, gradient, x + 0.01 * direction, 0.01

    optimizer = optim.LBFGS((x, gradient), max_iter=5, max_eval=100, line_search=search)
    optimizer.step(closure)
    assert len(optimizer.losses) == 6 and optimizer.losses == sorted(optimizer.losses, reverse=True)


# PyTorch as a second judge

SAME_IN_PYTORCH = {
    "SGD": (
        {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    ),
    "SGD, nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "Adam": ({"epsilon": 0, "beta1": 0.8, "beta2": 0.9}, {"eps": 0, "betas": (0.8, 0.9)}),
    "Adamax": ({"learning_rate": 0.1, "epsilon": 0.01, "weight_decay": 1}, {"lr": 0.1, "eps": 0.01, "weight_decay": 1}),
    "Adagrad": ({"learning_rate": 0.1, "learning_rate_decay": 0.1}, {"lr": 0.1, "lr_decay": 0.1}),
    "Adadelta": ({"rho": 0.8, "eps": 0.01, "weight_decay": 1}, {"lr": 1, "rho": 0.8, "eps": 0.01, "weight_decay": 1}),
    "RMSprop": ({"alpha": 0.9, "epsilon": 0.01, "weight_decay": 0.1}, {"alpha": 0.9, "eps": 0.01, "weight_decay": 0.1}),
    "Rprop": ({"stepsize": 0.2, "stepsizemax": 0.5}, {"lr": 0.2, "step_sizes": (1e-6, 0.5)}),
    "ASGD": ({"eta0": 0.1, "lambda_": 0.1, "alpha": 0.5, "t0": 3}, {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3}),
    "LBFGS": (
        {"max_iter": 4, "learning_rate": 0.5, "n_correction": 3, "tol_fun": 1e-30, "tol_x": 1e-30},
        {"max_iter": 4, "lr": 0.5, "history_size": 3, "tolerance_grad": 1e-30, "tolerance_change": 1e-30},
    ),
}


@pytest.mark.parametrize("name", SAME_IN_PYTORCH)
def test_against_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, theirs = SAME_IN_PYTORCH[name]
    problem = Problem()
    x = [torch.tensor(array, requires_grad=True) for array in problem.x]
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    class_name = name.split(",")[0]
    optimizer = getattr(optim, class_name)(problem.pair, **ours)
    reference = getattr(torch.optim, class_name)(x, **theirs)

    def closure():
        reference.zero_grad()
        loss = 0.5 * ((torch.tanh(inputs @ x[0]) @ x[1] + x[2] - targets) ** 2).mean()
        loss.backward()
        return loss

    tolerance = 1e-6 if name == "ASGD" else 1e-10  # PyTorch keeps the rate of ASGD in float32
    for _ in range(8):
        np.testing.assert_allclose(optimizer.step(problem.closure), reference.step(closure).item(), rtol=tolerance)
        for array, tensor in zip(problem.x, x):
            np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=tolerance, atol=tolerance)


# Clipping


def test_clipping_elements_of_a_module():
    layer = nn.Linear(2, 1)
    layer.grad_weight[...] = [[-9, 3]]
    layer.grad_bias[...] = np.nan
    optim.clip_gradients(layer, 5)
    np.testing.assert_array_equal(layer.grad_weight, [[-5, 3]])
    assert np.isnan(layer.grad_bias)


def test_clipping_the_norm_counts_shared_gradients_once():
    layer = nn.Linear(1, 1)
    net = nn.Sequential().add(layer).add(layer)
    layer.grad_weight[...], layer.grad_bias[...] = 3, 4
    assert optim.clip_gradient_norm(net, 10) == 5
    np.testing.assert_array_equal(layer.grad_weight, 3)
    assert optim.clip_gradient_norm(net, 1) == 5
    np.testing.assert_allclose([layer.grad_weight[0, 0], layer.grad_bias[0]], [0.6, 0.8])


def test_the_norm_of_large_float32_gradients_does_not_overflow():
    gradient = np.full(4, 1e30, np.float32)
    np.testing.assert_allclose(optim.clip_gradient_norm([gradient], 1), 2e30)
    np.testing.assert_allclose(gradient, 0.5)
    assert gradient.dtype == np.float32


def test_gradients_with_an_infinite_norm_stay():
    gradient = np.array([np.inf, 1])
    assert optim.clip_gradient_norm(gradient, 1) == np.inf
    np.testing.assert_array_equal(gradient, [np.inf, 1])


@pytest.mark.parametrize("clip", [optim.clip_gradients, optim.clip_gradient_norm])
@pytest.mark.parametrize(
    "arguments", [(np.zeros(2), 0), (np.zeros(2), -1), (np.zeros(2), None), (3.0, 1), ([3.0], 1), (np.ones(2, int), 1)]
)
def test_clipping_refuses(clip, arguments):
    with pytest.raises(ArgumentError):
        clip(*arguments)


# Schedules


def test_char_rnn_decay():
    """After 10 epochs the rate falls by 3 % at the end of each."""
    optimizer = optim.RMSprop(nn.Linear(2, 2), learning_rate=2e-3)
    schedule = optim.Schedule(optimizer, optim.step_decay(0.97, after=10))
    rate = 2e-3
    for epoch in range(15):
        schedule(epoch)
        np.testing.assert_allclose(optimizer.learning_rate, rate, rtol=1e-14)
        if epoch + 1 >= 10:
            rate *= 0.97


def test_a_schedule_goes_on_after_loading():
    first = optim.SGD(nn.Linear(2, 2), learning_rate=1)
    optim.Schedule(first, optim.exponential(0.5))(3)
    second = optim.SGD(nn.Linear(2, 2), learning_rate=1)
    schedule = optim.Schedule(second, optim.exponential(0.5))
    second.load_state_dict(first.state_dict())
    assert second.learning_rate == 0.125
    assert schedule(4) == second.learning_rate == 0.0625


@pytest.mark.parametrize("make", [optim.Adadelta, optim.Rprop, optim.CG, optim.ASGD])
def test_optimisers_without_a_learning_rate_have_no_schedule(make):
    with pytest.raises(ArgumentError, match="no learning rate"):
        optim.Schedule(make(Problem().pair), optim.exponential(0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.step_decay(-1),
        lambda: optim.step_decay(0.5, every=0),
        lambda: optim.step_decay("0.5"),
        lambda: optim.exponential(0),
        lambda: optim.exponential(None),
        lambda: optim.cosine(0),
        lambda: optim.cosine(3, lowest=-1),
        lambda: optim.cosine(3, lowest="0"),
        lambda: optim.warm_up(0),
        lambda: optim.Schedule(0.5, optim.exponential(0.5)),
        lambda: optim.Schedule(optim.SGD(Problem().pair), optim.exponential(0.5), "0.1"),
    ],
)
def test_schedules_that_cannot_be(make):
    with pytest.raises(ArgumentError):
        make()


def test_nag_takes_individual_rates():
    results = []
    for settings in ({"learning_rate": 0.2}, {"learning_rate": 0.1, "learning_rates": np.full(2, 2.0)}):
        x, gradient = np.array([1.0, -2.0]), np.zeros(2)
        optimizer = optim.NAG((x, gradient), momentum=0.9, **settings)
        for _ in range(3):
            optimizer.step(lambda x=x, gradient=gradient: (np.copyto(gradient, 2 * x), x @ x)[1])
        results.append(x)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-14)


WAVES = st.tuples(*[st.floats(-3, 3) for _ in range(5)])
"""Coefficients of a x^4 / 4 + b x^2 / 2 + c x + d sin(e x), of every shape: wells, hills, plains, cliffs."""


def wave(coefficients, x):
    a, b, c, d, e = coefficients
    with np.errstate(all="ignore"):
        loss = a * x**4 / 4 + b * x**2 / 2 + c * x + d * np.sin(e * x)
        return float(loss[0]), a * x**3 + b * x + c + d * e * np.cos(e * x)


@given(WAVES, st.floats(-2, 2), st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_lswolfe_never_ends_higher_than_it_began(coefficients, start, step):
    x = np.array([start])
    loss, gradient = wave(coefficients, x)
    assume(abs(gradient[0]) > 1e-6)
    evaluations = []

    def evaluate(x):
        evaluations.append(x)
        return wave(coefficients, x)

    slope = -float(gradient @ gradient)
    found = optim.lswolfe(evaluate, x, step, -gradient, loss, gradient, slope)
    assert found[0] <= loss and found[4] == len(evaluations) <= 42
    assert found[0] == wave(coefficients, found[2])[0]
    np.testing.assert_array_equal(found[2], x - found[3] * gradient)


@given(WAVES, st.floats(-2, 2))
def test_cg_never_goes_up(coefficients, start):
    x, gradient = np.array([start]), np.zeros(1)

    def closure():
        loss, gradient[...] = wave(coefficients, x)
        return loss

    before = wave(coefficients, x)[0]
    optimizer = optim.CG((x, gradient), max_iter=3)
    optimizer.step(closure)
    assert all(b <= a for a, b in zip(optimizer.losses, optimizer.losses[1:]))
    assert optimizer.losses[0] == before and wave(coefficients, x)[0] <= before
