"""A compiled run of a GModule, and what one sees of the values inside it."""

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, nn
from nodegraph.compiled_run import CompiledRun
from nodegraph.errors import NonFiniteError, StateError

from module_examples import numbers


def network():
    """With random numbers and running averages, both of which a second run must take from the first."""
    nodegraph.seed(1)
    x = nn.Identity()().annotate(name="x")
    hidden = nn.Dropout(0.5)(nn.Linear(3, 4)(x).annotate(name="linear")).annotate(name="dropped")
    normal = nn.BatchNormalization(4)(hidden).annotate(name="normal")
    return GModule(x, nn.Log()(nn.Exp()(normal)).annotate(name="y"))


def run(model):
    nodegraph.seed(2)
    x = numbers(6, 3)
    output = model.forward(x)
    model.zero_grad_parameters()
    return output, model.backward(x, numbers(6, 4))


def test_the_tape_of_a_compiled_run_is_that_of_the_same_run_node_by_node():
    compiled, eager = network().compile(), network()
    (output, grad_input), expected = run(compiled), run(eager)
    assert isinstance(compiled.saved, CompiledRun)
    state, averages = nodegraph.random.get_state(), compiled.node("normal").module.running_mean.copy()
    for name in ("linear", "dropped", "normal", "y"):
        ours, theirs = compiled.tape[name], eager.tape[name]
        np.testing.assert_allclose(ours.output, theirs.output, rtol=1e-12)
        np.testing.assert_allclose(ours.grad_input, theirs.grad_input, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(output, expected[0], rtol=1e-12)
    np.testing.assert_allclose(grad_input, expected[1], rtol=1e-10, atol=1e-15)
    assert nodegraph.random.get_state() == state, "looking draws no random numbers"
    np.testing.assert_array_equal(compiled.node("normal").module.running_mean, averages)
    assert compiled.tape is compiled.tape


def test_before_backward_the_tape_has_outputs_alone():
    compiled = network().compile()
    compiled.forward(numbers(6, 3))
    assert compiled.tape["y"].output.shape == (6, 4) and compiled.tape["y"].grad_output is None


@pytest.mark.parametrize("change", ["parameters", "input"])
def test_what_has_changed_since_the_run_cannot_be_looked_into(change):
    compiled, x = network().compile(), numbers(6, 3)
    compiled.forward(x)
    if change == "parameters":
        compiled.node("linear").module.weight += 1
    else:
        x *= 2
    with pytest.raises(StateError, match="the parameters or the input are no longer those of the run"):
        assert compiled.tape


def test_backward_in_evaluation_is_refused_where_the_graph_can_no_longer_be_compiled():
    compiled, x = network().compile().evaluate(), numbers(6, 3)
    compiled.forward(x)
    compiled.node("linear").module.float()
    with pytest.raises(StateError, match="the parameters or the input are no longer those of the run"):
        compiled.backward(x, numbers(6, 4))


def test_a_nan_that_comes_up_in_its_backward_is_found():
    x = nn.Identity()()
    compiled = GModule(x, nn.Sqrt()(nn.MulConstant(1.0)(x)).annotate(name="root")).compile()
    zeros = np.zeros(3)
    compiled.forward(zeros)
    assert isinstance(compiled.saved, CompiledRun)
    with nodegraph.debug(folder="/nowhere", stop_at_nan=True):
        with pytest.raises(NonFiniteError, match="`root`.*gradient of its input has .*among 3 numbers"):
            compiled.backward(zeros, np.full(3, np.inf))


def test_a_module_of_ones_own_in_a_compiled_graph_runs_forward_once_and_backward_once():
    class Counting(nn.Module):
        calls: list[str] = []

        def output_shape(self, shape):
            return shape

        def update_output(self, input):
            self.calls.append("forward")
            return 2 * input

        def update_grad_input(self, input, grad_output):
            self.calls.append("backward")
            return 2 * grad_output

    x = nn.Identity()()
    net = GModule(x, nn.Tanh()(Counting()(nn.Linear(3, 3)(x)))).compile()
    for n in (1, 2):
        net.backward(None, net.forward(numbers(6, 3)))
        assert isinstance(net.saved, CompiledRun) and Counting.calls == ["forward", "backward"] * n


def test_the_tape_of_a_graph_of_two_inputs():
    x, y = nn.Identity()(), nn.Identity()()
    product = nn.CMulTable()([nn.Tanh()(x), y]).annotate(name="product")
    compiled = GModule([x, y], nn.Exp()(product)).compile()
    a, b = numbers(6, 4), 2 * numbers(6, 4)
    (grad_a, _) = compiled.backward([a, b], compiled.forward([a, b]))
    np.testing.assert_allclose(compiled.tape["product"].output, np.tanh(a) * b)
    np.testing.assert_allclose(compiled.tape["product"].grad_input[0] * (1 - np.tanh(a) ** 2), grad_a)
