"""Program: what is changed after a run is seen by the next; nothing of a caller's is written to; errors say where."""

import copy
import gc
import weakref

import numpy as np
import pytest

import nodegraph.random
from nodegraph import GModule, Recurrent, nn
from nodegraph.engine.store import KEPT
from nodegraph.errors import NodegraphError
from nodegraph.nn.module import Module

from agreement import assert_agrees, assert_close, loops, run
from small_graphs import add, tanh

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)


def loop(wire):
    """A cell of an input and a state, (batch, 4) both, from a function of their nodes."""
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], wire(x, h))


def inputs(steps=4, batch=3):
    return [rng.standard_normal((steps, batch, 4)), rng.standard_normal((batch, 4))]


def assert_sees(net, input):
    """Several runs, for a program that was lent before comes back only then."""
    sizes = [1.0] * (len(net.cell.outputs) + 1)
    expected = run(Recurrent(net.cell, compiled=False), input, sizes)
    for _ in range(3):
        assert_close(run(net, input, sizes), expected)


# What is changed between runs

CHANGES = {
    "a constant": (lambda: nn.MulConstant(2.0), lambda m: setattr(m, "constant_scalar", 0.5)),
    "a constant of NumPy's": (lambda: scaled(np.float64(2)), lambda m: setattr(m, "constant_scalar", np.float64(0.5))),
    "the probability of dropping": (lambda: nn.Dropout(0.2), lambda m: m.setp(0.7)),
    "evaluation": (lambda: nn.Dropout(0.2), lambda m: m.evaluate()),
    "a weight's values": (lambda: nn.CMul(4), lambda m: m.weight.fill(3)),
    "a weight's array": (
        lambda: nn.Linear(4, 4),
        lambda m: setattr(m, "weight", rng.standard_normal((8, 8))[::2, ::-2]),
    ),
    "the bias taken away": (lambda: nn.Linear(4, 4), lambda m: m.no_bias()),
    "a bias where none was": (lambda: nn.Linear(4, 4, False), lambda m: give_bias(m)),
    "a container's modules": (lambda: nn.Sequential(nn.Linear(4, 4)), lambda m: m.add(nn.Sigmoid())),
    "a container's list": (lambda: nn.Sequential(nn.Tanh()), lambda m: setattr(m, "modules", [nn.Exp()])),
    "a module inside": (lambda: nn.Sequential(nn.Tanh()), lambda m: m.replace(sigmoid_for_tanh)),
    "a node's module": (lambda: inner_graph(), lambda m: m.replace(sigmoid_for_tanh)),
    "coefficients in a list": (lambda: Polynomial(), lambda m: m.coefficients.__setitem__(1, 0.25)),
}


class Polynomial(nn.Pointwise):
    def __init__(self):
        self.coefficients = [1.0, 2.0]

    def formula(self, x):
        return self.coefficients[0] + self.coefficients[1] * x

    def derivative(self, x, y):
        return self.coefficients[1]


def scaled(factor):
    module = nn.MulConstant(1)
    module.constant_scalar = factor
    return module


def give_bias(module):
    module.bias, module.grad_bias = np.ones(4), np.zeros(4)


def sigmoid_for_tanh(module):
    return nn.Sigmoid() if isinstance(module, nn.Tanh) else module


def inner_graph():
    x = nn.Identity()()
    return GModule(x, tanh(nn.MulConstant(0.5)(x)))


@pytest.mark.parametrize("what", CHANGES)
def test_changes_are_seen(what):
    make, change = CHANGES[what]
    module, input = make(), inputs()
    net = Recurrent(loop(lambda x, h: tanh(add(x, module(h)))))
    assert_sees(net, input)
    change(module)
    assert_sees(net, input)
    assert loops(net)


def test_an_output_of_another_size_is_seen():
    partial = nn.PartialLinear(4, 4)
    net = Recurrent(loop(lambda x, h: [tanh(add(x, h)), nn.Sum(1)(partial(h)), partial(h)]))
    for partition in ([0, 1, 2, 3], [2], [3], [1, 2]):
        partial.set_partition(partition)
        assert_sees(net, inputs())


def test_a_cell_put_in_the_place_of_another_is_seen():
    first, second = (loop(lambda x, h, module=module: module()(add(x, h))) for module in (nn.Tanh, nn.Sigmoid))
    net, input = Recurrent(first), inputs()
    assert_sees(net, input)
    net.replace(lambda module: second if module is first else module)
    assert net.cell is second
    assert_sees(net, input)


def test_a_shallow_copy_has_programs_of_its_own():
    x = nn.Identity()()
    graph, input = GModule(x, tanh(nn.Square()(x))).compile(), rng.standard_normal((3, 4))
    for _ in range(2):
        graph.forward(input)
    twin = copy.copy(graph).replace(sigmoid_for_tanh)
    for _ in range(2):
        np.testing.assert_allclose(twin.forward(input), 1 / (1 + np.exp(-(input**2))))
        np.testing.assert_allclose(graph.forward(input), np.tanh(input**2))


def test_other_types_of_numbers_and_parameters_in_one_vector():
    net, input = Recurrent(loop(lambda x, h: tanh(add(nn.CMul(4)(x), nn.Linear(4, 4)(h))))), inputs()
    assert_sees(net, input)
    net.get_parameters()
    assert_sees(net, input)
    assert net.float().forward([a.astype(np.float32) for a in input])[0].dtype == np.float32
    assert_sees(net.double(), input)


def test_the_masks_of_dropout_are_those_of_the_eager_run():
    """Bit for bit, in the order of the nodes at each step; `noise` is what was drawn last."""
    one, two = nn.Dropout(0.5), nn.Dropout(0.3)
    cell, input = loop(lambda x, h: [tanh(add(one(x), two(h))), one(h)]), inputs()
    drawn = []
    for compiled in (False, True):
        nodegraph.random.seed(3)
        output = Recurrent(cell, compiled=compiled).forward(input)
        drawn.append([one.noise, two.noise, output[1] == 0, nodegraph.random.get_state()["state"]["state"]])
    for a, b in zip(*drawn):
        np.testing.assert_array_equal(a, b)


# NaN and infinity

UNBOUNDED = """Abs Clamp ELU Exp HardShrink HardTanh LeakyReLU Log LogSigmoid ReLU ReLU6 Sigmoid SoftPlus SoftShrink
SoftSign Sqrt Square Tanh TanhShrink""".split()


def odd_numbers():
    x, h = inputs()
    x[1, 1, :3] = np.nan, np.inf, -np.inf
    return [x, h]


@pytest.mark.parametrize("name", [*UNBOUNDED, "MulConstant(0)", "Power(2)", "Threshold(0.1, 0.2)"])
def test_nan_and_infinity_go_where_they_go_node_by_node(name):
    module = eval(f"nn.{name}" if "(" in name else f"nn.{name}()")
    assert_agrees(loop(lambda x, h: tanh(add(module(x), module(h)))), odd_numbers(), [1.0, 0.5])


def test_nan_goes_through_kernels_of_either_kind(kernels):
    """One cell of everything that chooses between numbers, for compiled kernels take their time."""
    x, h = nn.Identity()(), nn.Identity()()
    chosen = [nn.ReLU()(x), nn.HardTanh()(x), nn.ReLU6()(x), nn.HardShrink()(x), nn.CMaxTable()([x, h])]
    chosen += [nn.CMaxTable()([h, x]), nn.CMinTable()([x, h]), nn.CMinTable()([h, x]), nn.MulConstant(0)(x)]
    cell = GModule([x, h], [tanh(add(x, h, *chosen)), *chosen])
    net = assert_agrees(cell, odd_numbers(), [0.5] * 11)
    assert loops(net)


def test_an_infinite_gradient_of_a_state_stays_at_its_step():
    net = Recurrent(loop(lambda x, h: [tanh(add(x, h)), h]))
    net.forward(inputs())
    gradient = np.zeros((4, 3, 4))
    gradient[0] = np.inf
    grad_x, grad_h = net.backward(None, [gradient, None])
    assert np.isfinite(grad_x).all() and np.isinf(grad_h).all()


# Whose arrays are whose


def everything_returned(x, h):
    return [tanh(add(x, nn.Linear(4, 4)(h), nn.LogSoftMax()(x))), x, h, nn.Narrow(1, 0, 2)(x)]


def test_nothing_given_or_returned_is_written_to_or_shared():
    net, kept = Recurrent(loop(everything_returned)), []
    for _ in range(4):
        input = inputs()
        output = net.forward(input)
        gradients = [2 * y for y in output]
        grad_inputs = [*net.backward(input, gradients), *net.backward(input, gradients)]
        kept += [(array, array.copy()) for array in [*input, *output, *gradients, *grad_inputs]]
        for now, then in kept:
            np.testing.assert_array_equal(now, then)
    arrays = [array for array, _ in kept]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_a_caller_may_write_into_what_was_returned():
    net, input = Recurrent(loop(everything_returned)), inputs()
    gradients = [np.ones_like(y) for y in net.forward(input)]
    expected = net.backward(input, gradients)
    for array in net.forward(input):
        array.fill(np.nan)
    assert_close(net.backward(input, gradients), expected)


def test_runs_may_go_back_in_any_order():
    cell, given = loop(everything_returned), [inputs() for _ in range(3)]
    net, eager = Recurrent(cell), Recurrent(cell, compiled=False)
    pairs = [(nn.Call(net, input), nn.Call(eager, input)) for input in given]
    for k in (1, 0, 2, 1):
        gradients = [np.ones_like(y) for y in pairs[k][0].output]
        assert_close(*[call.update_grad_input(gradients) for call in pairs[k]])


# Memory


def programs_of(net):
    return [program for entry in net.store._entries.values() for program in entry.free]


def test_runs_that_are_over_give_their_programs_back_without_the_garbage_collector():
    net, input = Recurrent(loop(everything_returned)), inputs()
    gc.collect()
    gc.disable()
    try:
        runs = []
        for _ in range(20):
            net.backward(input, net.forward(input))
            runs.append(weakref.ref(net.tape))
        assert sum(run() is not None for run in runs) == 1
        assert len(programs_of(net)) <= len(net.store._entries)
    finally:
        gc.enable()


def test_no_gradient_is_stored_of_what_only_decides():
    mask, a, b = (nn.Identity()() for _ in range(3))
    net = GModule([mask, a, b], nn.Where()([mask, tanh(a), tanh(b)])).compile()
    given = [np.array([[1.0, 0.0]]), *rng.standard_normal((2, 1, 2))]
    net.forward(given)
    gradients = net.backward(given, np.ones((1, 2)))
    assert [(g != 0).tolist() for g in gradients] == [[[False, False]], [[True, False]], [[False, True]]]
    program = net.saved._loan.program
    of = [program.plan.bases[slot[2]].key[1] for slot in program.rings if slot[0] == "into"]
    assert sorted(of) == sorted(net.input_places[1:])


def test_runs_that_failed_give_their_programs_back():
    net, (x, h) = Recurrent(loop(lambda x, h: tanh(add(Fails()(x), Fails()(h))))), inputs()
    for bad in [False, True] * 10:
        x[3] = 9 if bad else 0
        with pytest.raises(NodegraphError) if bad else np.errstate():
            net.forward([x, h])
    assert len(programs_of(net)) <= 2 * len(net.store._entries)
    assert_sees(net, [0 * x, h])


def test_only_so_many_shapes_are_kept():
    net = Recurrent(loop(lambda x, h: tanh(add(x, nn.Linear(4, 4)(h)))))
    for batch in range(1, 2 * KEPT + 2):
        net.forward(inputs(2, batch))
    assert len(net.store._entries) == KEPT


# Errors


class Fails(Module):
    """y = x; an error in one direction as soon as a number is above 5."""

    parameter_names = ()

    def __init__(self, backward=False):
        self.backwards = backward

    def update_output(self, input):
        if not self.backwards and (input > 5).any():
            raise RuntimeError("above 5")
        return input * 1.0

    def update_grad_input(self, input, grad_output):
        if self.backwards and (input > 5).any():
            raise RuntimeError("above 5")
        return grad_output * 1.0

    def output_shape(self, shape):
        return shape


def within_graph(module):
    x = nn.Identity()()
    return GModule(x, tanh(module(x).annotate(name="inner")))


PLACES = {
    "a node": lambda module: module,
    "a graph": within_graph,
    "a container": lambda module: nn.Sequential(nn.Identity(), module),
    "a graph in a container": lambda module: nn.Sequential(nn.Identity(), within_graph(module)),
    "a container in a graph": lambda module: within_graph(nn.Sequential(nn.MulConstant(1.0), module)),
    "many": lambda module: within_graph(within_graph(nn.Sequential(within_graph(module)))),
}


def message(net, input):
    with pytest.raises(NodegraphError) as caught:
        net.backward(input, net.forward(input))
    return type(caught.value), str(caught.value), caught.value.node


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_an_error_names_node_and_step_as_ever(place, backward):
    module = PLACES[place](Fails(backward))
    cell = loop(lambda x, h: tanh(nn.CMaxTable()([x, module(add(x, h)).annotate(name="outer")])))
    x, h = inputs()
    x[3] = 9
    eager, compiled = (message(Recurrent(cell, compiled=compiled), [x, h]) for compiled in (False, True))
    assert compiled == eager and "`outer`" in eager[1] and "step 3 of a Recurrent" in eager[1]


def test_an_index_that_is_none_is_told_with_its_step():
    cell = loop(lambda x, h: tanh(add(h, nn.Index(0)([nn.Linear(4, 4)(h), x]))))
    indices = rng.integers(0, 3, (4, 3))
    indices[2, 1] = 7
    input = [indices, rng.standard_normal((3, 4))]
    eager, compiled = (message(Recurrent(cell, compiled=compiled), input) for compiled in (False, True))
    assert compiled == eager and "found 7" in eager[1] and "step 2" in eager[1]


def test_an_index_that_is_none_is_told_where_rows_of_one_hot_are_not_made():
    cell = loop(lambda x, h: tanh(add(nn.Linear(5, 4)(nn.OneHot(5)(x).annotate(name="rows")), h)))
    input = [np.array([[1, 2, 9]]), rng.standard_normal((3, 4))]
    eager, compiled = (message(Recurrent(cell, compiled=compiled), input) for compiled in (False, True))
    assert compiled == eager and "`rows`" in eager[1] and "found 9" in eager[1]


# Hooks


def test_hooks_on_a_graph_inside_are_called_also_when_added_after_a_run():
    inner, input, seen = within_graph(nn.Linear(4, 4)), inputs(), []
    net = Recurrent(loop(lambda x, h: tanh(add(x, inner(h)))))
    net.forward(input)
    with inner.watch(lambda node, call: seen.append("forward"), lambda node, call: seen.append("backward")):
        net.backward(input, net.forward(input))
    assert seen.count("forward") == seen.count("backward") == 4 * len(inner.nodes)
    assert_sees(net, input)
    assert len(seen) == 8 * len(inner.nodes)


@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_on_the_cell_see_both_directions(compiled):
    cell, input, seen = loop(lambda x, h: tanh(add(x, nn.Linear(4, 4)(h)))), inputs(), []
    net = Recurrent(cell, compiled=compiled)
    output = net.forward(input)
    with cell.watch(backward=lambda node, call: seen.append(call.grad_output)):
        net.backward(input, output)
    assert len(seen) == 4 * 4 + 1 and all(gradient is not None for gradient in seen)
    with cell.watch(forward=lambda node, call: seen.append(node)):
        net.forward(input)
    assert {*cell.nodes} == {*seen[17:]} and len(seen) == 2 * 17
