"""Gradients of what a program returns: parts of one array, tables, and none at all, in any order."""

import itertools

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ShapeError

from agreement import assert_agrees, assert_close, loops, run

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)

PARTS = {
    "the whole": lambda y: y,
    "some columns": lambda y: nn.Narrow(1, 1, 2)(y),
    "overlapping columns": lambda y: nn.Narrow(1, 0, 3)(y),
    "turned": lambda y: nn.Transpose((0, 1))(y),
}


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)))
def test_parts_of_one_array_in_any_order(order):
    x = nn.Identity()()
    y = nn.Tanh()(nn.Linear(4, 4)(x))
    graph, input = GModule(x, [PARTS[name](y) for name in order]), rng.standard_normal((3, 4))
    expected = run(graph, input, [0.5, 1.0, 2.0, 3.0])
    graph.compile()
    for _ in range(2):
        assert_close(run(graph, input, [0.5, 1.0, 2.0, 3.0]), expected)


@pytest.mark.parametrize("last", [nn.Narrow(1, 0, 3), nn.Transpose((0, 1)), nn.Identity()])
def test_parts_of_an_array_that_comes_after_them_or_is_not_returned(last):
    def make():
        x = nn.Identity()()
        y = nn.Tanh()(nn.Linear(4, 4)(x))
        return GModule(x, [nn.Narrow(1, 1, 2)(y), last(y)])

    like = last.forward(np.zeros((3, 4)))
    for gradients in ([np.ones((3, 2)), None], [np.ones((3, 2)), rng.standard_normal(like.shape)]):
        assert_same_for(make, rng.standard_normal((3, 4)), gradients)


def assert_same_for(make, input, gradients):
    """Both ways the same gradients, twice, and what was given is not written to."""
    eager = make()
    compiled = eager.clone().compile()
    for net in (eager, compiled):
        net.zero_grad_parameters()
    kept = [gradient.copy() for gradient in leaves(gradients)]
    for _ in range(2):
        expected, got = (
            [*leaves(net.forward(input)), *leaves(net.backward(input, gradients))] for net in (eager, compiled)
        )
        assert_close(got, expected)
    assert compiled.saved.made
    assert_close([g for g in compiled.parameters()[1]], eager.parameters()[1])
    for gradient, before in zip(leaves(gradients), kept):
        np.testing.assert_array_equal(gradient, before)


def leaves(value):
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [value]


def of_tables():
    """Two outputs, the first a table of a part of a sum and of another table."""
    x = nn.Identity()()
    y = nn.Tanh()(nn.Linear(4, 4)(x))
    halves = nn.SplitTable(1)(nn.Reshape(2, 2)(y))
    return GModule(x, [nn.ConcatTable(nn.Identity(), nn.NarrowTable(0, 1))(halves), nn.Sigmoid()(y)])


def gradients_of_tables():
    a, b, c, y = (rng.standard_normal((3, n)) for n in (2, 2, 2, 4))
    return {
        "all": [[[a, b], [c]], y],
        "of a table none": [None, y],
        "of a table in it none": [[None, [c]], y],
        "of a value in it none": [[[a, None], [c]], None],
        "none at all": [None, None],
        "none": None,
        "given as strides": [[[a[::-1], b[:, ::-1]], [c]], np.asfortranarray(y)],
        "of whole numbers": [[[np.ones((3, 2), int), b], [c]], np.ones((3, 4), int)],
    }


@pytest.mark.parametrize("name", gradients_of_tables())
def test_tables_of_which_some_have_no_gradient(name):
    assert_same_for(of_tables, rng.standard_normal((3, 4)), gradients_of_tables()[name])


def test_one_node_returned_twice_gets_the_sum_of_both_gradients():
    def make():
        x = nn.Identity()()
        y = nn.Tanh()(nn.Linear(4, 4)(x))
        return GModule(x, [y, nn.Square()(y), y])

    a, b, c = rng.standard_normal((3, 3, 4))
    for gradients in ([a, b, c], [None, b, c], [a, None, None], [None, None, None]):
        assert_same_for(make, rng.standard_normal((3, 4)), gradients)


def test_an_output_whose_gradient_comes_and_goes():
    """Zeros stand for none at one run, and not for the gradient that was given at the one before."""
    x = nn.Identity()()
    y = nn.Linear(4, 4)(x)
    graph, input = GModule(x, [y, nn.Tanh()(y)]), rng.standard_normal((3, 4))
    eager, compiled = graph.clone(), graph.compile()
    for sizes in ([1.0, 1.0], [None, 1.0], [2.0, None], [None, None], [0.5, 1.0]):
        assert_close(run(compiled, input, sizes), run(eager, input, sizes))


@pytest.mark.parametrize("batch", [3, 1000])
def test_large_gradients_in_memory_that_changes(batch):
    """More than is copied: what is taken as it is, is looked at anew in each run."""
    x = nn.Identity()()
    graph, input = GModule(x, nn.Sigmoid()(nn.Linear(4, 4)(x))), rng.standard_normal((batch, 4))
    eager, compiled, gradient = graph.clone(), graph.compile(), rng.standard_normal((batch, 4))
    frozen = gradient.view()
    frozen.flags.writeable = False
    for given in (gradient, gradient, frozen, gradient[::-1], frozen, gradient.copy()):
        gradient *= 1.5
        for net in (eager, compiled):
            net.forward(input)
        np.testing.assert_allclose(compiled.backward(input, given), eager.backward(input, given), atol=1e-12)


@pytest.mark.parametrize("batch", [3, 1000])
def test_an_input_that_is_returned_is_that_of_the_run(batch):
    x = nn.Identity()()
    graph = GModule(x, [nn.Narrow(1, 1, 2)(x), nn.Tanh()(x)]).compile()
    for input in rng.standard_normal((3, batch, 4)):
        np.testing.assert_array_equal(graph.forward(input)[0], input[:, 1:3])


@pytest.mark.parametrize("batch", [3, 1000])
def test_inputs_may_lie_in_memory_in_any_way(batch):
    x = nn.Identity()()
    graph, array = GModule(x, nn.Tanh()(nn.MulConstant(2.0)(x))).compile(), rng.standard_normal((batch, 4))
    spread = np.repeat(array, 2, axis=1)[:, ::2]
    for input in (array, array[::-1], array[::-1, ::-1], spread, np.asfortranarray(array), array.astype(">f8")):
        np.testing.assert_allclose(graph.forward(input), np.tanh(2 * input), atol=1e-14)
        np.testing.assert_allclose(graph.backward(input, input), 2 * input * (1 - np.tanh(2 * input) ** 2), atol=1e-14)


def test_large_inputs_and_gradients_are_not_written_to():
    """More than is copied is taken as it is, and must not become a place for what a later run is given."""
    x = nn.Identity()()
    graph = GModule(x, nn.Sigmoid()(nn.MulConstant(2.0)(x))).compile()
    given = [rng.standard_normal((1000, 4)) for _ in range(6)]
    before = [array.copy() for array in given]
    for input, gradient in zip(given[::2], given[1::2]):
        graph.forward(input)
        graph.backward(input, gradient)
    for array, kept in zip(given, before):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("of_whole", [np.arange(12).reshape(3, 4), np.arange(12.0).reshape(3, 4)])
def test_whole_numbers_and_others_are_gradients_of_parts_of_one_array(of_whole):
    def make():
        x = nn.Identity()()
        y = nn.Tanh()(nn.Linear(4, 4)(x))
        return GModule(x, [y, nn.Narrow(1, 1, 2)(y)])

    input, gradients = rng.standard_normal((3, 4)), [of_whole, rng.standard_normal((3, 2))]
    assert_same_for(make, input, gradients)
    graph = make().compile()
    graph.forward(input)
    expected = graph.backward(input, gradients)
    assert_close([graph.update_grad_input(input, gradients)], [expected])  # Which takes them as they are.


@pytest.mark.parametrize("shapes", [(None, (300, 2)), (None, (3, 3)), (None, (1, 2)), ((4, 3), None), ((12,), None)])
def test_a_gradient_of_another_shape_is_refused(shapes):
    """Also where not `backward` is called, which looks at it first."""
    expected, got = next((size, shape) for size, shape in zip([(3, 4), (3, 2)], shapes) if shape is not None)
    x = nn.Identity()()
    y = nn.Tanh()(nn.Linear(4, 4)(x))
    graph, input = GModule(x, [y, nn.Narrow(1, 1, 2)(y)]).compile(), rng.standard_normal((3, 4))
    graph.forward(input)
    gradients = [None if shape is None else np.ones(shape) for shape in shapes]
    with pytest.raises(ShapeError, match="expected a gradient of the output's shape"):
        graph.backward(input, gradients)
    with pytest.raises(ShapeError) as caught:
        graph.update_grad_input(input, gradients)
    assert str(caught.value) == f"expected a gradient of the output's shape, {expected}, got {got}"


def test_a_gradient_of_another_number_of_steps_is_refused():
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)]))
    net = Recurrent(GModule([x, h], [nn.Sigmoid()(new), new]))
    input, gradients = [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))], [np.ones((4, 3, 4)), None]
    net.forward(input)
    for way in (net.backward, net.update_grad_input):
        with pytest.raises(ShapeError, match=r"gradient of the output's shape, .*\(5, 3, 4\)"):
            way(input, gradients)


def test_whole_numbers_that_are_returned_have_a_gradient_of_zero():
    x = nn.Identity()()
    graph, indices = GModule(x, [x, nn.Linear(5, 4)(nn.OneHot(5)(x))]).compile(), np.array([1, 4, 0])
    graph.forward(indices)
    assert graph.saved.made
    np.testing.assert_array_equal(graph.backward(indices, [np.ones(3), np.ones((3, 4))]), np.zeros(3))


def test_a_number_is_a_gradient():
    x = nn.Identity()()
    graph, input = GModule(x, nn.Tanh()(nn.MulConstant(2.0)(x))).compile(), np.array(0.25)
    graph.forward(input)
    np.testing.assert_allclose(graph.update_grad_input(input, 1.5), 3 * (1 - np.tanh(0.5) ** 2))


# Over time


def test_a_table_that_a_cell_returns_outside_its_loop():
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)]))
    read = nn.ConcatTable(nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()))(nn.MulConstant(0.5)(new))
    cell, input = GModule([x, h], [new, read]), [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))]
    nets = [Recurrent(cell, compiled=compiled) for compiled in (False, True)]
    a, b, c = (rng.standard_normal(shape) for shape in ((5, 3, 2), (5, 3, 3), (3, 4)))
    for gradients in ([[a, b], c], [[a, None], c], [[None, b], None], [None, c], [[None, None], None]):
        expected, got = ([*leaves(net.forward(input)), *leaves(net.backward(input, gradients))] for net in nets)
        assert_close(got, expected)
    assert {stage.loop for stage in nets[1].tape.programs} == {False, True}


def test_what_is_outside_the_loop_runs_as_one_program_for_all_steps():
    """Also nodes of several inputs, and those that read the sequence itself."""
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([nn.Linear(4, 4)(x), nn.Linear(4, 4)(h)]))
    cell = GModule([x, h], [new, nn.Linear(4, 2)(nn.CMulTable()([new, nn.Sigmoid()(x)]))])
    net = assert_agrees(cell, [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))], [1.0, 0.5])
    assert set(net.tape.programs) == set(net.stages) and len(loops(net)) == 1
    before, _, behind = (net.tape.programs[stage].program for stage in net.stages)
    assert before.steps == behind.steps == 1 and {base.rows for base in behind.plan.bases} == {15}
    assert loops(net)[0].steps == 5


def test_a_state_that_goes_round_no_cycle_is_read_one_step_later():
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], [nn.Tanh()(x), nn.MulConstant(2.0)(h)])
    input = [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))]
    net = assert_agrees(cell, input, [1.0, 0.5])
    assert loops(net) == []
    np.testing.assert_allclose(net.forward(input)[0], 2 * np.concatenate([input[1][None], np.tanh(input[0][:-1])]))


def test_the_gradient_of_a_sequence_comes_and_goes():
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)]))
    cell = GModule([x, h], [nn.Sigmoid()(new), new])
    input = [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))]
    eager, compiled = (Recurrent(cell, compiled=compiled) for compiled in (False, True))
    for sizes in ([None, 1.0], [1.0, None], [None, None], [0.5, 1.0]):
        expected = run(eager, input, sizes)
        assert_close(run(compiled, input, sizes), expected)


def test_a_sequence_of_numbers():
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], [nn.Tanh()(nn.CAddTable()([nn.MulConstant(0.5)(nn.Sigmoid()(x)), h]))])
    assert loops(assert_agrees(cell, [rng.standard_normal(5), rng.standard_normal(())], [1.0, 0.5]))


def test_a_sequence_of_numbers_beside_one_of_rows():
    x, number, h = (nn.Identity()() for _ in range(3))
    cell = GModule([x, number, h], [nn.Tanh()(nn.CAddTable()([x, h])), nn.Exp()(x), nn.Square()(number)])
    input = [rng.standard_normal((5, 3, 4)), rng.standard_normal(5), rng.standard_normal((3, 4))]
    assert loops(assert_agrees(cell, input, [1.0, 0.5, 2.0, 1.0], feedback=[(0, 2)]))


@pytest.mark.parametrize("size", [None, 0.5])
def test_a_product_that_only_decides_in_a_loop_and_is_returned(size):
    x, h = nn.Identity()(), nn.Identity()()
    product = nn.Linear(4, 4)(h)
    cell = GModule([x, h], [nn.Where()([product, nn.Tanh()(nn.CAddTable()([x, h])), x]), product])
    net = assert_agrees(cell, [rng.standard_normal((5, 3, 4)), rng.standard_normal((3, 4))], [size, 1.0])
    assert len(loops(net)) == 1
