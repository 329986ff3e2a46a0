"""What goes with compiling: how long it takes, who wants to know, and no garbage collection meanwhile."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []
_total = 0.0


def seconds() -> float:
    """How long this process has compiled so far; what an earlier one has compiled is taken from its cache."""
    return _total


@contextmanager
def announced(say: Callable[[], None]) -> Iterator[None]:
    """A context in which `say` is called whenever something is about to be compiled."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


@contextmanager
def measured() -> Iterator[None]:
    """The context of a compilation."""
    global _total
    for say in list(_listeners):
        say()
    start = time.perf_counter()
    try:
        yield
    finally:
        _total += time.perf_counter() - start


MANY_OBJECTS = 100_000
"""Fewer are gone through in no time."""


@contextmanager
def without_collecting() -> Iterator[None]:
    """Pauses the collector of cycles: it would go through all objects again and again while many are made to stay.

    Where most objects there are were made meanwhile, they count as old at once.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            made = gc.get_count()[0]
            if made > MANY_OBJECTS and 2 * made > len(gc.get_objects()) and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
