"""Contestants timed against each other: each in a process of its own, in turns, so that one thread pool is busy."""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

ROUNDS = 5
"""How often each contestant has its turn; its figure is the median over the rounds."""

RUNS, WARM_UP = 15, 3
"""Timed and untimed steps in each turn; the turn's figure is the median of the timed ones."""

Contestants = dict[str, tuple[str, Callable[..., Callable[[], None]]]]
"""Name -> (the package it needs, a function of the case's arguments that makes a step to time)."""


def main(file: str, contestants: Contestants, cases: list[tuple]) -> None:
    """Print a table of medians and of ratios against the first contestant; what a benchmark's `__main__` calls."""
    if len(sys.argv) > 1:
        name, *arguments = sys.argv[1:]
        print(_median_seconds(contestants[name][1](*map(_plain, arguments))))
        return
    present = [name for name, (package, _) in contestants.items() if importlib.util.find_spec(package)]
    for name in contestants.keys() - set(present):
        print(f"{name} is left out: {contestants[name][0]} is not installed")
    first, width = present[0], max(map(len, present))
    for case in cases:
        seconds: dict[str, list[float]] = {name: [] for name in present}
        for _ in range(ROUNDS):
            for name in present:
                command = [sys.executable, file, name, *map(str, case)]
                found = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds[name].append(float(found.stdout))
        print(f"\n{case}")
        for name in present:
            median = statistics.median(seconds[name])
            ratio = statistics.median(a / b for a, b in zip(seconds[first], seconds[name]))
            print(f"  {name:{width}}  {1e3 * median:8.2f} ms   {first} / {name} = {ratio:.2f}", flush=True)


def _median_seconds(step: Callable[[], None]) -> float:
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])


def _plain(text: str) -> int | str:
    return int(text) if text.isdigit() else text
