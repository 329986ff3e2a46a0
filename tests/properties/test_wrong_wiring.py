"""Modules on values that were not made for them, and graphs that cannot be, end in errors that name node and line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import GModule, NodegraphError, nn, table
from nodegraph.errors import WiringError

from properties.graphs import STATEFUL
from properties.growth import Growth
from properties.recipes import RECIPES
from properties.runs import examples
from properties.test_wrong_values import LINE, assert_same_numbers, outcome


@st.composite
def misfits(draw, name):
    """A graph in which a module stands on other values than those that it was made for, and an input for it."""

    def integer(low, high):
        return draw(st.integers(low, high))

    growth = Growth(integer, {key: recipe for key, recipe in RECIPES.items() if key not in STATEFUL})
    for _ in range(integer(1, 3)):
        growth.grow()
    module, given = Growth(integer, growth.recipes).made(name)
    growth.wire(module, other_values(growth, given), checked=False)
    grown = growth.close()
    return grown.gmodule, grown.input(1)


def other_values(growth, given):
    """Values nested in the same way, of other shapes, or of almost the same."""
    if isinstance(given, list):
        return [other_values(growth, part) for part in given]
    if growth.integer(0, 9) == 0:
        return growth.table()
    if growth.integer(0, 1) or not isinstance(given.shape, tuple):
        return growth.any()
    return growth.array(*(max(1, size + growth.choice(0, 0, 1, -1)) for size in given.shape))


@pytest.mark.parametrize("name", sorted(set(RECIPES) - STATEFUL - {"Parameters"}))
def test_a_module_on_values_of_other_shapes(name):
    """What is refused is refused alike by `output_shape` and by forward, eager and compiled; the rest runs as told."""

    @examples(2)
    @given(misfits(name))
    def check(misfit):
        net, input = misfit
        eager, compiled = net.clone(), net.clone().compile()
        expected, found = outcome(eager, input), outcome(compiled, input)
        try:
            foretold = eager.output_shape(table.shape(input))
        except NodegraphError as error:
            assert error.node is not None and LINE.search(str(error))
            assert isinstance(expected, str) or "does not tell" in str(error)
        else:
            assert isinstance(expected, str) or foretold == table.shape(expected[0])
        if isinstance(expected, str):
            assert found == expected
        else:
            assert_same_numbers(found, expected, input, name)

    check()


NOT_NODES = [None, 1, "x", nn.Tanh, nn.Tanh(), np.ones(2), object(), [], {}, [None], [[nn.Identity()()]], ("x",)]


@pytest.mark.parametrize("stranger", NOT_NODES, ids=lambda stranger: repr(stranger)[:20])
@pytest.mark.parametrize("name", ["CAddTable", "GModule", "MSECriterion", "Parallel", "Recurrent", "Tanh"])
def test_something_that_is_no_node_is_refused(name, stranger):
    module, _ = Growth(lambda low, high: low, RECIPES).made(name)
    for wrong in (stranger, [nn.Identity()(), stranger]):
        with pytest.raises(WiringError, match=r"at test_wrong_wiring\.py:\d+"):
            module(wrong)


@examples(100)
@given(st.data())
def test_graphs_that_cannot_be(data):
    """A graph with an input or an output too few, too many, or of another graph."""

    def integer(low, high):
        return data.draw(st.integers(low, high))

    growth, other = Growth(integer, RECIPES), Growth(integer, RECIPES)
    for _ in range(integer(1, 4)):
        growth.grow()
    other.grow()
    net, stranger = growth.close().gmodule, other.close().gmodule
    inputs, outputs = list(net.inputs), list(net.outputs)
    wrong = [
        ([*inputs, nn.Identity()()], outputs),
        ([*inputs, inputs[0]], outputs),
        ([*inputs, *stranger.inputs], outputs),
        (inputs, [*outputs, *stranger.outputs]),
        (inputs[:-1], outputs),
        (inputs, []),
        (inputs, None),
        ([None], outputs),
    ]
    given_inputs, given_outputs = wrong[integer(0, len(wrong) - 1)]
    with pytest.raises(WiringError, match=LINE.pattern):
        GModule(given_inputs, given_outputs)
