"""Formulas of one's own in PyTorch: what may stand in them, to NumPy's numbers in the input's own type."""

import numpy as np
import pytest
from torch_judge import assert_same, tensors, to_torch, torch

from nodegraph import GModule, nn
from nodegraph.errors import ExportError

from module_examples import numbers

ARRAY, CHOSEN = np.array([0.1, 0.2, -0.3]), np.array([True, False, True])


class Own(nn.Pointwise):
    """A module that is a formula of one array."""

    def __init__(self, function):
        self.function = function

    def formula(self, x):
        return self.function(x)

    def derivative(self, x, y):
        step = 1e-6
        return (self.function(x + step) - self.function(x - step)) / (2 * step)


FORMULAS = {
    "arithmetic": lambda x: (2 - x) * x / 3 + (-x) ** 2 - 2**x,
    "remainders": lambda x: x // 0.3 + x % 0.7 + 0.3 // x,
    "conditions as numbers": lambda x: x * ((x > 0) + 0.01 * (x <= 0)),
    "a quotient of conditions": lambda x: (x > 0) / 3 + (x < 1) / ((x < 9) + 0.1),
    "a mean of conditions": lambda x: (1.0 * (x > 0) + (x > 0.5) * ARRAY) / 2,
    "where of numbers": lambda x: np.where(x > 0.5, 0.1, 0.3) * x,
    "where of a number": lambda x: np.where(x > 0, x, -0.1),
    "where a number is not 0": lambda x: np.where(np.floor(x), x, 0.7),
    "where of an array": lambda x: np.where(CHOSEN, x, 0.5),
    "connectives": lambda x: np.where((x > 0) & (x < 1) | ~(x > -1), x, 0.1),
    "logical functions": lambda x: np.where(np.logical_and(x > 0, np.logical_or(x, False)), x, 0.1),
    "a hard rectifier": lambda x: np.maximum(0.1, x) * np.maximum(x, -0.3) * np.maximum(x, x * x),
    "a hard ceiling": lambda x: np.minimum(0.4, x) * np.minimum(x, 0.3) * np.minimum(x, x * x),
    "clip": lambda x: np.clip(x, -0.5, 0.7) * np.clip(x, None, 0.2) * np.clip(x, -0.2, None),
    "clip between arrays": lambda x: np.clip(x, ARRAY, 0.4) * np.clip(x, None, ARRAY) + np.clip(x, ARRAY, ARRAY + 1),
    "roundings": lambda x: np.round(x) + np.round(x, 1) + np.rint(x) + np.floor(x) - np.ceil(x) + np.trunc(x),
    "exponentials": lambda x: np.exp(x) + np.expm1(x) + np.exp2(x) + np.log1p(x * x),
    "a soft rectifier": lambda x: np.logaddexp(0, x) + np.logaddexp2(x, 0.5),
    "functions of two": lambda x: np.hypot(x, 0.5) + np.arctan2(0.3, x) + np.copysign(0.5, x) * np.heaviside(x, 0.5),
    "numbers of NumPy": lambda x: np.float64(0.1) * x + np.array(0.2),
    "an array": lambda x: x * ARRAY + np.arange(3),
    "absolute values": lambda x: abs(x) + np.fabs(x) * np.sign(x) * np.square(x),
    "a constant": lambda x: 0.1,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_gives_the_same_numbers_and_gradients(name):
    x, module = numbers(4, 3), Own(FORMULAS[name])
    theirs = to_torch(module)(torch.from_numpy(x))
    assert theirs.dtype == torch.float64
    np.testing.assert_allclose(theirs.numpy(), module.forward(x) * np.ones_like(x), rtol=1e-14, atol=1e-15)
    if name != "a constant":
        assert_same(module, to_torch(module), x, tolerance=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_stands_in_a_graph(name):
    a = nn.Identity()()
    formula = FORMULAS[name]
    graph = GModule(a, nn.Tanh()(Own(lambda x: formula(x) + 0.5 * x)(a)))
    x = numbers(4, 3)
    np.testing.assert_allclose(to_torch(graph)(torch.from_numpy(x)).numpy(), graph.forward(x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_single_precision_stays_so(name):
    x = numbers(4, 3).astype(np.float32)
    module = Own(FORMULAS[name])
    output = to_torch(module)(torch.from_numpy(x))
    assert output.dtype == torch.float32
    np.testing.assert_allclose(output.numpy(), module.forward(x) * np.ones_like(x), rtol=1e-5, atol=1e-6)


def test_numbers_are_written_out_and_arrays_stay_in_the_module():
    a = nn.Identity()()
    graph = GModule(a, Own(lambda x: np.where(x > 0, x, 0.1))(Own(lambda x: x * ARRAY)(a)))
    theirs = to_torch(graph)
    assert "torch.where(gt, " in theirs.code and len(list(theirs.children())) == 1


def test_what_cannot_be_said_of_a_formula_is_refused():
    class Lost(nn.Pointwise):
        pass

    class Loud(nn.Pointwise):
        def formula(self, x):
            return np.tanh(x, where=x > 0)

    for module, reason in (
        (Own(np.sort), "its formula uses sort"),
        (Loud(), "its formula cannot be recorded: "),
        (Lost(), "it has no formula"),
    ):
        with pytest.raises(ExportError, match=f"PyTorch cannot express {type(module).__name__} .{reason}"):
            to_torch(module)


def test_a_table_of_unequal_shapes_is_one_of_equally_many_elements():
    class Product(nn.Pointwise):
        arity = 2

        def formula(self, x, y):
            return x * y

        def derivatives(self, xs, output):
            return [xs[1], xs[0]]

    output = to_torch(Product())(tensors([numbers(2, 3), numbers(3, 2)]))
    np.testing.assert_allclose(output.detach().numpy(), numbers(2, 3) * numbers(3, 2).reshape(2, 3))
