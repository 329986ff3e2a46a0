"""Call: one run of a module, of which several may be open at once."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.errors import ArgumentError, StateError

rng = np.random.default_rng(0)


def test_each_call_goes_backward_through_its_own_run():
    module, xs, gradient = nn.Tanh(), rng.standard_normal((2, 4)), np.ones(4)
    calls = [nn.Call(module, x) for x in xs]
    for call, x in zip(calls, xs):
        np.testing.assert_allclose(call.backward(gradient), 1 - np.tanh(x) ** 2)
        assert call.grad_output is gradient and call.grad_input is module.grad_input


def test_a_call_adds_the_gradients_of_its_parameters_once_or_scaled():
    module, x, gradient = nn.Linear(3, 2), rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    module.zero_grad_parameters()
    call = nn.Call(module, x)
    call.backward(gradient)
    np.testing.assert_allclose(module.grad_weight, gradient.T @ x)
    call.acc_grad_parameters()
    np.testing.assert_allclose(module.grad_weight, 2 * gradient.T @ x)
    call.acc_grad_parameters(0.5)
    np.testing.assert_allclose(module.grad_bias, 2.5 * gradient.sum(0))
    call.backward(gradient, -2.5)
    np.testing.assert_allclose(module.grad_weight, 0, atol=1e-14)


def test_a_call_takes_none_for_a_gradient_of_zeros():
    call = nn.Call(nn.CAddTable(), [np.ones(2), np.ones(2)])
    assert [g.tolist() for g in call.update_grad_input(None)] == [[0, 0], [0, 0]]


def test_a_parameter_that_is_exchanged_between_forward_and_backward_takes_the_gradient():
    module = nn.Linear(2, 2)
    call = nn.Call(module, np.ones((1, 2)))
    module.weight, module.grad_weight = np.eye(2), np.zeros((2, 2))
    np.testing.assert_array_equal(call.backward(np.array([[1.0, 2.0]])), [[1, 2]])
    assert module.grad_weight.tolist() == [[1, 1], [2, 2]]


def test_a_weight_without_its_gradient_is_named():
    class Scale(nn.Module):
        def __init__(self):
            self.weight = np.ones(3)

    with pytest.raises(StateError, match=r"Scale\(\) has no grad_weight"):
        nn.Sequential(Scale()).zero_grad_parameters()


@pytest.mark.parametrize("number", ["0.1", None, np.ones(2), [0.1]])
def test_rate_and_scale_are_numbers(number):
    module, x = nn.Linear(3, 2), np.ones((1, 3))
    weight, output = module.weight.copy(), module.forward(x)
    with pytest.raises(ArgumentError, match="the rate must be a number"):
        module.update_parameters(number)
    with pytest.raises(ArgumentError, match="the scale must be a number"):
        module.backward(x, output, number)
    np.testing.assert_array_equal(module.weight, weight)
