"""The elementary functions of the compiled kernels beside NumPy's: nanoseconds an element, float32, one thread.

    python tests/benchmarks/bench_elementary.py

Each figure is the best of several runs over an array that stays where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numba import njit

from nodegraph.engine.elementary import FUNCTIONS
from nodegraph.nn.activation import sigmoid

SIZES = [6400, 1_000_000]
RUNS, ELEMENTS = 15, 3_000_000
"""Timed runs, and the elements that each of them computes, in as many calls as it takes."""


def loop(function: Callable) -> Callable[[np.ndarray, np.ndarray], None]:
    @njit(error_model="numpy")
    def kernel(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    return kernel


def nanoseconds(call: Callable[[np.ndarray, np.ndarray], object], size: int) -> float:
    x = np.random.default_rng(0).uniform(0.01, 5, size).astype(np.float32)
    y = np.empty_like(x)
    call(x, y)
    calls, times = ELEMENTS // size, []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(calls):
            call(x, y)
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / (calls * size)


if __name__ == "__main__":
    print(f"{'':10}" + "".join(f"{size:>12} {'NumPy':>8}" for size in SIZES))
    for name, compiled in FUNCTIONS[np.dtype(np.float32)].items():
        numpy_function = getattr(np, name, None) or (lambda x, y: np.copyto(y, sigmoid(x)))
        kernel = loop(compiled)
        figures = [(nanoseconds(kernel, size), nanoseconds(numpy_function, size)) for size in SIZES]
        print(f"{name:10}" + "".join(f"{ours:12.2f} {numpy:8.2f}" for ours, numpy in figures))
