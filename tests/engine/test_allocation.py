"""Allocation: what a program stores, and of how many time steps."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.nn.module import Module

from agreement import assert_close, loops, run
from small_graphs import add, tanh
from small_plans import program

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)


def of_one(wire):
    x = nn.Identity()()
    return GModule(x, wire(x))


def places(made, kind, of):
    """How many places the rings of a kind have, for the bases that a class of modules computes."""
    bases = [i for i, base in enumerate(made.plan.bases) if type(base.module) is of and base.place is None]
    return [len(made.rings[kind, base].array) if (kind, base) in made.rings else 0 for base in bases]


# Values


def test_what_only_its_kernel_reads_is_not_stored():
    made = program(of_one(lambda x: nn.Square()(nn.Exp()(x))), (3, 4), steps=5)
    assert places(made, "base", nn.Exp) == [0] and places(made, "base", nn.Square) == [5]


def test_a_product_that_kernels_alone_read_is_stored_for_one_step():
    made = program(of_one(lambda x: tanh(nn.Linear(4, 4)(x))), (3, 4), steps=5)
    assert places(made, "base", nn.Linear) == [1]
    made = program(of_one(lambda x: nn.Linear(4, 4)(tanh(x))), (3, 4), steps=5)
    assert places(made, "base", nn.Linear) == [5]


@pytest.mark.parametrize("differentiable", [False, True])
def test_all_steps_are_stored_for_backward_and_of_what_is_returned(differentiable):
    graph = of_one(lambda x: nn.Linear(4, 4)(tanh(nn.Linear(4, 4)(nn.Exp()(x)))))
    made = program(graph, (3, 4), steps=5, differentiable=differentiable)
    assert places(made, "base", nn.Tanh) == places(made, "base", nn.Exp) == [5 if differentiable else 1]
    assert places(made, "base", nn.Linear) == [1, 5]


def test_noise_is_drawn_for_all_steps_before_the_first():
    graph = of_one(lambda x: nn.Dropout(0.5, stochastic_inference=True)(tanh(x)))
    made = program(graph, (3, 4), steps=5, differentiable=False)
    (noise,) = [i for i, base in enumerate(made.plan.bases) if base.kind == "noise"]
    assert len(made.rings["base", noise].array) == 5
    assert program(graph, (3, 4), steps=5).contributions[noise] == []  # It has no gradient.


def test_what_a_call_gives_is_copied_only_for_who_reads_it():
    graph = of_one(lambda x: [tanh(nn.Max(1)(x)), nn.Mean(1)(x)])
    made = program(graph, (3, 4), steps=5)
    assert places(made, "base", nn.Max) == [5] and places(made, "base", nn.Mean) == [0]


def test_parts_that_are_joined_are_stored_in_the_whole():
    made = program(of_one(lambda x: nn.JoinTable(1)([tanh(x), nn.Exp()(x)])), (3, 4), steps=5)
    assert places(made, "base", nn.JoinTable) == [5]
    assert places(made, "base", nn.Tanh) == places(made, "base", nn.Exp) == [0]
    parts = [("base", i) for i, base in enumerate(made.plan.bases) if base.place is not None]
    assert len(parts) == 2 and not any(part in made.rings for part in parts)


def recurrent(wire):
    """The program of a loop of 5 steps over an input and a state, (3, 4) each, after a run in both directions."""
    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], wire(x, h)))
    input = [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))]
    net.backward(input, net.forward(input))
    return loops(net)[0]


def test_a_state_and_what_feeds_it_are_one_array_that_is_one_longer():
    made = recurrent(lambda x, h: tanh(add(x, nn.Linear(4, 4)(h))))
    ((state, feeder),) = made.states.items()
    before, after = made.rings["base", state], made.rings["base", feeder]
    assert before.array is after.array and len(before.array) == 6 and (before.shift, after.shift) == (0, 1)
    carried = [made.rings[slot] for slot in made.contributions[state]]
    assert [len(ring.array) for ring in carried] == [2]  # The gradient of a state is of this step and of the next.


# Gradients


def gradients(made, of):
    """The places of the rings that hold gradients of what a class of modules computes."""
    bases = [i for i, base in enumerate(made.plan.bases) if type(base.module) is of]
    return [len(made.rings[slot].array) for base in bases for slot in made.contributions[base]]


def test_the_gradient_of_a_product_is_kept_for_all_steps_and_others_for_one():
    """That of a product is multiplied by the input's rows of all steps after the loop."""
    graph = of_one(lambda x: nn.Linear(4, 4)(nn.Exp()(nn.Linear(4, 4)(tanh(x)))))
    made = program(graph, (3, 4), steps=5)
    assert gradients(made, nn.Exp) == gradients(made, nn.Tanh) == [1] and gradients(made, nn.Linear) == [5]


def test_of_what_several_read_the_gradients_are_summed_up():
    def wire(x):
        product, read = nn.Linear(4, 4)(x), nn.SoftMax()(tanh(x))
        return [product, nn.Exp()(product), read, nn.Exp()(read), nn.Max(1)(nn.Square()(product))]

    made = program(of_one(wire), (3, 4), steps=5)
    assert places(made, "gradient", nn.Linear) == [5] and places(made, "gradient", nn.SoftMax) == [1]

    def twice(x):
        new = tanh(x)
        return [new, nn.Linear(4, 4)(new)]

    made = program(of_one(twice), (3, 4), steps=5)
    assert places(made, "gradient", nn.Tanh) == [0]  # A kernel sums up as it goes.
    assert places(made, "gradient", nn.Linear) == [0]  # One that is what a single step gives is not copied.


@pytest.mark.parametrize("scales", [(1, 1, 1), (1, 1, 2), (1, 1, 2, 2), (1, 2, 3)])
def test_gradients_of_products_that_are_the_same_are_one_array(scales):
    graph = of_one(lambda x: tanh(add(*[nn.MulConstant(float(scale))(nn.Linear(4, 4)(x)) for scale in scales])))
    made = program(graph, (3, 4), steps=5)
    products = [i for i, base in enumerate(made.plan.bases) if base.kind == "product"]
    slots = [slot for base in products for slot in made.contributions[base]]
    (kernel,) = made.kernels.values()
    arrays = [id(made.rings[slot].array) for slot in slots]
    assert len(arrays) == len(scales)
    assert len({*zip(scales, arrays)}) == len({*scales}) == len({*arrays})
    assert len(kernel.backward.stores) == len({*arrays})  # Each is written but once.


def test_no_gradient_and_a_gradient_are_not_taken_for_one():
    """None flows back through the indices of a OneHot: a number 0, where others have the place 0 in a kernel."""
    indices, x = nn.Identity()(), nn.Identity()()
    rows = nn.Linear(5, 4)(nn.OneHot(5)(nn.MulConstant(1.0)(indices)))
    graph = GModule([indices, x], [rows, nn.MulConstant(1.0)(x)])
    input = [np.array([0.0, 3.0, 1.0]), rng.standard_normal(3)]
    expected = run(graph, input, [1.0, 0.5])
    assert_close(run(graph.compile(), input, [1.0, 0.5]), expected)
    assert graph.saved.made


class Thirds(Module):
    """A third of a table's first value; a module that the engine calls, and that gives no gradient to the second."""

    def update_output(self, input):
        return input[0] / 3

    def update_grad_input(self, input, grad_output):
        return [grad_output / 3, None]

    def output_shape(self, shape):
        return shape[0]


@pytest.mark.parametrize("returned", [False, True])
def test_a_module_that_gives_no_gradient_to_some_input(returned):
    a, b = nn.Identity()(), nn.Identity()()
    product = nn.Linear(4, 4)(b)
    new = tanh(Thirds()([tanh(a), product]))
    graph = GModule([a, b], [new, product] if returned else new)
    input = [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))]
    expected = run(graph, input, [1.0, 0.5], 0.5, 2)
    for _ in range(2):
        assert_close(run(graph.compile(), input, [1.0, 0.5], 0.5, 2), expected)
