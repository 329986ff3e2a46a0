"""Machines run the steps of a program over time. NumpyMachine does it by NumPy's functions."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from nodegraph.engine.code import Place
from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, Slot, Step

WORTH_COMPILING = 2e5
"""The work of a program from which on numba, if it is installed, compiles it; else it is made of NumPy calls.

The choice follows from the shapes alone, so that the same run gives the same bits.
"""

PER_OPERATION = 8
"""So many multiplications of a product take about as long as one operation of a pass at one element."""

REUSED = 8
"""A transposed weight is copied once for so many rows that are multiplied by it."""


class Machine:
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

    def segment(self, steps: list[Step]) -> Any:
        """What `bound` takes."""
        raise NotImplementedError

    def bound(self, segment: Any, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        """A function that runs a segment at the given time steps, over these rings."""
        raise NotImplementedError

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


class NumpyMachine(Machine):
    """One NumPy call for each operation."""

    def segment(self, steps: list[Step]) -> _NumpySegment:
        return _NumpySegment(steps, self.steps)

    def bound(self, segment: _NumpySegment, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        return segment.over(rings)


class _NumpySegment:
    """Products and passes, with the views of the rings that they read and write; these are made when a ring is new."""

    def __init__(self, steps: list[Step], times: int) -> None:
        kinds = {Pass: _NumpyPass, Multiply: _NumpyProduct, LookUp: _NumpyLookUp}
        self._steps = [kinds[type(step)](step) for step in steps]
        self._slots = list(dict.fromkeys(slot for step in steps for slot, *_ in step.reach))
        self._times = times
        self._rings: list[Ring] = []
        self._views: list[list[tuple[Any, ...]]] = []

    def over(self, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        now = [rings[slot] for slot in self._slots]
        if len(now) != len(self._rings) or any(a is not b for a, b in zip(now, self._rings)):
            self._rings, self._views = now, [step.views(rings, self._times) for step in self._steps]
        for step in self._steps:
            step.begin(self._times)
        return self._run

    def _run(self, times: Sequence[int]) -> None:
        for t in times:
            for step, views in zip(self._steps, self._views):
                step(*views[t])


class _NumpyProduct:
    def __init__(self, product: Multiply | LookUp) -> None:
        self.product = product

    def begin(self, times: int) -> None:
        """Take the weight as it is now."""
        weight = self.product.module.weight
        if self.product.transposed:
            weight = weight.T if times * self.product.rows < REUSED else np.ascontiguousarray(weight.T)
        self._weight = weight

    def views(self, rings: dict[Slot, Ring], steps: int) -> list[tuple[np.ndarray, ...]]:
        product = self.product
        views = [
            rings[slot].grids(steps, product.rows, columns, offset, stride)
            for slot, offset, stride, columns in product.reach
        ]
        return list(zip(*views))

    def __call__(self, source: np.ndarray, into: np.ndarray) -> None:
        np.matmul(source, self._weight, out=into)
        bias = self.product.bias
        if bias is not None:
            np.add(into, bias, out=into)


class _NumpyLookUp(_NumpyProduct):
    def __call__(self, indices: np.ndarray, into: np.ndarray) -> None:
        np.take(self._weight, indices[:, 0], axis=0, out=into)
        if self.product.bias is not None:
            np.add(into, self.product.bias, out=into)


class _NumpyPass:
    def __init__(self, kernel: Pass) -> None:
        self.kernel = kernel
        operations = kernel.code.operations
        self._loads = {i: arguments[0] for i, (function, arguments) in enumerate(operations) if function == "load"}
        self._program = [
            (_FUNCTIONS.get(function) or getattr(np, function), arguments, i)
            for i, (function, arguments) in enumerate(operations)
            if function != "load"
        ]
        self._scratch: list[Any] = []

    def views(self, rings: dict[Slot, Ring], steps: int) -> list[tuple[np.ndarray, ...]]:
        """For each time step what the pass reads and writes."""
        kernel = self.kernel
        if not self._scratch:
            dtype = rings[kernel.places[0][0]].array.dtype
            self._scratch = [
                np.empty((kernel.rows, kernel.columns), bool if kernel.code.is_condition(Place(i)) else dtype)
                for i in range(len(kernel.code.operations))
            ]
        places = kernel.places
        return list(zip(*[rings[slot].grids(steps, kernel.rows, kernel.columns, *at) for slot, *at in places]))

    def begin(self, times: int) -> None:
        """Nothing changes from run to run."""

    def __call__(self, *views: np.ndarray) -> None:
        kernel, values = self.kernel, list(self._scratch)
        for i, load in self._loads.items():
            values[i] = views[load]
        for function, arguments, i in self._program:
            function(*[values[a] if type(a) is Place else a for a in arguments], out=self._scratch[i])
        first = len(kernel.loads)
        for (_, _, _, value), view in zip(kernel.stores, views[first:]):
            view[...] = values[value] if type(value) is Place else value
        for (_, _, stride, value), view in zip(kernel.sums, views[first + len(kernel.stores) :]):
            found = values[value] if type(value) is Place else np.broadcast_to(value, (kernel.rows, kernel.columns))
            view += found if stride else found.sum(0)


def _sigmoid(x: np.ndarray, out: np.ndarray) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(1, out, out=out)


def _where(condition: np.ndarray, a: Any, b: Any, out: np.ndarray) -> None:
    out[...] = b
    np.copyto(out, a, where=condition)


_FUNCTIONS = {"sigmoid": _sigmoid, "where": _where}


def machine_for(program: Any) -> Machine:
    """The machine that suits a program's size."""
    if work(program.forward_steps, program.steps) < WORTH_COMPILING or not importlib.util.find_spec("numba"):
        return NumpyMachine(program)
    from nodegraph.engine.numba_machine import NumbaMachine

    return NumbaMachine(program)


def work(steps: list[Step | CallStep], times: int) -> int:
    """The multiplications that steps need, counting what takes as long, all time steps together."""
    total = 0
    for step in steps:
        if isinstance(step, Multiply):
            total += step.rows * step.inner * step.columns
        elif isinstance(step, LookUp):
            total += PER_OPERATION * step.rows * step.columns
        elif isinstance(step, Pass):
            total += PER_OPERATION * step.rows * step.columns * len(step.code.operations)
    return times * total
