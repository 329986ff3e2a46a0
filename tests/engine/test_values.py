"""Values: which modules the engine computes itself and which it calls; either way as node by node."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import InputError, NodegraphError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.view import ViewModule

from agreement import assert_agrees, assert_close, run

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)


def between(module):
    """A graph in which a module stands between two that are compiled."""
    x = nn.Identity()()
    return GModule(x, nn.MulConstant(0.5)(module(nn.Tanh()(x))))


def calls_of(module, *shape, evaluate=False):
    """Run it both ways, which must agree; gives the classes that the compiled one calls."""
    graph, input = between(module), rng.standard_normal(shape)
    graph = graph.evaluate() if evaluate else graph.training()
    eager, compiled = graph.clone(), graph.compile()
    for scale in (1.0, 0.5):
        assert_close(run(compiled, input, [1.0], scale, 2), run(eager, input, [1.0], scale, 2))
    return [type(call.step.module).__name__ for call in compiled.saved._loan.program.calls.values()]


# Modules whose class is derived from one that the engine knows


class TripledOutput:
    def update_output(self, input):
        return 3 * super().update_output(input)


class TripledGradient:
    def update_grad_input(self, input, grad_output):
        return 3 * np.asarray(super().update_grad_input(input, grad_output))


class Counted:
    """Counts how often gradients of parameters are asked for."""

    counted = np.zeros(1)

    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        self.counted += 1
        super().acc_grad_parameters(input, grad_output, scale)


def graph_of(kind):
    x = nn.Identity()()
    return kind(x, nn.Sigmoid()(nn.Linear(4, 4)(x)))


DERIVED = {
    "a graph": (GModule, graph_of),
    "a container": (nn.Sequential, lambda kind: kind(nn.Sigmoid(), nn.Linear(4, 4))),
    "a view": (nn.Narrow, lambda kind: kind(1, 1, 2)),
    "a view with a gradient of its own": (nn.Identity, lambda kind: kind()),
    "a pointwise module": (nn.Sigmoid, lambda kind: kind()),
    "a product": (nn.Linear, lambda kind: kind(4, 4)),
    "a soft-max": (nn.SoftMax, lambda kind: kind()),
    "weights": (nn.CMul, lambda kind: kind(4)),
    "dropout": (nn.Dropout, lambda kind: kind(0.3)),
}


@pytest.mark.parametrize("override", [TripledOutput, TripledGradient, Counted])
@pytest.mark.parametrize("name", DERIVED)
def test_what_a_class_overrides_is_not_passed_over(name, override):
    known, make = DERIVED[name]
    kind = type("Derived", (override, known), {})
    assert calls_of(make(kind), 3, 4) == ["Derived"]


@pytest.mark.parametrize("name", ["a graph", "a view", "a view with a gradient of its own", "a pointwise module"])
def test_a_class_that_overrides_nothing_is_compiled_like_its_base(name):
    known, make = DERIVED[name]
    assert calls_of(make(type("Derived", (known,), {"more": 1})), 3, 4) == []


# Modules that are compiled in some cases


@pytest.mark.parametrize(
    ("module", "shape", "called"),
    [
        (nn.Linear(4, 5), (4,), False),
        (nn.SoftMax(), (3, 4), False),
        (nn.SoftMax(), (4,), True),
        (nn.LogSoftMax(), (3, 4, 2), True),
        (nn.SpatialSoftMax(), (3, 4, 2, 2), True),
        (nn.CMul(4), (3, 4), False),
        (nn.CMul(1), (3, 4, 2), True),
        (nn.CAdd(4, 2), (3, 4, 2), False),
        (nn.CAdd(3, 4), (12,), False),
        (nn.Sequential(), (3, 4), False),
        (nn.Contiguous(), (3, 4), True),
        (nn.Replicate(2, 1), (3, 4), True),
        (nn.Dropout(0.4), (3, 4), False),
        (nn.Dropout(0.4), (12,), True),
    ],
)
def test_by_its_input(module, shape, called):
    assert calls_of(module, *shape) == ([type(module).__name__] if called else [])


@pytest.mark.parametrize(
    ("module", "called"),
    [
        (nn.Dropout(0.4), False),
        (nn.Dropout(0.4, v1=True), True),
        (nn.Dropout(0, v1=True), False),
        (nn.Dropout(0.4, stochastic_inference=True), False),
    ],
)
def test_dropout_in_evaluation(module, called):
    assert calls_of(module, 3, 4, evaluate=True) == (["Dropout"] if called else [])


class Parts(ViewModule):
    """The first row, and the rest as one row, which NumPy must copy where the input is turned."""

    def view(self, input):
        return [input[:1], input[1:].reshape(-1)]


def test_a_view_of_several_parts_is_called_where_some_of_them_are_copies():
    x = nn.Identity()()
    turned = nn.Transpose((0, 1))(nn.Tanh()(x))
    graph, input = GModule(x, [nn.Exp()(part) for part in Parts()(turned).split(2)]), rng.standard_normal((3, 4))
    expected = run(graph, input, [1.0, 0.5])
    assert_close(run(graph.compile(), input, [1.0, 0.5]), expected)
    assert [type(call.step.module) for call in graph.saved._loan.program.calls.values()] == [Parts]


# Gradients of what starts a graph


class Noted(Module):
    """A constant that starts a graph, and notes the gradient that comes back to it."""

    parameter_names = ()
    source = True

    def __init__(self):
        self.total = np.zeros(())

    def update_output(self, input):
        return np.ones((3, 4))

    def update_grad_input(self, input, grad_output):
        return []

    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        self.total[...] += scale * grad_output.sum()

    def output_shape(self, shape):
        return (3, 4)


def test_a_module_that_starts_a_graph_gets_its_gradient_whether_or_not_it_lists_parameters():
    noted, x = Noted(), nn.Identity()()
    graph = GModule(x, nn.CMulTable()([nn.Tanh()(x), nn.MulConstant(2.0)(noted())])).compile()
    input = rng.standard_normal((3, 4))
    graph.backward(input, np.ones_like(graph.forward(input)))
    assert graph.saved.made
    np.testing.assert_allclose(noted.total, 2 * np.tanh(input).sum())


# States


def one_step(wire, state, compiled):
    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], wire(x, h)), compiled=compiled)
    return net.forward([np.ones((1, 3, 4)), state])


@pytest.mark.parametrize(
    ("wire", "state"),
    [
        (lambda x, h: nn.ConcatTable(nn.Tanh(), nn.Sigmoid())(nn.CAddTable()([x, h])), np.ones((3, 4))),
        (lambda x, h: nn.CAddTable()(nn.FlattenTable()([x, h])), [np.ones((3, 4)), np.ones((3, 4))]),
        (lambda x, h: nn.JoinTable(1)([x, nn.Tanh()(h)]), np.ones((3, 4))),
    ],
)
def test_a_state_of_another_structure_after_one_step_is_refused_as_it_is_node_by_node(wire, state):
    refusals = []
    for compiled in (True, False):
        with pytest.raises(ShapeError, match="that come back") as caught:
            one_step(wire, state, compiled)
        refusals.append(str(caught.value))
    assert refusals[0] == refusals[1]


def test_a_state_fed_by_a_node_that_another_state_is_fed_by_has_a_place_of_its_own():
    x, h, c = (nn.Identity()() for _ in range(3))
    new = nn.Tanh()(nn.CAddTable()([x, h, c]))
    cell = GModule([x, h, c], [new, nn.Transpose((0, 1))(nn.Transpose((0, 1))(new))])
    input = [rng.standard_normal((4, 3, 4)), *rng.standard_normal((2, 3, 4))]
    assert_agrees(cell, input, [1.0, 0.5, 0.25, 0.7], sequences=[0, 1])


# Arrays that are not laid out row after row


def test_a_weight_that_is_a_part_of_another_array_is_seen_to_change():
    weights, x = nn.CMul(4), nn.Identity()()
    own = rng.standard_normal((4, 2))
    weights.weight = own[:, 0]
    graph, input = GModule(x, nn.Tanh()(weights(x))).compile(), rng.standard_normal((3, 4))
    for _ in range(3):
        own *= 1.5
        np.testing.assert_allclose(graph.forward(input), np.tanh(input * own[:, 0]), atol=1e-14)
        assert graph.saved.made


def test_a_weight_that_the_program_may_not_write_to_is_seen_to_change(kernels):
    weights, x = nn.CMul(4), nn.Identity()()
    own = rng.standard_normal(4)
    weights.weight = own.view()
    weights.weight.flags.writeable = False
    graph, input = GModule(x, nn.Tanh()(weights(x))).compile().evaluate(), rng.standard_normal((3, 4))
    for _ in range(3):
        own *= 1.5
        np.testing.assert_allclose(graph.forward(input), np.tanh(input * own), atol=1e-14)
        assert graph.saved.made


# Errors


class Fails(Module):
    """y = x, but an error in one direction."""

    def __init__(self, forward):
        self.forwards = forward

    def update_output(self, input):
        if self.forwards:
            raise RuntimeError("not today")
        return input * 1.0

    def update_grad_input(self, input, grad_output):
        raise RuntimeError("not today")

    def output_shape(self, shape):
        return shape

    def rowwise(self, shape):
        return True


def message(net, input):
    with pytest.raises(NodegraphError) as caught:
        net.backward(input, net.forward(input))
    return str(caught.value)


@pytest.mark.parametrize("forward", [True, False])
def test_an_error_where_there_are_no_steps_names_none(forward):
    """In a graph, and in what a Recurrent runs once for all steps."""
    x, h = nn.Identity()(), nn.Identity()()
    failing = nn.Tanh()(Fails(forward)(nn.Sigmoid()(x)).annotate(name="failing"))
    nets = [GModule(x, failing), GModule(x, failing).compile()]
    graph, compiled = (message(net, np.ones((3, 4))) for net in nets)
    assert graph == compiled and "`failing`" in graph and "not today" in graph
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([failing, h])))
    nets = [Recurrent(cell, compiled=compiled) for compiled in (False, True)]
    eager, compiled = (message(net, [np.ones((2, 3, 4)), np.ones((3, 4))]) for net in nets)
    assert eager == compiled and "`failing`" in eager and "step" not in eager


@pytest.mark.parametrize("given", [1, 3])
def test_a_graph_inside_that_gets_another_number_of_values_is_refused_as_it_is_node_by_node(given):
    a, b = nn.Identity()(), nn.Identity()()
    inner, nodes = GModule([a, b], nn.CAddTable()([a, b])), [nn.Identity()() for _ in range(given)]
    graph, refusals = GModule(nodes, nn.Tanh()(inner(nodes))), []
    for net in (graph, graph.clone().compile()):
        with pytest.raises(InputError) as caught:
            net.forward([np.ones((2, 4))] * given if given > 1 else np.ones((2, 4)))
        refusals.append(str(caught.value))
    assert refusals[0] == refusals[1]
