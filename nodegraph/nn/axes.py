"""Views that exchange, add, drop, merge or repeat axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.view import ViewModule, array, axis_of, batched_axis, count, integer, is_sequence, optional_count


class SampleView(ViewModule):
    """Base of the views that can be told how many axes a single sample has; whatever stands before them is a batch."""

    num_input_dims: int | None = None

    def set_num_input_dims(self, n: int | None) -> SampleView:
        """Say how many axes a single sample has; None for not saying."""
        self.num_input_dims = optional_count(n, "num_input_dims")
        return self

    def leading(self, ndim: int) -> int:
        """The number of axes before those of a sample."""
        own = ndim if self.num_input_dims is None else self.num_input_dims
        if own > ndim:
            raise ShapeError(f"expected an array of at least {own} axes")
        return ndim - own


class Transpose(SampleView):
    """Pairs of axes exchanged, one pair after the other: (m, n) -> (n, m) for the pair (0, 1).

    Axes from 0 on are those of a sample if `set_num_input_dims` told how many it has; negative ones count from the end.

    >>> Transpose((0, 1), (0, 2)).forward(np.zeros((2, 3, 4))).shape
    (4, 2, 3)

    Source: torch/nn, Transpose.lua.
    """

    def __init__(self, *pairs: tuple[int, int]) -> None:
        for pair in pairs:
            if not is_sequence(pair) or len(pair) != 2:
                raise ArgumentError(f"Transpose takes pairs of axes, got {pair!r}")
        self.pairs = [(integer(a, "axis"), integer(b, "axis")) for a, b in pairs]

    def order(self, ndim: int) -> list[int]:
        """The axes of the input in the order of the output."""
        order, leading = list(range(ndim)), self.leading(ndim)
        for pair in self.pairs:
            a, b = (axis_of(axis + leading if axis >= 0 else axis, ndim) for axis in pair)
            order[a], order[b] = order[b], order[a]
        return order

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        return x.transpose(self.order(x.ndim))

    def rowwise(self, shape: Any) -> bool:
        return self.order(len(shape))[:1] == [0]


class Unsqueeze(SampleView):
    """A new axis of length 1 at place `axis` of the output: (batch, n) -> (batch, 1, n) for axis 1.

    With `num_input_dims` an axis from 0 on is counted after the axes that come before those of a sample.

    >>> Unsqueeze(0).forward(np.zeros((2, 3))).shape, Unsqueeze(0, 1).forward(np.zeros((2, 3))).shape
    ((1, 2, 3), (2, 1, 3))

    Source: torch/nn, Unsqueeze.lua. Where num_input_dims is not given, Torch7 takes the number of axes of the first
    input for all later ones; here each input stands for itself.
    """

    def __init__(self, axis: int, num_input_dims: int | None = None) -> None:
        self.axis = integer(axis, "axis")
        self.set_num_input_dims(num_input_dims)

    def place(self, ndim: int) -> int:
        """The new axis in the output, for an input of `ndim` axes."""
        leading = self.leading(ndim)
        return axis_of(self.axis + leading if self.axis >= 0 else self.axis, ndim + 1)

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        return np.expand_dims(x, self.place(x.ndim))

    def rowwise(self, shape: Any) -> bool:
        return self.place(len(shape)) > 0


class Squeeze(SampleView):
    """Without the axes of length 1, or without the one axis if its length is 1; an axis of another length stays.

    When the input has one axis more than `num_input_dims`, the first is a batch: it stays, and an axis from 0 on is
    counted from the second. An array of a single element keeps one axis.

    >>> Squeeze().forward(np.zeros((1, 3, 1))).shape, Squeeze(None, 2).forward(np.zeros((1, 3, 1))).shape
    ((3,), (1, 3))

    Source: torch/nn, Squeeze.lua.
    """

    def __init__(self, axis: int | None = None, num_input_dims: int | None = None) -> None:
        self.axis = None if axis is None else integer(axis, "axis")
        self.set_num_input_dims(num_input_dims)

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        if self.axis is None:
            dropped = list(range(1 if self._batched(x.ndim) else 0, x.ndim))
        else:
            dropped = [batched_axis(self.axis, self.num_input_dims, x.ndim)]
        kept = [n for axis, n in enumerate(x.shape) if n != 1 or axis not in dropped]
        return x.reshape(kept or x.shape[:1])

    def _batched(self, ndim: int) -> bool:
        return self.num_input_dims is not None and ndim == self.num_input_dims + 1

    def rowwise(self, shape: Any) -> bool:
        if self.axis is None:
            return self._batched(len(shape))
        return batched_axis(self.axis, self.num_input_dims, len(shape)) > 0


class Replicate(ViewModule):
    """The input `n` times along a new axis: (batch, d) -> (n, batch, d) for axis 0; its gradient is their sum.

    When the input has more axes than `n_input_dims`, an axis from 0 on is counted from the second. The output repeats
    the input's memory, and so cannot be written to.

    >>> Replicate(3).forward(np.array([1.0, 2.0]))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])

    Source: torch/nn, Replicate.lua.
    """

    def __init__(self, n: int, axis: int = 0, n_input_dims: int | None = None) -> None:
        self.n, self.axis = count(n, "n"), integer(axis, "axis")
        self.n_input_dims = optional_count(n_input_dims, "n_input_dims")
        if self.n == 0:
            raise ArgumentError("n must be positive, got 0")

    def place(self, ndim: int) -> int:
        """The new axis in the output, for an input of `ndim` axes."""
        batched = self.n_input_dims is not None and ndim > self.n_input_dims
        return axis_of(self.axis + 1 if batched and self.axis >= 0 else self.axis, ndim + 1)

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        place = self.place(x.ndim)
        return np.broadcast_to(np.expand_dims(x, place), (*x.shape[:place], self.n, *x.shape[place:]))

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> np.ndarray:
        return grad_output.sum(self.place(np.ndim(input)))

    def rowwise(self, shape: Any) -> bool:
        return self.place(len(shape)) > 0


class Collapse(ViewModule):
    """All axes of a sample as one: (batch, d1, ..., dn) -> (batch, d1 x ... x dn), or (d1, ..., dn) without a batch.

    `n_input_dims` is n; an input of more axes has a batch in front.

    >>> Collapse(2).forward(np.zeros((5, 3, 4))).shape, Collapse(2).forward(np.zeros((3, 4))).shape
    ((5, 12), (12,))

    Source: torch/nn, Collapse.lua.
    """

    def __init__(self, n_input_dims: int) -> None:
        self.n_input_dims = count(n_input_dims, "n_input_dims")

    def view(self, input: Any) -> np.ndarray:
        x = array(input)
        batch = x.shape[:1] if x.ndim > self.n_input_dims else ()
        return x.reshape(*batch, math.prod(x.shape[len(batch) :]))

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > self.n_input_dims
