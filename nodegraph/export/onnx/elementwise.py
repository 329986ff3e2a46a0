"""NumPy's functions of single elements as ONNX operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.engine.code import argument_of_sigmoid
from nodegraph.export.onnx.arrays import FUNCTIONS, StandIn, records
from nodegraph.export.onnx.recording import NotRecordable, Recorder, Shape, Value
from nodegraph.export.onnx.sizes import Size

BINARY = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "power": "Pow",
}  # fmt: skip
COMPARISONS = {
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual",
    "equal": "Equal",
}  # fmt: skip
CONNECTIVES = {"and": "And", "or": "Or", "xor": "Xor"}
UNARY = {
    "negative": "Neg", "absolute": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh",
    "sin": "Sin", "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "rint": "Round",
}  # fmt: skip
SINGLE = {
    "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh",
}  # fmt: skip
"""Functions that onnxruntime has for float32 only: there float64 is rounded."""


def recorder_of(*operands: Any) -> Recorder:
    return next(x.recorder for x in operands if isinstance(x, StandIn))


def broadcast(*shapes: Shape) -> Shape:
    """The shape to which shapes broadcast."""
    ndim = max(map(len, shapes))
    result: list[int] = [1] * ndim
    for shape in shapes:
        for place, n in enumerate(shape, ndim - len(shape)):
            if n != 1:
                if result[place] not in (1, n):
                    raise ValueError(f"the shapes {' and '.join(map(str, shapes))} do not broadcast")
                result[place] = n
    return tuple(result)


def common(*operands: Any, kind: str = "") -> tuple[Recorder, list[Value], Shape]:
    """The operands in the type that NumPy gives them together, and the shape to which they broadcast.

    `kind` "f" makes whole numbers floating-point ones, as NumPy's functions do.
    """
    recorder = recorder_of(*operands)
    dtype = result_type(*operands)
    if kind == "f" and dtype.kind != "f":
        dtype = np.dtype(float)
    shape = broadcast(*(np.shape(x) for x in operands))
    return recorder, [recorder.cast(x, dtype) for x in operands], shape


def elementwise(kind: str, *operands: Any, floating: bool = False, result: Any = None) -> StandIn:
    """An operator on operands of one type."""
    recorder, values, shape = common(*operands, kind="f" if floating else "")
    return StandIn(recorder, recorder.add(kind, *values, shape=shape, dtype=result))


def _define() -> None:
    for name, kind in BINARY.items():
        FUNCTIONS[name] = lambda a, b, kind=kind: elementwise(kind, a, b)
    for name, kind in COMPARISONS.items():
        FUNCTIONS[name] = lambda a, b, kind=kind: elementwise(kind, a, b, result=bool)
    for name, kind in CONNECTIVES.items():
        FUNCTIONS[f"logical_{name}"] = lambda a, b, kind=kind: elementwise(kind, truth(a), truth(b))
        FUNCTIONS[f"bitwise_{name}"] = lambda a, b, kind=kind: elementwise(kind, bits(a), bits(b))
    for name, kind in UNARY.items():
        exact = kind in ("Neg", "Abs", "Sign")
        FUNCTIONS[name] = lambda x, kind=kind, exact=exact: elementwise(kind, x, floating=not exact)
    for name, kind in SINGLE.items():
        FUNCTIONS[name] = lambda x, kind=kind: _in_single(kind, x)
    FUNCTIONS["fabs"] = FUNCTIONS["absolute"]


def truth(x: Any) -> Any:
    """Where the elements are true: for numbers, where they are not 0."""
    return x if result_type(x).kind == "b" else np.not_equal(x, 0)


def bits(x: Any) -> Any:
    """The operand of an operation on bits, which ONNX has for conditions alone."""
    if result_type(x).kind != "b":
        raise NotRecordable("an operation on the bits of whole numbers")
    return x


def _in_single(kind: str, x: StandIn) -> StandIn:
    recorder, (value,), shape = common(x, kind="f")
    rounded = recorder.add(kind, recorder.cast(value, np.dtype(np.float32)), shape=shape)
    return StandIn(recorder, recorder.cast(rounded, value.dtype))


_define()


def _is_plain(x: Any) -> bool:
    return not isinstance(x, StandIn) and np.ndim(x) == 0


@records("divide")
def divide(a: Any, b: Any) -> StandIn:
    quotient = elementwise("Div", a, b, floating=True)
    quotient.function, quotient.arguments = "divide", (a, b)
    inner = argument_of_sigmoid(quotient)
    return quotient if inner is None else elementwise("Sigmoid", inner, floating=True)


@records("maximum")
def maximum(a: Any, b: Any) -> StandIn:
    is_rectifier = _is_plain(b) and b == 0 and isinstance(a, StandIn) and a.dtype.kind == "f"
    return elementwise("Relu", a) if is_rectifier else elementwise("Max", a, b)


@records("minimum")
def minimum(a: Any, b: Any) -> StandIn:
    if isinstance(a, StandIn) and a.function == "maximum" and all(map(_is_plain, (a.arguments[1], b))):
        return clip(a.arguments[0], a.arguments[1], b)
    return elementwise("Min", a, b)


@records("clip")
def clip(x: StandIn, low: Any = None, high: Any = None) -> StandIn:
    if not all(map(_is_plain, (low, high))):
        return np.minimum(np.maximum(x, low), high)
    if x.dtype == np.float64:  # onnxruntime joins a Clip to a Relu before it, and cannot in this type.
        above = x if low is None else elementwise("Max", x, low)
        return above if high is None else elementwise("Min", above, high)
    bounds = [None if bound is None else x.recorder.number(bound, x) for bound in (low, high)]
    return StandIn(x.recorder, x.recorder.add("Clip", x, *bounds, shape=x.shape))


@records("positive", "copy")
def same(x: StandIn, order: str = "K") -> StandIn:
    return StandIn(x.recorder, x.value)


@records("square")
def square(x: StandIn) -> StandIn:
    return elementwise("Mul", x, x)


@records("cos")
def cos(x: StandIn) -> StandIn:
    """cos(x); in float64, which older versions of onnxruntime lack, as 1 - 2 sin(x / 2)^2, right to 3e-16."""
    if result_type(x) == np.float32:
        return elementwise("Cos", x)
    sine = np.sin(x / 2)
    return 1 - 2 * (sine * sine)


@records("log1p")
def log1p(x: StandIn) -> StandIn:
    """log(1 + x), where the rounding of 1 + x is made good: x log(u) / (u - 1) for u = 1 + x."""
    u = 1 + x
    return np.where(u == 1, x, np.log(u) * (x / (u - 1)))


@records("expm1")
def expm1(x: StandIn) -> StandIn:
    """exp(x) - 1, where the rounding of u = exp(x) is made good: x (u - 1) / log(u)."""
    u = np.exp(x)
    return np.where(np.abs(x) > 1, u - 1, np.where(u == 1, x, (u - 1) * (x / np.log(u))))


@records("not_equal")
def not_equal(a: Any, b: Any) -> StandIn:
    return logical_not(FUNCTIONS["equal"](a, b))


@records("logical_not")
def logical_not(x: StandIn) -> StandIn:
    return elementwise("Not", truth(x))


@records("invert")
def invert(x: StandIn) -> StandIn:
    return elementwise("Not", bits(x))


@records("isnan", "isinf")
def is_special(x: StandIn) -> StandIn:
    raise NotRecordable("a look for NaN or infinity")


@records("where")
def where(condition: Any, a: Any, b: Any) -> StandIn:
    recorder = recorder_of(condition, a, b)
    dtype = result_type(a, b)
    if not any(isinstance(x, StandIn) for x in (a, b)) and np.ndim(a) == np.ndim(b) == 0:
        dtype = recorder.dtype
    shape = broadcast(*(np.shape(x) for x in (condition, a, b)))
    chosen = [recorder.cast(x, dtype) for x in (a, b)]
    return StandIn(recorder, recorder.add("Where", truth(condition), *chosen, shape=shape, dtype=dtype))


@records("astype")
def astype(x: StandIn, dtype: Any, copy: bool = True) -> StandIn:
    return StandIn(x.recorder, x.recorder.cast(x, np.dtype(dtype)))


@records("result_type")
def result_type(*operands: Any) -> np.dtype:
    return np.result_type(*(_example(x) for x in operands))


def _example(x: Any) -> Any:
    """What has the type of an operand; plain numbers adapt to others, as in NumPy."""
    return x.dtype if hasattr(x, "dtype") else int(x) if isinstance(x, Size) else x


@records("shape")
def shape(x: StandIn) -> Shape:
    return x.shape


@records("ndim")
def ndim(x: StandIn) -> int:
    return x.ndim


@records("size")
def size(x: StandIn, axis: int | None = None) -> int:
    return x.size if axis is None else x.shape[axis]
