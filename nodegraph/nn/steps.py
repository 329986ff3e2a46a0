"""Sequences of different lengths in one array: which steps count, the sequences backwards, and their last steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import InputError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape
from nodegraph.nn.view import axis_of, integer


def valid_steps(given: np.ndarray, steps: int, batch: int, batch_first: bool = False) -> np.ndarray:
    """Which steps of which sequences count, (steps, batch) of booleans, from lengths or a mask.

    `given` is either the length of each sequence (batch,), whose steps are then its first ones, or a mask (steps,
    batch), with `batch_first` (batch, steps), True or 1 where a step counts. InputError for other numbers.

    >>> valid_steps(np.array([2, 1]), 3, 2).astype(int)
    array([[1, 1],
           [1, 0],
           [0, 0]])
    """
    check_mask_shape(given.shape, steps, batch, batch_first)
    if given.ndim == 1:
        good = (given >= 0) & (given <= steps) & (given == np.floor(given))
        if given.dtype.kind == "b":
            raise InputError("expected the lengths of the sequences as numbers, found booleans")
        if not good.all():
            raise InputError(f"expected lengths of sequences, whole numbers up to {steps}, found {given[~good][0]}")
        return np.arange(steps)[:, None] < given
    good = (given == 0) | (given == 1)
    if not good.all():
        raise InputError(f"expected a mask of booleans or of zeros and ones, found {given[~good][0]}")
    return (given.T if batch_first else given) != 0


def check_mask_shape(shape: Any, steps: int, batch: int, batch_first: bool = False) -> None:
    """ShapeError unless lengths of so many sequences, or a mask for them, have this shape."""
    mask, axes = ((batch, steps), "(batch, steps)") if batch_first else ((steps, batch), "(steps, batch)")
    if shape not in ((batch,), mask):
        found = table.describe_shape(shape)
        raise ShapeError(f"expected lengths (batch,), here {(batch,)}, or a mask {axes}, here {mask}, found {found}")


class OverSteps(Module):
    """Base of modules over sequences along an axis: x, or a table [x, lengths or mask] for sequences within x.

    With lengths (batch,), or a mask that has the first two axes of x, `axis` is one of these two and the batch is the
    other.
    """

    parameter_names = ()

    def __init__(self, axis: int = 0) -> None:
        self.axis = integer(axis, "axis")

    def parts(self, input: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """x with the steps as its first axis, and which of them count, (steps, batch); None for all."""
        if not table.is_table(input):
            return np.moveaxis(input, self.axis, 0), None
        x = np.moveaxis(input[0], self.axis, 0)
        steps, batch = x.shape[:2]
        return x, valid_steps(input[1], steps, batch, batch_first=self.axis == 1)

    def x_shape(self, shape: Any) -> tuple[int, ...]:
        """The shape of x, from that of the input; ShapeError for an input that is none."""
        if not isinstance(shape, list):
            axis_of(self.axis, len(array_shape(shape)))
            return shape
        if len(shape) != 2 or any(isinstance(part, list) for part in shape) or len(shape[0]) < 2:
            raise ShapeError("expected an array, or a table of an array (steps, batch, ...) and lengths or a mask")
        if self.axis not in (0, 1):
            raise ShapeError(f"lengths or a mask are for steps along axis 0 or 1, not {self.axis}")
        x, given = shape
        check_mask_shape(given, x[self.axis], x[1 - self.axis], batch_first=self.axis == 1)
        return x

    def rowwise(self, shape: Any) -> bool:
        return not isinstance(shape, list) and axis_of(self.axis, len(shape)) > 0

    def as_grad_input(self, input: Any, gradient: np.ndarray) -> Any:
        """The gradient of the whole input, from that of x with the steps first."""
        gradient = np.moveaxis(gradient, 0, self.axis)
        return [gradient, table.zeros_like(input[1])] if table.is_table(input) else gradient


class Reverse(OverSteps):
    """The slices along an axis in the opposite order: (steps, batch, ...) -> (steps, batch, ...) for axis 0.

    For `[x, lengths]` or `[x, mask]` each sequence is turned round within the steps that it has, and the others stay
    where they are, so that a recurrence that goes backwards does not begin with padding. Twice it is x again.

    >>> x = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 0.0]])
    >>> Reverse().forward([x, np.array([3, 2])])
    array([[3., 6.],
           [2., 5.],
           [1., 0.]])
    >>> Reverse(1).forward(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1.]])
    """

    def update_output(self, input: Any) -> np.ndarray:
        x, valid = self.parts(input)
        self.saved = None if valid is None else _mirrored(valid)
        return np.moveaxis(self._turned(x), 0, self.axis)

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        return self.as_grad_input(input, self._turned(np.moveaxis(grad_output, self.axis, 0)))

    def _turned(self, x: np.ndarray) -> np.ndarray:
        return x[::-1] if self.saved is None else x[self.saved, np.arange(x.shape[1])]

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return self.x_shape(shape)


class Last(OverSteps):
    """The last slice along an axis: (steps, batch, ...) -> (batch, ...) for axis 0.

    For `[x, lengths]` or `[x, mask]` each sequence's own last step; zeros for a sequence that has none.

    >>> x = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 0.0]])
    >>> Last().forward([x, np.array([3, 2])])
    array([3., 6.])
    """

    def update_output(self, input: Any) -> np.ndarray:
        x, valid = self.parts(input)
        if valid is None:
            return x[-1]
        columns = np.flatnonzero(valid.any(0))
        counting = np.where(valid[:, columns], np.arange(len(valid))[:, None], 0)
        self.saved = counting.max(0, initial=0), columns
        output = np.zeros(x.shape[1:], x.dtype)
        output[columns] = x[self.saved]
        return output

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        x, valid = self.parts(input)
        gradient = np.zeros(x.shape, grad_output.dtype)
        if valid is None:
            gradient[-1] = grad_output
        else:
            gradient[self.saved] = grad_output[self.saved[1]]
        return self.as_grad_input(input, gradient)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        x = self.x_shape(shape)
        axis = axis_of(self.axis, len(x))
        if x[axis] == 0 and not isinstance(shape, list):
            raise ShapeError(f"expected at least one step along axis {self.axis}")
        return x[:axis] + x[axis + 1 :]


def _mirrored(valid: np.ndarray) -> np.ndarray:
    """For each place (step, sequence) the step that comes there when the steps that count are turned round."""
    steps = np.arange(len(valid))[:, None]
    in_order = np.argsort(~valid, axis=0, kind="stable")  # those that count first
    rank = np.cumsum(valid, axis=0) - 1
    last = valid.sum(axis=0) - 1
    return np.where(valid, np.take_along_axis(in_order, np.maximum(last - rank, 0), 0), steps)
