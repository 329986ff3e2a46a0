"""The numbers that tune an optimiser: attributes that refuse senseless values whenever they are set."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nodegraph.errors import ArgumentError


class Setting:
    """An attribute of an optimiser, such as `learning_rate`: checked when it is set, and part of `state_dict`.

    Numbers are kept as plain Python numbers, so that they leave float32 arrays float32.
    """

    def __init__(self, kind: type[Any], words: str, holds: Callable[[Any], bool], optional: bool = False) -> None:
        self.kind, self.words, self.holds, self.optional = kind, words, holds, optional

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type) -> Any:
        return self if optimizer is None else optimizer.__dict__[self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        try:
            optimizer.__dict__[self.name] = self.checked(value)
        except ArgumentError as error:
            raise ArgumentError(f"{type(optimizer).__name__}: {error}") from None

    def checked(self, value: Any) -> Any:
        """The value as it is kept; ArgumentError if it makes no sense."""
        if value is None and self.optional:
            return None
        try:
            kept = self.kind(value)
            if kept == value and self.holds(kept) and (self.kind is bool or not isinstance(value, bool)):
                return kept
        except (TypeError, ValueError, OverflowError):
            pass
        raise ArgumentError(f"{self.name} must be {self.words}, got {value!r}")


def nonnegative() -> Setting:
    return Setting(float, "a number that is not negative", lambda value: 0 <= value < math.inf)


def positive(optional: bool = False) -> Setting:
    return Setting(float, "a positive number", lambda value: value > 0, optional)


def fraction(closed: bool = False, optional: bool = False) -> Setting:
    """A number from 0 to 1; 1 itself only if `closed`."""
    if closed:
        return Setting(float, "in the range from 0 to 1", lambda value: 0 <= value <= 1, optional)
    return Setting(float, "at least 0 and less than 1", lambda value: 0 <= value < 1, optional)


def count() -> Setting:
    return Setting(int, "a positive integer", lambda value: value > 0)


def flag() -> Setting:
    return Setting(bool, "True or False", lambda value: True)
