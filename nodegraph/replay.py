"""Running something once more as it ran before, without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nodegraph import table
from nodegraph.errors import StateError
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


def check_same(again: Any, output: Any) -> None:
    """StateError unless what a run gave once more, None for nothing, is its output up to rounding."""
    if again is None or table.shape(again) != table.shape(output) or not table.about_equal(again, output):
        raise StateError(
            "the parameters or the input are no longer those of the run, or training or evaluation was switched on "
            "since: look or go back before a step"
        )
