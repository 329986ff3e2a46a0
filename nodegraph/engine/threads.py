"""Threads that share out work which needs no Python: they wait for each other at the end, and sleep in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def available() -> int:
    """How many threads to use: OMP_NUM_THREADS where it is set, else the processors that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WORTH_A_THREAD = 2e7
"""The additions and multiplications, or what takes as long, that each thread should have to do."""


def worth(work: float) -> int:
    """The number of threads that this much work is worth."""
    return int(max(1, min(available(), work // WORTH_A_THREAD)))


def run(share: Callable[[int], None], count: int) -> None:
    """Call `share` with 0 ... count - 1, each in a thread of its own, the first in this one.

    Ctrl-C is raised when all have come to their end: what they write into may belong to another run after that.
    """
    others: list[Future[None]] = []
    errors: list[BaseException | None] = []
    try:
        for i in range(1, count):
            others.append(_pool(os.getpid(), count).submit(share, i))
        share(0)
    except BaseException as error:
        errors.append(error)
    while others:
        try:
            errors.append(others[-1].exception())
            others.pop()
        except BaseException as interrupt:
            errors.append(interrupt)
    for error in filter(None, errors):
        raise error


def one_for_blas() -> Any:
    """A context in which BLAS uses one thread.

    Its threads wait for each other at every product; in a loop of small ones that takes many times as long as the
    products themselves as soon as another process needs a processor.
    """
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@cache
def _pool(process: int, count: int) -> ThreadPoolExecutor:
    """The threads; those of a process from which this one was forked are not there any more."""
    return ThreadPoolExecutor(count, "nodegraph")
