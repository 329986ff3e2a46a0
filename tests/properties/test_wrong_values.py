"""Wrong inputs and gradients end in one of our errors, which names a node or the graph, and its line; or they fit."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nodegraph.random
from nodegraph import GModule, NodegraphError, Recurrent, nn, table
from nodegraph.errors import InputError, ModuleError, ShapeError

from properties.graphs import graphs
from properties.runs import assert_close, examples, gradient_for
from properties.wrong_values import spoilt

LINE = re.compile(r"\w+\.py:\d+")
NUMBER = re.compile(r"\d+\.\d+(e[+-]\d+)?")


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
    """Output and gradient of the input, or what the error says, rounded, which must be one of ours."""
    nodegraph.random.seed(3)
    try:
        output = net.forward(input)
        gradient = gradient_for(output) if gradient is None else gradient
        grad_input = net.backward(input, gradient)
    except NodegraphError as error:
        assert LINE.search(str(error)), f"no line: {error}"
        assert not isinstance(error, ModuleError), error
        return f"{type(error).__name__}: {NUMBER.sub(lambda number: f'{float(number[0]):.6g}', str(error))}"
    assert table.fits(grad_input, table.as_value(input))
    return [output, table.fill(grad_input, table.as_value(input))]


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


MASK = np.array([[True, False, True], [True, True, False]])


@pytest.mark.parametrize(
    ("module", "input"),
    [
        *(
            (module, MASK)
            for module in (nn.Tanh(), nn.Exp(), nn.Sigmoid(), nn.SoftMax(), nn.SoftMin(), nn.LogSoftMax())
        ),
        *((module, [MASK, MASK]) for module in (nn.CAddTable(), nn.CSubTable(), nn.MM(True))),
        (nn.MV(), [MASK, MASK[0]]),
        (nn.CAddTensorTable(), [MASK, [MASK]]),
        (nn.MixtureTable(), [MASK, [MASK, MASK, MASK]]),
    ],
    ids=repr,
)
def test_booleans_are_computed_as_the_numbers_they_are(module, input):
    assert_close(module.forward(input), module.forward(table.map(lambda x: x.astype(float), input)), "output", 1e-15)


def test_a_masked_array_is_refused_and_a_matrix_is_an_array():
    x = np.arange(4.0).reshape(2, 2)
    with pytest.raises(InputError, match="without a mask"):
        nn.Sum(0).forward(np.ma.masked_array(x, x > 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        output = nn.Square().forward(np.matrix(x))
    assert type(output) is np.ndarray and output.tolist() == [[0, 1], [4, 9]]


@pytest.mark.parametrize("gradient", [np.full(3, 1j), np.array(["a", "b", "c"]), np.array([None] * 3), "abc", {}])
def test_a_gradient_of_anything_but_numbers_is_refused(gradient):
    net = GModule(x := nn.Identity()(), nn.Tanh()(x))
    for each in (net, net.clone().compile()):
        each.forward(np.ones(3))
        with pytest.raises(InputError, match="got gradient"):
            each.backward(np.ones(3), gradient)


def test_a_sequence_of_numbers_is_told_apart_by_the_cell():
    cell = GModule([x := nn.Identity()(), h := nn.Identity()()], nn.Linear(2, 2)(nn.CAddTable()([x, h])))
    with pytest.raises(ShapeError, match="CAddTable"):
        Recurrent(cell).forward([np.ones(6), np.ones((2, 2))])


def test_states_may_begin_as_whole_numbers():
    """Later steps still go back through them."""
    cell = GModule([x := nn.Identity()(), h := nn.Identity()()], nn.Tanh()(nn.CAddTable()([x, h])))
    x, zeros = np.full((3, 1, 1), 0.5), np.zeros((1, 1))
    gradient = [np.ones((3, 1, 1)), np.ones((1, 1))]
    expected = outcome(Recurrent(cell, compiled=False), [x, zeros], gradient)
    assert_close(outcome(Recurrent(cell), [x, zeros.astype(int)], gradient), expected, "recurrence")
