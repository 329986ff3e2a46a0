"""The values and gradients of one node over time, as a list of steps or stacked in arrays (steps, batch, ...)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.nn.module import Call


class Series:
    """What a node gave at each step. Either form is made from the other when it is asked for."""

    __slots__ = ("_listed", "_stacked")

    def __init__(self, listed: list[Any] | None = None, stacked: Any = None) -> None:
        self._listed, self._stacked = listed, stacked

    def at(self, t: int) -> Any:
        if self._listed is None:
            return step(self._stacked, t)
        return self._listed[t]

    @property
    def stacked(self) -> Any:
        if self._stacked is None:
            self._stacked = stack(self._listed)
        return self._stacked


class GradientSeries:
    """The gradient of what a node gave, summed up from contributions to all steps and to single ones."""

    __slots__ = ("steps", "_stacked", "_listed")

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._stacked: Any = None
        self._listed: list[Any] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was added, so that the gradient is zero."""
        return self._stacked is None and self._listed is None

    def add(self, stacked: Any) -> None:
        """Add a gradient for all steps, or None for zero."""
        self._stacked = table.add(self._stacked, stacked)

    def add_at(self, t: int, gradient: Any) -> None:
        """Add a gradient for step t, or None for zero."""
        if gradient is not None:
            if self._listed is None:
                self._listed = [None] * self.steps
            self._listed[t] = table.add(self._listed[t], gradient)

    def at(self, t: int) -> Any:
        """The gradient of step t, None for zero."""
        listed = None if self._listed is None else self._listed[t]
        return table.add(step(self._stacked, t), listed)

    def stacked(self, values: Series) -> Any:
        """The gradient of all steps, with zeros where there was none; `values` tells the shapes."""
        whole = None
        if self._listed is not None:
            whole = stack([table.fill(g, values.at(t)) for t, g in enumerate(self._listed)])
        return table.fill(table.add(self._stacked, whole), values.stacked)


class OverTime:
    """A node's values over time: `output` and, after backward, `grad_output`, as arrays (steps, batch, ...).

    `grad_output` is None where there was no gradient at all.
    """

    def __init__(self, calls: Call | list[Call], steps: int) -> None:
        self._calls, self._steps = calls, steps

    @property
    def output(self) -> Any:
        """The outputs of all steps."""
        return self._gather("output")

    @property
    def grad_output(self) -> Any:
        """The gradients of the outputs of all steps."""
        return self._gather("grad_output")

    def _gather(self, name: str) -> Any:
        if isinstance(self._calls, Call):
            return separate(getattr(self._calls, name), self._steps)
        listed = [getattr(call, name) for call in self._calls]
        if all(value is None for value in listed):
            return None
        return stack([table.fill(value, call.output) for value, call in zip(listed, self._calls)])


def stack(listed: Any) -> Any:
    """Values of one structure as one value of that structure, along a new first axis.

    Raises ShapeError for values that differ in shape, such as a state that grows.
    """
    shapes = [table.shape(value) for value in listed]
    for shape in shapes:
        if shape != shapes[0]:
            found = f"{table.describe_shape(shapes[0])} and {table.describe_shape(shape)}"
            raise ShapeError(f"expected values of one shape at all steps, found {found}")
    return table.map(lambda *parts: np.stack(parts), *listed)


def step(stacked: Any, t: int) -> Any:
    """Step t of a stacked value; None, for zero, stays None."""
    return table.map(lambda whole: None if whole is None else whole[t], stacked)


def merge(stacked: Any) -> Any:
    """The rows of all steps one after the other: (steps, batch, ...) -> (steps x batch, ...)."""
    return table.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), stacked)


def separate(merged: Any, steps: int) -> Any:
    """The inverse of `merge`; None, for zero, stays None."""
    return table.map(lambda x: None if x is None else x.reshape(steps, x.shape[0] // steps, *x.shape[1:]), merged)
