"""Code: formulas as operations, none of which is done twice or for nothing."""

import numpy as np
import pytest

from nodegraph.engine.code import Code, NotFusable, Place
from nodegraph.symbols import Symbol


@pytest.fixture
def code():
    return Code()


@pytest.fixture
def x(code):
    return Symbol(code.add("load", 0))


@pytest.fixture
def y(code):
    return Symbol(code.add("load", 1))


def functions(code):
    return [function for function, _ in code.operations]


def test_what_is_there_already_is_not_repeated(code, x, y):
    assert code.record(np.tanh(x + y)) == code.record(np.tanh(x + y)) == Place(3)
    assert code.operations == [("load", (0,)), ("load", (1,)), ("add", (Place(0), Place(1))), ("tanh", (Place(2),))]


def test_a_number_is_not_the_place_of_that_number(code, x, y):
    by_number, by_place = code.record(x * 2.0), code.record(x * np.exp(y))
    assert [code.operations[place][1] for place in (by_number, by_place)] == [(Place(0), 2.0), (Place(0), Place(3))]
    assert code.add("multiply", x.function, Place(2)) not in (by_number, by_place)


@pytest.mark.parametrize(
    "formula", [lambda x: 1 * x, lambda x: x * 1.0, lambda x: x + 0, lambda x: 0.0 + x, lambda x: x - 0]
)
def test_what_changes_nothing_is_not_done(code, x, formula):
    assert code.record(formula(x)) is x.function and functions(code) == ["load"]


@pytest.mark.parametrize(
    "formula", [lambda x: 2 * x, lambda x: x * 0, lambda x: x + 1, lambda x: 1 + x, lambda x: 0 - x]
)
def test_what_changes_something_is_done(code, x, formula):
    assert code.record(formula(x)) == Place(1) and len(code.operations) == 2


def test_a_place_is_never_taken_for_0_or_1(code, x, y):
    """The first two places have these numbers."""
    for formula in (x * y, y * y, y + x, x + x, y - x):
        code.record(formula)
    assert functions(code)[2:] == ["multiply", "multiply", "add", "add", "subtract"]
    assert code.times(x.function, y.function) == code.record(x * y)


def test_a_sigmoid_is_one_operation(code, x):
    assert code.record(1 / (1 + np.exp(-x))) == Place(1)
    assert code.operations == [("load", (0,)), ("sigmoid", (Place(0),))]


@pytest.mark.parametrize(
    "formula",
    [
        lambda x: 2 / (1 + np.exp(-x)),
        lambda x: 1 / (2 + np.exp(-x)),
        lambda x: 1 / (1 + np.exp(x)),
        lambda x: 1 / (1 - np.exp(-x)),
        lambda x: 1 / (1 + np.tanh(-x)),
        lambda x: 1 / (1 + np.exp(1.0)) * x,
        lambda x: 1 * (1 + np.exp(-x)),
        lambda x: x / (1 + np.exp(-x)),
        lambda x: 1 / (x + np.exp(-x)),
        lambda x: 1 / (1 + x),
        lambda x: 1 / x,
        lambda x: x / 3,
        lambda x: 1 / (1 + np.exp(np.abs(x))),
        lambda x: 1 / np.exp(-x),
    ],
)
def test_what_is_like_a_sigmoid_is_not_taken_for_one(code, x, formula):
    code.record(formula(x))
    assert "sigmoid" not in functions(code)


@pytest.mark.parametrize(
    "formula", [np.sin, lambda x: x // 2, lambda x: x * np.ones(3), lambda x: x * "2", lambda x: x * 1j]
)
def test_what_a_kernel_cannot_do(code, x, formula):
    with pytest.raises(NotFusable):
        code.record(formula(x))


@pytest.mark.parametrize("formula", [lambda c: c + c, lambda c: np.exp(c), lambda c: c / c])
def test_arithmetic_of_conditions_alone_is_left_to_numpy(code, x, formula):
    """NumPy's True + True is True, its exp(True) a float16."""
    with pytest.raises(NotFusable):
        code.record(formula(x > 0))
    assert code.record(2 * (x > 0)) == Place(2)


def test_numbers_are_floats(code):
    for number in (True, 1, np.int64(1), np.float32(1)):
        assert code.record(number) == 1.0 and type(code.record(number)) is float


@pytest.mark.parametrize(
    "formula", [lambda x: np.where(x, 1.0, 2.0), lambda x: np.logical_or(x > 1, x), lambda x: np.logical_and(x, x)]
)
def test_a_number_stands_for_whether_it_is_not_0(code, x, formula):
    code.record(formula(x))
    assert ("not_equal", (Place(0), 0.0)) in code.operations


@pytest.mark.parametrize(
    "formula", [lambda x: np.where(x > 1, x, 2.0), lambda x: (x > 1) & (x < 2), lambda x: np.logical_or(x > 1, x < 0)]
)
def test_a_condition_is_taken_as_it_is(code, x, formula):
    code.record(formula(x))
    assert "not_equal" not in functions(code)


def test_a_condition_as_a_number(code, x):
    condition = code.record(x > 0)
    assert code.operations[code.number(condition)] == ("where", (condition, 1.0, 0.0))
    assert code.number(x.function) is x.function and code.number(3.0) == 3.0


def test_a_gradient_times_a_derivative(code, x, y):
    gradient, derivative = x.function, y.function
    assert code.times(gradient, 1.0) is gradient and code.times(1.0, derivative) is derivative
    assert code.times(0.0, derivative) == 0.0 and len(code.operations) == 2
    condition = code.record(y > 0)
    assert code.operations[code.times(gradient, condition)] == ("where", (condition, gradient, 0.0))


def test_a_gradient_times_0_are_zeros_that_are_there(code, x):
    """An array of zeros, whatever the gradient, be it NaN."""
    zeros = code.times(x.function, 0.0)
    assert isinstance(zeros, Place) and code.operations[zeros] == ("where", (Place(zeros.number - 1), 0.0, 0.0))
