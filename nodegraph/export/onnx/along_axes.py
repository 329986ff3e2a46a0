"""NumPy's reductions and products as ONNX operators."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import numpy as np

from nodegraph.export.onnx.arrays import FUNCTIONS, StandIn, records
from nodegraph.export.onnx.elementwise import broadcast, recorder_of, result_type
from nodegraph.export.onnx.recording import NotRecordable, Shape, Value
from nodegraph.nn.view import axis_of

REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}


def axes_of(axis: Any, ndim: int) -> list[int]:
    """The axes that an argument names, counted from the front; all for None."""
    if axis is None:
        return list(range(ndim))
    return [axis_of(operator.index(a), ndim) for a in (axis if isinstance(axis, (tuple, list)) else [axis])]


def reduced(shape: Shape, axes: list[int], keepdims: bool) -> Shape:
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def reduce(kind: str, x: StandIn, axis: Any = None, keepdims: bool = False) -> StandIn:
    """A reduction over axes; conditions count as 0 and 1."""
    recorder, axes, value = x.recorder, axes_of(axis, x.ndim), x.value
    if x.dtype.kind != "f" and (kind == "ReduceMean" or x.dtype.kind == "b"):
        value = recorder.cast(x, np.dtype(float if kind == "ReduceMean" else np.int64))
    shape = reduced(x.shape, axes, keepdims)
    if not axes:
        return StandIn(recorder, value)
    return StandIn(recorder, recorder.add(kind, value, recorder.integers(*axes), shape=shape, keepdims=int(keepdims)))


for _name, _kind in REDUCTIONS.items():
    FUNCTIONS[_name] = partial(reduce, _kind)
FUNCTIONS.update(amax=FUNCTIONS["max"], amin=FUNCTIONS["min"])


@records("all", "any")
def all_or_any(x: StandIn, *arguments: Any, **options: Any) -> StandIn:
    raise NotRecordable("a condition that depends on the numbers")


@records("argmax")
def argmax(x: StandIn, axis: int | None = None, keepdims: bool = False) -> StandIn:
    return _index_of("ArgMax", x, axis, keepdims)


@records("argmin")
def argmin(x: StandIn, axis: int | None = None, keepdims: bool = False) -> StandIn:
    return _index_of("ArgMin", x, axis, keepdims)


def _index_of(kind: str, x: StandIn, axis: int | None, keepdims: bool) -> StandIn:
    x, axis = (FUNCTIONS["ravel"](x), 0) if axis is None else (x, axis_of(axis, x.ndim))
    shape = reduced(x.shape, [axis], keepdims)
    return StandIn(x.recorder, x.recorder.add(kind, x, shape=shape, dtype=np.int64, axis=axis, keepdims=int(keepdims)))


@records("var")
def var(x: StandIn, axis: Any = None, keepdims: bool = False) -> StandIn:
    centred = x - x.mean(axis, keepdims=True)
    return (centred * centred).mean(axis, keepdims=keepdims)


@records("std")
def std(x: StandIn, axis: Any = None, keepdims: bool = False) -> StandIn:
    return np.sqrt(var(x, axis, keepdims))


@records("cumsum")
def cumsum(x: StandIn, axis: int | None = None) -> StandIn:
    x, axis = (FUNCTIONS["ravel"](x), 0) if axis is None else (x, axis_of(axis, x.ndim))
    return StandIn(x.recorder, x.recorder.add("CumSum", x, x.recorder.value(np.array(axis)), shape=x.shape))


@records("norm")
def norm(x: StandIn, ord: Any = None, axis: Any = None, keepdims: bool = False) -> StandIn:
    along_one = x.ndim == 1 if axis is None else np.size(axis) == 1
    if ord is not None and not (ord == 2 and along_one):
        raise NotRecordable(f"np.linalg.norm of order {ord!r}")
    return reduce("ReduceL2", x if x.dtype.kind == "f" else x.astype(float), axis, keepdims)


# Products


@records("dot")
def dot(a: Any, b: Any) -> StandIn:
    return matmul(a, b) if np.ndim(a) < 2 or np.ndim(b) < 3 else tensordot(a, b, (-1, -2))


@records("matmul")
def matmul(a: Any, b: Any) -> StandIn:
    recorder = recorder_of(a, b)
    dtype = result_type(a, b)
    left, right = np.shape(a), np.shape(b)
    if not left or not right:
        return a * b
    leading = broadcast(left[:-2], right[:-2])
    shape = (*leading, *left[-2:-1], *(right[-1:] if len(right) > 1 else ()))
    values = [recorder.cast(x, dtype) if isinstance(x, StandIn) or x.dtype != dtype else x for x in (a, b)]
    if dtype == np.float64 and any(isinstance(x, Value) and x.transposed for x in values):
        # Up to 1.25 onnxruntime makes one operator of a Transpose and a MatMul, which it has for float32 alone.
        rows, columns = "i" * (len(left) > 1), "k" * (len(right) > 1)
        return einsum(f"...{rows}j,...j{columns}->...{rows}{columns}", a, b)
    return StandIn(recorder, recorder.add("MatMul", *values, shape=shape))


@records("vecdot")
def vecdot(a: Any, b: Any, axis: int = -1) -> StandIn:
    return (a * b).sum(axis)


@records("einsum")
def einsum(equation: str, *operands: Any) -> StandIn:
    """An Einsum; an ellipsis is spelled out."""
    if "->" not in equation:
        raise NotRecordable("np.einsum without an arrow")
    sources, target = equation.replace(" ", "").split("->")
    lengths: dict[str, int] = {}
    terms = sources.split(",")
    extra = [np.ndim(x) - len(term.replace("...", "")) for term, x in zip(terms, operands)]
    letters = [c for c in "abcdefghijklmnopqrstuvwxyz" if c not in equation]
    terms = [term.replace("...", "".join(letters[max(extra) - n : max(extra)])) for term, n in zip(terms, extra)]
    target = target.replace("...", "".join(letters[: max(extra)]))
    for term, x in zip(terms, operands):
        lengths.update((c, n) for c, n in zip(term, np.shape(x)) if n != 1 or c not in lengths)
    recorder, dtype = recorder_of(*operands), result_type(*operands)
    values = [recorder.cast(x, dtype) for x in operands]
    shape = tuple(lengths[c] for c in target)
    return StandIn(recorder, recorder.add("Einsum", *values, shape=shape, equation=f"{','.join(terms)}->{target}"))


@records("tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> StandIn:
    if isinstance(axes, int):
        axes = list(range(np.ndim(a) - axes, np.ndim(a))), list(range(axes))
    left, right = axes_of(axes[0], np.ndim(a)), axes_of(axes[1], np.ndim(b))
    letters = "abcdefghijklmnopqrstuvwxyz"
    of_a = letters[: np.ndim(a)]
    fresh = iter(letters[np.ndim(a) :])
    of_b = "".join(of_a[left[right.index(i)]] if i in right else next(fresh) for i in range(np.ndim(b)))
    target = [c for c in of_a + of_b if (of_a + of_b).count(c) == 1]
    return einsum(f"{of_a},{of_b}->{''.join(target)}", a, b)
