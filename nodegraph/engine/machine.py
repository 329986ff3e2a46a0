"""Machines run the steps of a program over time."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, Slot, SoftMaxRows, Step

WORTH_COMPILING = 2e5
"""The work of a program from which on numba, if it is installed, compiles it; else it is made of NumPy calls.

The choice follows from the shapes alone, so that the same run gives the same bits.
"""

MOST_STEPS = 40
"""A program of more steps is not compiled by numba, for its functions would take long to compile."""

LARGE = 2**19
"""A single row is multiplied by a weight of so many elements by BLAS, whose threads share out the columns."""

PER_OPERATION = 8
"""So many multiplications of a product take about as long as one operation of a pass at one element."""

REUSED = 8
"""A transposed weight is copied once for so many rows that are multiplied by it."""


class Machine(ABC):
    """Runs forward and backward. Between the calls of modules lie *segments*, products and passes without one."""

    threads = 1

    def __init__(self, program: Any) -> None:
        self.steps = program.steps
        self._directions = [self._grouped(program.forward_steps), self._grouped(program.backward_steps)]

    def _grouped(self, steps: list[Step | CallStep]) -> list[Any]:
        groups: list[Any] = []
        for is_call, group in groupby(steps, lambda step: isinstance(step, CallStep)):
            together = list(group)
            groups.extend(together if is_call else [self.segment(together)])
        return groups

    @abstractmethod
    def segment(self, steps: list[Step]) -> Any:
        """What `bound` takes."""

    @abstractmethod
    def prepare(self, rings: dict[Slot, Ring]) -> None:
        """Do before the first run what can be done by then."""

    @abstractmethod
    def bound(self, segment: Any, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        """A function that runs a segment at the given time steps, over these rings."""

    def add_gradients(self, module: Any, input: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        """Add to the gradients of a Linear's parameters, for rows of its input and of its output's gradient."""
        module.acc_grad_parameters(input, gradient, scale)

    def add_gradients_of_columns(self, module: Any, indices: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        """The same for one-hot rows, of which the indices are given."""
        rows = np.zeros((len(indices), module.weight.shape[1]), gradient.dtype)
        rows[np.arange(len(indices)), indices] = 1
        self.add_gradients(module, rows, gradient, scale)

    def run(self, program: Any, backward: bool) -> None:
        times: Sequence[int] = range(self.steps)
        if self.steps == 1:
            for group in self._directions[backward]:
                if isinstance(group, CallStep):
                    (group.backward if backward else group.forward)(program, 0)
                else:
                    self.bound(group, program.rings)(times)
            return
        if backward:
            times = times[::-1]
        done = []
        for group in self._directions[backward]:
            if isinstance(group, CallStep):
                run = group.backward if backward else group.forward
                done.append(lambda times, run=run: [run(program, t) for t in times])
            else:
                done.append(self.bound(group, program.rings))
        if len(done) == 1:
            done[0](times)
            return
        for t in times:
            for function in done:
                function((t,))


def machine_for(program: Any) -> Machine:
    """The machine for a program."""
    if not program.numba:
        from nodegraph.engine.numpy_machine import NumpyMachine

        return NumpyMachine(program)
    from nodegraph.engine.numba_machine import NumbaMachine

    return NumbaMachine(program)


def worth_numba(steps: list[Step | CallStep], times: int) -> bool:
    """Whether numba is there, and there is enough to do for it, in not too many steps, and BLAS is not quicker."""
    if len(steps) > MOST_STEPS or any(_is_large_row(step, times) for step in steps):
        return False
    return work(steps, times) >= WORTH_COMPILING and importlib.util.find_spec("numba") is not None


def _is_large_row(step: Step | CallStep, times: int) -> bool:
    return isinstance(step, Multiply) and step.rows * times == 1 and step.inner * step.columns >= LARGE


def work(steps: list[Step | CallStep], times: int) -> int:
    """The multiplications that steps need, counting what takes as long, all time steps together."""
    total = 0
    for step in steps:
        if isinstance(step, Multiply):
            total += step.rows * step.inner * step.columns
        elif isinstance(step, (LookUp, SoftMaxRows)):
            total += PER_OPERATION * step.rows * step.columns
        elif isinstance(step, Pass):
            total += PER_OPERATION * step.rows * step.columns * len(step.code.operations)
    return times * total
