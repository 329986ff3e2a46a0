"""What the last run left at each module of a model: outputs and gradients, and how they read in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.nn.module import Call
from nodegraph.recurrent_tape import OverTime, RecurrentTape
from nodegraph.tape import Tape


@dataclass
class Run:
    """One module's part in a run. Over time, output and gradient are stacked; `shape` is that of one step.

    `inside` is what the module kept of the modules inside it, `calls` its call; over time one for all steps, or a list.
    """

    output: Any
    grad_output: Any
    shape: Any
    inside: Any = None
    calls: Call | list[Call] | None = None

    @classmethod
    def of_call(cls, call: Call | None) -> Run | None:
        if call is None:
            return None
        return cls(call.output, call.grad_output, table.shape(call.output), call._frame.saved, call)

    @classmethod
    def of_input(cls, call: Call | None) -> Run | None:
        """What came into a call, as if a module had made it."""
        return None if call is None else cls(call.input, call.grad_input, table.shape(call.input))

    @classmethod
    def over_time(cls, calls: Call | list[Call] | None, steps: int) -> Run | None:
        if calls is None:
            return None
        values, last = OverTime(calls, steps), calls if isinstance(calls, Call) else calls[-1]
        grad_output = None if last.grad_output is None else values.grad_output
        shape = _of_one_step(table.shape(values.output))
        return cls(values.output, grad_output, shape, InsideOverTime(calls, steps), calls)


class InsideOverTime:
    """What a module kept over time of the modules inside it: for each of them one call for all steps, or a list."""

    def __init__(self, calls: Call | list[Call], steps: int) -> None:
        self.steps = steps
        if isinstance(calls, Call):
            self.calls = calls_inside(calls._frame.saved)
        else:
            self.calls = [list(of_one) for of_one in zip(*(calls_inside(call._frame.saved) for call in calls))]


def calls_inside(kept: Any) -> list[Call]:
    """The calls of the modules inside one that kept this of its own call."""
    if isinstance(kept, Tape):
        return kept.calls
    return kept if isinstance(kept, list) and all(isinstance(call, Call) for call in kept) else []


def runs_inside(kept: Any, n: int) -> list[Run | None]:
    """The runs of the n modules inside one that kept this of its own run; None for each of which nothing is known."""
    if isinstance(kept, RecurrentTape):
        if None in kept.calls:
            kept = kept._replayed()  # a compiled loop keeps no values of the nodes inside it
        found = [Run.over_time(calls, kept.steps) for calls in kept.calls[:n]]  # a masked one has more nodes
    elif isinstance(kept, InsideOverTime):
        found = [Run.over_time(calls, kept.steps) for calls in kept.calls]
    else:
        found = [Run.of_call(call) for call in calls_inside(kept)]
    return found if len(found) == n else [None] * n


def _of_one_step(shape: Any) -> Any:
    return [_of_one_step(part) for part in shape] if isinstance(shape, list) else shape[1:]


Line = tuple[str, bool]
"""A line of text, and whether it tells of something bad."""


def summary(value: Any) -> list[Line]:
    """The range and the mean of all numbers in a value, and how many of them are NaN or infinite.

    >>> summary([np.array([1.0, 2.0]), np.array([np.nan, 6.0])])
    [('1 … 6, mean 3', False), ('1 NaN of 4 numbers', True)]
    """
    numbers = np.concatenate([np.ravel(leaf) for leaf in table.leaves(value) if leaf is not None] or [np.zeros(0)])
    if not numbers.size:
        return [("no numbers", False)]
    finite = numbers[np.isfinite(numbers)]
    lines = []
    if finite.size and finite.min() == finite.max():
        lines.append((f"all {number(finite[0])}", False))
    elif finite.size:
        lines.append((f"{number(finite.min())} … {number(finite.max())}, mean {number(finite.mean())}", False))
    nan, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    if nan or infinite:
        counts = [f"{n} {what}" for n, what in ((nan, "NaN"), (infinite, "inf")) if n]
        lines.append((f"{', '.join(counts)} of {numbers.size} numbers", True))
    return lines


def is_bad(value: Any) -> bool:
    """Whether a value holds a NaN or an infinity."""
    return any(leaf is not None and not np.isfinite(leaf).all() for leaf in table.leaves(value))


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}".replace("-", "−")
