"""NumbaMachine: all time steps of a segment in one compiled function, its rows shared out among threads."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba import types

from nodegraph.engine import compiling, elementary, products, threads
from nodegraph.engine.code import Place
from nodegraph.engine.machine import PER_OPERATION, REUSED, Machine, work
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, Slot, Step

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "greater": ">", "greater_equal": ">=",
    "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|",
    "logical_and": "&", "logical_or": "|",
}  # fmt: skip
TEMPLATES = {
    "negative": "-{0}", "square": "{0} * {0}", "absolute": "abs({0})", "where": "{1} if {0} else {2}",
    "sign": "np.sign({0})",
    "maximum": "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
    "minimum": "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
}  # fmt: skip


ALL = -1
"""Stands for all rows of a step, where steps have different numbers of rows."""


class NumbaMachine(Machine):
    """Every segment is a function of the time steps and of the rows to run, which knows no Python while it runs.

    Each row of a batch depends on no other, so threads share out the rows and need not wait for each other; the numbers
    do not depend on how many there are, but for sums over rows.
    """

    def __init__(self, program: Any) -> None:
        self.dtype = program.dtype
        self.rows = next(step.rows for step in program.forward_steps if isinstance(step, (Pass, Multiply, LookUp)))
        self.threads = self._threads(program)
        super().__init__(program)

    def _threads(self, program: Any) -> int:
        steps = [
            s for s in [*program.forward_steps, *program.backward_steps] if isinstance(s, (Pass, Multiply, LookUp))
        ]
        if not all(step.rows == self.rows and _by_rows(step, program.rings, self.rows) for step in steps):
            return 1
        return min(threads.worth(work(program.forward_steps, program.steps)), self.rows)

    def add_gradients(self, module: Any, input: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        work = len(input) * module.weight.size
        if not self._add(products.outer_product(self.dtype), work, module, input, gradient, scale):
            super().add_gradients(module, input, gradient, scale)

    def add_gradients_of_columns(self, module: Any, indices: np.ndarray, gradient: np.ndarray, scale: float) -> None:
        work = PER_OPERATION * gradient.size
        if not self._add(products.add_columns, work, module, indices, gradient, scale):
            super().add_gradients_of_columns(module, indices, gradient, scale)

    def _add(
        self, add: Callable[..., Any], work: int, module: Any, input: np.ndarray, gradient: np.ndarray, scale: float
    ) -> bool:
        """Share out the columns of the gradient; False where machine code cannot take the arrays or is not worth it."""
        if len(input) < REUSED or not _is_plain(module.grad_weight, self.dtype):
            return False
        columns, width, count = gradient.shape[1], products.lanes(self.dtype), threads.worth(work)
        bias = module.grad_bias if module.bias is not None else np.empty(0, self.dtype)
        strips = -(-columns // width)

        def share(thread: int) -> None:
            first, last = (strips * i // count * width for i in (thread, thread + 1))
            add(gradient, input, self.dtype.type(scale), module.grad_weight, bias, first, min(last, columns))

        threads.run(share, count)
        return True

    def segment(self, steps: list[Step]) -> _Segment:
        return _Segment(steps, self.dtype, self.steps)

    def bound(self, segment: _Segment, rings: dict[Slot, Ring]) -> Callable[[Sequence[int]], None]:
        arguments = [*segment.over(rings), *segment.weights(self.threads)]
        function, count = segment.function, self.threads
        shares = [self.rows * i // count for i in range(count)] + [self.rows if count > 1 else ALL]

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
        self._places = np.array([n for step in steps for n in _numbers(step)], np.int64)
        self._rings: list[Ring] = []
        self._arrays: list[np.ndarray] = []
        element = numba.from_dtype(np.dtype(dtype))
        types_of_weights = [element[:, ::1], element[::1]] * len(self._few) + [element[:, :, ::1]] * len(self._many)
        source = _source(steps, self._slots, np.dtype(dtype), self._few, self._many)
        types_of_rings = [types.int64[:, ::1] if slot[0] == "index" else element[:, ::1] for slot in self._slots]
        self.function = _compiled(source, [*types_of_rings, *types_of_weights])

    def over(self, rings: dict[Slot, Ring]) -> list[np.ndarray]:
        """The arguments that the rings make."""
        now = [rings[slot] for slot in self._slots]
        if len(now) != len(self._rings) or any(a is not b for a, b in zip(now, self._rings)):
            turns = np.array([n for ring in now for n in (ring.shift, len(ring.array))], np.int64)
            self._rings, self._arrays = now, [self._places, turns, *[_writeable(ring.array) for ring in now]]
        return self._arrays

    def weights(self, count: int) -> list[np.ndarray]:
        """The arguments that the weights make, as they are now, by so many threads."""

        def share(thread: int) -> None:
            for product, panels in zip(self._many, self._panels):
                first, last = (len(panels) * i // count for i in (thread, thread + 1))
                bias = self._nothing if product.bias is None else product.bias
                products.lay_out(product.module.weight, product.transposed, bias, panels, first, last)

        if self._many:
            threads.run(share, count)
        found = []
        for product in self._few:
            bias = self._nothing if product.bias is None else product.bias
            found += [_writeable(np.ascontiguousarray(array)) for array in (product.module.weight, bias)]
        return [*found, *self._panels]


def _writeable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of one that is read-only, which to numba is another type."""
    return array if array.flags.writeable else array.copy()


def _is_plain(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether the array is laid out row after row, as machine code that computes addresses needs it."""
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable


def _by_rows(step: Step, rings: dict[Slot, Ring], rows: int) -> bool:
    """Whether row r of what a step reads and writes lies in the r-th of equally long parts of a ring's arrays."""
    for slot, offset, stride, columns in step.reach:
        if stride and slot in rings and (stride * rows != rings[slot].array.shape[1] or offset + columns > stride):
            return False
    return True


def _numbers(step: Step) -> list[int]:
    """The numbers that the function of a segment needs about a step: the source depends on none of them."""
    if isinstance(step, (Multiply, LookUp)):
        return [step.rows, *step.source[1:], *step.into[1:], step.columns]
    return [step.rows, step.columns, *[n for _, *place in step.places for n in place]]


def _source(steps: list[Step], slots: list[Slot], dtype: np.dtype, few: list[Multiply], many: list[Multiply]) -> str:
    """The text of a module that holds the steps as a function `segment`."""
    writer = _Writer(dtype)
    body, kernels, at = [], {}, 0
    for step in steps:
        rows = f"r0, P[{at}] if r1 == {ALL} else r1"
        if isinstance(step, (Multiply, LookUp)):
            (source, *_), (into, *_) = step.source, step.into
            a, c, p = f"a{slots.index(source)}", f"a{slots.index(into)}", [f"P[{at + i}]" for i in range(6)]
            k = 2 * few.index(step) if step in few else 2 * len(few) + many.index(step)
            out = f"{c}, {p[3]}, {p[4]}"
            if isinstance(step, LookUp):
                few_or_many = (
                    f"_few({rows}, {a}, W{k}, W{k + 1}, {out}" if step in few else f"({rows}, {a}, W{k}, {out}, {p[5]}"
                )
                body.append(f"look_up{few_or_many})")
            elif step in few:
                body.append(f"multiply_few({rows}, {a}, {p[1]}, {p[2]}, W{k}, {step.transposed}, W{k + 1}, {out})")
            else:
                body.append(f"multiply({rows}, {a}, {p[1]}, {p[2]}, W{k}, {out}, {p[5]})")
        else:
            text = writer.kernel(step)
            name = kernels.setdefault(text, f"kernel{len(kernels)}")
            arrays = "".join(f", a{slots.index(slot)}" for slot, *_ in step.places)
            body.append(f"{name}({rows}, P[{at + 1}:]{arrays})")
        at += len(_numbers(step))
    sums = {slot for step in steps if isinstance(step, Pass) for slot, *_ in step.sums}
    lines = [
        "import numpy as np",
        "from numba import njit",
        "from nodegraph.engine.elementary import function",
        "from nodegraph.engine.products import look_up, look_up_few, product, product_of_few",
        f"multiply, multiply_few = product(np.{dtype.name}), product_of_few(np.{dtype.name})",
        *[f"{name} = function({name!r}, np.{dtype.name})" for name in sorted(writer.functions)],
        *[f"{name} = np.{dtype.name}(float({str(value)!r}))" for value, name in writer.constants.items()],
        *[line for text, name in kernels.items() for line in text.replace("NAME", name).splitlines()],
        '@njit(cache=CACHE, error_model="numpy", nogil=True)',
        f"def segment(first, last, step, r0, r1, thread, P, S, "
        f"{', '.join([f'A{k}' for k in range(len(slots))] + [f'W{k}' for k in range(2 * len(few) + len(many))])}):",
        "    t = first",
        "    while t != last:",
        *[
            f"        a{k} = A{k}[" + ("thread]" if slot in sums else f"(t + S[{2 * k}]) % S[{2 * k + 1}]]")
            for k, slot in enumerate(slots)
        ],
        *[f"        {line}" for line in body],
        "        t += step",
    ]
    return "\n".join(lines) + "\n"


class _Writer:
    """Writes passes as functions of the rows to run. Each row of an array becomes a slice, so that LLVM sees runs."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype, self.constants, self.functions = dtype, {}, set()

    def kernel(self, kernel: Pass) -> str:
        body = [f"x{i} = {self._operation(*operation)}" for i, operation in enumerate(kernel.code.operations)]
        places, first = kernel.places, len(kernel.loads)
        body += [f"b{first + k}[j] = {self._operand(value)}" for k, (*_, value) in enumerate(kernel.stores)]
        first += len(kernel.stores)
        body += [f"b{first + k}[j] += {self._operand(value)}" for k, (*_, value) in enumerate(kernel.sums)]
        slices = [f"b{k} = a{k}[P[{2 * k + 1}] + r * P[{2 * k + 2}]:][:columns]" for k in range(len(places))]
        return "\n".join(
            [
                '@njit(error_model="numpy", fastmath={"contract"}, nogil=True)',
                f"def NAME(r0, r1, P{''.join(f', a{k}' for k in range(len(places)))}):",
                "    columns = P[0]",
                "    for r in range(r0, r1):",
                *[f"        {line}" for line in slices],
                "        for j in range(columns):",
                *[f"            {line}" for line in body],
            ]
        )

    def _operand(self, argument: Any) -> str:
        if isinstance(argument, Place):
            return f"x{int(argument)}"
        return self.constants.setdefault(float(argument), f"C{len(self.constants)}")

    def _operation(self, function: str, arguments: tuple[Any, ...]) -> str:
        if function == "load":
            return f"b{arguments[0]}[j]"
        operands = [self._operand(argument) for argument in arguments]
        if function in INFIX:
            return f" {INFIX[function]} ".join(operands)
        if function in elementary.FUNCTIONS[self.dtype]:
            self.functions.add(function)
            return f"{function}({operands[0]})"
        if function in TEMPLATES:
            return TEMPLATES[function].format(*operands)
        return f"np.{function}({', '.join(operands)})"


_loaded: dict[str, Callable[..., Any]] = {}


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
    for module in (elementary, products):
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
