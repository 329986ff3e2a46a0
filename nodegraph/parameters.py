"""Parameter arrays taken together: which of them are one and the same, and all of them as one flat vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph.errors import ArgumentError

if TYPE_CHECKING:
    from nodegraph.nn.module import Module


def key(array: np.ndarray) -> tuple[Any, ...]:
    """Equal for arrays that are the same memory seen in the same way."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.char


def unique(values: list[np.ndarray], gradients: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The parameters, each once, with their gradients; the order is that of the first occurrence.

    Raises ArgumentError for one that has two gradients, and for two that have memory in common.

    >>> w, g = np.zeros(3), np.ones(3)
    >>> [len(arrays) for arrays in unique([w, w], [g, g])]
    [1, 1]
    """
    first: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}
    for value, gradient in zip(values, gradients):
        _, known = first.setdefault(key(value), (value, gradient))
        if key(known) != key(gradient):
            raise ArgumentError(f"a parameter of shape {value.shape} is shared, its gradient is not: share both")
    refuse_overlaps([value for value, _ in first.values()])
    return [v for v, _ in first.values()], [g for _, g in first.values()]


def refuse_overlaps(arrays: list[np.ndarray]) -> None:
    """ArgumentError for two arrays that have memory in common, such as one and its transpose."""
    bounds = [np.lib.array_utils.byte_bounds(array) for array in arrays]
    reaching: list[int] = []
    for i in sorted(range(len(arrays)), key=bounds.__getitem__):
        reaching = [j for j in reaching if bounds[j][1] > bounds[i][0]]
        for j in reaching:
            if np.shares_memory(arrays[j], arrays[i]):
                raise ArgumentError(
                    f"parameters of the shapes {arrays[j].shape} and {arrays[i].shape} overlap in memory: "
                    "what is shared must be the same array, not a view of it"
                )
        reaching.append(i)


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
    """One vector with all elements; the existing one, or its part, if the arrays already lie there in this order."""
    if not arrays:
        return np.zeros(0)
    base = arrays[0].base
    together = all(a.base is base and a.flags.c_contiguous for a in arrays)
    if together and isinstance(base, np.ndarray) and base.ndim == 1 and all(a.dtype == base.dtype for a in arrays):
        starts = np.cumsum([0] + [array.size for array in arrays])
        places = [(key(array)[0] - key(base)[0]) // base.itemsize for array in arrays]
        if places == list(places[0] + starts[:-1]):
            return base if base.size == starts[-1] else base[places[0] : places[0] + starts[-1]]
    return np.concatenate([np.asarray(array).ravel() for array in arrays])
