"""Kernels as NumPy calls that write into arrays kept from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph.engine.code import Place
from nodegraph.engine.kernel import Pass, Slot


class NumpyKernel:
    """A pass of a kernel, one NumPy call for each operation."""

    def __init__(self, kernel: Pass, dtype: np.dtype) -> None:
        self.kernel = kernel
        shape = (kernel.rows, kernel.columns)
        types = [bool if kernel.code.is_condition(Place(i)) else dtype for i in range(len(kernel.code.operations))]
        self._scratch = [
            None if function == "load" else np.empty(shape, type)
            for (function, _), type in zip(kernel.code.operations, types)
        ]
        self._program = [
            self._step(i, function, arguments)
            for i, (function, arguments) in enumerate(kernel.code.operations)
            if function != "load"
        ]
        self._load_of = {i: a[0] for i, (f, a) in enumerate(kernel.code.operations) if f == "load"}

    def _step(self, i: int, function: str, arguments: tuple[Any, ...]) -> tuple[Callable, tuple, int]:
        return {"sigmoid": _sigmoid, "where": _where}.get(function) or getattr(np, function), arguments, i

    def prepare(self, arrays: dict[Slot, list[np.ndarray]], steps: int) -> list[list[np.ndarray]]:
        """For each time step the views that the pass reads and writes."""
        kernel, views = self.kernel, []
        for slot, offset, stride, *_ in [*kernel.loads, *kernel.stores]:
            views.append([self._view(array, offset, stride) for array in arrays[slot]])
        return [list(at_step) for at_step in zip(*views)]

    def _view(self, array: np.ndarray, offset: int, stride: int) -> np.ndarray:
        rows = array.reshape(self.kernel.rows, -1) if stride else array.reshape(1, -1)
        return rows[:, offset : offset + self.kernel.columns]

    def __call__(self, views: list[np.ndarray]) -> None:
        values: list[Any] = list(self._scratch)
        for i, load in self._load_of.items():
            values[i] = views[load]
        for function, arguments, i in self._program:
            function(*[values[a] if type(a) is Place else a for a in arguments], out=self._scratch[i])
        for (_, _, _, value), view in zip(self.kernel.stores, views[len(self.kernel.loads) :]):
            view[...] = values[value] if type(value) is Place else value


def _sigmoid(x: np.ndarray, out: np.ndarray) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(1, out, out=out)


def _where(condition: np.ndarray, a: Any, b: Any, out: np.ndarray) -> None:
    out[...] = b
    np.copyto(out, a, where=condition)
