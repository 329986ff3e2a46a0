"""Running something once more as it ran before, without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nodegraph.random import get_state, set_state


@contextmanager
def replayed(module: Any, random: Mapping[str, Any]) -> Iterator[None]:
    """A context with the random numbers from a state of the generator on.

    After it the generator and the module's buffers, such as running averages, are as they were before.
    """
    now, buffers = get_state(), module.named_parameters("buffer")
    before = {path: array.copy() for path, array in buffers.items()}
    set_state(random)
    try:
        yield
    finally:
        set_state(now)
        for path, array in buffers.items():
            array[...] = before[path]
