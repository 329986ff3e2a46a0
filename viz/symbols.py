"""Recorded expressions as text, in the notation of a textbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import symbols

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

CONDITION, COMPARISON, SUM, PRODUCT, POWER, ATOM = range(6)


class Symbol(symbols.Symbol):
    """A recorded expression that reads as mathematics.

    >>> x = Symbol("x")
    >>> print(1 / (1 + np.exp(-x)), x * x - 1, np.where(x > 0, x, 0.1 * x), sep="   ")
    σ(x)   x² − 1   x if x > 0 else 0.1 · x
    """

    def __str__(self) -> str:
        return read(self)[0]

    def same(self, other: Any) -> bool:
        """Whether the other is the same expression."""
        return isinstance(other, Symbol) and str(self) == str(other)


Reading = tuple[str, int]
"""An expression as text, and how tightly its outermost operator binds."""


def read(value: Any) -> Reading:
    """A symbol, a number or an array as text."""
    if isinstance(value, Symbol):
        if not value.arguments:
            return value.function, ATOM
        rule = RULES.get(value.function)
        return rule(*value.arguments) if rule else (_applied(value.function, *value.arguments), ATOM)
    if np.ndim(value):
        return "c", ATOM
    number = float(value)
    text = f"{number:.4g}".replace("-", "−")
    return text, SUM if number < 0 else ATOM


def within(value: Any, binding: int) -> str:
    """The text, in parentheses unless it binds as tightly as `binding`."""
    text, own = read(value)
    return text if own >= binding else f"({text})"


def _is(value: Any, number: float) -> bool:
    return not isinstance(value, Symbol) and np.ndim(value) == 0 and value == number


def _applied(name: str, *arguments: Any) -> str:
    return f"{name}({', '.join(read(argument)[0] for argument in arguments)})"


def _add(a: Any, b: Any) -> Reading:
    text = within(b, SUM)
    if text.startswith("−"):
        return f"{within(a, SUM)} − {text[1:]}", SUM
    return f"{within(a, SUM)} + {text}", SUM


def _subtract(a: Any, b: Any) -> Reading:
    return f"{within(a, SUM)} − {within(b, PRODUCT)}", SUM


def _negative(a: Any) -> Reading:
    if isinstance(a, Symbol) and a.function == "expm1":
        return f"1 − exp({read(a.arguments[0])[0]})", SUM
    return f"−{within(a, PRODUCT)}", SUM


def _multiply(a: Any, b: Any) -> Reading:
    for one, other in ((a, b), (b, a)):
        if _is(one, 0):
            return "0", ATOM
        if _is(one, 1):
            return read(other)
        if _is(one, -1):
            return _negative(other)
    if isinstance(a, Symbol) and a.same(b):
        return _power(a, 2)
    if isinstance(b, Symbol) and b.function == "divide" and _is(b.arguments[0], 1) and read(b)[1] == PRODUCT:
        return _divide(a, b.arguments[1])
    return f"{within(a, PRODUCT)} · {within(b, PRODUCT)}", PRODUCT


def _divide(a: Any, b: Any) -> Reading:
    if _is(b, 1):
        return read(a)
    inner = _argument_of_sigmoid(a, b)
    if inner is not None:
        return _applied("σ", inner), ATOM
    return f"{within(a, PRODUCT)} / {within(b, POWER)}", PRODUCT


def _argument_of_sigmoid(a: Any, b: Any) -> Any:
    """u where a / b is 1 / (1 + exp(-u)), else None."""
    if not (_is(a, 1) and isinstance(b, Symbol) and b.function == "add" and _is(b.arguments[0], 1)):
        return None
    power = b.arguments[1]
    if not (isinstance(power, Symbol) and power.function == "exp"):
        return None
    (u,) = power.arguments
    return u.arguments[0] if isinstance(u, Symbol) and u.function == "negative" else -u


def _power(a: Any, b: Any) -> Reading:
    if _is(b, 0.5):
        return _root(a)
    if isinstance(b, Symbol) or np.ndim(b) or b != int(b):
        return f"{within(a, ATOM)}^{within(b, ATOM)}", POWER
    exponent = "" if b == 1 else f"{int(b)}".translate(SUPERSCRIPTS)
    return within(a, ATOM) + exponent, POWER


def _root(a: Any) -> Reading:
    return "√" + within(a, ATOM), POWER


def _where(condition: Any, a: Any, b: Any) -> Reading:
    return f"{within(a, COMPARISON)} if {read(condition)[0]} else {read(b)[0]}", CONDITION


def _function(name: str) -> Callable[..., Reading]:
    return lambda *arguments: (_applied(name, *arguments), ATOM)


def _extremum(name: str) -> Callable[..., Reading]:
    def rule(a: Any, b: Any) -> Reading:
        inner, _ = read(a)
        nested = isinstance(a, Symbol) and a.function == f"{name}imum"
        return f"{name}({inner[len(name) + 1 : -1] if nested else inner}, {read(b)[0]})", ATOM

    return rule


def _comparison(sign: str) -> Callable[[Any, Any], Reading]:
    return lambda a, b: (f"{within(a, SUM)} {sign} {within(b, SUM)}", COMPARISON)


RULES: dict[str, Callable[..., Reading]] = {
    "add": _add,
    "subtract": _subtract,
    "negative": _negative,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "square": lambda a: _power(a, 2),
    "sqrt": _root,
    "absolute": lambda a: (f"|{read(a)[0]}|", ATOM),
    "exp": _function("exp"),
    "expm1": lambda a: (f"exp({read(a)[0]}) − 1", SUM),
    "log1p": lambda a: (f"log({_add(1, a)[0]})", ATOM),
    "where": _where,
    "maximum": _extremum("max"),
    "minimum": _extremum("min"),
    "greater": _comparison(">"),
    "greater_equal": _comparison("≥"),
    "less": _comparison("<"),
    "less_equal": _comparison("≤"),
    "equal": _comparison("="),
    "not_equal": _comparison("≠"),
    "bitwise_and": _comparison("and"),
    "logical_and": _comparison("and"),
}
CONDITIONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "bitwise_and", "logical_and"}
