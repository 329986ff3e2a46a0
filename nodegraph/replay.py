"""Running something once more as it ran before, without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nodegraph import table
from nodegraph.errors import StateError
from nodegraph.random import get_state, set_state

KeptStates = list[tuple[Any, Any]]
"""Stateful modules, each with the states that it kept."""


def kept_states(modules: Iterable[Any]) -> KeptStates:
    """What the stateful modules among these and inside them keep from their last runs."""
    inner = (inner for module in modules for inner in module.list_modules())
    return [(module, module.kept_states) for module in inner if getattr(module, "stateful", False)]


def keep_again(kept: KeptStates) -> None:
    """Have stateful modules go on from these states; of a module that is there twice the first ones count."""
    for module, states in reversed(kept):
        module.kept_states = states


@contextmanager
def replayed(module: Any, random: Mapping[str, Any], kept: KeptStates) -> Iterator[None]:
    """A context with the random numbers from a state of the generator on, and with states that were kept.

    After it the generator, the states and the module's buffers, such as running averages, are as they were before.
    """
    now, buffers, kept_now = get_state(), module.named_parameters("buffer"), kept_states([module])
    before = {path: array.copy() for path, array in buffers.items()}
    set_state(random)
    keep_again(kept)
    try:
        yield
    finally:
        set_state(now)
        keep_again(kept_now)
        for path, array in buffers.items():
            array[...] = before[path]


def check_same(again: Any, output: Any) -> None:
    """StateError unless what a run gave once more, None for nothing, is its output up to rounding."""
    if again is None or table.shape(again) != table.shape(output) or not table.about_equal(again, output):
        raise StateError(
            "the parameters or the input are no longer those of the run, or training or evaluation was switched on "
            "since, or a module computes something else every time: look or go back before a step"
        )
