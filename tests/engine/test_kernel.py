"""KernelCode: what a fused pass reads, stores, computes again and gives back, whichever machine runs it."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.engine import program as engine_program
from nodegraph.engine.numpy_machine import NumpyMachine

from agreement import assert_agrees, assert_close, loops, run
from small_graphs import add, tanh

rng = np.random.default_rng(0)
ROWS, COLUMNS = 3, 6


@pytest.fixture(params=["by parts", "as wholes"])
def planned(request, monkeypatch, numpy_kernels):
    """Kernels as either machine gets them: those that read parts of what others compute, as numba's do, or wholes."""
    if request.param == "by parts":
        monkeypatch.setattr(engine_program, "worth_numba", lambda steps, times: True)
        monkeypatch.setattr(engine_program, "machine_for", NumpyMachine)
    return request.param


def graph_of(wire, inputs=1):
    nodes = [nn.Identity()() for _ in range(inputs)]
    return GModule(nodes, wire(*nodes))


def compiled(wire, inputs=1, backwards=1):
    """The program of a graph whose compiled run agrees with that node by node; all inputs are (ROWS, COLUMNS)."""
    graph = graph_of(wire, inputs)
    input = [rng.standard_normal((ROWS, COLUMNS)) for _ in range(inputs)]
    input = input if inputs > 1 else input[0]
    sizes = [1.0, 0.5, 0.25, 2.0][: len(graph.outputs)]
    expected = run(graph, input, sizes, 1.0, backwards)
    graph.compile()
    for _ in range(2):
        assert_close(run(graph, input, sizes, 1.0, backwards), expected)
    return graph.saved._loan.program


def narrow(node, first, length):
    return nn.Narrow(1, first, length)(node)


def times(*nodes):
    return nn.CMulTable()(list(nodes))


def groups(program, base=0):
    """In how many rings the kernels store the gradient of a base, for each kernel."""
    found = [[slot for slot, of in kernel.into.items() if of == base] for kernel in program.kernels.values()]
    return [len(slots) for slots in found]


# Parts


PARTS = {
    "side by side": (lambda x: times(narrow(x, 0, 3), narrow(x, 3, 3)), 1),
    "next to each other but for one": (lambda x: times(narrow(x, 0, 2), narrow(x, 3, 2)), 1),
    "overlapping by one": (lambda x: times(narrow(x, 0, 4), narrow(x, 2, 4), tanh(narrow(x, 1, 4))), 3),
    "overlapping, in the other order": (lambda x: times(narrow(x, 2, 3), narrow(x, 0, 3)), 2),
    "one of three beside another": (lambda x: times(narrow(x, 0, 2), narrow(x, 1, 2), narrow(x, 3, 2)), 2),
    "overlapping one of two": (lambda x: times(narrow(x, 0, 2), narrow(x, 3, 2), narrow(x, 1, 2)), 2),
    "overlapping the other of two": (lambda x: times(narrow(x, 0, 2), narrow(x, 3, 2), narrow(x, 4, 2)), 2),
    "the same part twice": (lambda x: times(narrow(x, 1, 3), tanh(narrow(x, 1, 3))), 1),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_overlap_have_gradients_of_their_own(name, planned):
    wire, count = PARTS[name]
    assert groups(compiled(lambda x: tanh(wire(x)))) == [count]


def test_parts_in_other_strides_have_gradients_of_their_own(planned):
    """The columns 2 and 3 of every row, and the first six elements of all as three rows."""

    def wire(x):
        first = nn.Narrow(0, 0, 2 * ROWS)(nn.Reshape(ROWS * COLUMNS, batch_mode=False)(x))
        return tanh(times(nn.Reshape(ROWS, 2, batch_mode=False)(first), narrow(x, 2, 2)))

    assert groups(compiled(wire)) == [2]


def test_a_parameter_s_gradient_is_one_sum(planned):
    """However often a kernel reads it, in parts or as a whole."""

    def wire(x):
        scaled = nn.CMul(COLUMNS)(x)
        return tanh(times(narrow(scaled, 0, 4), narrow(scaled, 2, 4)))

    program = compiled(wire, backwards=2)
    (parameter,) = program.parameter_bases
    assert max(groups(program, parameter)) == 1


def test_weights_for_each_element_and_biases(planned):
    compiled(lambda x, y: tanh(nn.CAdd(COLUMNS)(add(nn.CMul(1, COLUMNS)(x), nn.CMul(ROWS, COLUMNS)(y)))), 2, 2)


# What backward needs of forward


def saved(program):
    return sum(len(kernel.saved) for kernel in program.kernels.values())


def test_what_is_cheap_is_computed_again_and_nothing_else_is_saved(planned):
    assert saved(compiled(lambda x, y: tanh(times(add(x, y), add(x, y))), 2)) == 0


def test_what_takes_long_is_saved(planned):
    assert saved(compiled(lambda x, y: times(nn.Exp()(x), nn.Sigmoid()(y)), 2)) == 2
    assert saved(compiled(lambda x, y: times(nn.MulConstant(2.0)(nn.Exp()(x)), y), 2)) == 1


def test_what_ends_with_something_cheap_is_saved(planned):
    assert saved(compiled(lambda x, y: times(nn.TanhShrink()(x), y), 2)) == 1


def test_what_is_stored_anyway_is_not_saved(planned):
    assert saved(compiled(lambda x: [times(h := nn.Exp()(x), h), h])) == 0


def test_what_another_kernel_stored_is_not_computed_again(planned):
    program = compiled(lambda x: times(tanh(nn.Linear(COLUMNS, COLUMNS)(e := nn.Exp()(x))), e))
    functions = [function for kernel in program.kernels.values() for function, _ in kernel.forward.code.operations]
    assert len(program.kernels) == 2 and functions.count("exp") == 1


def test_in_evaluation_nothing_is_saved(planned):
    graph = graph_of(lambda x, y: times(nn.Exp()(x), nn.Sigmoid()(y)), 2).compile().evaluate()
    graph.forward([np.ones((ROWS, COLUMNS))] * 2)
    assert saved(graph.saved._loan.program) == 0 and groups(graph.saved._loan.program) == [0]


def test_products_are_saved_where_they_are_not_kept(planned):
    assert saved(compiled(lambda x: tanh(times(nn.Linear(COLUMNS, COLUMNS)(x), nn.Linear(COLUMNS, COLUMNS)(x))))) == 2
    assert saved(compiled(lambda x: [tanh(times(a := nn.Linear(COLUMNS, COLUMNS)(x), x)), a])) == 0
    compiled(lambda x: tanh(times(narrow(a := nn.Linear(COLUMNS, COLUMNS)(x), 0, 3), narrow(a, 3, 3))))


def test_over_time_backward_finds_the_products_of_every_step(planned):
    """Those that nobody reads but the kernel are there for one step only, unless it saves them."""
    x, h = nn.Identity()(), nn.Identity()()
    products = times(nn.Linear(COLUMNS, COLUMNS)(h), nn.Linear(COLUMNS, COLUMNS, False)(h))
    input = [rng.standard_normal((4, ROWS, COLUMNS)), rng.standard_normal((ROWS, COLUMNS))]
    net = assert_agrees(GModule([x, h], tanh(add(x, nn.Exp()(tanh(products))))), input, [1.0, 0.5])
    (loop,) = loops(net)
    assert saved(loop) >= 3


# What becomes of gradients


def test_several_results_of_one_kernel_each_with_its_gradient(planned):
    compiled(lambda x, y: [h := tanh(times(x, y)), nn.Sigmoid()(h), add(h, x), nn.Exp()(y)], 2)


def test_joined_results_are_stored_in_their_places(planned):
    compiled(lambda x, y: nn.Linear(2 * COLUMNS, 2)(nn.JoinTable(1)([tanh(x), nn.Sigmoid()(times(x, y))])), 2)


def test_a_value_that_no_gradient_reaches(planned):
    """Its own gradient is 0, be its derivative whatever it may."""
    graph = graph_of(lambda x: [tanh(x), nn.Log()(x)])
    input = -np.ones((ROWS, COLUMNS))
    graph.compile().forward(input)
    gradient = graph.backward(input, [np.ones((ROWS, COLUMNS)), None])
    np.testing.assert_allclose(gradient, 1 - np.tanh(1) ** 2)


def test_what_only_chooses_has_no_gradient(planned):
    assert groups(compiled(lambda x, y: nn.Where()([nn.ReLU()(x), tanh(y), y]), 2)) == [0]
    compiled(lambda x: nn.Where()([nn.ReLU()(x), tanh(x), nn.MulConstant(2.0)(x)]))


def test_noise_has_no_gradient(planned):
    program = compiled(lambda x: tanh(nn.Dropout(0.5)(x)))
    (noise,) = program.noise_bases
    assert groups(program, noise) == [0]


def test_a_condition_chooses_and_does_not_multiply(planned):
    """Where ReLU is 0 an infinite gradient does not come through as NaN."""
    graph = graph_of(lambda x: nn.ReLU()(nn.MulConstant(2.0)(x))).compile()
    input, gradient = np.full((ROWS, COLUMNS), -1.0), np.full((ROWS, COLUMNS), np.inf)
    graph.forward(input)
    np.testing.assert_array_equal(graph.backward(input, gradient), np.zeros((ROWS, COLUMNS)))


def test_one_input_taken_twice_gets_both_gradients(planned):
    compiled(lambda x: tanh(times(x, x)))
    compiled(lambda x: add(times(x, tanh(x)), x))
