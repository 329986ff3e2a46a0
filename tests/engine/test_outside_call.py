"""Calls of modules that the engine does not know: what they get, what becomes of it, and how their errors read."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn, table
from nodegraph.errors import ModuleError, NodegraphError, ShapeError

from agreement import assert_agrees, loops
from small_graphs import add, tanh

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)


class Unknown(nn.Module):
    """y = a x, for a number a that is trained; it notes what it was given."""

    parameter_names = ("weight",)
    fails = ""

    def __init__(self):
        self.weight, self.grad_weight, self.seen = np.array([1.5]), np.zeros(1), []

    def update_output(self, input):
        self.seen.append(input.copy())
        return self.weight * input

    def update_grad_input(self, input, grad_output):
        self.seen.append(grad_output.copy())
        return self.weight * grad_output

    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        if self.fails:
            raise RuntimeError(self.fails)
        self.grad_weight += scale * (input * grad_output).sum()

    def output_shape(self, shape):
        return shape


class Two(nn.Module):
    """A table of the input twice over and of its rows turned round; a gradient may be missing."""

    def update_output(self, input):
        a, b = input
        return [2 * a, [b[:, ::-1], a + b]]

    def update_grad_input(self, input, grad_output):
        first, (second, third) = grad_output
        return [2 * first + third, second[:, ::-1] + third]

    def output_shape(self, shape):
        return [shape[0], [shape[1], shape[0]]]


class NoGradient(Unknown):
    """The gradient of the second of its inputs is nothing."""

    def update_output(self, input):
        return self.weight * input[0]

    def update_grad_input(self, input, grad_output):
        return [self.weight * grad_output, None]

    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        self.grad_weight += scale * (input[0] * grad_output).sum()

    def output_shape(self, shape):
        return shape[0]


class NoGradientOfTable(NoGradient):
    """The gradient of the second of its inputs, a table, is nothing."""


class TurnedRound(nn.Module):
    """The columns in the opposite order, as a view."""

    def update_output(self, input):
        return input[:, ::-1]

    def update_grad_input(self, input, grad_output):
        return grad_output[:, ::-1]

    def output_shape(self, shape):
        return shape


def cell(wire):
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], wire(x, h))


def narrow(node, first, length):
    return nn.Narrow(1, first, length)(node)


def inputs(steps, batch=3):
    return [rng.standard_normal((steps, batch, 4)), rng.standard_normal((batch, 4))]


def in_table(x, h):
    first, rest = Two()([tanh(x), h]).split(2)
    second, third = nn.Identity()(rest).split(2)
    return tanh(add(first, second, third))


CELLS = {
    "the whole of a base": lambda x, h: tanh(Unknown()(add(x, h))),
    "a part": lambda x, h: tanh(nn.JoinTable(1)([Unknown()(narrow(add(x, h), 1, 2)), narrow(h, 0, 2)])),
    "overlapping parts": lambda x, h: tanh(
        nn.JoinTable(1)([add(Unknown()(narrow(h, 0, 2)), Unknown()(narrow(h, 1, 2))), narrow(tanh(x), 0, 2)])
    ),
    "turned round": lambda x, h: tanh(add(x, nn.Transpose((0, 1))(Unknown()(nn.Transpose((0, 1))(h))))),
    "tables": in_table,
    "what another call gave": lambda x, h: tanh(Unknown()(Unknown()(add(x, h)))),
    "a part of what another call gave": lambda x, h: tanh(
        nn.JoinTable(1)([Unknown()(narrow(Unknown()(add(x, h)), 1, 2)), narrow(h, 2, 2)])
    ),
    "no gradient": lambda x, h: tanh(NoGradient()([add(x, h), tanh(h)])),
    "no gradient of a table": lambda x, h: tanh(NoGradientOfTable()([add(x, h), nn.Identity()([tanh(h), tanh(x)])])),
    "one input twice": lambda x, h: tanh(add(x, NoGradient()([h, h]))),
    "a container": lambda x, h: tanh(nn.Concat(1).add(nn.Linear(4, 2)).add(nn.Linear(4, 2))(add(x, h))),
    "given back from between two calls": lambda x, h: [
        tanh(Unknown()(turned := TurnedRound()(add(x, h)))),
        turned,
        narrow(turned, 1, 2),
    ],
    "given back": lambda x, h: [Unknown()(tanh(add(x, h))), narrow(Unknown()(tanh(h)), 1, 2)],
}


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", CELLS)
def test_the_numbers_are_those_node_by_node(name, steps):
    graph = cell(CELLS[name])
    net = assert_agrees(graph, inputs(steps), [1.0, 0.5, 0.25, 0.3][: len(graph.outputs) + 1])
    assert any(stage.program.calls for stage in net.tape.programs.values())


def test_what_a_module_is_given_is_its_own_at_every_step():
    """Also gradients, of which the program keeps one step only."""
    unknown = Unknown()
    net, input = Recurrent(cell(lambda x, h: tanh(unknown(tanh(add(x, h)))))), inputs(3)
    net.backward(input, net.forward(input))
    call = next(iter(loops(net)[0].calls.values()))
    for given, then in zip([one.input for one in call.calls], unknown.seen[:3]):
        np.testing.assert_array_equal(given, then)
    for given, then in zip([one.grad_output for one in call.calls], unknown.seen[:2:-1]):
        np.testing.assert_array_equal(given, then)


def test_nobody_asks_for_the_gradient_of_indices():
    """What is trained after them has its gradient all the same."""
    unknown, x = Unknown(), nn.Identity()()
    graph, input = GModule(x, tanh(unknown(x))).compile(), rng.integers(0, 5, (2, 4))
    output = graph.forward(input)
    graph.backward(input, np.ones((2, 4)))
    assert [one.dtype.kind for one in unknown.seen] == ["i"]
    np.testing.assert_allclose(unknown.grad_weight, (input * (1 - output**2)).sum())


def test_indices_beside_numbers_have_no_gradient():
    nodes, found = [nn.Identity()(), nn.Identity()()], []
    graph = GModule(nodes, tanh(NoGradient()([tanh(nodes[0]), nodes[1]])))
    input = [rng.standard_normal((2, 4)), rng.integers(0, 5, (2, 4))]
    for _ in range(2):
        graph.forward(input)
        found.append(graph.backward(input, np.ones((2, 4))))
        graph.compile()
    assert graph.saved.made
    for expected, got in zip(*found):
        np.testing.assert_allclose(got, expected)


def test_within_a_container_they_are_trained_all_the_same():
    parts, x = [Unknown(), Unknown()], nn.Identity()()
    input, gradients = rng.integers(0, 5, (2, 4)), []
    graph = GModule(x, tanh(nn.Concat(1).add(parts[0]).add(parts[1])(x)))
    for _ in range(2):
        output = graph.forward(input)
        graph.zero_grad_parameters()
        graph.backward(input, np.ones_like(output))
        gradients.append([part.grad_weight.copy() for part in parts])
        graph.compile()
    assert np.all(gradients[0]) and graph.saved.made
    np.testing.assert_allclose(gradients[1], gradients[0])


def test_inputs_are_checked_while_they_may_be_of_new_shapes(monkeypatch):
    """At the first step and at the second; every later one has the shapes of that."""
    checked = []
    monkeypatch.setattr(Unknown, "check_input", lambda self, input: checked.append(self), raising=False)
    Recurrent(cell(lambda x, h: tanh(Unknown()(tanh(add(x, h)))))).forward(inputs(5))
    assert len(checked) == 2


def test_in_evaluation_calls_are_forgotten():
    net = Recurrent(cell(lambda x, h: tanh(Unknown()(tanh(add(x, h)))))).evaluate()
    net.forward(inputs(3))
    (call,) = loops(net)[0].calls.values()
    assert call.calls == []


@pytest.mark.parametrize("name", CELLS)
def test_in_evaluation_calls_find_what_others_gave(name):
    """Also a view of what the program keeps one step only."""
    graph, input = cell(CELLS[name]).evaluate(), inputs(3)
    outputs = [Recurrent(graph, compiled=compiled).forward(input) for compiled in (False, True)]
    for expected, got in zip(*(table.leaves(output) for output in outputs)):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_calls_of_an_earlier_run_are_forgotten():
    net = Recurrent(cell(lambda x, h: tanh(Unknown()(tanh(add(x, h))))))
    for _ in range(3):
        net.forward(inputs(4))
    (call,) = loops(net)[0].calls.values()
    assert len(call.calls) == 4


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("place", ["a node", "a graph inside"])
def test_an_error_in_the_gradients_of_parameters_names_the_node(place, steps):
    unknown, messages = Unknown(), []
    unknown.fails = "no room"
    for compiled in (False, True):
        x = nn.Identity()()
        inner = unknown if place == "a node" else GModule(x, tanh(unknown(tanh(x)).annotate(name="inner")))
        graph = cell(lambda x, h, inner=inner: tanh(inner(tanh(add(x, h))).annotate(name="outer")))
        net, input = Recurrent(graph, compiled=compiled), inputs(steps)
        with pytest.raises(NodegraphError, match="`outer`") as caught:
            net.backward(input, net.forward(input))
        messages.append(str(caught.value))
    assert messages[0] == messages[1] and "RuntimeError: no room" in messages[0]
    assert ("`inner`" in messages[0]) == (place == "a graph inside")


class Narrows(Unknown):
    """Its gradient has another shape than its input."""

    def update_grad_input(self, input, grad_output):
        return grad_output[:, :2]


def test_a_gradient_of_another_shape_is_refused_as_ever():
    messages = []
    for compiled in (False, True):
        net = Recurrent(cell(lambda x, h: tanh(Narrows()(tanh(add(x, h))).annotate(name="mine"))), compiled=compiled)
        input = inputs(3)
        with pytest.raises(ShapeError, match="`mine`") as caught:
            net.backward(input, net.forward(input))
        messages.append(str(caught.value).replace(str(net.cell.nodes[3].place), ""))
    assert messages[0] == messages[1]


class SaysOneThing(nn.Module):
    """Gives something else than its `output_shape` says."""

    def __init__(self, output):
        self.gives = [output]

    def update_output(self, input):
        return self.gives[0]

    def output_shape(self, shape):
        return shape


@pytest.mark.parametrize(
    "output, got",
    [
        (np.ones((1, 1)), r"\(1, 1\)"),
        (np.ones(3), r"\(3,\)"),
        (2.0, "a number"),
        (None, "None"),
        ([np.ones((2, 3))], r"\["),
    ],
)
def test_an_output_of_another_shape_is_not_spread(output, got):
    x = nn.Identity()()
    net = GModule(x, nn.Tanh()(SaysOneThing(output)(x))).compile()
    with pytest.raises(ShapeError, match=rf"SaysOneThing at .*update_output gave {got}.* where its output_shape says"):
        net.forward(np.zeros((2, 3)))


def test_complex_numbers_are_not_made_real():
    x = nn.Identity()()
    net = GModule(x, nn.Tanh()(SaysOneThing(np.ones((2, 3)) * 1j)(x))).compile()
    with pytest.raises(ModuleError, match="SaysOneThing at .*complex128"):
        net.forward(np.zeros((2, 3)))
