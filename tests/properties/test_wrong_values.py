"""Wrong inputs and gradients end in one of our errors, which names a node or the graph, and its line; or they fit."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import nodegraph.random
from nodegraph import NodegraphError, table
from nodegraph.errors import ModuleError

from properties.graphs import graphs
from properties.runs import assert_close, examples, gradient_for
from properties.wrong_values import spoilt

LINE = re.compile(r"\w+\.py:\d+")


@examples(150)
@given(graphs(most=3), st.data())
def test_wrong_inputs(grown, data):
    what, input = spoilt(lambda low, high: data.draw(st.integers(low, high)), grown.input(1))
    eager, compiled = grown.gmodule.clone(), grown.gmodule.clone().compile()
    expected, found = outcome(eager, input), outcome(compiled, input)
    if isinstance(expected, str):
        assert found == expected, what
        return
    assert_same_numbers(found, expected, table.as_value(input), what)
    try:
        foretold = eager.output_shape(table.shape(table.as_value(input)))
    except NodegraphError as error:
        assert "does not tell" in str(error), f"{what}: {error}"
    else:
        assert foretold == table.shape(expected[0]), what


@examples(150)
@given(graphs(most=3), st.data())
def test_wrong_gradients(grown, data):
    input = grown.input(1)
    right = gradient_for(grown.gmodule.clone().forward(input))
    what, gradient = spoilt(lambda low, high: data.draw(st.integers(low, high)), right)
    eager, compiled = grown.gmodule.clone(), grown.gmodule.clone().compile()
    expected, found = outcome(eager, input, gradient), outcome(compiled, input, gradient)
    if isinstance(expected, str):
        assert isinstance(found, str), what
    else:
        assert_same_numbers(found, expected, table.as_value(input), what)


def outcome(net, input, gradient=None):
    """Output and gradient of the input, or what the error says, which must be one of ours."""
    nodegraph.random.seed(3)
    try:
        output = net.forward(input)
        gradient = gradient_for(output) if gradient is None else gradient
        grad_input = net.backward(input, gradient)
    except NodegraphError as error:
        assert LINE.search(str(error)), f"no line: {error}"
        assert not isinstance(error, ModuleError), error
        return f"{type(error).__name__}: {error}"
    assert table.fits(grad_input, table.as_value(input))
    return output, table.fill(grad_input, table.as_value(input))


def assert_same_numbers(found, expected, input, what):
    """The same but for the types of whole numbers, and for their gradients, which nobody asks for."""
    assert not isinstance(found, str), f"{what}: {found}"
    single = any(x.dtype == np.float32 for x in table.leaves(input))
    for a, b in zip(floats(found[0]), floats(expected[0]), strict=True):
        assert_close(a, b, f"{what}: output", 2e-3 if single else 1e-6)
    for x, a, b in zip(*map(table.leaves, (input, found[1], expected[1]))):
        if x.dtype.kind == "f":
            assert_close(floats(a)[0], floats(b)[0], f"{what}: gradient", 2e-3 if single else 1e-6)


def floats(value):
    return [leaf.astype(float) for leaf in table.leaves(value)]
