"""Signals that ask a training to end, and that wait while it must not."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that ask a program to end."""


class Signals:
    """In a `with` block: Ctrl-C and the like, handed to whoever handled them before.

    One that comes while they are held back waits. After one that raised an exception, such as KeyboardInterrupt, the
    others do nothing any more until the block ends, so that what there is to save is saved.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._came: list[tuple[int, Any]] = []
        self._held = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # No other may handle signals.
            handlers = {number: signal.getsignal(number) for number in ENDING}
            self._handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
        for number in self._handlers:
            signal.signal(number, self._take)
        return self

    def __exit__(self, *raised: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Signals wait for the end of the block, so that what is saved is the state between two iterations."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            self._hand_on()

    def _take(self, number: int, frame: Any) -> None:
        self._came.append((number, frame))
        if len(self._came) == 1 and not self._held:
            self._hand_on()

    def _hand_on(self) -> None:
        number, frame = self._came[0]
        self._handlers[number](number, frame)
        self._came.clear()
