"""StepLists: what runs at a time step, forward and backward."""

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, nn
from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.step_lists import StepLists
from nodegraph.engine.steps import LookUp, Multiply, Pass, SoftMaxRows
from nodegraph.errors import NonFiniteError

from agreement import assert_close, run
from small_plans import planned, program

pytestmark = pytest.mark.usefixtures("numpy_kernels")


def of_one(wire):
    x = nn.Identity()()
    return GModule(x, wire(x))


def kinds(steps):
    return [type(step).__name__ for step in steps]


def test_backward_is_forward_turned_round():
    made = program(of_one(lambda x: nn.LogSoftMax()(nn.Linear(4, 4)(nn.Max(2)(nn.Tanh()(x))))), (3, 4, 2))
    assert kinds(made.forward_steps) == ["Pass", "CallStep", "Multiply", "SoftMaxRows"]
    assert kinds(made.backward_steps) == ["SoftMaxRows", "Multiply", "CallStep", "Pass"]
    assert [step.transposed for step in (made.forward_steps[2], made.backward_steps[1])] == [True, False]
    assert [step.backward for step in (made.forward_steps[3], made.backward_steps[0])] == [False, True]
    assert made.forward_steps[3].log and made.backward_steps[0].log


def test_a_product_backward_takes_the_gradient_of_its_rows_to_that_of_the_part_that_it_read():
    made = program(of_one(lambda x: nn.Linear(2, 5)(nn.Narrow(1, 1, 2)(nn.Tanh()(x)))), (3, 4))
    *_, forward = made.forward_steps
    backward, *_ = made.backward_steps
    assert (forward.rows, forward.inner, forward.columns) == (3, 2, 5)
    assert (backward.rows, backward.inner, backward.columns) == (3, 5, 2)
    assert forward.source[1:] == backward.into[1:] == (1, 4)
    assert forward.into[1:] == backward.source[1:] == (0, 5)


def test_without_backward_there_are_no_steps_for_it():
    graph = of_one(lambda x: nn.Linear(4, 4)(nn.Tanh()(x)))
    assert program(graph, (3, 4), differentiable=False).backward_steps == []


def of_indices(wire):
    """The steps for a graph of a batch of whole numbers."""
    return StepLists(planned(of_one(wire), np.zeros(3, np.int64)), 5, True)


def test_nothing_runs_backward_for_what_has_no_gradient():
    """Rows made of indices are neither trained nor real: no gradient of theirs is summed up, nor goes back further."""
    made = of_indices(lambda x: nn.SoftMax()(nn.Square()(nn.OneHot(5)(x))))
    assert [step for step in made.backward_steps if isinstance(step, (SoftMaxRows, Multiply))] == []
    assert not any(made.is_summed(base) for base in range(len(made.plan.bases)))
    assert not any(made.contributions.values())
    assert sum(len(step.stores) for step in made.backward_steps if isinstance(step, Pass)) == 0


def test_rows_of_one_hot_that_are_only_multiplied_are_looked_up():
    made = of_indices(lambda x: nn.Tanh()(nn.Linear(5, 4)(nn.OneHot(5)(x))))
    assert kinds(made.forward_steps) == ["CallStep", "LookUp", "Pass"]
    (look_up,) = [step for step in made.forward_steps if isinstance(step, LookUp)]
    assert (look_up.rows, look_up.inner, look_up.columns) == (3, 5, 4)
    assert kinds(made.backward_steps) == ["Pass", "CallStep"]


def of_rows(wire):
    """Both the product of some one-hot rows and what is wired to them."""

    def wired(x):
        rows = nn.OneHot(5)(x)
        return [nn.Tanh()(nn.Linear(5, 4)(rows)), wire(rows)]

    return wired


READ = {
    "returned": of_rows(lambda rows: rows),
    "normalised": of_rows(nn.SoftMax()),
    "called": of_rows(nn.Max(1)),
    "of a kernel": of_rows(nn.Square()),
    "read in part": lambda x: nn.Tanh()(nn.Linear(3, 4)(nn.Narrow(1, 1, 3)(nn.OneHot(5)(x)))),
    "of another shape": lambda x: nn.Tanh()(nn.Linear(5, 4)(nn.Select(0, 1)(nn.OneHot(5)(x)))),
}


@pytest.mark.parametrize("how", READ)
def test_rows_of_one_hot_that_are_read_otherwise_are_made(how):
    made = of_indices(READ[how])
    assert "LookUp" not in kinds(made.forward_steps) and "Multiply" in kinds(made.forward_steps)


def test_a_gradient_that_several_give_is_summed_before_it_is_used():
    def wire(x):
        product = nn.Linear(4, 4)(x)
        return [nn.Max(1)(product), nn.Tanh()(product)]

    made = program(of_one(wire), (3, 4))
    product = next(i for i, base in enumerate(made.plan.bases) if base.kind == "product")
    steps = made.backward_steps
    summed = ("gradient", product)
    (at,) = [i for i, step in enumerate(steps) if isinstance(step, Pass) and step.stores[0][0] == summed]
    assert len(steps[at].loads) == 2
    assert isinstance(steps[at + 1], Multiply) and steps[at + 1].source == (summed, 0, 4)
    assert max(i for i, step in enumerate(steps) if isinstance(step, CallStep)) < at


@pytest.mark.parametrize("shape", [(3, 2), (2,), ()])
def test_rows_of_one_hot_of_any_shape(shape):
    """Several in a row, one in a row, and one without a batch, which a weight multiplies."""
    n = 5 * int(np.prod(shape[1:]))
    graph = of_one(lambda x: nn.Tanh()(nn.Linear(n, 4)(nn.Reshape(n)(nn.OneHot(5)(x)))))
    input = np.random.default_rng(0).integers(0, 5, shape)
    expected = run(graph, input, [1.0])
    assert_close(run(graph.compile(), input, [1.0]), expected)
    made = graph.saved._loan.program
    assert any(isinstance(step, LookUp) for step in made.forward_steps) == (len(shape) == 1)


@pytest.mark.parametrize("within", [lambda module: module, lambda module: of_one(module)])
def test_a_nan_in_the_gradient_of_a_weight_is_told_also_of_a_run_from_before_one_looked_for_it(within, tmp_path):
    module = within(nn.Linear(4, 4))
    graph = of_one(lambda x: nn.Tanh()(module(nn.Sigmoid()(x)).annotate(name="weighted"))).compile()
    input, gradient = np.ones((3, 4)), np.full((3, 4), np.nan)
    graph.forward(input)
    graph.update_grad_input(input, gradient)
    with nodegraph.debug(folder=tmp_path, stop_at_nan=True), pytest.raises(NonFiniteError, match="weighted"):
        graph.acc_grad_parameters(input, gradient)
    graph.acc_grad_parameters(input, gradient)  # Where one does not look for it, nothing is raised.
    assert all(np.isnan(gradient).all() for gradient in graph.parameters()[1])
