"""Settings: whether all that a program takes for granted about modules still holds."""

from types import SimpleNamespace

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.engine.settings import Settings


class Configured(nn.Module):
    parameter_names = ("weight",)

    def __init__(self):
        self.weight, self.grad_weight = np.ones(3), np.zeros(3)
        self.factor, self.name, self.size, self.flag, self.nothing = 2.0, "mean", (3, 4), True, None
        self.scale, self.sizes, self.sparse, self.loss = np.float64(0.5), [1, 2], [1, np.ones(2)], 0.0

    def update_output(self, input):
        return input


@pytest.fixture
def module():
    return Configured()


@pytest.fixture
def noted(module):
    """The settings of a node whose module has the module inside, beside another node."""
    x = nn.Identity()()
    graph = GModule(x, nn.Tanh()(nn.Sequential(nn.Identity(), module)(x)))
    return Settings(graph.nodes)


CHANGES = {
    "a number": ("factor", 3.0),
    "a word": ("name", "sum"),
    "a tuple": ("size", (3, 5)),
    "a flag": ("flag", False),
    "something for nothing": ("nothing", 1),
    "arrays for nothing": ("nothing", (np.ones(2), np.ones(2))),
    "a list of arrays": ("sizes", [np.ones(2), np.ones(2)]),
    "one attribute more": ("added", object()),
    "an array for nothing": ("nothing", np.ones(2)),
    "an array for a number": ("factor", np.array(2.0)),
    "a number of NumPy's": ("scale", np.float64(0.25)),
    "a list": ("sizes", [1, 3]),
    "another shape": ("weight", np.ones(4)),
    "another dtype": ("weight", np.ones(3, np.float32)),
    "no array": ("weight", None),
}
NO_CHANGES = {
    "an equal number": ("factor", float("2")),
    "an equal list": ("sizes", [1, 2]),
    "another array like it": ("weight", np.zeros(3)),
    "an equal dtype": ("weight", np.ones(3, np.dtype(float).newbyteorder("="))),
    "a list with another array": ("sparse", [1, np.zeros(2)]),
    "the result of a run": ("output", np.ones(2)),
    "what a run saved": ("saved", 3),
    "the loss of a run": ("loss", 1.0),
    "what the constructor was given": ("arguments", ((1,), {})),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(what, module, noted):
    assert noted.hold()
    setattr(module, *CHANGES[what])
    assert not noted.hold()


@pytest.mark.parametrize("what", NO_CHANGES)
def test_what_changes_nothing(what, module, noted):
    setattr(module, *NO_CHANGES[what])
    assert noted.hold()


def test_a_number_that_equals_not_even_itself_holds(module):
    module.factor = float("nan")
    noted = Settings([module(nn.Identity()())])
    assert noted.hold()
    module.factor = 2.0
    assert not noted.hold()


@pytest.mark.parametrize("name", ["factor", "weight", "sizes", "nothing"])
def test_an_attribute_taken_away_is_seen(name, module, noted):
    delattr(module, name)
    assert not noted.hold()


def test_a_list_changed_in_its_place_is_seen(module, noted):
    module.sizes.append(3)
    assert not noted.hold()


def test_values_may_change(module, noted):
    module.weight += 1
    assert noted.hold()


def test_another_module_at_a_node_or_in_a_container_is_seen(module):
    inner_x, x, container = nn.Identity()(), nn.Identity()(), nn.Sequential(nn.Identity(), module)
    inner = GModule(inner_x, container(inner_x))
    graph = GModule(x, nn.Sequential(inner)(x))
    for node, other in ((graph.nodes[1], nn.Tanh()), (inner.nodes[1], nn.Tanh())):
        before, noted = node.module, Settings(graph.nodes)
        node.module = other
        assert not noted.hold()
        node.module = before
        assert noted.hold()
    container.add(nn.Tanh())
    assert not noted.hold()


def test_a_hook_on_a_graph_inside_is_seen(module):
    inner_x, x = nn.Identity()(), nn.Identity()()
    inner = GModule(inner_x, module(inner_x))
    noted = Settings(GModule(x, inner(x)).nodes)
    with inner.watch(forward=print):
        assert not noted.hold()
    assert noted.hold()


def test_arrays_that_every_run_keeps_are_no_settings(module):
    """Two tuples of arrays are neither equal nor different."""
    module.last = (np.ones(2), np.zeros(2))
    x = nn.Identity()()
    noted = Settings(GModule(x, module(x)).nodes)
    module.last = (np.zeros(2), np.ones(2))
    assert noted.hold()


FACTOR = SimpleNamespace(value=2.0)


class Scaled(nn.Pointwise):
    """A formula whose constant comes from somewhere else."""

    of_class = 2.0

    def __init__(self, where):
        self.where, self.options, self.inner, self.deep = where, {"factor": 2.0}, SimpleNamespace(factor=2.0), [[2.0]]

    def factor(self):
        found = {
            "the class": self.of_class,
            "a dictionary": self.options["factor"],
            "an object": self.inner.factor,
            "a nested list": self.deep[0][0],
            "the user's file": FACTOR.value,
        }
        return found[self.where]

    def formula(self, x):
        return self.factor() * x

    def derivative(self, x, y):
        return self.factor()


class Window(nn.ViewModule):
    first = 0

    def view(self, x):
        return x[:, self.first : self.first + 2]


ELSEWHERE = {
    "the class": lambda module: setattr(Scaled, "of_class", 3.0),
    "a dictionary": lambda module: module.options.update(factor=3.0),
    "an object": lambda module: setattr(module.inner, "factor", 3.0),
    "a nested list": lambda module: module.deep[0].__setitem__(0, 3.0),
    "the user's file": lambda module: setattr(FACTOR, "value", 3.0),
}


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("over_time", [False, True])
def test_a_users_formula_is_run_as_it_is_now(where, over_time, monkeypatch):
    monkeypatch.setattr(Scaled, "of_class", 2.0)
    monkeypatch.setattr(FACTOR, "value", 2.0)
    module, x, h = Scaled(where), nn.Identity()(), nn.Identity()()
    scaled = nn.CAddTable()([module(nn.Tanh()(x)), h])
    graph = GModule([x, h], scaled).compile()
    net, input = (
        (Recurrent(graph), [np.ones((1, 2, 3)), np.zeros((2, 3))]) if over_time else (graph, [np.ones((2, 3))] * 2)
    )
    for factor in (2.0, 3.0):
        output = net.forward(input)
        y, gradient = (output[0], [np.ones((1, 2, 3)), None]) if over_time else (output, np.ones((2, 3)))
        np.testing.assert_allclose(y, factor * np.tanh(1) + (not over_time))
        np.testing.assert_allclose(net.backward(input, gradient)[0], factor * (1 - np.tanh(1) ** 2))
        ELSEWHERE[where](module)


def test_a_users_view_is_taken_as_it_is_now(monkeypatch):
    window, x = Window(), nn.Identity()()
    graph, input = GModule(x, nn.Tanh()(window(x))).compile(), np.arange(6.0).reshape(2, 3) / 9
    np.testing.assert_allclose(graph.forward(input), np.tanh(input[:, :2]))
    monkeypatch.setattr(Window, "first", 1)
    np.testing.assert_allclose(graph.forward(input), np.tanh(input[:, 1:]))
    np.testing.assert_allclose(graph.backward(input, np.ones((2, 2)))[:, 0], 0)


def test_a_formula_is_followed_to_all_that_it_is_made_of(monkeypatch):
    class Own(nn.Pointwise):
        def __init__(self):
            self.k = 2.0

        def formula(self, x):
            return np.abs(x) * self.k

        def derivative(self, x, y):
            return self.k * np.sign(x)

    module, x = Own(), nn.Identity()()
    graph, input = GModule(x, nn.Tanh()(module(x))).compile(), np.array([[-0.5, 0.25]])
    np.testing.assert_allclose(graph.forward(input), np.tanh([[1.0, 0.5]]))
    module.k = 4.0
    np.testing.assert_allclose(graph.forward(input), np.tanh([[2.0, 1.0]]))
    monkeypatch.setattr(Own, "formula", lambda self, x: x * self.k)
    np.testing.assert_allclose(graph.forward(input), np.tanh([[-2.0, 1.0]]))
    module.formula = lambda x: x
    np.testing.assert_allclose(graph.forward(input), np.tanh(input))


def test_a_program_lasts_while_formulas_and_views_stay_what_they_are():
    x = nn.Identity()()
    graph = GModule(x, Scaled("a dictionary")(Window()(x))).compile()
    graph.forward(np.ones((2, 3)))
    (entry,) = graph.store._entries.values()
    graph.forward(np.ones((2, 3)))
    assert entry.plannable and [*graph.store._entries.values()] == [entry]


def test_a_method_that_a_module_alone_has_is_called():
    tanh, linear, x = nn.Tanh(), nn.Linear(3, 3), nn.Identity()()
    graph, input = GModule(x, nn.Exp()(tanh(linear(x)))).compile(), np.ones((2, 3))
    graph.forward(input)
    tanh.update_output = lambda input: np.zeros_like(input)
    linear.acc_grad_parameters = lambda input, grad_output, scale=1.0: None
    assert (graph.forward(input) == 1).all()
    graph.backward(input, np.ones((2, 3)))
    assert not linear.grad_weight.any()
