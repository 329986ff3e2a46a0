"""NumbaMachine: all time steps of a segment in one compiled function, its rows shared out among threads."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

import numba
import numpy as np
from numba import types

from nodegraph.engine import compiling, elementary, products, soft_max, threads
from nodegraph.engine.machine import PER_OPERATION, REUSED, Machine, work
from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.segment_source import ALL, numbers_of, source_of
from nodegraph.engine.steps import LookUp, Multiply, Ring, Slot, Step


class NumbaMachine(Machine):
    """Every segment is a function of the time steps and of the rows to run, which knows no Python while it runs.

    Each row of a batch depends on no other, so threads share out the rows and need not wait for each other; the numbers
    do not depend on how many there are, but for sums over rows.
    """

    def __init__(self, program: Any) -> None:
        self.dtype = program.plan.dtype
        self.rows = next(step.rows for step in program.forward_steps if not isinstance(step, CallStep))
        self.threads = self._threads(program)
        super().__init__(program)

    def _threads(self, program: Any) -> int:
        steps = [s for s in [*program.forward_steps, *program.backward_steps] if not isinstance(s, CallStep)]
        if not all(step.rows == self.rows and _by_rows(step, program.rings, self.rows) for step in steps):
            return 1
        return min(threads.worth(work(program.forward_steps, program.steps)), self.rows)

    def add_gradients(self, module: Any, input: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        work = len(input) * module.weight.size
        if not self._add(products.outer_product(self.dtype), work, module, input, gradient, scale):
            super().add_gradients(module, input, gradient, scale)

    def add_gradients_of_columns(self, module: Any, indices: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        work = PER_OPERATION * gradient.size
        if not self._add(products.add_columns(self.dtype), work, module, indices, gradient, scale):
            super().add_gradients_of_columns(module, indices, gradient, scale)

    def _add(
        self, add: Callable[..., Any], work: int, module: Any, input: np.ndarray, gradient: np.ndarray, scale: float
    ) -> bool:
        """Share out the columns of the gradient; False where machine code cannot take the arrays or is not worth it."""
        bias = module.grad_bias if module.bias is not None else np.empty(0, self.dtype)
        if len(input) < REUSED or not (_is_plain(module.grad_weight, self.dtype) and _is_plain(bias, self.dtype)):
            return False
        columns, width, count = gradient.shape[1], products.lanes(self.dtype), threads.worth(work)
        strips = -(-columns // width)

        def share(thread: int) -> None:
            first, last = (strips * i // count * width for i in (thread, thread + 1))
            add(gradient, input, self.dtype.type(scale), module.grad_weight, bias, first, min(last, columns))

        threads.run(share, count)
        return True

    def segment(self, steps: list[Step]) -> _Segment:
        return _Segment(steps, self.dtype, self.steps)

    def prepare(self, rings: dict[Slot, Ring]) -> None:
        """Nothing is left to do: a segment's function is compiled when it is made."""

    def bound(self, segment: _Segment, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        arguments = [*segment.over(rings), *segment.weights(self.threads)]
        function, count = segment.function, self.threads
        shares = [self.rows * i // count for i in range(count)] + [ALL]

        def run(times: Sequence[int]) -> None:
            first, last = times[0], times[-1]
            step = 1 if last >= first else -1
            threads.run(
                lambda i: function(first, last + step, step, shares[i], shares[i + 1], i, *arguments), self.threads
            )

        return run


class _Segment:
    """Products and passes as one function of rings and weights."""

    def __init__(self, steps: list[Step], dtype: np.dtype, times: int) -> None:
        self._nothing = np.empty(0, dtype)
        self._slots = list(dict.fromkeys(slot for step in steps for slot, *_ in step.reach))
        products_of = [step for step in steps if isinstance(step, (Multiply, LookUp))]
        self._few = [product for product in products_of if product.rows * times < REUSED]
        self._many = [product for product in products_of if product.rows * times >= REUSED]
        self._panels = [products.panels(step.inner, step.columns, dtype) for step in self._many]
        self._places = np.array([n for step in steps for n in numbers_of(step)], np.int64)
        self._rings: list[Ring] = []
        self._arrays: list[np.ndarray] = []
        self._given: list[np.ndarray] = []
        self._ready: list[np.ndarray] = []
        element = numba.from_dtype(np.dtype(dtype))
        types_of_weights = [element[:, ::1], element[::1]] * len(self._few) + [element[:, :, ::1]] * len(self._many)
        source = source_of(steps, self._slots, np.dtype(dtype), self._few, self._many)
        types_of_rings = [types.int64[:, ::1] if slot[0] == "index" else element[:, ::1] for slot in self._slots]
        self.function = _compiled(source, [*types_of_rings, *types_of_weights])

    def over(self, rings: dict[Slot, Ring]) -> list[np.ndarray]:
        """The arguments that the rings make."""
        now = [rings[slot] for slot in self._slots]
        if now != self._rings:
            turns = np.array([n for ring in now for n in (ring.shift, len(ring.array))], np.int64)
            self._rings, self._arrays = now, [self._places, turns, *[_writeable(ring.array) for ring in now]]
        return self._arrays

    def weights(self, count: int) -> list[np.ndarray]:
        """The arguments that the weights make, as they are now, by so many threads."""
        lay_out = products.lay_out(self._nothing.dtype) if self._many else None

        def share(thread: int) -> None:
            for product, panels in zip(self._many, self._panels):
                first, last = (len(panels) * i // count for i in (thread, thread + 1))
                bias = self._nothing if product.bias is None else product.bias
                lay_out(_plain(product.module.weight), product.transposed, _plain(bias), panels, first, last)

        if self._many:
            threads.run(share, count)
        given = []
        for product in self._few:
            bias = product.bias
            given += [product.module.weight, self._nothing if bias is None else bias]
        if len(given) != len(self._given) or not all(map(is_, given, self._given)):
            self._ready = [_plain(array) for array in given]
            self._given = self._ready  # A copy is another array, and will be made anew.
        return [*self._ready, *self._panels]


def _writeable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of one that is read-only, which to numba is another type."""
    return array if array.flags.writeable else array.copy()


def _plain(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of one that is not laid out row after row."""
    return _writeable(np.ascontiguousarray(array))


def _is_plain(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether the array is laid out row after row, as machine code that computes addresses needs it."""
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable


def _by_rows(step: Step, rings: dict[Slot, Ring], rows: int) -> bool:
    """Whether row r of what a step reads and writes lies in the r-th of equally long parts of a ring's arrays."""
    for slot, offset, stride, columns in step.reach:
        if stride and slot in rings and (stride * rows != rings[slot].array.shape[1] or offset + columns > stride):
            return False
    return True


_loaded: dict[str, Callable[..., Any]] = {}
"""The functions by their sources.

They stay for as long as the process lives, for numba never gives their memory back: about 5 MB for one that it has
compiled, 1 MB for one that it found on disk. Sizes are no part of a source, so a graph has a few whatever its shapes.
"""


def _compiled(source: str, arguments: list[Any]) -> Callable[..., Any]:
    """The function of a segment's source; the same source gives the same function, also from an earlier run's cache."""
    if source not in _loaded:
        with compiling.measured():
            _loaded[source] = _loaded_or_compiled(source, arguments)
    return _loaded[source]


def _loaded_or_compiled(source: str, arguments: list[Any]) -> Callable[..., Any]:
    signature = (*[types.intp] * 6, *[types.int64[::1]] * 2, *arguments)
    path = _written(source.replace("CACHE", "True"))
    try:
        function = _imported(path)
        function.compile(signature)
        function.overloads[signature]  # Files that several processes have written may hold something else.
    except Exception:
        # Whatever is wrong with the files on disk, such as machine code of another version, must not matter.
        names: dict[str, Any] = {}
        exec(compile(source.replace("CACHE", "False"), "<segment>", "exec"), names)
        function = names["segment"]
    return function


def _imported(path: pathlib.Path) -> Callable[..., Any]:
    name = f"nodegraph_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.segment


def _written(source: str) -> pathlib.Path | None:
    """The file that holds the source, for numba to keep its machine code beside; None where nothing can be written."""
    digest = hashlib.sha256(source.encode())
    for module in (elementary, products, soft_max):
        digest.update(pathlib.Path(module.__file__).read_bytes())
    try:
        own = os.environ.get("NODEGRAPH_CACHE")
        folder = pathlib.Path(own) if own else pathlib.Path.home() / ".cache" / "nodegraph" / "kernels"
        path = folder / f"segment_{digest.hexdigest()[:24]}.py"
        if not (path.exists() and path.read_text(encoding="utf-8") == source):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".tmp", delete=False) as file:
                file.write(source)
            os.replace(file.name, path)
    except (OSError, RuntimeError):  # The latter where there is no home folder.
        return None
    return path
