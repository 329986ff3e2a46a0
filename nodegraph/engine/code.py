"""Code: what a kernel computes at one element, as a list of operations in which nothing is computed twice."""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

from nodegraph.symbols import Symbol

CONDITIONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and", "logical_or"}
CHEAP = {"add", "subtract", "multiply", "negative", "load"}
"""Operations that are done again rather than kept from forward to backward."""

FUNCTIONS = {
    *CHEAP, *CONDITIONS, "divide", "power", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "absolute",
    "square", "sign", "maximum", "minimum", "where", "bitwise_and", "bitwise_or",
}  # fmt: skip

OF_CONDITIONS = {"logical_and", "logical_or", "bitwise_and", "bitwise_or", "where", "equal", "not_equal"}
"""Operations that kernels do on conditions alone as NumPy does."""

CHOSEN_BY = {"where": 1, "logical_and": 2, "logical_or": 2}
"""So many of the first operands are conditions; for NumPy a number that is not 0 is one that is true."""


class NotFusable(Exception):
    """A formula that uses something a kernel cannot do."""


class Code:
    """Operations in order, each (function, arguments), an argument being a place in the list or a Python number."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, tuple[Any, ...]]] = []
        self._places: dict[tuple[Any, ...], Place] = {}

    def add(self, function: str, *arguments: Any) -> Any:
        """The place of an operation, or the number it comes to; an operation that is there already is not repeated."""
        simple = _simplified(function, arguments)
        if simple is not None:
            return simple
        key = (function, arguments)
        if key not in self._places:
            self._places[key] = Place(len(self.operations))
            self.operations.append((function, arguments))
        return self._places[key]

    def record(self, value: Any) -> Any:
        """The place of a recorded expression, whose innermost symbols carry places."""
        if isinstance(value, Symbol):
            if not value.arguments:
                return value.function
            inner = argument_of_sigmoid(value)
            if inner is not None:
                return self.add("sigmoid", self.record(inner))
            if value.function not in FUNCTIONS:
                raise NotFusable(value.function)
            operands = [self.record(argument) for argument in value.arguments]
            if value.function not in OF_CONDITIONS and all(map(self.is_condition, operands)):
                raise NotFusable(f"{value.function} of conditions")  # NumPy's True + True is True.
            chosen_by = CHOSEN_BY.get(value.function, 0)
            return self.add(value.function, *map(self.condition, operands[:chosen_by]), *operands[chosen_by:])
        if isinstance(value, numbers.Real):
            return float(value)
        raise NotFusable(repr(value))

    def is_condition(self, place: Any) -> bool:
        return isinstance(place, Place) and self.operations[place][0] in CONDITIONS | {"bitwise_and", "bitwise_or"}

    def condition(self, place: Any) -> Any:
        """The place of a condition: this one, or that of whether a number is not 0."""
        return place if self.is_condition(place) else self.add("not_equal", place, 0.0)

    def number(self, place: Any) -> Any:
        """The place of a number: this one, or that of 1 where a condition is true, else 0."""
        return self.add("where", place, 1.0, 0.0) if self.is_condition(place) else place

    def times(self, gradient: Any, derivative: Any) -> Any:
        """gradient x derivative, where the derivative may be a condition, true standing for 1.

        A number 0 stands for a gradient that there is not, which comes to 0 whatever it meets, be it NaN.
        """
        if gradient == 0:
            return 0.0
        if derivative == 0:
            return self.add("where", self.add("equal", gradient, gradient), 0.0, 0.0)  # Zeros, which are there.
        if self.is_condition(derivative):
            return self.add("where", derivative, gradient, 0.0)
        return self.add("multiply", gradient, derivative)


class Place(NamedTuple):
    """A place in the list of operations; it equals no number."""

    number: int

    def __index__(self) -> int:
        return self.number


def _simplified(function: str, arguments: tuple[Any, ...]) -> Any:
    """What the operation comes to where it does nothing, such as a multiplication by 1; else None."""
    if function == "multiply":
        a, b = arguments
        if a == 1:
            return b
        if b == 1:
            return a
    if function in ("add", "subtract") and arguments[1] == 0:
        return arguments[0]
    if function == "add" and arguments[0] == 0:
        return arguments[1]
    return None


def argument_of_sigmoid(value: Symbol) -> Any:
    """u where the expression is 1 / (1 + exp(-u)), which kernels compute in one go; else None."""
    if value.function != "divide" or isinstance(value.arguments[0], Symbol):
        return None
    numerator, denominator = value.arguments
    if numerator != 1 or denominator.function != "add":
        return None
    one, power = denominator.arguments
    if isinstance(one, Symbol) or one != 1 or power.function != "exp":
        return None
    (exponent,) = power.arguments
    if exponent.function == "negative":
        return exponent.arguments[0]
    return None
