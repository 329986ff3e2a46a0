"""NumpyMachine: one NumPy call for each operation, over views that are made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nodegraph.engine import threads
from nodegraph.engine.code import Place
from nodegraph.engine.machine import REUSED, Machine
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, Slot, SoftMaxRows, Step


class NumpyMachine(Machine):
    """Runs a program by NumPy's functions with `out=`."""

    def run(self, program: Any, backward: bool) -> None:
        if self.steps == 1:
            super().run(program, backward)
            return
        with threads.one_for_blas():
            super().run(program, backward)

    def segment(self, steps: list[Step]) -> _Segment:
        return _Segment(steps, self.steps)

    def prepare(self, rings: dict[Slot, Ring]) -> None:
        for group in [*self._directions[0], *self._directions[1]]:
            if isinstance(group, _Segment):
                group.prepare(rings)

    def bound(self, segment: _Segment, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        return segment.over(rings)


class _Segment:
    """Products and passes as calls of functions, for each time step; they are made anew when a ring is new."""

    def __init__(self, steps: list[Step], times: int) -> None:
        self._steps = [_KINDS[type(step)](step) for step in steps]
        self._slots = [list(dict.fromkeys(slot for slot, *_ in step.reach)) for step in steps]
        self._times = times
        self._all_slots = list({slot for slots in self._slots for slot in slots})
        self._all_rings: list[Ring] = []
        self._rings: list[list[Ring] | None] = [None] * len(steps)
        self._each: list[list[list[tuple[Callable, tuple]]]] = [[]] * len(steps)
        self._calls: list[list[tuple[Callable, tuple]]] = []

    def prepare(self, rings: dict[Slot, Ring]) -> None:
        """Make the calls of the steps all of whose rings are there."""
        there = [i for i, slots in enumerate(self._slots) if all(slot in rings for slot in slots)]
        new = [i for i in there if self._is_new(i, [rings[slot] for slot in self._slots[i]])]
        for i in new:
            self._each[i] = self._steps[i].calls(rings, self._times)
        if new:
            self._calls = []

    def over(self, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        now = [rings[slot] for slot in self._all_slots]
        if now != self._all_rings:
            self.prepare(rings)
            self._all_rings = now
        if not self._calls:
            self._calls = [[call for calls in at for call in calls] for at in zip(*self._each)]
        for step in self._steps:
            step.begin(self._times)
        return self._run

    def _is_new(self, i: int, rings: list[Ring]) -> bool:
        """Whether a step's rings are others than before, which it notes."""
        before, self._rings[i] = self._rings[i], rings
        return before is None or any(a is not b for a, b in zip(rings, before))

    def _run(self, times: Sequence[int]) -> None:
        for t in times:
            for function, arguments in self._calls[t]:
                function(*arguments)


class _Product:
    """A product as one call; it takes the weight as it is at the beginning of a run."""

    def __init__(self, product: Any) -> None:
        self.product = product

    def begin(self, times: int) -> None:
        weight = self.product.module.weight
        if self.product.transposed:
            weight = weight.T if times * self.product.rows < REUSED else np.ascontiguousarray(weight.T)
        self._weight, self._bias = weight, self.product.bias

    def calls(self, rings: dict[Slot, Ring], times: int) -> list[list[tuple[Callable, tuple]]]:
        rows = self.product.rows
        grids = [rings[slot].grids(times, rows, columns, *at) for slot, *at, columns in self.product.reach]
        return [[(self.run, arguments)] for arguments in zip(*grids)]

    def run(self, source: np.ndarray, into: np.ndarray) -> None:
        np.matmul(source, self._weight, into)
        if self._bias is not None:
            np.add(into, self._bias, into)


class _LookUp(_Product):
    def run(self, source: np.ndarray, into: np.ndarray) -> None:
        into[...] = self._weight[source[:, 0]]
        if self._bias is not None:
            np.add(into, self._bias, into)


class _SoftMax:
    """Soft-max, log-soft-max or the gradient of either, as a few calls; sums are products with ones."""

    def __init__(self, step: SoftMaxRows) -> None:
        self.step = step

    def begin(self, times: int) -> None:
        """Nothing changes from run to run."""

    def calls(self, rings: dict[Slot, Ring], times: int) -> list[list[tuple[Callable, tuple]]]:
        step = self.step
        grids = [rings[slot].grids(times, step.rows, step.columns, *at) for slot, *at in step.places]
        dtype = rings[step.places[0][0]].array.dtype
        ones, each = np.ones((step.columns, 1), dtype), np.empty((step.rows, 1), dtype)
        scratch = np.empty((step.rows, step.columns), dtype)
        make = self._backward if step.backward else self._forward
        return [make(*views, scratch, ones, each) for views in zip(*grids)]

    def _forward(
        self, x: np.ndarray, y: np.ndarray, scratch: np.ndarray, ones: np.ndarray, each: np.ndarray
    ) -> list[tuple[Callable, tuple]]:
        shifted = [(_largest, (x, each)), (np.subtract, (x, each, y))]
        if self.step.log:
            logarithms = [(np.exp, (y, scratch)), (np.matmul, (scratch, ones, each)), (np.log, (each, each))]
            return [*shifted, *logarithms, (np.subtract, (y, each, y))]
        return [*shifted, (np.exp, (y, y)), (np.matmul, (y, ones, each)), (np.divide, (y, each, y))]

    def _backward(
        self, g: np.ndarray, y: np.ndarray, into: np.ndarray, scratch: np.ndarray, ones: np.ndarray, each: np.ndarray
    ) -> list[tuple[Callable, tuple]]:
        if self.step.log:
            product = [(np.exp, (y, scratch)), (np.matmul, (g, ones, each)), (np.multiply, (scratch, each, scratch))]
            return [*product, (np.subtract, (g, scratch, into))]
        sums = [(np.multiply, (g, y, scratch)), (np.matmul, (scratch, ones, each))]
        return [*sums, (np.subtract, (g, each, into)), (np.multiply, (into, y, into))]


def _largest(x: np.ndarray, into: np.ndarray) -> None:
    np.maximum.reduce(x, 1, None, into, True)


class _Pass:
    """A pass as one call for each operation. What is stored is computed in its place; the rest shares a few arrays."""

    def __init__(self, kernel: Pass) -> None:
        self.kernel = kernel

    def begin(self, times: int) -> None:
        """Nothing changes from run to run."""

    def calls(self, rings: dict[Slot, Ring], times: int) -> list[list[tuple[Callable, tuple]]]:
        kernel = self.kernel
        grids = [rings[slot].grids(times, kernel.rows, kernel.columns, *at) for slot, *at in kernel.places]
        if not grids:
            return [[]] * times
        places = self._places(rings[kernel.places[0][0]].array.dtype)
        return [self._at_one_step(views, places) for views in zip(*grids)]

    def _places(self, dtype: np.dtype) -> list[Any]:
        """For each operation where its result goes: the number of a view, or an array that is free by then."""
        kernel, first = self.kernel, len(self.kernel.loads)
        operations, free = kernel.code.operations, {}
        last = {a: i for i, (_, arguments) in enumerate(operations) for a in arguments if type(a) is Place}
        last |= {value: len(operations) for *_, value in [*kernel.stores, *kernel.sums] if type(value) is Place}
        stored = {value: first + k for k, (*_, value) in enumerate(kernel.stores)}
        found: list[Any] = []
        for i, (function, arguments) in enumerate(operations):
            kind = np.dtype(bool) if kernel.code.is_condition(Place(i)) else dtype
            if function == "load":
                found.append(arguments[0])
            elif Place(i) in stored:
                found.append(stored[Place(i)])
            else:
                available = free.setdefault(kind, [])
                found.append(available.pop() if available else np.empty((kernel.rows, kernel.columns), kind))
            for a in {a for a in arguments if type(a) is Place and last[a] == i}:
                if isinstance(found[a], np.ndarray):
                    free.setdefault(found[a].dtype, []).append(found[a])
        return found

    def _at_one_step(self, views: tuple[np.ndarray, ...], places: list[Any]) -> list[tuple[Callable, tuple]]:
        kernel, first = self.kernel, len(self.kernel.loads)
        arrays, dtype = [views[place] if isinstance(place, int) else place for place in places], views[0].dtype

        def operand(a: Any) -> Any:
            return arrays[a] if type(a) is Place else np.array(a, dtype)  # A call takes longer with a Python number.

        found: list[tuple[Callable, tuple]] = []
        for i, (function, arguments) in enumerate(kernel.code.operations):
            if function == "sigmoid":
                found += _sigmoid(operand(arguments[0]), arrays[i])
            elif function != "load":
                called = _FUNCTIONS.get(function) or getattr(np, function)
                found.append((called, (*map(operand, arguments), arrays[i])))
        for (*_, value), view in zip(kernel.stores, views[first:]):
            if operand(value) is not view:
                found.append((np.copyto, (view, operand(value))))
        for (_, _, stride, value), view in zip(kernel.sums, views[first + len(kernel.stores) :]):
            found.append(
                (_add if stride else _add_sum, (np.broadcast_to(operand(value), (kernel.rows, kernel.columns)), view))
            )
        return found


def _sigmoid(x: np.ndarray, out: np.ndarray) -> list[tuple[Callable, tuple]]:
    one = np.ones((), out.dtype)
    return [(np.negative, (x, out)), (np.exp, (out, out)), (np.add, (out, one, out)), (np.reciprocal, (out, out))]


def _where(condition: np.ndarray, a: Any, b: Any, out: np.ndarray) -> None:
    out[...] = b
    np.copyto(out, a, where=condition)


def _add(value: np.ndarray, into: np.ndarray) -> None:
    np.add(into, value, into)


def _add_sum(value: np.ndarray, into: np.ndarray) -> None:
    np.add(into, value.sum(0), into)


def _maximum(a: Any, b: Any, out: np.ndarray) -> None:
    np.maximum(a, b, out=out)


def _minimum(a: Any, b: Any, out: np.ndarray) -> None:
    np.minimum(a, b, out=out)


_FUNCTIONS = {"where": _where, "maximum": _maximum, "minimum": _minimum}
_KINDS: dict[type, Callable] = {Pass: _Pass, Multiply: _Product, LookUp: _LookUp, SoftMaxRows: _SoftMax}
