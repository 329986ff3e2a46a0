"""Recorder: the operators of an ONNX graph, written down one after the other while a module runs on stand-ins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nodegraph import parameters
from nodegraph.export.onnx.sizes import Size

Shape = tuple[int, ...]


class NotRecordable(Exception):
    """Something that has no counterpart among ONNX' operators."""


class Value:
    """What an operator gives: its type, its shape, and whether it is an input of the graph or an array of it."""

    __slots__ = ("dtype", "shape", "name", "array", "size", "operator", "transposed")

    def __init__(self, dtype: Any, shape: Shape, name: str | None = None, array: np.ndarray | None = None) -> None:
        self.dtype, self.shape, self.name, self.array = np.dtype(dtype), tuple(shape), name, array
        self.operator: Operator | None = None
        self.transposed = False
        """Whether there is a Transpose, of more than an array of the graph, among the operators that it comes from."""


class Operator:
    """One operator: its inputs, outputs and attributes, the module that it belongs to, and its bodies, if any."""

    def __init__(self, kind: str, inputs: list[Value], scope: str, attributes: dict[str, Any]) -> None:
        self.kind, self.inputs, self.scope, self.attributes = kind, inputs, scope, attributes
        self.outputs: list[Value] = []
        self.body: Body | None = None


class Body:
    """Operators in order, with the values that they start from and end in: a whole graph, or the body of a loop."""

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []


class Recorder:
    """Writes operators down. `weights` are the parameters and buffers, by name."""

    def __init__(self, dtype: Any, weights: dict[str, np.ndarray]) -> None:
        self.dtype = np.dtype(dtype)
        self.names = {parameters.key(array): name for name, array in weights.items()}
        contiguous = [array for array in weights.values() if array.flags.c_contiguous]
        self._weights = {(parameters.key(array)[0], array.size, array.dtype): array for array in contiguous}
        self.main = self.body = Body()
        self.scope: list[str] = []
        self.axes: dict[str, tuple[Value, int]] = {}
        """Where the length of an open axis can be seen: an input of the graph, and the axis of it."""
        self.indices: set[int] = set()
        self._arrays: dict[tuple[Any, ...], Value] = {}
        self._lengths: dict[str, Value] = {}

    @property
    def double(self) -> bool:
        """Whether the numbers are float64, for which onnxruntime lacks some operators."""
        return self.dtype == np.float64

    def add(self, kind: str, *inputs: Any, shape: Shape, dtype: Any = None, **attributes: Any) -> Value:
        """The output of an operator that has one; None among the inputs is one that is left out."""
        return self.add_all(kind, *inputs, outputs=[(dtype, shape)], **attributes)[0]

    def add_all(self, kind: str, *inputs: Any, outputs: list[tuple[Any, Shape]], **attributes: Any) -> list[Value]:
        """The outputs of an operator that has several; a dtype of None is that of the first input."""
        values = [self.value(x) if x is not None else None for x in inputs]
        operator = Operator(kind, values, ".".join(self.scope), attributes)
        transposed = kind == "Transpose" and values[0].array is None
        transposed = transposed or any(value is not None and value.transposed for value in values)
        for dtype, shape in outputs:
            output = Value(values[0].dtype if dtype is None else dtype, shape)
            output.operator, output.transposed = operator, transposed
            operator.outputs.append(output)
        self.body.operators.append(operator)
        return operator.outputs

    def value(self, x: Any) -> Value:
        """A value as it is; an array or a number as one that the graph holds, each array once."""
        if isinstance(x, Value):
            return x
        if hasattr(x, "value"):
            return x.value
        array = np.asarray(x)
        place = parameters.key(array)
        if place in self.names:
            return self._held(place, array, self.names[place])
        turned = parameters.key(array.T)
        if turned in self.names and array.ndim > 1:
            weight = self._held(turned, array.T, self.names[turned])
            return self.add("Transpose", weight, shape=array.shape, perm=list(reversed(range(array.ndim))))
        whole = self._weights.get((place[0], array.size, array.dtype))
        if whole is not None and array.flags.c_contiguous and array.size:
            place = parameters.key(whole)
            return self.reshape(self._held(place, whole, self.names[place]), array.shape)
        return self._held((array.dtype.str, array.shape, array.tobytes()), array, None)

    def _held(self, key: tuple[Any, ...], array: np.ndarray, name: str | None) -> Value:
        if key not in self._arrays:
            self._arrays[key] = Value(array.dtype, array.shape, name, array)
        return self._arrays[key]

    def number(self, x: Any, like: Any = None) -> Value:
        """An array or a number in the graph's type of floating-point numbers, or in that of another value."""
        return self.value(np.asarray(x, self.dtype if like is None else like.dtype))

    def integers(self, *numbers: int) -> Value:
        return self.value(np.array(numbers, np.int64))

    def shape_value(self, shape: Shape) -> Value:
        """A shape as a value, the open axes looked up where the graph runs."""
        if not any(isinstance(n, Size) for n in shape):
            return self.integers(*shape)
        parts = [self.length(n) if isinstance(n, Size) else self.integers(n) for n in shape]
        if len(parts) == 1:
            return parts[0]
        return self.add("Concat", *parts, shape=(len(shape),), axis=0)

    def length(self, size: Size) -> Value:
        """An open length as a value of one element."""
        total = None
        for product, factor in size.terms.items():
            term = None if factor != 1 or not product else self._axis(product[0])
            rest = product[1:] if term is not None else product
            term = self.integers(factor) if term is None else term
            for name in rest:
                term = self.add("Mul", term, self._axis(name), shape=(1,))
            total = term if total is None else self.add("Add", total, term, shape=(1,))
        return total

    def _axis(self, name: str) -> Value:
        if name not in self.axes:
            raise NotRecordable(f"a length that the graph would have to work out, {name}")
        if name not in self._lengths:
            source, axis = self.axes[name]
            here, self.body, scope, self.scope = self.body, self.main, self.scope, []
            self._lengths[name] = self.add("Shape", source, shape=(1,), dtype=np.int64, start=axis, end=axis + 1)
            self.main.operators.insert(0, self.main.operators.pop())
            self.body, self.scope = here, scope
        return self._lengths[name]

    def cast(self, x: Any, dtype: Any) -> Value:
        """The value in another type; an open length as a number."""
        if isinstance(x, Size):
            number = self.add("Squeeze", self.length(x), shape=())
            return self.cast(number, dtype)
        if not hasattr(x, "value") and not isinstance(x, Value):
            return self.value(np.asarray(x, dtype))
        value = self.value(x)
        return value if value.dtype == dtype else self.add("Cast", value, shape=value.shape, dtype=dtype, to=dtype)

    def index(self, x: Any) -> Value:
        """A value whose numbers are indices, as integers."""
        return self.cast(x, np.dtype(np.int64))

    def reshape(self, x: Any, shape: Shape) -> Value:
        """The value in another shape of as many elements."""
        value = self.value(x)
        shape = tuple(shape)
        if value.operator is not None and value.operator.kind == "Reshape":
            value = value.operator.inputs[0]
        if value.shape == shape:
            return value
        if math.prod(shape) != math.prod(value.shape):
            raise NotRecordable(f"an array of shape {value.shape} cannot take the shape {shape}")
        target: list[int] = []
        for place, n in enumerate(shape):
            same = place < len(value.shape) and value.shape[place] == n
            target.append(n if not isinstance(n, Size) else 0 if same else -1)
        is_open = [place for place, n in enumerate(shape) if isinstance(n, Size)]
        if len(is_open) == 1:
            target[is_open[0]] = -1
        known = target.count(-1) < 2
        into = self.integers(*target) if known else self.shape_value(shape)
        return self.add("Reshape", value, into, shape=shape)

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """For a while, what is written down belongs to the module of this name within the one around."""
        self.scope.append(name)
        try:
            yield
        finally:
            self.scope.pop()

    @contextmanager
    def inner(self) -> Iterator[Body]:
        """For a while, operators go into a body of their own."""
        outer, self.body = self.body, Body()
        try:
            yield self.body
        finally:
            self.body = outer
