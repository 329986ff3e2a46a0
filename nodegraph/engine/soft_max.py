"""Soft-max and log-soft-max of rows, for numba's loops, forward and backward.

Each row is taken less its largest number, so that no exponential is too large:

    soft-max       y = exp(x) / sum exp(x)      dx = y (dy - sum(y dy))
    log-soft-max   y = x - log sum exp(x)       dx = dy - exp(y) sum(dy)

A row with a NaN, or with infinity for its largest number, becomes NaN.

This module needs numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from nodegraph.engine.elementary import function

_loop = njit(nogil=True, error_model="numpy", fastmath={"contract"}, inline="never")
_sum = njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
"""For sums alone, which may be formed in any order, and so by vector instructions."""


@cache
def soft_max(dtype: Any) -> Callable[..., Any]:
    """The function `soft_max(r0, r1, log, columns, a, a_offset, a_stride, c, c_offset, c_stride)` for a dtype.

    It computes rows r0 to r1 of `c` from those of `a`; row r of `a` starts at a_offset + r x a_stride; so with `c`.
    """
    exp, log_of, zero = function("exp", dtype), function("log", dtype), np.dtype(dtype).type(0)

    @_sum
    def sum_of_exp(x, largest):  # type: ignore[no-untyped-def]
        total = zero
        for j in range(x.size):
            total += exp(x[j] - largest)
        return total

    @_loop
    def forward(r0, r1, log, columns, a, a_offset, a_stride, c, c_offset, c_stride):  # type: ignore[no-untyped-def]
        for r in range(r0, r1):
            x, y = a[a_offset + r * a_stride :][:columns], c[c_offset + r * c_stride :][:columns]
            largest = x[0]
            for j in range(columns):
                largest = x[j] if x[j] > largest else largest
            total = sum_of_exp(x, largest)
            if log:
                subtracted = log_of(total)
                for j in range(columns):
                    y[j] = (x[j] - largest) - subtracted
            else:
                for j in range(columns):
                    y[j] = exp(x[j] - largest) / total

    return forward


@cache
def soft_max_backward(dtype: Any) -> Callable[..., Any]:
    """The function `soft_max_backward(r0, r1, log, columns, g, ..., y, ..., c, ...)` for a dtype.

    From rows of the output's gradient `g` and of the output `y` it computes those of the input's gradient `c`; each
    array is followed by offset and stride, as above.
    """
    exp, zero = function("exp", dtype), np.dtype(dtype).type(0)

    @_sum
    def sum_of(x):  # type: ignore[no-untyped-def]
        total = zero
        for j in range(x.size):
            total += x[j]
        return total

    @_sum
    def sum_of_products(x, y):  # type: ignore[no-untyped-def]
        total = zero
        for j in range(x.size):
            total += x[j] * y[j]
        return total

    @_loop
    def backward(r0, r1, log, columns, g, g_offset, g_stride, y, y_offset, y_stride, c, c_offset, c_stride):  # type: ignore[no-untyped-def]
        for r in range(r0, r1):
            gradient, output = g[g_offset + r * g_stride :][:columns], y[y_offset + r * y_stride :][:columns]
            into = c[c_offset + r * c_stride :][:columns]
            if log:
                total = sum_of(gradient)
                for j in range(columns):
                    into[j] = gradient[j] - exp(output[j]) * total
            else:
                total = sum_of_products(gradient, output)
                for j in range(columns):
                    into[j] = output[j] * (gradient[j] - total)

    return backward
