"""Products of a few rows with a large matrix, for numba's loops.

A recurrent network multiplies some tens of rows by the same weights at every step. A BLAS library lays out the weights
anew each time; here they are laid out once for all steps of a run, in panels of as many columns as make one cache line,
and a tile of up to six rows and one panel is computed in registers:

    c[r, :] = sum over k of a[r, k] b[k, :]

This module needs numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nodegraph.engine import compiling

CACHE_LINE = 64
MOST_ROWS = 6
"""Rows of a tile: with AVX2 twelve of the sixteen registers hold its sums."""

ROWS_AT_A_TIME = 60
"""So many rows go through all panels together, so that they stay in the cache."""


ROWS_SUMMED = 256
"""So many rows of gradient and input go into the gradient of a weight together."""


def _kept(function: Callable[..., Any], *arguments: Any, **compiled: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled for arguments of these types, and kept on disk where there is a place to write to.

    What is found on disk counts only if it is for these types: numba's files may name one thing and hold another where
    several processes have written them at once.

    `compiled` are functions of numba's that it calls by these names. They become globals of its own: in a closure numba
    takes them for other functions in every process, and so never finds on disk what calls them.
    """
    if compiled:
        function = FunctionType(function.__code__, {**function.__globals__, **compiled}, closure=function.__closure__)
    with compiling.measured():
        try:
            kept = njit(nogil=True, cache=True)(function)
            kept.compile(arguments)
        except Exception:  # Whatever is wrong with the files must not matter.
            kept = None
        if kept is None or arguments not in kept.overloads:
            kept = njit(nogil=True)(function)
            kept.compile(arguments)
        kept.disable_compile()
        return kept


def lanes(dtype: Any) -> int:
    """The columns of a panel."""
    return CACHE_LINE // np.dtype(dtype).itemsize


def panels(inner: int, columns: int, dtype: Any) -> np.ndarray:
    """Where a matrix (inner, columns) and a row to add are laid out: (panels, inner + 1, lanes).

    What fills up the last panel stays zero.
    """
    n = lanes(dtype)
    return np.zeros(((columns + n - 1) // n, inner + 1, n), dtype)


@cache
def lay_out(dtype: Any) -> Callable[..., Any]:
    """The function `lay_out(weight, transposed, bias, panels, first, last)` for a dtype.

    It lays out panels `first` to `last` of a matrix, or of its transpose, with a bias, which may be empty.
    """

    def lay_out(weight, transposed, bias, into, first, last):  # type: ignore[no-untyped-def]
        n = into.shape[2]
        inner, columns = weight.shape[::-1] if transposed else weight.shape
        for panel in range(first, last):
            width = min(n, columns - panel * n)
            if transposed:
                for j in range(width):
                    row = weight[panel * n + j]
                    for k in range(inner):
                        into[panel, k, j] = row[k]
            else:
                for k in range(inner):
                    for j in range(width):
                        into[panel, k, j] = weight[k, panel * n + j]
            for j in range(width if bias.size else 0):
                into[panel, inner, j] = bias[panel * n + j]

    number = from_dtype(np.dtype(dtype))
    matrix, row, panels = number[:, ::1], number[::1], number[:, :, ::1]
    return _kept(lay_out, matrix, types.boolean, row, panels, types.intp, types.intp)


def _tile(rows: int, dtype: np.dtype) -> Callable[..., Any]:
    """An intrinsic for a tile of so many rows: c[r, :] = start[r, :] + sum over k of a[r, k] b[k, :].

    Addresses are in bytes, distances in elements.
    """
    size, count = dtype.itemsize, lanes(dtype)

    @intrinsic
    def tile(context, a, a_stride, a_step, b, start, start_stride, c, c_stride, inner):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
            a, a_stride, a_step, b, start, start_stride, c, c_stride, inner = arguments
            integer = inner.type
            number = ir.FloatType() if size == 4 else ir.DoubleType()
            vector = ir.VectorType(number, count)
            fma_type = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, fma_type, f"llvm.fma.v{count}f{8 * size}")
            undefined = ir.Constant(vector, ir.Undefined)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), count), None)

            def address(origin: Any, distance: Any) -> Any:
                return builder.add(origin, builder.mul(distance, integer(size)))

            def pointer(origin: Any, row: int, stride: Any, type: Any) -> Any:
                place = address(origin, builder.mul(integer(row), stride))
                return builder.inttoptr(place, type.as_pointer())

            def load(place: Any) -> Any:
                loaded = builder.load(place)
                loaded.align = size
                return loaded

            first = [load(pointer(start, r, start_stride, vector)) for r in range(rows)]
            before, loop = builder.block, builder.append_basic_block("inner")
            after = builder.append_basic_block("after")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(integer)
            sums = [builder.phi(vector) for _ in range(rows)]
            b_row = load(builder.inttoptr(address(b, builder.mul(k, integer(count))), vector.as_pointer()))
            a_column = address(a, builder.mul(k, a_step))
            new = []
            for r, total in enumerate(sums):
                x = builder.insert_element(undefined, load(pointer(a_column, r, a_stride, number)), ir.IntType(32)(0))
                new.append(builder.call(fma, [builder.shuffle_vector(x, undefined, everywhere), b_row, total]))
            following = builder.add(k, integer(1))
            k.add_incoming(integer(0), before)
            k.add_incoming(following, loop)
            for total, initial, more in zip(sums, first, new):
                total.add_incoming(initial, before)
                total.add_incoming(more, loop)
            builder.cbranch(builder.icmp_signed("<", following, inner), loop, after)
            builder.position_at_end(after)
            for r, total in enumerate(new):
                builder.store(total, pointer(c, r, c_stride, vector)).align = size
            return context.get_dummy_value()

        return types.void(*[types.intp] * 9), generate

    return tile


@cache
def _tiles(dtype: np.dtype) -> Callable[..., Any]:
    """The function that computes any number of rows of one panel, in tiles of about equally many rows.

    Its first argument is a number of the dtype and tells nothing but that. Numba names machine code after the types of
    the arguments and a count that each process begins anew, and code of one name from different processes, kept on
    disk, stands for each other. So functions of different dtypes must differ in the types of their arguments.
    """
    size = dtype.itemsize
    tile1, tile2, tile3, tile4, tile5, tile6 = (_tile(rows, dtype) for rows in range(1, MOST_ROWS + 1))

    @njit(nogil=True, inline="never")
    def tiles(number_of_the_dtype, rows, a, a_stride, a_step, b, start, start_stride, c, c_stride, inner):  # type: ignore[no-untyped-def]
        number = (rows + MOST_ROWS - 1) // MOST_ROWS
        least, more = rows // number, rows % number
        for i in range(number):
            n = least + 1 if i < more else least
            if n == 6:
                tile6(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            elif n == 5:
                tile5(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            elif n == 4:
                tile4(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            elif n == 3:
                tile3(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            elif n == 2:
                tile2(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            else:
                tile1(a, a_stride, a_step, b, start, start_stride, c, c_stride, inner)
            a += size * n * a_stride
            c += size * n * c_stride
            start += size * n * start_stride

    return tiles


@cache
def product(dtype: Any) -> Callable[..., Any]:
    """The function `multiply(r0, r1, a, offset, stride, panels, c, c_offset, c_stride, columns)` for a dtype.

    It computes rows r0 to r1 of c = a b + bias. Row r of `a` starts at offset + r x stride; so with `c`.
    """
    dtype = np.dtype(dtype)
    size, count, tiles, zero = dtype.itemsize, lanes(dtype), _tiles(dtype), dtype.type(0)

    @njit(nogil=True, inline="never")
    def multiply(r0, r1, a, offset, stride, panels, c, c_offset, c_stride, columns):  # type: ignore[no-untyped-def]
        inner = panels.shape[1] - 1
        a_start, c_start = a.ctypes.data + size * offset, c.ctypes.data + size * c_offset
        whole = columns // count
        edge = np.empty((ROWS_AT_A_TIME if whole < panels.shape[0] else 0, count), dtype)
        for first in range(r0, r1, ROWS_AT_A_TIME):
            rows = min(ROWS_AT_A_TIME, r1 - first)
            a_at = a_start + size * first * stride
            for panel in range(panels.shape[0]):
                b = panels.ctypes.data + size * panel * (inner + 1) * count
                bias = b + size * inner * count
                if panel < whole:
                    c_at = c_start + size * (first * c_stride + panel * count)
                    tiles(zero, rows, a_at, stride, 1, b, bias, 0, c_at, c_stride, inner)
                    continue
                tiles(zero, rows, a_at, stride, 1, b, bias, 0, edge.ctypes.data, count, inner)
                for r in range(rows):
                    for j in range(columns - whole * count):
                        c[c_offset + (first + r) * c_stride + whole * count + j] = edge[r, j]

    return multiply


@njit(nogil=True, inline="never")
def look_up(r0, r1, indices, panels, c, c_offset, c_stride, columns):  # type: ignore[no-untyped-def]
    """Rows r0 to r1 of the product of one-hot rows with a matrix that is laid out in panels."""
    count, bias = panels.shape[2], panels.shape[1] - 1
    for r in range(r0, r1):
        index, start = indices[r], c_offset + r * c_stride
        for panel in range(panels.shape[0]):
            width = min(count, columns - panel * count)
            row, last, into = panels[panel, index], panels[panel, bias], c[start + panel * count :]
            for j in range(width):
                into[j] = row[j] + last[j]


@njit(nogil=True, inline="never")
def look_up_few(r0, r1, indices, weight, bias, c, c_offset, c_stride):  # type: ignore[no-untyped-def]
    """The same with the weight as it is, and the bias, which may be empty."""
    for r in range(r0, r1):
        into = c[c_offset + r * c_stride :]
        for n in range(weight.shape[0]):
            into[n] = weight[n, indices[r]] + bias[n] if bias.size else weight[n, indices[r]]


@cache
def add_columns(dtype: Any) -> Callable[..., Any]:
    """What `outer_product` gives, for one-hot rows of the input, of which the indices are given."""

    def add(gradient, indices, scale, weight, bias, first, last):  # type: ignore[no-untyped-def]
        sums = np.zeros((weight.shape[1], last - first), weight.dtype)
        for r in range(len(indices)):
            row, into = gradient[r, first:last], sums[indices[r]]
            for n in range(last - first):
                into[n] += row[n] * scale
        for k in range(len(sums)):
            for n in range(last - first):
                weight[first + n, k] += sums[k, n]
                if bias.size:
                    bias[first + n] += sums[k, n]

    number = from_dtype(np.dtype(dtype))
    matrix, row = number[:, ::1], number[::1]
    return _kept(add, matrix, types.intp[::1], number, matrix, row, types.intp, types.intp)


@cache
def product_of_few(dtype: Any) -> Callable[..., Any]:
    """The function `multiply_few` for a dtype: the same for so few rows that laying out the weight is not worth it.

    It takes the weight itself, which is `transposed` or not, and the bias, which may be empty.
    """
    zero = np.dtype(dtype).type(0)

    @njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"}, inline="never")
    def multiply_few(r0, r1, a, offset, stride, weight, transposed, bias, c, c_offset, c_stride):  # type: ignore[no-untyped-def]
        outputs, inputs = weight.shape
        for r in range(r0, r1):
            x, y = a[offset + r * stride :], c[c_offset + r * c_stride :]
            if transposed:
                for n in range(outputs):
                    row, total = weight[n], zero
                    for k in range(inputs):
                        total += row[k] * x[k]
                    y[n] = total + bias[n] if bias.size else total
                continue
            for k in range(inputs):
                y[k] = zero
            for n in range(outputs):
                row, factor = weight[n], x[n]
                for k in range(inputs):
                    y[k] += factor * row[k]

    return multiply_few


@cache
def _gather(dtype: np.dtype) -> Callable[..., Any]:
    """The function that lays out `width` columns of some rows of a matrix in a panel, times a number."""
    count = lanes(dtype)

    @njit(nogil=True, inline="never")
    def gather(matrix, start, rows, column, width, scale, panel):  # type: ignore[no-untyped-def]
        if width == count:
            for r in range(rows):
                row = matrix[start + r, column : column + count]
                for j in range(count):
                    panel[r, j] = row[j] * scale
        else:
            for r in range(rows):
                for j in range(width):
                    panel[r, j] = matrix[start + r, column + j] * scale

    return gather


tiles: Any = None
gather: Any = None
"""In machine code, what `_tiles` and `_gather` give for its dtype."""


@cache
def outer_product(dtype: Any) -> Callable[..., Any]:
    """The function `add(gradient, input, scale, weight, bias, first, last)` for a dtype: a Linear's gradients.

    To rows `first` to `last` of `weight` it adds scale x gradient' input, to those of `bias`, which may be empty, scale
    times the sum of the gradient's rows. All rows at once would not fit into the cache, so it takes some hundred at a
    time, and lays out both in panels.
    """
    dtype = np.dtype(dtype)
    size, count, one = dtype.itemsize, lanes(dtype), dtype.type(1)

    def add(gradient, input, scale, weight, bias, first, last):  # type: ignore[no-untyped-def]
        rows, inner = input.shape
        n_panels, whole = (inner + count - 1) // count, inner // count
        panels = np.zeros((n_panels, ROWS_SUMMED, count), dtype)
        strip = np.zeros((ROWS_SUMMED, count), dtype)
        edge = np.zeros((count, count), dtype)
        for start in range(0, rows, ROWS_SUMMED):
            some = min(ROWS_SUMMED, rows - start)
            for panel in range(n_panels):
                gather(input, start, some, panel * count, min(count, inner - panel * count), one, panels[panel])
            for r in range(some if bias.size else 0):
                row, sums = gradient[start + r, first:last], bias[first:last]
                for n in range(last - first):
                    sums[n] += row[n] * scale
            for n in range(first, last, count):
                width = min(count, last - n)
                gather(gradient, start, some, n, width, scale, strip)
                a = strip.ctypes.data
                for panel in range(n_panels):
                    b = panels.ctypes.data + size * panel * ROWS_SUMMED * count
                    if panel < whole:
                        c = weight.ctypes.data + size * (n * inner + panel * count)
                        tiles(one, width, a, 1, count, b, c, inner, c, inner, some)
                        continue
                    for i in range(width):
                        for j in range(inner - whole * count):
                            edge[i, j] = weight[n + i, whole * count + j]
                    e = edge.ctypes.data
                    tiles(one, width, a, 1, count, b, e, count, e, count, some)
                    for i in range(width):
                        for j in range(inner - whole * count):
                            weight[n + i, whole * count + j] = edge[i, j]

    number = from_dtype(dtype)
    matrix, row = number[:, ::1], number[::1]
    arguments = matrix, matrix, number, matrix, row, types.intp, types.intp
    return _kept(add, *arguments, tiles=_tiles(dtype), gather=_gather(dtype))
