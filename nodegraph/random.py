"""The library's own generator of random numbers; NumPy's global state is never touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """The generator that initialises parameters and draws dropout masks."""
    return _generator


def seed(value: int) -> None:
    """Start the generator anew: the same seed, a whole number from 0, gives the same parameters and masks.

    >>> from nodegraph import nn
    >>> seed(1); a = nn.Linear(2, 2).weight
    >>> seed(1); b = nn.Linear(2, 2).weight
    >>> bool((a == b).all())
    True
    """
    try:
        _generator.bit_generator.state = np.random.default_rng(value).bit_generator.state
    except (TypeError, ValueError):
        raise ArgumentError(f"a seed must be a whole number from 0, got {value!r}") from None


def get_state() -> Mapping[str, Any]:
    """The generator's state, as a dictionary of plain numbers and strings."""
    return _generator.bit_generator.state


def set_state(state: Mapping[str, Any]) -> None:
    """Go on from a state that `get_state` gave."""
    _generator.bit_generator.state = state
