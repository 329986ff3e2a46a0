"""Shapes through a model, without running it."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.viz.shape_trace import as_shape, trace_shapes


class Silent(nn.Module):
    """A user's module without output_shape."""

    def update_output(self, input):
        return input[:, :2]


class Picky(Silent):
    """One that zeros cannot be put through either."""

    def update_output(self, input):
        raise ValueError


def shapes(call):
    return [(type(inner.module).__name__, inner.input, inner.output) for inner in call.inside]


def test_each_node_of_a_graph_in_order():
    x = nn.Identity()()
    net = GModule(x, nn.CAddTable()([nn.Linear(4, 3)(x), nn.Linear(4, 3)(x)]))
    call = trace_shapes(net, (5, 4))
    assert call.module is net and (call.input, call.output) == ((5, 4), (5, 3))
    assert shapes(call) == [
        ("Identity", (5, 4), (5, 4)),
        ("Linear", (5, 4), (5, 3)),
        ("Linear", (5, 4), (5, 3)),
        ("CAddTable", [(5, 3), (5, 3)], (5, 3)),
    ]


def test_inside_containers_and_for_every_use_of_a_module():
    call = trace_shapes(nn.Sequential(nn.MapTable(nn.Linear(4, 3)), nn.CAddTable()), [(5, 4), (5, 4)])
    assert shapes(call.inside[0]) == [("Linear", (5, 4), (5, 3))] * 2


def test_a_module_without_a_shape_rule_is_tried_on_zeros():
    silent = Silent()
    y = silent.forward(np.ones((1, 3)))
    call = trace_shapes(nn.Sequential(nn.Tanh(), silent, nn.Linear(2, 1)), (5, 4))
    assert shapes(call)[1:] == [("Silent", (5, 4), (5, 2)), ("Linear", (5, 2), (5, 1))]
    assert silent.output is y


def test_beyond_a_module_whose_shape_cannot_be_told_nothing_is_known():
    x = nn.Identity()()
    call = trace_shapes(GModule(x, nn.Tanh()(nn.Sequential(nn.Tanh(), Picky())(x))), (5, 4))
    assert call.output is None
    assert shapes(call) == [("Identity", (5, 4), (5, 4)), ("Sequential", (5, 4), None)]


def test_shapes_that_do_not_fit_are_an_error_and_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(4, 3))
    with pytest.raises(ShapeError, match=r"Linear\(4, 3\), module 0 of Sequential, got \(5, 7\)"):
        trace_shapes(net, (5, 7))
    trace_shapes(net, (5, 4))
    assert not any("output_shape" in vars(module) for module in net.list_modules())


@pytest.mark.parametrize(
    "given, shape",
    [((2, 3), (2, 3)), ([2, 3], (2, 3)), ([], ()), (((2,), [3]), [(2,), (3,)]), ([[(2,)], [4, 5]], [[(2,)], (4, 5)])],
)
def test_ways_to_write_a_shape(given, shape):
    assert as_shape(given) == shape


@pytest.mark.parametrize("wrong", [3, "(2, 3)", (2, -3), (2, 3.0), [(2, 3), 4], None])
def test_what_is_not_a_shape(wrong):
    with pytest.raises(ArgumentError, match="a shape is a tuple of sizes"):
        as_shape(wrong)
