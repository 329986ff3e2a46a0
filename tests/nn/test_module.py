"""Call: one run of a module, of which several may be open at once."""

import numpy as np
import pytest

from nodegraph import GModule, nn
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


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradients_that_backward_returns_are_the_callers(compiled):
    """Each may be changed in place, and nothing else changes: no gradient given, nothing that one may look at."""
    a, b = nn.Identity()(), nn.Identity()()
    net = GModule([a, b], [nn.CAddTable()([a, b]).annotate(name="sum")])
    net = net.compile() if compiled else net
    given = np.ones((2, 3))
    net.forward([np.zeros((2, 3)), np.zeros((2, 3))])
    first, second = net.backward(None, given)
    first *= 2
    assert (second == 1).all() and (given == 1).all()
    assert all((gradient == 1).all() for gradient in net.tape["sum"].grad_input)


def test_a_call_takes_none_for_a_gradient_of_zeros():
    call = nn.Call(nn.CAddTable(), [np.ones(2), np.ones(2)])
    assert [g.tolist() for g in call.update_grad_input(None)] == [[0, 0], [0, 0]]


def test_a_parameter_that_is_exchanged_between_forward_and_backward_takes_the_gradient():
    module = nn.Linear(2, 2)
    call = nn.Call(module, np.ones((1, 2)))
    module.weight, module.grad_weight = np.eye(2), np.zeros((2, 2))
    np.testing.assert_array_equal(call.backward(np.array([[1.0, 2.0]])), [[1, 2]])
    assert module.grad_weight.tolist() == [[1, 1], [2, 2]]


def test_a_parameter_that_is_exchanged_between_the_parts_of_backward_takes_the_gradient_too():
    module = nn.Linear(2, 2)
    module.zero_grad_parameters()
    call = nn.Call(module, np.ones((1, 2)))
    call.update_grad_input(np.array([[1.0, 2.0]]))
    _, gradient = module.get_parameters()
    call.acc_grad_parameters()
    assert gradient.tolist() == [1, 1, 2, 2, 1, 2]


def test_a_module_of_ones_own_may_give_a_plain_number():
    class Largest(nn.Module):
        def update_output(self, input):
            return float(input.max())

    assert Largest().forward(np.array([1.0, 3.0])) == 3


def test_a_buffer_that_is_not_there_has_no_name():
    class Averaging(nn.Module):
        buffer_names = ("mean", "variance")
        mean, variance = np.zeros(3), None

    assert [*nn.Sequential(Averaging()).named_parameters("buffer")] == ["0.mean"]


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
    with pytest.raises(ArgumentError, match="the rate must be a number, got nan"):
        module.update_parameters(float("nan"))
    with pytest.raises(ArgumentError, match="the scale must be a number"):
        module.backward(x, output, number)
    np.testing.assert_array_equal(module.weight, weight)


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "a list"),
        (3.0, "a float"),
        (np.ones((2, 2), int), r"\(2, 2\) of int64"),
        (np.ones((2, 2), complex), r"\(2, 2\) of complex128"),
        (np.ones((1, 2)), r"\(1, 2\) of float64"),
    ],
    ids=["a list", "a number", "whole numbers", "complex numbers", "a shape that would spread"],
)
def test_something_else_in_the_place_of_a_weight_is_named(weight, found):
    module = nn.Linear(2, 2)
    module.weight = weight
    for method in (module.get_parameters, module.zero_grad_parameters, lambda: module.update_parameters(0.1)):
        with pytest.raises(ArgumentError, match=rf"Linear\(2, 2\): its weight and .* of one shape, got {found} and"):
            method()


def test_a_weight_that_is_computed_whenever_it_is_asked_for_is_refused():
    """Else it would never be trained, without a word."""

    class Positive(nn.Module):
        def __init__(self):
            self.log_weight, self.grad_weight = np.zeros(3), np.zeros(3)

        @property
        def weight(self):
            return np.exp(self.log_weight)

    for method in (Positive().get_parameters, lambda: Positive().update_parameters(0.1)):
        with pytest.raises(ArgumentError, match=r"Positive\(\): its weight is another array whenever"):
            method()


def test_a_read_only_weight_is_read_but_not_updated():
    module = nn.Linear(2, 2, bias=False)
    module.weight = np.broadcast_to(np.array(0.5), (2, 2))
    module.forward(np.ones((1, 2)))
    module.backward(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(ArgumentError, match=r"a parameter of shape \(2, 2\) is read-only"):
        module.update_parameters(0.1)
    assert module.get_parameters()[0].flags.writeable


def test_a_matrix_of_numpys_own_class_becomes_part_of_the_vector():
    module = nn.Linear(2, 2)
    with pytest.warns(PendingDeprecationWarning):
        module.weight = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    assert module.get_parameters()[0][:4].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(("name", "instead"), [("forward", "update_output"), ("backward", "update_grad_input")])
@pytest.mark.parametrize("base", [nn.Module, nn.Linear, nn.Pointwise, nn.Criterion, nn.MSECriterion])
def test_a_method_that_graphs_would_not_call_is_refused(base, name, instead):
    """Else a class written as for PyTorch would give one thing alone and another in a graph."""
    with pytest.raises(ArgumentError, match=f"Mine defines {name}, which graphs do not call: define {instead}"):
        type("Mine", (base,), {name: lambda self, *arguments: arguments[0]})


class Around(nn.Module):
    """A module with others inside, which does not say so."""

    def __init__(self, inside):
        self.inside = inside

    def update_output(self, input):
        return input


@pytest.mark.parametrize("inside", [nn.Linear(2, 2), [nn.Tanh(), nn.Linear(2, 2)], (nn.Tanh(),)])
def test_modules_inside_that_would_not_be_trained_are_noticed(inside):
    module = Around(inside)
    for method in (module.zero_grad_parameters, module.float, module.evaluate, module.get_parameters):
        with pytest.raises(ArgumentError, match="would its inside be trained"):
            method()
    with pytest.raises(ArgumentError, match="would its inside be trained"):
        nn.Sequential(module)


def test_modules_inside_that_are_listed_are_trained_and_others_may_be_hidden():
    class Open(Around):
        def children(self):
            return [self.inside]

    class Closed(Around):
        def children(self):
            return []

    assert len(Open(nn.Linear(2, 2)).parameters()[0]) == 2
    assert Closed(nn.Linear(2, 2)).parameters() == ([], [])
