"""The line of mathematics in a box."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.viz.equations import LONGEST, equation, gradient_equations


class Own(nn.Pointwise):
    def formula(self, x):
        return np.tanh(x) * 2

    def derivative(self, x, y):
        return 2 - y * y / 2


class Branching(nn.Pointwise):
    def formula(self, x):
        return x if (x > 0).all() else -x


class Named(nn.Module):
    equation = "W x / |W|"


@pytest.mark.parametrize(
    ("module", "operands", "text"),
    [
        (nn.Sigmoid(), ["gates"], "σ(gates)"),
        (nn.Tanh(), [None], "tanh(x)"),
        (nn.CMulTable(), ["in_gate", "in_transform"], "in_gate · in_transform"),
        (nn.CMulTable(), ["in_gate", None], "x₀ · x₁"),
        (nn.CAddTable(), ["a", "b", "c"], "a + b + c"),
        (nn.CSubTable(), ["name" * 11, "b"], "x₀ − x₁"),
        (nn.AddConstant(1), ["z"], "z + 1"),
        (nn.ReLU(), [None], "max(x, 0)"),
        (nn.Linear(3, 2), ["prev_h"], "W prev_h + b"),
        (nn.Linear(3, 2, bias=False), [None], "W x"),
        (nn.Narrow(1, 2, 4), ["gates"], "gates[:, 2:6]"),
        (nn.Narrow(1, -2, 2), ["gates"], ""),
        (nn.Select(0, -1), ["h"], "h[-1]"),
        (nn.JoinTable(1), ["a", "b"], "[a, b]"),
        (nn.LogSoftMax(), ["scores"], "log softmax(scores)"),
        (nn.Reshape(2, 3), ["x"], ""),
        (Own(), ["x"], "tanh(x) · 2"),
        (Branching(), ["x"], ""),
        (Named(), ["x"], "W x / |W|"),
        (nn.Tanh(), ["a", "b"], ""),
    ],
)
def test_forward(module, operands, text):
    assert equation(module, operands) == text


@pytest.mark.parametrize(
    ("module", "n", "lines"),
    [
        (nn.Sigmoid(), 1, ["dx = dy · y · (1 − y)"]),
        (nn.ReLU(), 1, ["dx = dy if x > 0 else 0"]),
        (nn.CAddTable(), 3, ["dxᵢ = dy for each i"]),
        (nn.CSubTable(), 2, ["dx₀ = dy", "dx₁ = −dy"]),
        (nn.CMulTable(), 2, ["dx₀ = dy · x₁", "dx₁ = dy · x₀"]),
        (nn.CMaxTable(), 2, ["dx₀ = dy if x₀ = y else 0", "dx₁ = dy if (x₁ = y) and (x₀ ≠ y) else 0"]),
        (nn.CMulTable(), 4, ["dx₀ = dy · x₁ · x₂ · x₃", "dx₁ = dy · x₀ · x₂ · x₃", "dx₂ = dy · x₀ · x₁ · x₃", "…"]),
        (nn.CMaxTable(), 3, ["dx₀ = dy if x₀ = y else 0", "dx₁ = dy if (x₁ = y) and (x₀ ≠ y) else 0", "…"]),
        (nn.CDivTable(), 2, ["dx₀ = dy / x₁", "dx₁ = dy · (−y) / x₁"]),
        (nn.Where(), 3, ["dx₀ = 0", "dx₁ = dy if x₀ ≠ 0 else 0", "dx₂ = dy if x₀ = 0 else 0"]),
        (nn.Mul(), 1, ["dx = w · dy", "dw = Σ x · dy"]),
        (nn.Linear(3, 2), 1, ["dx = Wᵀ dy", "dW = dy xᵀ", "db = dy"]),
        (nn.Linear(3, 2, bias=False), 1, ["dx = Wᵀ dy", "dW = dy xᵀ"]),
        (nn.Narrow(1, 0, 2), 1, ["dx[:, 0:2] = dy"]),
        (nn.Reshape(3), 1, []),
        (Branching(), 1, []),
    ],
)
def test_backward(module, n, lines):
    assert gradient_equations(module, n) == lines


NEED_ARGUMENTS = (nn.Pointwise, nn.Power, nn.MulConstant, nn.AddConstant)
POINTWISE = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Pointwise)]


@pytest.mark.parametrize("kind", [kind for kind in POINTWISE if kind not in NEED_ARGUMENTS])
def test_every_pointwise_module_has_an_equation(kind):
    module = kind()
    text = equation(module, [None] * (module.arity or 3))
    assert 0 < len(text) <= LONGEST and "Symbol" not in text
