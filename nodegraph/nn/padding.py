"""Padding: a constant put in along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape
from nodegraph.nn.view import axis_of, count, integer, optional_count


class Padding(Module):
    """|pad| slices of `value` put in along an axis: (batch, n) -> (batch, n + |pad|) for axis 1.

    A negative `pad` puts them before slice `index`; a positive one at the same distance from the end, so that the
    default index 0 means in front or at the end. When the number of axes is not `n_input_dims`, an axis from 0 on is
    counted from the second.

    >>> Padding(0, 2).forward(np.array([1.0, 2.0])), Padding(0, -1, value=9, index=1).forward(np.array([1.0, 2.0]))
    (array([1., 2., 0., 0.]), array([1., 9., 2.]))

    Source: torch/nn, Padding.lua.
    """

    parameter_names = ()

    def __init__(
        self, axis: int, pad: int, n_input_dims: int | None = None, value: float = 0.0, index: int = 0
    ) -> None:
        self.axis, self.pad, self.index = integer(axis, "axis"), integer(pad, "pad"), count(index, "index")
        self.n_input_dims = optional_count(n_input_dims, "n_input_dims")
        try:
            self.value = float(value)
        except (TypeError, ValueError):
            raise ArgumentError(f"value must be a number, got {value!r}") from None

    def update_output(self, input: np.ndarray) -> np.ndarray:
        output = np.full(self.output_shape(input.shape), self.value, input.dtype if input.dtype.kind == "f" else float)
        for ours, theirs in self._pieces(input.shape):
            output[ours] = input[theirs]
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return np.concatenate([grad_output[ours] for ours, _ in self._pieces(input.shape)], self._axis(input.ndim))

    def _axis(self, ndim: int) -> int:
        batched = self.n_input_dims is not None and ndim != self.n_input_dims
        return axis_of(self.axis + 1 if batched and self.axis >= 0 else self.axis, ndim)

    def _pieces(self, shape: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """Where the two pieces of the input, before and after the padding, lie in the output and in the input."""
        axis = self._axis(len(shape))
        size, before = shape[axis], (slice(None),) * axis
        cut = self.index if self.pad < 0 else size - self.index
        return [
            ((*before, slice(0, cut)), (*before, slice(0, cut))),
            ((*before, slice(cut + abs(self.pad), None)), (*before, slice(cut, None))),
        ]

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        axis = self._axis(len(array_shape(shape)))
        if self.index > shape[axis]:
            raise ShapeError(f"expected at least {self.index} slices along axis {axis}")
        return (*shape[:axis], shape[axis] + abs(self.pad), *shape[axis + 1 :])

    def rowwise(self, shape: Any) -> bool:
        return self._axis(len(shape)) > 0
