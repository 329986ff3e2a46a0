"""MaskZero: a module that leaves out the samples of a batch that are all zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.module import Module
from nodegraph.nn.view import count


class MaskZero(Decorator):
    """y = module(x), and zeros in the place of y for the samples x that are all zeros, as padding is.

    `n_input_dim` is the number of axes of a sample: an array that has one more is a batch of them, an array that has
    as many a single one. Of a table the first array tells which samples are left out. The module sees them all; each
    array in its output lists the samples along its first axis. In the gradient that comes in, the samples left out
    count as zeros.

    >>> from nodegraph import nn
    >>> mask = MaskZero(nn.AddConstant(1), 1)
    >>> mask.forward(np.array([[0.0, 2.0], [0.0, 0.0]]))
    array([[1., 3.],
           [0., 0.]])

    ShapeError for another number of axes. Source: Element-Research/rnn, MaskZero.lua. There the parameters of the last
    module inside get a gradient from the samples left out, too.
    """

    def __init__(self, module: Module, n_input_dim: int) -> None:
        super().__init__(module)
        self.n_input_dim = count(n_input_dim, "n_input_dim")
        self.arguments = ((), {"n_input_dim": self.n_input_dim})

    def update_output(self, input: Any) -> Any:
        batch, output = self._batch(table.shape(input)), super().update_output(input)
        self._check(batch, table.shape(output))
        return self._masked(input, output)

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return super().update_grad_input(input, self._masked(input, grad_output))

    def _masked(self, input: Any, value: Any) -> Any:
        """The value with zeros for the samples that are left out."""
        x = next(table.leaves(input))
        counts = np.abs(x).sum(tuple(range(x.ndim - self.n_input_dim, x.ndim))) != 0

        def masked(y: np.ndarray) -> np.ndarray:
            return np.where(counts.reshape(*counts.shape, *(1,) * (y.ndim - counts.ndim)), y, y.dtype.type(0))

        return table.map(masked, value)

    def _batch(self, shape: Any) -> tuple[int, ...]:
        """The batch axis of an input of this shape; none for a single sample."""
        x = next(table.shapes(shape), ())
        if len(x) not in (self.n_input_dim, self.n_input_dim + 1):
            raise ShapeError(f"expected an array of {self.n_input_dim} axes, or of one more for a batch")
        return x[: len(x) - self.n_input_dim]

    def _check(self, batch: tuple[int, ...], made: Any) -> None:
        """ShapeError for an output that does not list the samples."""
        if any(y[: len(batch)] != batch for y in table.shapes(made)):
            given = table.describe_shape(made)
            raise ShapeError(
                f"expected an output whose first axis lists the {batch[0]} samples, the module's is {given}"
            )

    def output_shape(self, shape: Any) -> Any:
        batch, made = self._batch(shape), super().output_shape(shape)
        self._check(batch, made)
        return made

    def rowwise(self, shape: Any) -> bool:
        return len(self._batch(shape)) > 0 and super().rowwise(shape)
