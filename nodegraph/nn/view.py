"""Views: modules that rearrange or select, and copy nothing. A view's gradient is the same view of the gradient."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module


class ViewModule(Module):
    """A module that defines `view(input)` alone: a view of the input's memory, or a part of a table.

    `view` raises ShapeError for what it cannot take. Two elements of the view must not be the same element of the
    input; a view that repeats elements writes its own `update_grad_input`.
    """

    keeps_output = False

    def view(self, input: Any) -> Any:
        """The view of an input, or of its gradient."""
        raise NotImplementedError

    def update_output(self, input: Any) -> Any:
        return self.view(input)

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        grad_input = table.zeros_like(input)
        table.copy(self.view(grad_input), grad_output)
        return grad_input

    def check_input(self, input: Any) -> None:
        pass

    def output_shape(self, shape: Any) -> Any:
        return table.shape(self.view(placeholder(shape)))


def placeholder(shape: Any) -> Any:
    """A value of the given shape that takes no memory."""
    if isinstance(shape, list):
        return [placeholder(part) for part in shape]
    return np.broadcast_to(np.zeros(()), shape)


def array(input: Any) -> np.ndarray:
    """The input, which must be an array and not a table."""
    if table.is_table(input):
        raise ShapeError("expected an array, not a table")
    return input if hasattr(input, "shape") else np.asarray(input)


def axis_of(axis: int, ndim: int) -> int:
    """The axis counted from the front; ShapeError if an array of `ndim` axes has none such."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"expected an array that has axis {axis}")
    return axis % ndim


def batched_axis(axis: int, n_input_dims: int | None, ndim: int) -> int:
    """The axis, shifted by one when there is one axis more than `n_input_dims`; a negative axis is not shifted."""
    if axis >= 0 and n_input_dims is not None and ndim == n_input_dims + 1:
        axis += 1
    return axis_of(axis, ndim)


def integer(value: Any, what: str) -> int:
    """The value as an int; ArgumentError if it is not a whole number."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{what} must be a whole number, got {value!r}") from None


def count(value: Any, what: str) -> int:
    """The value as an int; ArgumentError if it is not a whole number, or below zero."""
    value = integer(value, what)
    if value < 0:
        raise ArgumentError(f"{what} must not be negative, got {value}")
    return value


def optional_count(value: Any, what: str) -> int | None:
    """The same for an argument that may be None."""
    return None if value is None else count(value, what)


def is_sequence(value: Any) -> bool:
    """Whether the value is a list, a tuple or an array of one axis."""
    return isinstance(value, (list, tuple)) or np.ndim(value) == 1


def sizes_of(sizes: tuple[Any, ...], wildcard: bool = False) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence; ArgumentError if negative, but for one -1 with `wildcard`."""
    if len(sizes) == 1 and is_sequence(sizes[0]):
        sizes = tuple(sizes[0])
    sizes = tuple(integer(size, "a size") for size in sizes)
    if any(size < (-1 if wildcard else 0) for size in sizes) or sizes.count(-1) > 1 or not sizes:
        raise ArgumentError(f"expected sizes{' of which one may be -1' if wildcard else ''}, got {sizes}")
    return sizes


class Identity(ViewModule):
    """y = x, for an array or a table.

    >>> Identity().forward(np.array([1.0, 2.0]))
    array([1., 2.])

    Source: torch/nn, Identity.lua.
    """

    def view(self, input: Any) -> Any:
        return input

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return grad_output


class Contiguous(ViewModule):
    """y = x, in C order: a copy where the input is not, the input itself where it is; the same for the gradient.

    >>> Contiguous().forward(np.zeros((3, 2)).T).flags.c_contiguous
    True

    Source: torch/nn, Contiguous.lua.
    """

    def view(self, input: Any) -> np.ndarray:
        return array(input)

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_output(self, input: Any) -> np.ndarray:
        return np.asarray(self.view(input), order="C")

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> np.ndarray:
        return np.asarray(grad_output, order="C")


class Narrow(ViewModule):
    """`length` slices along an axis, from `start` on: (batch, n) -> (batch, length) for axis 1.

    A negative `start` counts from the end; a negative `length` means up to that place from the end, -1 for all.
    ShapeError where the axis has fewer slices.

    >>> Narrow(1, 0, 2).forward(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 2.]])

    Source: torch/nn, Narrow.lua. Torch7 takes a negative offset for the first, whatever its value; here it counts.
    """

    def __init__(self, axis: int, start: int, length: int = 1) -> None:
        self.axis, self.start, self.length = integer(axis, "axis"), integer(start, "start"), integer(length, "length")

    def rowwise(self, shape: Any) -> bool:
        return axis_of(self.axis, len(shape)) > 0

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        axis = axis_of(self.axis, x.ndim)
        size = x.shape[axis]
        start = self.start + size if self.start < 0 else self.start
        length = size - start + self.length + 1 if self.length < 0 else self.length
        if start < 0 or length < 0 or start + length > size:
            raise ShapeError(f"expected {self.length} slices from {self.start} on within axis {self.axis}")
        return x[(slice(None),) * axis + (slice(start, start + length),)]


class Select(ViewModule):
    """One slice along an axis, which disappears: (batch, n) -> (batch,) for axis 1.

    A negative `index` counts from the end. ShapeError where the axis has no such slice.

    >>> Select(1, -1).forward(np.array([[1.0, 2.0, 3.0]]))
    array([3.])

    Source: torch/nn, Select.lua.
    """

    def __init__(self, axis: int, index: int) -> None:
        self.axis, self.index = integer(axis, "axis"), integer(index, "index")

    def rowwise(self, shape: Any) -> bool:
        return axis_of(self.axis, len(shape)) > 0

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        axis = axis_of(self.axis, x.ndim)
        if not -x.shape[axis] <= self.index < x.shape[axis]:
            raise ShapeError(f"expected an axis {self.axis} long enough to have a slice {self.index}")
        return x[(slice(None),) * axis + (self.index, ...)]


class Reshape(ViewModule):
    """The elements in another shape: (batch, ...) -> (batch, *sizes), or the sizes alone.

    Whether the first axis is a batch is decided by the number of elements; a first axis of length 1 counts as one.
    `batch_mode` True or False, which as in Torch may also stand after the sizes, decides it for good.

    >>> Reshape(2, 3).forward(np.zeros((5, 6))).shape, Reshape(2, 3).forward(np.zeros(6)).shape
    ((5, 2, 3), (2, 3))

    Source: torch/nn, Reshape.lua.
    """

    def __init__(self, *sizes: int, batch_mode: bool | None = None) -> None:
        if sizes and isinstance(sizes[-1], bool):
            sizes, batch_mode = sizes[:-1], bool(sizes[-1])
        if batch_mode is not None and not isinstance(batch_mode, bool):
            raise ArgumentError(f"batch_mode must be True, False or None, got {batch_mode!r}")
        self.sizes, self.batch_mode = sizes_of(sizes), batch_mode

    def view(self, input: Any) -> np.ndarray:
        x, n = array(input), math.prod(self.sizes)
        batched = self.batch_mode
        if batched is None:
            batched = x.size != n or (x.ndim > 0 and x.shape[0] == 1)
        shape = x.shape[:1] + self.sizes if batched else self.sizes
        if (batched and x.ndim == 0) or math.prod(shape) != x.size:
            raise ShapeError(f"expected {n} elements, or {n} in each row of a batch, to reshape to {self.sizes}")
        return x.reshape(shape)

    def rowwise(self, shape: Any) -> bool:
        return self.batch_mode is not False and math.prod(shape[1:]) == math.prod(self.sizes)


class View(ViewModule):
    """The elements in another shape, one size of which may be -1; what the sizes leave over becomes a first axis.

    `num_input_dims` says how many axes a single sample has, for inputs whose batch could not be told otherwise.

    >>> View(2, 3).forward(np.zeros((4, 6))).shape, View(-1).forward(np.zeros((4, 6))).shape
    ((4, 2, 3), (24,))
    >>> View(-1).set_num_input_dims(2).forward(np.zeros((5, 4, 6))).shape
    (5, 24)

    Source: torch/nn, View.lua.
    """

    def __init__(self, *sizes: int) -> None:
        self.reset_size(*sizes)
        self.num_input_dims: int | None = None

    def reset_size(self, *sizes: int) -> View:
        """Take other sizes."""
        self.sizes = sizes_of(sizes, wildcard=True)
        return self

    def set_num_input_dims(self, n: int | None) -> View:
        """Say how many axes a single sample has; None for not saying."""
        self.num_input_dims = optional_count(n, "num_input_dims")
        return self

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        own = x.ndim if self.num_input_dims is None else self.num_input_dims
        leading = max(x.ndim - own, 0)
        rows, width = math.prod(x.shape[:leading]), math.prod(x.shape[leading:])
        n = math.prod(size for size in self.sizes if size != -1)
        if n == 0 or width % n:
            raise ShapeError(f"expected a number of elements that fits {self.sizes}")
        if -1 not in self.sizes:
            rows *= width // n
        if rows == 1 and not leading:
            return x.reshape([width // n if size == -1 else size for size in self.sizes])
        return x.reshape(rows, *(width // n if size == -1 else size for size in self.sizes))

    def rowwise(self, shape: Any) -> bool:
        told = self.num_input_dims == len(shape) - 1
        if -1 in self.sizes:
            return told
        # A batch of one that num_input_dims does not tell loses its axis.
        return math.prod(shape[1:]) == math.prod(self.sizes) and (told or shape[0] > 1)
