"""Values as they should not be: of another type, shape or nesting, with numbers that nobody meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import table

THINGS = [None, "text", b"bytes", {"a": 1}, set(), object(), 1 + 2j, [], [[]], True, -1, 3.0, float("nan"), np.float64]
TYPES = ["complex128", "object", "U3", "S2", "V8", "M8[s]", "bool", "int8", "uint64", "float16", "longdouble", ">f8"]
NUMBERS = [np.nan, np.inf, -np.inf, 1e300, 0.5, -1.0, 10**9, 0.0]


class Sub(np.ndarray):
    """An array of a class of the user's own."""


def spoilt(integer: Callable[[int, int], int], value: Any) -> tuple[str, Any]:
    """The value with something wrong in one place, and in words what it is; at times it is right all the same."""
    if table.is_table(value) and value and integer(0, 6):
        i = integer(0, len(value) - 1)
        what, part = spoilt(integer, value[i])
        return f"at {i} {what}", [*value[:i], part, *value[i + 1 :]]
    options = _other_tables(value) if table.is_table(value) else _other_arrays(np.asarray(value))
    return options[integer(0, len(options) - 1)]


def _other_tables(value: Any) -> list[tuple[str, Any]]:
    return [
        ("one too few", value[:-1]),
        ("one too many", [*value, np.ones(2)]),
        ("reversed", value[::-1]),
        ("a tuple", tuple(value)),
        ("nested", [value]),
        ("an array of objects", np.array([None] * len(value), object)),
        ("a dictionary", dict(enumerate(value))),
        *((repr(thing)[:20], thing) for thing in THINGS),
    ]


def _other_arrays(x: np.ndarray) -> list[tuple[str, Any]]:
    found = [(repr(thing)[:20], thing) for thing in THINGS]
    found += [(f"all {n}", np.full(x.shape, n)) for n in NUMBERS]
    found += [
        ("a list of it", [x]),
        ("nested lists", x.tolist()),
        ("twice", [x, x]),
        ("a number", np.zeros(())),
        ("a new first axis", x[None]),
        ("a new last axis", x[..., None]),
        ("seven axes", np.ones((1,) * 7)),
        ("flat", x.reshape(-1)),
        ("transposed", x.T),
        ("masked", np.ma.masked_array(x, x == x)),
        ("a subclass", x.view(Sub)),
        ("structured", np.zeros(x.shape, [("a", float)])),
    ]
    for axis in range(x.ndim):
        before = (slice(None),) * axis
        found += [
            (f"axis {axis} longer", np.concatenate([x, x[(*before, slice(1))]], axis)),
            (f"axis {axis} doubled", np.concatenate([x, x], axis)),
            (f"axis {axis} shorter", x[(*before, slice(1, None))]),
            (f"axis {axis} of length 1", x[(*before, slice(1))]),
            (f"axis {axis} empty", x[(*before, slice(0))]),
        ]
    for name in TYPES:
        try:
            found.append((name, x.astype(name)))
        except (TypeError, ValueError):
            pass
    return found
