"""Settings and states of optimisers: what is refused, and that a refusal changes nothing."""

import math

import numpy as np
import pytest

from nodegraph import optim
from nodegraph.errors import ArgumentError, InputError

from optim_problems import Problem


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
        ("SGD", {"nesterov": 2, "momentum": 0.9, "dampening": 0}),
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
        ("CG", {"rho": None}),
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


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: {},
        lambda state: None,
        lambda state: {**state, "optimizer": "SGD"},
        lambda state: {**state, "evaluations": None},
        lambda state: {**state, "evaluations": -5},
        lambda state: {**state, "evaluations": 1.5},
        lambda state: {**state, "evaluations": np.inf},
        lambda state: {**state, "memory": {**state["memory"], "mean": {"0": np.zeros((3, 4), complex)}}},
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


@pytest.mark.parametrize(
    "name, settings",
    [
        ("SGD", {"learning_rate": 0, "momentum": 0, "dampening": 1}),
        ("Adam", {"beta1": 0, "beta2": 0, "epsilon": 0}),
        ("RMSprop", {"alpha": 0}),
        ("Rprop", {"etaplus": 1, "etaminus": 1, "stepsizemin": 0.5, "stepsizemax": 0.5, "niter": 1}),
        ("LBFGS", {"max_iter": 1, "n_correction": 1}),
    ],
)
def test_settings_at_the_edge_of_what_makes_sense(name, settings):
    optimizer = getattr(optim, name)(Problem().pair, **settings)
    assert {setting: getattr(optimizer, setting) for setting in settings} == settings
