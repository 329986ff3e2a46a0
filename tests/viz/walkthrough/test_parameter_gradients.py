"""What one step of a run adds to the gradients of parameters, where that can be told apart."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.viz.walkthrough.parameter_gradients import parameter_gradients, total_gradients
from nodegraph.viz.walkthrough.recording import record
from nodegraph.viz.walkthrough.walking import as_graph

RNG = np.random.default_rng(0)


def records(model, input, gradient):
    walked = as_graph(model)
    output = walked.forward(input)
    if gradient is not None:
        walked.backward(input, gradient(output))
    return {box.name: one for box, one in record(walked, None).records.items() if box.name}


def stacked(module):
    """A cell in which the module reads the sequence alone, so that it runs once for all steps."""
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([nn.Linear(4, 4)(module(x).annotate(name="mine")), h])).annotate(name="new")
    return Recurrent(GModule([x, h], new))


def ones(output):
    return [np.ones_like(output[0]), None]


INPUT = [RNG.normal(size=(3, 2, 4)), RNG.normal(size=(2, 4))]


def test_the_rows_of_one_step_alone():
    one = records(stacked(nn.Linear(4, 4)), INPUT, ones)["mine"]
    gradient = one.calls.grad_output.reshape(3, 2, 4)
    for t in range(3):
        found = parameter_gradients(one, t)
        np.testing.assert_allclose(found["weight"], gradient[t].T @ INPUT[0][t])
        np.testing.assert_allclose(found["bias"], gradient[t].sum(0))
    np.testing.assert_allclose(total_gradients(one)["bias"], gradient.sum((0, 1)))


class Remembers(nn.Linear):
    """What backward needs lies in `saved`, which belongs to the rows of all steps."""

    def update_output(self, input):
        self.saved = input
        return super().update_output(input)


def test_steps_that_cannot_be_told_apart_have_a_total_only():
    one = records(stacked(Remembers(4, 4)), INPUT, ones)["mine"]
    if isinstance(one.calls, list):
        pytest.fail("the module ran step by step")
    assert parameter_gradients(one, 1) is None and set(total_gradients(one)) == {"weight", "bias"}


def test_before_a_backward_there_are_none():
    for name, model, input in (
        ("mine", stacked(nn.Linear(4, 4)), INPUT),
        ("y", (lambda x: GModule(x, nn.Linear(4, 4)(x).annotate(name="y")))(nn.Identity()()), INPUT[1]),
    ):
        one = records(model, input, None)[name]
        assert parameter_gradients(one, 0) is None and total_gradients(one) is None


def test_a_box_without_a_call_has_none():
    one = records(stacked(nn.Linear(4, 4)), INPUT, ones)["mine"]
    one.calls = None
    assert parameter_gradients(one, 0) is None and total_gradients(one) is None


def test_the_gradients_that_were_there_stay():
    one = records(stacked(nn.Linear(4, 4)), INPUT, ones)["mine"]
    before = one.module.grad_weight.copy()
    assert before.any()
    parameter_gradients(one, 0)
    total_gradients(one)
    np.testing.assert_array_equal(one.module.grad_weight, before)
