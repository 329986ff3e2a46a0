"""Tables: nested lists of arrays, the only other kind of value besides the array.

A leaf is a NumPy array or a number. In a table of gradients None stands for a zero gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nodegraph.errors import InputError


def is_table(value: Any) -> bool:
    """Whether the value is a table, not an array.

    >>> is_table([np.zeros(2)]), is_table(np.zeros(2))
    (True, False)
    """
    return isinstance(value, (list, tuple))


def map(function: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Apply `function` to each leaf, and to the leaves at the same place in the other tables.

    >>> map(np.add, [1, [2, 3]], [10, [20, 30]])
    [np.int64(11), [np.int64(22), np.int64(33)]]
    """
    if is_table(value):
        return [map(function, *parts) for parts in zip(value, *others, strict=True)]
    return function(value, *others)


def leaves(value: Any) -> Iterator[Any]:
    """The arrays of a table, from left to right."""
    if is_table(value):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def as_value(value: Any) -> Any:
    """The value with numbers as arrays; anything but real numbers, in arrays or tables of them, is refused.

    Arrays of float64, float32, int64 and booleans, which are masks, stay what they are. Other whole numbers, such as
    the bytes of an image, become int64: else a sum of them would overflow, and NumPy would take their exponential in
    float16. Other floats become the smaller of float32 and float64 that holds them, or float64. An array of a subclass
    becomes a plain one; a masked array, which would lose its mask, is refused.

    >>> as_value(np.array([200, 100], np.uint8)) * 2
    array([400, 200])
    """
    if is_table(value):
        return [as_value(part) for part in value]
    if isinstance(value, np.ndarray):
        return value if type(value) is np.ndarray and value.dtype in _KEPT else _plain(value)
    if isinstance(value, (int, float, np.generic)):
        return as_value(np.asarray(value))
    raise InputError(f"expected a NumPy array or a list of them, got {type(value).__name__}")


def as_gradient(value: Any) -> Any:
    """The same for a gradient; None stands for zeros."""
    if is_table(value):
        return [as_gradient(part) for part in value]
    return None if value is None else as_value(value)


MOST_LISTED = 16
"""So many parts of a table are described one by one."""

_KEPT = {np.dtype(kind) for kind in (np.float64, np.float32, np.int64, np.bool_)}


def _plain(array: np.ndarray) -> np.ndarray:
    """The array as one of the types that are kept, and of no subclass."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "fiub":
        raise InputError(f"expected an array of real numbers, got one of {array.dtype}")
    if isinstance(array, np.ma.MaskedArray):
        raise InputError("expected an array without a mask: fill it, or give the mask as an input of its own")
    if kind == "u" and (array > np.iinfo(np.int64).max).any():
        raise InputError(f"expected whole numbers below 2**63, found {array.max()}")
    single = np.float32 if size <= 4 else np.float64
    return np.asarray(array).astype({"f": single, "b": bool}.get(kind, np.int64), copy=False)


def shape(value: Any) -> Any:
    """A tuple for an array, a list of shapes for a table.

    >>> shape([np.zeros((2, 3)), [np.zeros(4)]])
    [(2, 3), [(4,)]]
    """
    if type(value) is np.ndarray:
        return value.shape
    if is_table(value):
        return [shape(part) for part in value]
    return np.shape(value)


def shapes(shape: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of the arrays of a table, from left to right, from the table's shape.

    >>> list(shapes([(2, 3), [(4,)]]))
    [(2, 3), (4,)]
    """
    if isinstance(shape, list):
        for part in shape:
            yield from shapes(part)
    else:
        yield shape


def zeros_like(value: Any) -> Any:
    """Zeros for each leaf, in C order; float64 for leaves that are not floating point."""
    if is_table(value):
        return [zeros_like(part) for part in value]
    dtype = value.dtype if isinstance(value, np.ndarray) and value.dtype.kind == "f" else np.float64
    return np.zeros(np.shape(value), dtype)


def copy(into: Any, value: Any) -> None:
    """Write the leaves of `value` into those of `into`."""
    if is_table(into):
        for target, part in zip(into, value, strict=True):
            copy(target, part)
    else:
        into[...] = value


def add(a: Any, b: Any) -> Any:
    """The sum of two gradients of the same structure; None counts as zero. Neither operand is written to."""
    if a is None:
        return b
    if b is None:
        return a
    if is_table(a):
        return [add(x, y) for x, y in zip(a, b, strict=True)]
    return a + b


def fill(gradient: Any, like: Any) -> Any:
    """The gradient with zeros, shaped as in `like`, wherever it is None."""
    if gradient is None:
        return zeros_like(like)
    if is_table(gradient) and is_table(like) and len(gradient) == len(like):
        return [fill(g, x) for g, x in zip(gradient, like)]
    return gradient


def in_types_of(value: Any, gradient: Any) -> Any:
    """A gradient that fits the value, each leaf in the floating-point type of the value's; in float64 if it has none.

    >>> in_types_of(np.ones(2, np.float32), np.array([0.5, 0.25])).dtype
    dtype('float32')
    """
    if gradient is None:
        return None
    if is_table(gradient):
        return [in_types_of(x, g) for x, g in zip(value, gradient)]
    dtype = np.asarray(value).dtype
    return gradient.astype(dtype if dtype.kind == "f" else float, copy=False)


def same_structure(a: Any, b: Any) -> bool:
    """Whether both are arrays of one shape, or tables of one length with parts of the same structure.

    >>> same_structure([np.zeros(2), np.zeros(3)], [np.ones(2), np.ones(3)])
    True
    """
    if is_table(a) or is_table(b):
        return is_table(a) and is_table(b) and len(a) == len(b) and all(same_structure(x, y) for x, y in zip(a, b))
    return a is not None and b is not None and np.shape(a) == np.shape(b)


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same numbers in the same structure; NaN equals NaN.

    >>> equal([np.zeros(2), [np.ones(1)]], [np.zeros(2), [np.ones(1)]]), equal(np.zeros(2), np.zeros(1))
    (True, False)
    """
    if is_table(a) or is_table(b):
        return is_table(a) and is_table(b) and len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return a is b or np.array_equal(a, b, equal_nan=True)


def fits(gradient: Any, value: Any) -> bool:
    """Whether a gradient has the structure of its value; None stands for zeros anywhere.

    >>> fits([np.zeros(2), None], [np.ones(2), [np.ones(3)]])
    True
    """
    if type(gradient) is np.ndarray is type(value):
        return gradient.shape == value.shape
    if gradient is None:
        return True
    if is_table(gradient) and is_table(value):
        return len(gradient) == len(value) and all(fits(g, v) for g, v in zip(gradient, value))
    return same_structure(gradient, value)


def about_equal(a: Any, b: Any) -> bool:
    """Whether two values of one structure differ by no more than rounding does."""
    for x, y in zip(leaves(a), leaves(b)):
        tolerance = 1e-4 if x.dtype == np.float32 else 1e-9
        largest = np.abs(y[np.isfinite(y)]).max(initial=0)
        if not np.allclose(x, y, rtol=tolerance, atol=tolerance * largest, equal_nan=True):
            return False
    return True


def describe(value: Any) -> str:
    """The shapes of a value in words, for messages.

    >>> describe([np.zeros((2, 3)), 4.0]), describe(np.zeros((2, 3)))
    ('[(2, 3), a number]', '(2, 3)')
    """
    if is_table(value):
        return _listed(value, describe)
    if value is None:
        return "None"
    if not isinstance(value, (int, float)) and not hasattr(value, "shape"):
        return f"a {type(value).__name__}"
    return str(np.shape(value)) if np.shape(value) else "a number"


def describe_shape(shape: Any) -> str:
    """The same for a shape as `shape` gives it."""
    if isinstance(shape, list):
        return _listed(shape, describe_shape)
    return str(tuple(shape)) if len(shape) else "a number"


def _listed(parts: Any, describe: Callable[[Any], str]) -> str:
    """The parts of a table in words; of a long one, such as a list of lists in an array's place, the first ones."""
    shown = [describe(part) for part in (parts if len(parts) <= MOST_LISTED else parts[:3])]
    return "[" + ", ".join(shown) + ("" if len(shown) == len(parts) else f", ... {len(parts)} in all") + "]"
