"""Formulas written for arrays, read as mathematics."""

import numpy as np
import pytest

from nodegraph.viz.symbols import Symbol

x, y = Symbol("x"), Symbol("y")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x + y, "x + y"),
        (1 - x, "1 − x"),
        (x - (y - 1), "x − (y − 1)"),
        (x - y - 1, "x − y − 1"),
        ((x + y) * x, "(x + y) · x"),
        (x * y / (x * y), "x · y / (x · y)"),
        (x + -y, "x − y"),
        (-(x + y), "−(x + y)"),
        (-1.0 * x, "−x"),
        (1 * x / 1, "x"),
        (2 * x, "2 · x"),
        (0.1 * x, "0.1 · x"),
        (x * x, "x²"),
        ((x + 1) ** 3.0, "(x + 1)³"),
        (x**-1.0, "x⁻¹"),
        (x**0.5, "√x"),
        (x**0.3, "x^0.3"),
        (np.sqrt(x + 1), "√(x + 1)"),
        (np.exp(x) * y, "exp(x) · y"),
        (np.expm1(x), "exp(x) − 1"),
        (np.log1p(np.exp(x)), "log(1 + exp(x))"),
        (-np.expm1(-x), "1 − exp(−x)"),
        (np.log1p(-x), "log(1 − x)"),
        (x * (1 / y), "x / y"),
        (0 * x + y, "0 + y"),
        (np.abs(x - y), "|x − y|"),
        (1 / (1 + np.exp(-x)), "σ(x)"),
        (1 / (1 + np.exp(x)), "σ(−x)"),
        (1 / (2 + np.exp(-x)), "1 / (2 + exp(−x))"),
        (np.maximum(np.maximum(x, y), 0), "max(x, y, 0)"),
        (np.minimum(np.maximum(x, -1), 1), "min(max(x, −1), 1)"),
        (np.where(x > 0, x, y), "x if x > 0 else y"),
        (1 + np.where(x >= 0, 1.0, -1.0), "1 + (1 if x ≥ 0 else −1)"),
        ((x > 0) & (x < 1), "(x > 0) and (x < 1)"),
        (np.arctan2(x, y), "arctan2(x, y)"),
        (x + np.zeros(3), "x + c"),
    ],
    ids=str,
)
def test_reads(expression, text):
    assert str(expression) == text


def test_reductions_and_the_like_are_refused_rather_than_read_wrongly():
    with pytest.raises(TypeError):
        np.add.reduce(x)
