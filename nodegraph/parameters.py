"""Parameter arrays taken together: which of them are one and the same, and all of them as one flat vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nodegraph.nn.module import Module


def key(array: np.ndarray) -> tuple:
    """Equal for arrays that are the same memory seen in the same way."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.char


def unique(values: list[np.ndarray], gradients: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The parameters, each once, with their gradients; the order is that of the first occurrence.

    >>> w, g = np.zeros(3), np.ones(3)
    >>> [len(arrays) for arrays in unique([w, w], [g, g])]
    [1, 1]
    """
    first = {}
    for value, gradient in zip(values, gradients):
        first.setdefault(key(value), (value, gradient))
    return [v for v, _ in first.values()], [g for _, g in first.values()]


def flatten(module: Module) -> tuple[np.ndarray, np.ndarray]:
    """Move all parameters of a module into one vector, and their gradients into another."""
    values, gradients = unique(*module.parameters())
    vector, gradient_vector = _joined(values), _joined(gradients)
    moved = {}
    for arrays, whole in ((values, vector), (gradients, gradient_vector)):
        start = 0
        for array in arrays:
            moved[key(array)] = whole[start : start + array.size].reshape(array.shape)
            start += array.size
    for inner in module.list_modules():
        for name in inner.own_parameter_names():
            for attribute in (name, "grad_" + name):
                setattr(inner, attribute, moved[key(getattr(inner, attribute))])
    return vector, gradient_vector


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """One vector with all elements; the existing one if the arrays already lie in it one after the other."""
    if not arrays:
        return np.zeros(0)
    base = arrays[0].base
    if base is not None and base.ndim == 1 and all(a.base is base and a.flags.c_contiguous for a in arrays):
        starts = np.cumsum([0] + [array.size for array in arrays])
        places = [(key(array)[0] - key(base)[0]) // base.itemsize for array in arrays]
        if base.size == starts[-1] and places == list(starts[:-1]):
            return base
    return np.concatenate([array.ravel() for array in arrays])
