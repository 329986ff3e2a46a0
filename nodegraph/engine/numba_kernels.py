"""Kernels as loops compiled by numba, and kept on disk from run to run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

from nodegraph.engine.code import Place
from nodegraph.engine.elementary import FUNCTIONS
from nodegraph.engine.kernel import Pass, Slot

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "greater": ">", "greater_equal": ">=",
    "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|",
    "logical_and": "&", "logical_or": "|",
}  # fmt: skip
TEMPLATES = {
    "negative": "-{0}", "square": "{0} * {0}", "absolute": "abs({0})", "where": "{1} if {0} else {2}",
    "maximum": "{0} if {0} >= {1} else ({1} if {1} == {1} else {1})", "sign": "np.sign({0})",
}  # fmt: skip


class NumbaKernel:
    """A pass of a kernel as one compiled loop. Each row of an array becomes a slice, so that LLVM sees runs of numbers.

    The source depends on the operations alone; rows, columns and the places of the arrays' parts are arguments.
    """

    def __init__(self, kernel: Pass, dtype: np.dtype) -> None:
        self.kernel = kernel
        places = [place[1:3] for place in [*kernel.loads, *kernel.stores]]
        self._places = np.array(places, dtype=np.int64).reshape(-1)
        self._slots = kernel.slots
        dtype = np.dtype(dtype)
        self._function = _compiled(_source(kernel, dtype), len(self._slots), dtype)

    def prepare(self, arrays: dict[Slot, list[np.ndarray]], steps: int) -> list[tuple[np.ndarray, ...]]:
        """For each time step the arrays that the pass reads and writes."""
        return list(zip(*[arrays[slot] for slot in self._slots]))

    def __call__(self, arrays: tuple[np.ndarray, ...]) -> None:
        self._function(self.kernel.rows, self.kernel.columns, self._places, *arrays)


def _source(kernel: Pass, dtype: np.dtype) -> str:
    """The text of a module that holds the pass as a function `kernel`."""
    code, slots = kernel.code, kernel.slots
    constants: dict[float, str] = {}

    def operand(argument: Any) -> str:
        if isinstance(argument, Place):
            return f"x{int(argument)}"
        return constants.setdefault(float(argument), f"C{len(constants)}")

    body, used = [], set()
    for i, (function, arguments) in enumerate(code.operations):
        if function == "load":
            text = f"a{arguments[0]}[j]"
        elif function in INFIX:
            text = f" {INFIX[function]} ".join(map(operand, arguments))
        elif function in FUNCTIONS[dtype]:
            used.add(function)
            text = f"{function}({operand(arguments[0])})"
        elif function in TEMPLATES:
            text = TEMPLATES[function].format(*map(operand, arguments))
        else:
            text = f"np.{function}({', '.join(map(operand, arguments))})"
        body.append(f"x{i} = {text}")
    body += [f"b{k}[j] = {operand(value)}" for k, (*_, value) in enumerate(kernel.stores)]
    parts = [("a", k, slot) for k, (slot, *_) in enumerate(kernel.loads)]
    parts += [("b", k, slot) for k, (slot, *_) in enumerate(kernel.stores)]
    slices = [
        f"{letter}{k} = A{slots.index(slot)}[P[{2 * i}] + r * P[{2 * i + 1}]:][:columns]"
        for i, (letter, k, slot) in enumerate(parts)
    ]
    lines = [
        "import numpy as np",
        "from numba import njit",
        "from nodegraph.engine.elementary import function",
        *[f"{name} = function({name!r}, np.{dtype.name})" for name in sorted(used)],
        *[f"{name} = np.{dtype.name}(float({str(value)!r}))" for value, name in constants.items()],
        '@njit(cache=CACHE, error_model="numpy", fastmath={"contract"}, nogil=True)',
        f"def kernel(rows, columns, P, {', '.join(f'A{k}' for k in range(len(slots)))}):",
        "    for r in range(rows):",
        *[f"        {line}" for line in slices],
        "        for j in range(columns):",
        *[f"            {line}" for line in body],
    ]
    return "\n".join(lines) + "\n"


_loaded: dict[str, Callable] = {}


def _compiled(source: str, arrays: int, dtype: np.dtype) -> Callable:
    """The function of a kernel's source; the same source gives the same function, also from an earlier run's cache."""
    if source not in _loaded:
        element = numba.from_dtype(dtype)
        signature = (types.intp, types.intp, types.int64[::1], *[element[::1]] * arrays)
        path = _written(source.replace("CACHE", "True"))
        try:
            _loaded[source] = _imported(path)
            _loaded[source].compile(signature)
        except Exception:
            # Whatever is wrong with the files on disk, such as machine code of another version, must not matter.
            names: dict[str, Any] = {}
            exec(compile(source.replace("CACHE", "False"), "<kernel>", "exec"), names)
            _loaded[source] = names["kernel"]
    return _loaded[source]


def _imported(path: pathlib.Path) -> Callable:
    name = f"nodegraph_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


def _written(source: str) -> pathlib.Path | None:
    """The file that holds the source, for numba to keep its machine code beside; None where nothing can be written."""
    folder = pathlib.Path(os.environ.get("NODEGRAPH_CACHE") or pathlib.Path.home() / ".cache" / "nodegraph" / "kernels")
    path = folder / f"kernel_{hashlib.sha256(source.encode()).hexdigest()[:24]}.py"
    try:
        if not (path.exists() and path.read_text() == source):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as file:
                file.write(source)
            os.replace(file.name, path)
    except OSError:
        return None
    return path
