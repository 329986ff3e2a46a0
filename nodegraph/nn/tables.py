"""Modules that join, split and select from tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.view import ViewModule, array, axis_of, batched_axis, count, integer, optional_count


class Part(ViewModule):
    """One value of a table of exactly `n`; what `Node.split` makes.

    >>> Part(1, 2).forward([np.zeros(3), np.ones(3)])
    array([1., 1., 1.])
    """

    def __init__(self, index: int, n: int) -> None:
        self.index, self.n = index, n

    def view(self, input: Any) -> Any:
        if not table.is_table(input) or len(input) != self.n:
            found = f"a table of {len(input)}" if table.is_table(input) else "an array"
            raise ShapeError(f"split({self.n}) expected a table of {self.n}, found {found}")
        return input[self.index]

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: Any) -> list[Any]:
        return [grad_output if i == self.index else None for i in range(self.n)]


class JustTable(ViewModule):
    """A table of one: the value x becomes [x].

    >>> JustTable().forward(np.zeros(2))
    [array([0., 0.])]

    Source: torch/nngraph, JustTable.lua.
    """

    def view(self, input: Any) -> list[Any]:
        return [input]

    def rowwise(self, shape: Any) -> bool:
        return True


class JustElement(ViewModule):
    """The one value of a table of one: [x] becomes x.

    >>> JustElement().forward([np.zeros(2)])
    array([0., 0.])

    Source: torch/nngraph, JustElement.lua.
    """

    def view(self, input: Any) -> Any:
        if len(table_of(input)) != 1:
            raise ShapeError("expected a table of one")
        return input[0]

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: Any) -> list[Any]:
        return [grad_output]


class SelectTable(ViewModule):
    """One value of a table, by its index; a negative one counts from the end. The others' gradients are zero.

    >>> SelectTable(-1).forward([np.zeros(3), np.ones(2)])
    array([1., 1.])

    Source: torch/nn, SelectTable.lua.
    """

    def __init__(self, index: int) -> None:
        self.index = integer(index, "index")

    def view(self, input: Any) -> Any:
        if not -len(table_of(input)) <= self.index < len(input):
            raise ShapeError(f"expected a table that has an element {self.index}")
        return input[self.index]

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: Any) -> list[Any]:
        chosen = self.index % len(input)
        return [grad_output if i == chosen else table.zeros_like(part) for i, part in enumerate(input)]


class NarrowTable(ViewModule):
    """The table of `length` values from `offset` on; a negative offset counts from the end.

    >>> NarrowTable(1, 2).forward([np.zeros(1), np.ones(2), np.zeros(3)])
    [array([1., 1.]), array([0., 0., 0.])]

    Source: torch/nn, NarrowTable.lua. Torch7 gives a shorter table where the input ends before; here it is refused.
    """

    def __init__(self, offset: int, length: int = 1) -> None:
        self.offset, self.length = integer(offset, "offset"), count(length, "length")

    def view(self, input: Any) -> list[Any]:
        start = self._start(len(table_of(input)))
        if start < 0 or start + self.length > len(input):
            raise ShapeError(f"expected a table that has {self.length} elements from {self.offset} on")
        return input[start : start + self.length]

    def _start(self, n: int) -> int:
        return self.offset + n if self.offset < 0 else self.offset

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: list[Any]) -> list[Any]:
        gradients, start = table.zeros_like(input), self._start(len(input))
        gradients[start : start + self.length] = grad_output
        return gradients


class SplitTable(ViewModule):
    """The slices along an axis as a table: (batch, n) -> n arrays of (batch,) for axis 1.

    When the input has one axis more than `n_input_dims`, a non-negative axis is counted from the second.

    >>> SplitTable(1).forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    [array([1., 3.]), array([2., 4.])]

    Source: torch/nn, SplitTable.lua.
    """

    def __init__(self, axis: int, n_input_dims: int | None = None) -> None:
        self.axis = integer(axis, "axis")
        self.n_input_dims = optional_count(n_input_dims, "n_input_dims")

    def rowwise(self, shape: Any) -> bool:
        return batched_axis(self.axis, self.n_input_dims, len(shape)) > 0

    def view(self, input: Any) -> list[np.ndarray]:
        x = array(input)
        axis = batched_axis(self.axis, self.n_input_dims, x.ndim)
        before: tuple[Any, ...] = (slice(None),) * axis
        return [x[(*before, i, ...)] for i in range(x.shape[axis])]


class JoinTable(Module):
    """The arrays of a table one after the other along an axis: [(batch, m), (batch, n)] -> (batch, m + n) for axis 1.

    When the arrays have one axis more than `n_input_dims`, a non-negative axis is counted from the second.

    >>> JoinTable(0).forward([np.array([1.0]), np.array([2.0, 3.0])])
    array([1., 2., 3.])

    Source: torch/nn, JoinTable.lua.
    """

    parameter_names = ()

    def __init__(self, axis: int, n_input_dims: int | None = None) -> None:
        self.axis = integer(axis, "axis")
        self.n_input_dims = optional_count(n_input_dims, "n_input_dims")

    def rowwise(self, shape: Any) -> bool:
        return batched_axis(self.axis, self.n_input_dims, len(shape[0])) > 0

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(input, batched_axis(self.axis, self.n_input_dims, input[0].ndim))

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        axis = batched_axis(self.axis, self.n_input_dims, input[0].ndim)
        ends = np.cumsum([x.shape[axis] for x in input])
        return np.split(grad_output, ends[:-1], axis)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if not isinstance(shape, list) or not shape or any(isinstance(s, list) for s in shape):
            raise ShapeError("expected a table of arrays")
        axis = batched_axis(self.axis, self.n_input_dims, len(shape[0]))
        if len({s[:axis] + s[axis + 1 :] for s in shape}) != 1 or len({len(s) for s in shape}) != 1:
            raise ShapeError(f"expected arrays of one shape but for axis {axis}")
        return (*shape[0][:axis], sum(s[axis] for s in shape), *shape[0][axis + 1 :])


class StackTable(Module):
    """The arrays of a table, all of one shape, along a new axis: n arrays (batch, ...) -> (n, batch, ...) for axis 0.

    The inverse of SplitTable.

    >>> StackTable(0).forward([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[1., 2.],
           [3., 4.]])
    """

    parameter_names = ()

    def __init__(self, axis: int = 0) -> None:
        self.axis = integer(axis, "axis")

    def rowwise(self, shape: Any) -> bool:
        return axis_of(self.axis, len(shape[0]) + 1) > 0

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        return np.stack(input, self.axis)

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        return list(np.moveaxis(grad_output, self.axis, 0))

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if not isinstance(shape, list) or not shape or any(isinstance(s, list) or s != shape[0] for s in shape):
            raise ShapeError("expected a table of arrays of one shape")
        axis = axis_of(self.axis, len(shape[0]) + 1)
        return (*shape[0][:axis], len(shape), *shape[0][axis:])


def table_of(input: Any) -> Any:
    """The input, which must be a table and not an array."""
    if not table.is_table(input):
        raise ShapeError("expected a table")
    return input
