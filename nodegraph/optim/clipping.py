"""Gradients kept from exploding: clamped one by one, or scaled down together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import parameters as flat
from nodegraph.errors import ArgumentError
from nodegraph.nn.module import Module

SMALLEST = 1e-140
"""Norms below may come of numbers whose squares are too small for a float."""


def clip_gradients(gradients: Module | np.ndarray | list[np.ndarray], limit: float) -> None:
    """Clamp every element to [-limit, limit], in place; `gradients` is a module, an array or a list of arrays.

    >>> gradient = np.array([-8.0, 0.5, 6.0])
    >>> clip_gradients(gradient, 5)
    >>> gradient
    array([-5. ,  0.5,  5. ])

    Source: char-rnn, train.lua (grad_clip).
    """
    limit = _positive(limit, "limit")
    for gradient in _arrays(gradients):
        np.clip(gradient, -limit, limit, out=gradient)


def clip_gradient_norm(gradients: Module | np.ndarray | list[np.ndarray], max_norm: float) -> float:
    """Scale all gradients in place so that their Euclidean norm, taken together, is at most `max_norm`.

    Returns the norm before. Gradients that are shared count once. If one of them is infinite or not a number, all stay
    as they are.

    >>> gradient = np.array([3.0, 4.0])
    >>> clip_gradient_norm(gradient, 1), gradient
    (5.0, array([0.6, 0.8]))

    Source: Pascanu et al. 2013.
    """
    max_norm = _positive(max_norm, "max_norm")
    arrays = _arrays(gradients)
    norm = _norm(arrays)
    if max_norm < norm < math.inf:
        for gradient in arrays:
            gradient *= max_norm / norm
    return norm


def _norm(arrays: list[np.ndarray], unit: float = 1.0) -> float:
    """The Euclidean norm of all numbers, with squares of them in a unit in which they neither overflow nor vanish."""
    with np.errstate(over="ignore", under="ignore"):
        squares = (np.square(array if unit == 1 else array / unit, dtype=np.float64).sum() for array in arrays)
        norm = unit * math.sqrt(sum(map(float, squares)))
    if unit != 1 or SMALLEST < norm < math.inf or math.isnan(norm):
        return norm
    largest = max((float(np.abs(array).max(initial=0)) for array in arrays), default=0.0)
    return _norm(arrays, largest) if 0 < largest < math.inf else largest


def _arrays(gradients: Module | np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    if isinstance(gradients, Module):
        return flat.unique(*gradients.parameters())[1]
    arrays = [gradients] if isinstance(gradients, np.ndarray) else gradients
    lists = isinstance(arrays, (list, tuple))
    if not lists or not all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in arrays):
        raise ArgumentError("expected a module, an array of floating-point numbers or a list of such arrays")
    if not all(array.flags.writeable for array in arrays):
        raise ArgumentError("a gradient is read-only, so that it cannot be clipped in place")
    return flat.unique(arrays, arrays)[1]


def _positive(value: Any, what: str) -> float:
    try:
        if value > 0 and not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ArgumentError(f"{what} must be a positive number, got {value!r}")
