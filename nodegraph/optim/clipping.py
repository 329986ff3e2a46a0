"""Gradients kept from exploding: clamped one by one, or scaled down together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import parameters as flat
from nodegraph.errors import ArgumentError
from nodegraph.nn.module import Module


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

    Returns the norm before. Gradients that are shared count once. If the norm is infinite or not a number, the
    gradients stay as they are.

    >>> gradient = np.array([3.0, 4.0])
    >>> clip_gradient_norm(gradient, 1), gradient
    (5.0, array([0.6, 0.8]))

    Source: Pascanu et al. 2013.
    """
    max_norm = _positive(max_norm, "max_norm")
    arrays = _arrays(gradients)
    norm = math.sqrt(sum(float(np.square(gradient, dtype=np.float64).sum()) for gradient in arrays))
    if max_norm < norm < math.inf:
        for gradient in arrays:
            gradient *= max_norm / norm
    return norm


def _arrays(gradients: Module | np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    if isinstance(gradients, Module):
        return flat.unique(*gradients.parameters())[1]
    arrays = [gradients] if isinstance(gradients, np.ndarray) else gradients
    lists = isinstance(arrays, (list, tuple))
    if not lists or not all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in arrays):
        raise ArgumentError("expected a module, an array of floating-point numbers or a list of such arrays")
    return flat.unique(arrays, arrays)[1]


def _positive(value: Any, what: str) -> float:
    try:
        if value > 0:
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ArgumentError(f"{what} must be a positive number, got {value!r}")
