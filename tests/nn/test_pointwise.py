"""What holds for every pointwise module, and the elementary functions."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ModuleError, ShapeError

ARGUMENTS = {
    "AddConstant": [(2,), (np.array([1.0, -2.0, 3.0]),)],
    "HardTanh": [(-0.5, 1.5)],
    "MulConstant": [(-3,)],
    "Power": [(3,), (0.5,), (-1,), (1,), (0,)],
    "SoftPlus": [(1,), (2.5,)],
    "Threshold": [(0.2, -1)],
}
POSITIVE = (nn.Log, nn.Sqrt, nn.Power)


def every_pointwise_module():
    for name, kind in sorted(vars(nn).items()):
        if isinstance(kind, type) and issubclass(kind, nn.Pointwise) and kind is not nn.Pointwise:
            for arguments in ARGUMENTS.get(name, [()]):
                yield kind(*arguments)


def input_of(module, dtype=float):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 3)).astype(dtype) for _ in range(module.arity or 3)]
    if isinstance(module, POSITIVE):
        arrays = [np.abs(a) + np.array(0.1, dtype) for a in arrays]
    return arrays[0] if module.arity == 1 else arrays


def as_table(value):
    return value if isinstance(value, list) else [value]


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an array, and records what is done with it."""

    def __init__(self, function, *operands):
        self.function, self.operands = function, operands

    def __array_ufunc__(self, ufunc, method, *inputs):
        assert method == "__call__"
        return Symbol(ufunc, *inputs)

    def __array_function__(self, function, types, args, kwargs):
        assert not kwargs
        return Symbol(function, *args)

    def __array__(self, *_, **__):
        raise TypeError("a symbol has no values")

    __bool__ = __float__ = __iter__ = __array__


def evaluate(symbol, values):
    """What the recorded calls give for the values of the symbols at the start."""
    if not isinstance(symbol, Symbol):
        return symbol
    if isinstance(symbol.function, str):
        return values[symbol.function]
    return symbol.function(*(evaluate(operand, values) for operand in symbol.operands))


each_module = pytest.mark.parametrize("module", list(every_pointwise_module()), ids=repr)


@each_module
def test_formula_and_derivative_can_be_recorded(module):
    xs = as_table(input_of(module))
    names = [f"x{i}" for i in range(len(xs))]
    symbols = [Symbol(name) for name in names]
    formula, derivatives = module.formula(*symbols), module.derivatives(symbols, Symbol("y"))

    values = dict(zip(names, xs))
    with np.errstate(all="ignore"):
        values["y"] = y = module.formula(*xs)
        np.testing.assert_allclose(evaluate(formula, values), y, rtol=1e-13)
        for recorded, computed in zip(derivatives, module.derivatives(xs, y), strict=True):
            np.testing.assert_allclose(evaluate(recorded, values), computed, rtol=1e-13)


@each_module
def test_derivative_is_that_of_the_formula(module):
    assert check_gradients(module, input_of(module)) < 1e-6


@each_module
def test_float32_stays_float32(module):
    module, input = module.clone().float(), input_of(module, np.float32)
    output = module.forward(input)
    assert output.dtype == np.float32
    assert {gradient.dtype for gradient in as_table(module.backward(input, np.ones_like(output)))} == {np.dtype("f")}


@each_module
def test_rows_are_independent(module):
    input = input_of(module)
    output, shapes = module.forward(input), [x.shape for x in as_table(input)]
    assert module.rowwise(shapes if isinstance(input, list) else shapes[0])
    for i in range(4):
        row = [x[i : i + 1] for x in as_table(input)]
        np.testing.assert_array_equal(module.forward(row if isinstance(input, list) else row[0]), output[i : i + 1])


@each_module
def test_nothing_of_the_callers_is_written_to(module):
    input, grad_output = input_of(module), np.ones((4, 3))
    before = [x.copy() for x in as_table(input)]
    module.forward(input)
    module.backward(input, grad_output)
    np.testing.assert_array_equal(as_table(input), before)
    np.testing.assert_array_equal(grad_output, 1)


@each_module
def test_shape_stays(module):
    shape = (2, 3) if module.arity == 1 else [(2, 3)] * (module.arity or 4)
    assert module.output_shape(shape) == (2, 3)


def test_numbers_are_arrays_without_axes():
    output = nn.Square().forward(3.0)
    assert isinstance(output, np.ndarray) and output.shape == () and output == 9
    module, three = nn.Square(), np.float32(3)
    module.forward(three)
    gradient = module.backward(three, np.float32(1))
    assert gradient == 6 and gradient.dtype == np.float32 and isinstance(gradient, np.ndarray)
    assert module.backward(three, 1.0) == 6


def test_a_table_is_not_an_array():
    with pytest.raises(ShapeError, match=r"Exp\(\) got \[\(2,\)\]: expected an array, not a table"):
        nn.Exp().forward([np.zeros(2)])


def test_a_gradient_of_another_shape_is_refused():
    module = nn.Exp()
    module.forward(np.zeros((2, 3)))
    with pytest.raises(ShapeError):
        module.backward(np.zeros((2, 3)), np.zeros(3))


@pytest.mark.parametrize(
    "module, input, output, derivative",
    [
        (nn.Abs(), [-2, 0, 2], [2, 0, 2], [-1, 1, 1]),
        (nn.Sqrt(), [0, 4], [0, 2], [0, 0.25]),
        (nn.Sqrt(0.5), [0, 4], [0, 2], [0, 0.25]),
        (nn.Square(), [-3, 0], [9, 0], [-6, 0]),
        (nn.Log(), [1, 0.5], [0, -np.log(2)], [1, 2]),
        (nn.Power(1), [0, 2], [0, 2], [1, 1]),
        (nn.Power(0), [0, 2], [1, 1], [0, 0]),
        (nn.Power(2), [-3, 0], [9, 0], [-6, 0]),
        (nn.Power(3), [-2, 0], [-8, 0], [12, 0]),
    ],
    ids=repr,
)
def test_values_at_the_edges(module, input, output, derivative):
    input = np.array(input, float)
    np.testing.assert_allclose(module.forward(input), output, rtol=1e-15)
    np.testing.assert_allclose(module.backward(input, np.ones(len(input))), derivative, rtol=1e-15)


@pytest.mark.parametrize("value", ["2", None, True, float("nan"), [1, 2], 1j])
def test_the_exponent_must_be_a_number(value):
    with pytest.raises(ArgumentError, match="p must be a number"):
        nn.Power(value)


def test_a_formula_that_fails_says_so():
    class Broken(nn.Pointwise):
        def formula(self, x):
            return x.no_such_thing

    with pytest.raises(ModuleError, match="no_such_thing"):
        Broken().forward(np.zeros(2))


def test_a_formula_of_two_inputs_needs_to_say_so():
    with pytest.raises(ArgumentError, match=r"Product.formula takes 2 inputs: set arity = 2, define derivatives"):

        class Product(nn.Pointwise):
            def formula(self, a, b):
                return a * b


FLOAT64_WITHIN = {
    "a choice of two numbers": lambda *xs: np.where(xs[0] > 0, 1.0, 0.0),
    "a choice of two whole numbers": lambda *xs: np.where(xs[0] > 0, 1, 0),
    "a condition": lambda *xs: xs[-1] > 0,
    "a number of NumPy's": lambda *xs: xs[-1] * np.sqrt(2.0),
}


@pytest.mark.parametrize("formula", FLOAT64_WITHIN.values(), ids=FLOAT64_WITHIN)
@pytest.mark.parametrize("arity", [1, 2])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_formulas_value_has_the_type_of_its_inputs(formula, arity, compiled, dtype):
    def of_xs(self, *xs):
        return formula(*xs)

    def derivatives(self, xs, y):
        return [np.sqrt(2.0) * x for x in xs]

    module = type("Mine", (nn.Pointwise,), {"arity": arity, "formula": of_xs, "derivatives": derivatives})()
    x = nn.Identity()()
    graph = GModule(x, module([nn.Tanh()(x)] * arity) if arity > 1 else module(nn.Tanh()(x)))
    input = np.array([[-1.0, 2.0]], dtype)
    output = (graph.compile() if compiled else graph).forward(input)
    assert output.dtype == graph.backward(input, np.ones_like(output)).dtype == dtype
    np.testing.assert_allclose(output, formula(*[np.tanh(input)] * arity).astype(dtype), rtol=1e-6)


def test_a_formula_that_spreads_its_input_is_refused():
    class Scaled(nn.Pointwise):
        def formula(self, x):
            return x * np.arange(3.0)

        def derivative(self, x, y):
            return np.arange(3.0)

    np.testing.assert_array_equal(Scaled().forward(np.ones((2, 3))), [[0, 1, 2], [0, 1, 2]])
    with pytest.raises(ShapeError, match=r"Scaled\(\) got \(2, 1\): its formula gave \(2, 3\): expected"):
        Scaled().forward(np.ones((2, 1)))
