"""A user's formulas: compiled and node by node are the same, whatever a formula asks of its operands."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.engine import machine
from nodegraph.errors import ModuleError

from agreement import assert_agrees, assert_close, called, numba, run

rng = np.random.default_rng(0)


class Formula(nn.Pointwise):
    def __init__(self, formula, derivative):
        self._formula, self._derivative = formula, derivative

    def formula(self, x):
        return self._formula(x)

    def derivative(self, x, y):
        return self._derivative(x, y)


def cell(formula, derivative):
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], nn.Tanh()(nn.CAddTable()([Formula(formula, derivative)(x), h])))


def inputs():
    x = 1.5 * rng.standard_normal((4, 3, 4))
    x[0, 0, 0] = 0
    return [x, rng.standard_normal((3, 4))]


FUSED = {
    "a number that chooses": (lambda x: np.where(x, 2.0, 3.0) * x, lambda x, y: np.where(x, 2.0, 3.0)),
    "numbers for and": (lambda x: np.where(np.logical_and(x, x - 1), x, -x), lambda x, y: np.where(y == x, 1.0, -1.0)),
    "a condition for the value": (lambda x: x > 0, lambda x, y: 0.0),
    "conditions times one another": (lambda x: np.where((x > 0) & (x < 1), x, 0.0), lambda x, y: (x > 0) & (x < 1)),
    "one less a condition": (lambda x: x * (1 - (x > 0)), lambda x, y: 1 - (x > 0)),
    "a constant": (lambda x: 1.0, lambda x, y: 0.0),
    "a power": (lambda x: x**3, lambda x, y: 3 * x**2),
    "a sigmoid that is no other's": (lambda x: 2 / (1 + np.exp(-x)), lambda x, y: y * (1 - y / 2)),
}
CALLED = {
    "a function that kernels do not have": (np.arctan, lambda x, y: 1 / (1 + x * x)),
    "such a function in the derivative": (np.square, lambda x, y: 2 * np.tan(np.arctan(x))),
    "a method": (lambda x: x.clip(0, 1), lambda x, y: (x > 0) & (x < 1)),
    "a method in the derivative": (np.square, lambda x, y: (2 * x).clip(-1e9, 1e9)),
    "a keyword": (lambda x: np.nan_to_num(x, nan=0.0), lambda x, y: 1.0),
    "the dtype": (lambda x: x * np.ones((), x.dtype), lambda x, y: 1.0),
    "a part": (lambda x: 2 * x[...], lambda x, y: 2.0),
    "an if": (lambda x: x if np.all(x > 0) else -x, lambda x, y: -1.0),
    "an array": (lambda x: x * np.arange(4.0), lambda x, y: np.arange(4.0)),
    "an array in the derivative": (lambda x: x * 1.0, lambda x, y: np.ones(4)),
    "a sum of conditions": (lambda x: x * ((x > 0) + (x > 1)), lambda x, y: 1.0 * (x > 0)),
}


@pytest.mark.parametrize("name", [*FUSED, *CALLED])
def test_compiled_and_node_by_node_are_the_same(name, numpy_kernels):
    net = assert_agrees(cell(*{**FUSED, **CALLED}[name]), inputs(), [1.0, 0.5])
    x, fits = nn.Identity()(), name in FUSED
    one = GModule(x, nn.Tanh()(Formula(*{**FUSED, **CALLED}[name])(nn.Square()(x)))).compile()
    one.forward(rng.standard_normal((3, 4)))
    assert len(one.saved._loan.program.calls) == (0 if fits else 1) and net.tape.programs and not called(net)


def test_a_constant_beside_something_else_is_what_is_given_back(numpy_kernels):
    x = nn.Identity()()
    net = GModule(x, [Formula(lambda x: 1.0, lambda x, y: 0.0)(x), nn.Tanh()(x)])
    given = rng.standard_normal((3, 4)).astype(np.float32)
    eager, compiled = net.forward(given), net.compile().forward(given)
    assert_close(compiled, [np.ones((3, 4), np.float32), np.tanh(given)])
    assert_close(eager, compiled)


@numba
def test_what_chooses_is_the_same_in_machine_code(monkeypatch, tmp_path):
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "WORTH_COMPILING", 0)
    x = nn.Identity()()
    chosen = [
        Formula(*FUSED[name])(x) for name in ("a number that chooses", "numbers for and", "a condition for the value")
    ]
    graph, input = GModule(x, nn.Tanh()(nn.CAddTable()(chosen))), 1.5 * rng.standard_normal((3, 4))
    input[0, 0] = 0
    expected = run(graph, input, [1.0])
    assert_close(run(graph.compile(), input, [1.0]), expected)


def test_a_mistake_in_a_formula_is_told_as_ever():
    def formula(x):
        raise NameError("xs is not defined")

    x = nn.Identity()()
    graph = GModule(x, nn.Tanh()(Formula(formula, lambda x, y: 1.0)(x).annotate(name="mine"))).compile()
    with pytest.raises(ModuleError, match="`mine`.*NameError: xs is not defined"):
        graph.forward(np.ones((3, 4)))
