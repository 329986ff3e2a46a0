"""Settings: whether all that a program takes for granted about modules still holds."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.engine.settings import Settings


class Configured(nn.Module):
    parameter_names = ("weight",)

    def __init__(self):
        self.weight, self.grad_weight = np.ones(3), np.zeros(3)
        self.factor, self.name, self.size, self.flag, self.nothing = 2.0, "mean", (3, 4), True, None
        self.scale, self.sizes, self.sparse, self.loss = np.float64(0.5), [1, 2], [object()], 0.0

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
