"""StandIn: what a module gets in the place of an array, so that what it does with NumPy is written down."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.export.onnx.recording import NotRecordable, Recorder, Shape, Value
from nodegraph.export.onnx.sizes import Size
from nodegraph.symbols import Symbol

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""By its name, how a function of NumPy is written down; it takes the stand-in, or the list of them, first."""

METHODS = {
    "all", "any", "argmax", "argmin", "astype", "clip", "copy", "cumsum", "dot", "flatten", "max", "mean", "min",
    "prod", "ravel", "repeat", "reshape", "squeeze", "std", "sum", "swapaxes", "take", "transpose", "var",
}  # fmt: skip


class StandIn(Symbol):
    """An array of which only type and shape are known. NumPy's functions, operators and methods record themselves."""

    def __init__(self, recorder: Recorder, value: Value, function: Any = None, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__(function, arguments)
        self.recorder, self.value, self.aliased = recorder, value, False

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> int:
        return math.prod(self.value.shape)

    @property
    def T(self) -> StandIn:
        return FUNCTIONS["transpose"](self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        if isinstance(self.shape[0], Size):
            raise NotRecordable(f"a length that is open, {self.shape[0]}, as a number")
        return self.shape[0]

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index: Any) -> StandIn:
        return FUNCTIONS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotRecordable("an assignment to elements of an array")

    def __bool__(self) -> bool:
        raise NotRecordable("a condition that depends on the numbers")

    __float__ = __int__ = __index__ = __bool__

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        """An array without axes that holds the stand-in, which `unwrapped` takes out again: for `np.asarray(x)`."""
        holder = np.empty((), object)
        holder[()] = self
        return holder

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        function = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        (out,) = options.pop("out", (None,))
        if function not in FUNCTIONS:
            raise NotRecordable(f"np.{function}")
        result = FUNCTIONS[function](*[unwrapped(x) for x in inputs], **options)
        result.function, result.arguments = function, inputs
        return result if out is None else _write(out, result)

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, options: Any) -> Any:
        if function.__name__ not in FUNCTIONS:
            raise NotRecordable(f"np.{function.__name__}")
        return FUNCTIONS[function.__name__](*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *arguments, **options: FUNCTIONS[name](self, *arguments, **options)
        raise AttributeError(f"an array has no attribute {name!r} that can be recorded")


def _write(out: Any, result: StandIn) -> StandIn:
    """The result in the place of an array that it is written into; other names for that array then mean it, too."""
    if not isinstance(out, StandIn):
        raise NotRecordable("writing into an array that is made to be filled")
    if out.aliased or result.shape != out.shape:
        raise NotRecordable("writing into an array of which there are views")
    out.value, out.function, out.arguments = result.value, None, ()
    return out


def records(*names: str) -> Callable[..., Any]:
    """Decorator: this is how the functions of these names are written down."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(names, function))
        return function

    return register


def view_of(x: StandIn, value: Value) -> StandIn:
    """A stand-in for a view of an array: neither of the two may be written into any more."""
    if value is x.value:
        return x
    view = StandIn(x.recorder, value)
    x.aliased = view.aliased = True
    return view


def unwrapped(value: Any) -> Any:
    """What `np.asarray` put into an array without axes, taken out."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 0:
        return value.item()
    return value


def as_stand_ins(value: Any, recorder: Recorder) -> Any:
    """A value that a module gave, whose leaves may be arrays that do not depend on the input, as stand-ins."""

    def leaf(x: Any) -> StandIn:
        x = unwrapped(x)
        if isinstance(x, StandIn):
            return x
        if isinstance(x, (np.ndarray, np.generic, int, float)):
            return StandIn(recorder, recorder.value(x))
        raise NotRecordable(f"a value of the type {type(x).__name__}")

    return table.map(leaf, value)
