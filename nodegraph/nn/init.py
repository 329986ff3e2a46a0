"""Initialisation of parameters. Each function fills an array in place from the library's generator."""

from __future__ import annotations

import numpy as np

from nodegraph.random import generator


def uniform(array: np.ndarray, bound: float) -> np.ndarray:
    """Fill with numbers drawn evenly from [-bound, bound).

    >>> bool((abs(uniform(np.empty(100), 0.1)) <= 0.1).all())
    True
    """
    array[...] = generator().uniform(-bound, bound, array.shape)
    return array
