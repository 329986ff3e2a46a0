"""Size: the length of an axis that is left open in an exported graph, with which the rules of shapes can calculate."""

from __future__ import annotations

import math
from typing import Any

Terms = dict[tuple[str, ...], int]
"""A sum of products of open axes: the axes of each product, in order, and its factor."""


class Size(int):
    """A length that is known by a name only, such as `batch`, or one that is made of such, such as 2*batch + 1.

    As an int it has the value of an example, so that shape rules run as ever; sums, differences, products and exact
    quotients keep the names. It is equal to no number, as it is not for all inputs.

    >>> batch = Size.named("batch", 11)
    >>> 3 * batch + 1, (6 * batch) // 3, batch == 11, batch * 5 == 5 * batch
    (3*batch + 1, 2*batch, False, True)
    """

    terms: Terms

    def __new__(cls, value: int, terms: Terms) -> Size:
        size = super().__new__(cls, value)
        size.terms = terms
        return size

    @classmethod
    def named(cls, name: str, value: int) -> Size:
        return cls(value, {(name,): 1})

    def at(self, lengths: dict[str, int]) -> int:
        """The number for lengths of the open axes; KeyError for an axis that is none of them."""
        return sum(factor * math.prod(lengths[name] for name in product) for product, factor in self.terms.items())

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms = dict(self.terms)
        for product, factor in _terms(other).items():
            terms[product] = terms.get(product, 0) + factor
        return _simplest(int(self) + int(other), terms)

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms: Terms = {}
        for a, factor in self.terms.items():
            for b, times in _terms(other).items():
                product = tuple(sorted(a + b))
                terms[product] = terms.get(product, 0) + factor * times
        return _simplest(int(self) * int(other), terms)

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, int) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: Any) -> Any:
        return _divide(self, other) if isinstance(other, int) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return self - _divide(self, other) * other if isinstance(other, int) else NotImplemented

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Size) and self.terms == other.terms

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = int.__hash__

    def __repr__(self) -> str:
        parts = []
        for product, factor in self.terms.items():
            names = "*".join(product)
            parts.append(names if factor == 1 and names else f"{factor}*{names}" if names else str(factor))
        return " + ".join(parts).replace("+ -", "- ")

    __str__ = __repr__


def _terms(number: int) -> Terms:
    return number.terms if isinstance(number, Size) else {(): int(number)}


def _simplest(value: int, terms: Terms) -> int:
    """The size of these terms; a plain int where no open axis is left."""
    terms = {product: factor for product, factor in terms.items() if factor}
    return Size(value, terms) if any(terms) else value


def _divide(a: int, b: int) -> int:
    """a // b; where it does not come out even, an axis of its own, whose name says what it is."""
    divisor = _terms(b)
    if len(divisor) == 1:
        ((names, by),) = divisor.items()
        quotient = {_without(product, names): factor // by for product, factor in _terms(a).items() if by}
        if None not in quotient and all(factor % by == 0 for factor in _terms(a).values()):
            return _simplest(int(a) // int(b), quotient)
    return Size.named(f"({a})//({b})", int(a) // int(b))


def _without(product: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...] | None:
    left = list(product)
    for name in names:
        if name not in left:
            return None
        left.remove(name)
    return tuple(left)
