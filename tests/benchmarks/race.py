"""Contestants timed against each other: each in a process of its own, in turns, so that one thread pool is busy.

A thread pool that waits for work keeps a processor busy for a while, at the cost of other pools in the process.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDS, SECONDS, RUNS = 5, 2.0, 15
"""How often each contestant has its turn, and how long a turn lasts: so many seconds or runs, whichever comes first."""

WARM_UP = 3
"""Untimed runs at the start of each turn; also at least so many are timed, however long they take."""


@dataclass(frozen=True)
class Contestant:
    """Someone in a race.

    `make` is "module:name" of what makes, of a case's numbers, the step to time; it is imported in the contestant's own
    process. `package` is the one it needs, `without` one that it must do without as if it were not installed.
    `enters` says of a case whether it takes part.
    """

    package: str
    make: str
    enters: Callable[..., bool] = lambda *case: True
    without: str | None = None

    def present(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def step(self, case: Case) -> Callable[[], Any]:
        if self.without:
            sys.modules[self.without] = None
        module, name = self.make.split(":")
        return getattr(importlib.import_module(module), name)(*case)


Contestants = dict[str, Contestant]
Case = tuple[Any, ...]
Times = dict[str, list[float]]


def main(
    file: str,
    contestants: Contestants,
    cases: list[Case],
    ours: Sequence[str] = ("nodegraph",),
    things: Callable[..., int] = lambda *case: 1,
    unit: str = "ms",
) -> None:
    """Race by the command line's options, and print tables of times and ratios; what a benchmark's `__main__` calls.

    `ours` are the contestants whose ratios to the others are shown. `things` says how many things one run does in a
    case: the figures are milliseconds for one of them, or with another unit, such as "characters/s", how many of them
    are done in a second.
    """
    given = _options(contestants, cases)
    if given.turn:
        _use_processors(given.threads)
        (case,) = given.case
        print(_median_seconds(contestants[given.turn].step(case)) / things(*case))
        return
    names = [name for name in contestants if not given.only or name in given.only]
    for name in names:
        if not contestants[name].present():
            print(f"{name} is left out: {contestants[name].package} is not installed")
    names = [name for name in names if contestants[name].present()]
    print(f"medians of {given.rounds} rounds, {given.threads} threads; a ratio below 1: the one before the / is faster")
    ratios: dict[str, dict[Case, str]] = {}
    raced = given.case or cases
    for case in raced:
        times = _race(file, [n for n in names if contestants[n].enters(*case)], case, given.rounds, given.threads)
        present = [name for name in ours if name in times]
        rows = [[_title(case), "", *(f"{one} / it" for one in present)]]
        for name in times:
            found = [_ratio(times[one], times[name]) if one != name else ("", "") for one in present]
            rows.append(["  " + name, _figure(times[name], unit), *(f"{ratio} {spread}" for ratio, spread in found)])
            if name not in ours:
                for one, (ratio, _) in zip(present, found):
                    ratios.setdefault(f"{one} / {name}", {})[case] = ratio
        print("\n" + _table(rows), flush=True)
    summary = [[pair, *(found.get(case, "-") for case in raced)] for pair, found in sorted(ratios.items())]
    if summary:
        print("\n" + _table([["", *map(_title, raced)], *summary]))


def _title(case: Case) -> str:
    return ",".join(map(str, case))


def _figure(times: list[float], unit: str) -> str:
    median = statistics.median(times)
    return f"{1e3 * median:.2f} ms" if unit == "ms" else f"{1 / median:,.0f} {unit}"


def _ratio(ours: list[float], theirs: list[float]) -> tuple[str, str]:
    """The median of the ratios in each round, and their range."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    return f"{statistics.median(ratios):.2f}", f"({min(ratios):.2f} to {max(ratios):.2f})"


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join([f"{row[0]:{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _options(contestants: Contestants, cases: list[Case]) -> argparse.Namespace:
    def case(text: str) -> Case:
        return tuple(int(part) if part.isdigit() else part for part in text.replace(" ", "").split(","))

    parser = argparse.ArgumentParser(allow_abbrev=False)
    default = " ".join(map(_title, cases))
    parser.add_argument("--case", type=case, nargs="+", metavar="CASE", help=f"(default: {default})")
    known = f"who takes part (default: all): {', '.join(contestants)}"
    parser.add_argument("--only", nargs="+", choices=list(contestants), metavar="NAME", help=known)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"(default: {ROUNDS})")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="for each contestant (default: 2)")
    parser.add_argument("--turn", choices=list(contestants), help=argparse.SUPPRESS)
    return parser.parse_args()


def _race(file: str, names: list[str], case: Case, rounds: int, threads: int) -> Times:
    """Seconds of each turn of each contestant; another one begins in each round."""
    seconds: Times = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            seconds[name].append(_turn(file, name, case, threads))
    return seconds


def _turn(file: str, name: str, case: Case, threads: int) -> float:
    """Seconds of one turn, in a process of its own."""
    command = [sys.executable, file, "--turn", name, "--case", _title(case), "--threads", str(threads)]
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    environment = {**os.environ, **numbers, "JAX_PLATFORMS": "cpu"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    if found.returncode:
        raise SystemExit(f"{name} failed on {case}:\n{found.stderr}")
    return float(found.stdout.split()[-1])


def _use_processors(number: int) -> None:
    """Keep to so many processors, where the system has a way to say so: XLA has no setting of its own for it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])


def _median_seconds(step: Callable[[], None]) -> float:
    times: list[float] = []
    for _ in range(WARM_UP):
        step()
    begin = time.perf_counter()
    while len(times) < WARM_UP or (len(times) < RUNS and time.perf_counter() - begin < SECONDS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
