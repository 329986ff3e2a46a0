"""Indices to vectors: rows of a table of weights, or one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, InputError
from nodegraph.nn.init import normal
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import Parametric, size
from nodegraph.nn.pointwise import array_shape
from nodegraph.nn.view import integer


class LookupTable(Parametric):
    """y = weight[x], a row for each index: (batch,) -> (batch, n_output), (batch, steps) -> (batch, steps, n_output).

    The input holds indices, counted from 0, as integers or as whole floating-point numbers, in an array of any shape.
    `weight` (n_index, n_output) is drawn from the standard normal distribution. The row `padding_index`, for
    the index that sequences x are filled up with, is drawn as zeros and never trained; `x != padding_index` is the mask
    that a masked `Recurrent` takes. With `max_norm`, rows that are looked up and whose `norm_type`-norm is larger (2
    unless said otherwise) are first shortened to it, in place. The gradient of the indices is zero.

    >>> lookup = LookupTable(3, 2)
    >>> lookup.weight[:] = [[0, 1], [2, 3], [4, 5]]
    >>> lookup.forward(np.array([2, 0]))
    array([[4., 5.],
           [0., 1.]])

    InputError for an index that is out of range, not whole or NaN.

    Source: torch/nn, LookupTable.lua, where the row of the padding index is drawn like any other.
    """

    parameter_names = ("weight",)
    first = 0

    def __init__(
        self,
        n_index: int,
        n_output: int,
        padding_index: int | None = None,
        max_norm: float | None = None,
        norm_type: float | None = None,
    ) -> None:
        self.n_index, self.n_output = size(n_index, "n_index"), size(n_output, "n_output")
        self.should_scale_grad_by_freq = False
        self.set_padding(padding_index).set_max_norm(max_norm).set_norm_type(norm_type)
        self.allocate(weight=(self.n_index, self.n_output))
        self.reset()

    def set_padding(self, padding_index: int | None) -> LookupTable:
        """Do not train the row of this index; None for training all."""
        if padding_index is not None:
            padding_index = integer(padding_index, "padding_index")
            if not self.first <= padding_index < self.first + self.n_index:
                raise ArgumentError(
                    f"padding_index must be one of the {self.n_index} indices, counted from {self.first}, "
                    f"or None, got {padding_index}"
                )
        self.padding_index = padding_index
        return self

    def set_max_norm(self, max_norm: float | None) -> LookupTable:
        """Shorten the rows that are looked up to this norm; None for not doing so."""
        self.max_norm = _positive(max_norm, "max_norm")
        return self

    def set_norm_type(self, norm_type: float | None) -> LookupTable:
        """Which norm `max_norm` means: 1 for the sum of the absolute values, 2 or None for the length, ..."""
        self.norm_type = _positive(norm_type, "norm_type")
        return self

    def scale_grad_by_freq(self) -> LookupTable:
        """From now on, divide the gradient of each row by how often the input names it."""
        self.should_scale_grad_by_freq = True
        return self

    def reset(self, std: float | None = None) -> LookupTable:
        """Draw the weight from the normal distribution of this standard deviation, by default 1; zero the padding."""
        normal(self.weight, 0, 1 if std is None else std)
        if self.padding_index is not None:
            self.weight[self.padding_index - self.first] = 0
        return self

    def rows(self, input: np.ndarray) -> np.ndarray:
        """The rows of the weight that the indices name, in one list."""
        return whole(input, self.n_index, self.first).ravel() - self.first

    def update_output(self, input: np.ndarray) -> np.ndarray:
        rows = self.rows(input)
        if self.max_norm is not None:
            self._shorten(np.unique(rows))
        return self.weight[rows].reshape(*input.shape, self.n_output)

    def _shorten(self, rows: np.ndarray) -> None:
        norms = np.linalg.norm(self.weight[rows], 2 if self.norm_type is None else self.norm_type, axis=1)
        long = norms > self.max_norm
        self.weight[rows[long]] *= (self.max_norm / (norms[long] + 1e-7))[:, None]

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return np.zeros(input.shape, self.weight.dtype)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, gradients = self.rows(input), grad_output.reshape(-1, self.n_output) * scale
        if self.should_scale_grad_by_freq:
            gradients /= np.bincount(rows)[rows][:, None]
        if self.padding_index is not None:
            trained = rows != self.padding_index - self.first
            rows, gradients = rows[trained], gradients[trained]
        add_rows(self.grad_weight, rows, gradients)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0 and not self.should_scale_grad_by_freq

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return (*array_shape(shape), self.n_output)


class LookupTableMaskZero(LookupTable):
    """A LookupTable whose index -1 gives a row of zeros: (batch,) -> (batch, n_output), and so on.

    The mask index is the one before the first, as in Torch, where indices count from 1 and the mask is 0: code and
    data are ported by subtracting 1. `weight` (n_index + 1, n_output) has the row of zeros first, as in Torch, so index
    i is row i + 1; that row is never trained and is set to zero whenever the module runs.

    >>> lookup = LookupTableMaskZero(3, 2)
    >>> lookup.weight[1:] = [[0, 1], [2, 3], [4, 5]]
    >>> lookup.forward(np.array([2, -1]))
    array([[4., 5.],
           [0., 0.]])

    Source: Element-Research/rnn, LookupTableMaskZero.lua.
    """

    first = -1

    def __init__(self, n_index: int, n_output: int) -> None:
        super().__init__(size(n_index, "n_index") + 1, n_output, padding_index=-1)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.weight[0] = 0
        return super().update_output(input)


class OneHot(Module):
    """y has a 1 at the index x and zeros elsewhere: a number -> (n,), (batch,) -> (batch, n), and so on for any shape.

    The input holds indices, counted from 0, as integers or as whole floating-point numbers. Their gradient is zero.

    >>> OneHot(3).forward(np.array([2, 0]))
    array([[0., 0., 1.],
           [1., 0., 0.]])

    InputError for an index that is out of range, not whole or NaN.

    Source: torch/nn, OneHot.lua; char-rnn, util/OneHot.lua.
    """

    parameter_names = ()

    def __init__(self, output_size: int) -> None:
        self.output_size = size(output_size, "output_size")
        self.one = np.ones(1)  # an array, so that float() and double() convert it and with it the output

    def update_output(self, input: np.ndarray) -> np.ndarray:
        indices = whole(input, self.output_size)
        output = np.zeros((*indices.shape, self.output_size), self.one.dtype)
        np.put_along_axis(output, indices[..., None], self.one, -1)
        return output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return np.zeros(input.shape, self.one.dtype)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return (*array_shape(shape), self.output_size)


def whole(values: np.ndarray, n: int, first: int = 0) -> np.ndarray:
    """The values as integers; InputError, naming the first bad one, unless all are indices from `first` on, n of them.

    >>> whole(np.array([2.0, 0.0]), 3)
    array([2, 0])
    """
    if values.dtype.kind not in "iuf":
        raise InputError(f"expected indices, whole numbers, got an array of type {values.dtype}")
    if values.size == 1 and values.dtype.kind == "i" and first <= values.item() < first + n:
        return values.astype(np.intp)  # Several times as quick, as one character after the other needs it.
    good = (values >= first) & (values < first + n)
    if values.dtype.kind == "f":
        good &= values == np.floor(values)
    if not good.all():
        raise InputError(f"expected indices from {first} to {first + n - 1}, found {values[~good].flat[0]}")
    return values.astype(np.intp)


def add_rows(target: np.ndarray, rows: np.ndarray, gradients: np.ndarray) -> None:
    """Add each gradient to the row of `target` that it belongs to; rows may be named several times."""
    if len(rows) == 0:
        return
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    target[rows[starts]] += np.add.reduceat(gradients[order], starts, axis=0)


def _positive(value: float | None, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value > 0:
        raise ArgumentError(f"{what} must be a positive number or None, got {value!r}")
    return float(value)
