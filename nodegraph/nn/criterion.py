"""Criterion: a loss, its value and its gradient. ModuleFromCriterion: the loss as a module, for graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.nn.component import Component
from nodegraph.nn.module import Module, locate
from nodegraph.nn.pointwise import flag
from nodegraph.node import Node, as_parents


class Criterion(Component):
    """A loss: how far an input, mostly a network's output, is from a target.

    A subclass writes two methods, in terms of NumPy alone::

        update_output(self, input, target)         # returns the loss, a number
        update_grad_input(self, input, target)     # returns the gradient with respect to the input

    and `check(shape, target_shape)`, which raises ShapeError for what it cannot take. `prepare` may bring input and
    target into a form that suits both methods. Where `size_average` is true the loss is an average over elements or
    samples, else a sum.

    >>> criterion = nn.MSECriterion()
    >>> criterion.forward(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    >>> criterion.backward(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([ 0., -2.])

    Called on nodes it gives a node, whose value is an array of one element: the loss.

    >>> prediction, target = nn.Identity()(), nn.Identity()()
    >>> criterion([prediction, target]).module
    ModuleFromCriterion(MSECriterion())

    Source: torch/nn, Criterion.lua.
    """

    size_average = True
    takes_target = True

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = flag(size_average, "size_average")

    # The loss and its derivative

    def update_output(self, input: Any, target: Any) -> float:
        """The loss, for input and target as `prepare` gives them."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_output")

    def update_grad_input(self, input: Any, target: Any) -> Any:
        """The gradient of the loss with respect to the input, for input and target as `prepare` gives them."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_grad_input")

    def check(self, shape: Any, target_shape: Any) -> None:
        """Raise ShapeError unless input and target may have these shapes; a list of shapes for a table."""

    def prepare(self, input: Any, target: Any) -> tuple[Any, Any]:
        """Input and target as the two methods above take them; InputError for values that they cannot take.

        The gradient may have the shape of the prepared input; the caller gets it in that of the input.
        """
        return table.map(real, input), target

    # Running it

    def forward(self, input: Any, target: Any = None) -> float:
        """The loss, as a Python float."""
        with self._located(input, target):
            return self.run(input, target).output

    def backward(self, input: Any, target: Any = None) -> Any:
        """The gradient of the loss with respect to the input."""
        with self._located(input, target):
            self.grad_input = self.gradient(input, target)
        return self.grad_input

    def run(self, input: Any, target: Any) -> Criterion:
        """A forward on a *frame*, a shallow copy, which is returned; it keeps what its own `gradient` needs.

        So one criterion can stand at several nodes or in several containers at once.
        """
        frame = object.__new__(type(self))
        vars(frame).update(vars(self))
        frame.output = float(frame.update_output(*frame.ready(input, target)))
        vars(self).update(vars(frame))
        return frame

    def gradient(self, input: Any, target: Any) -> Any:
        """What `backward` returns, without the place in its errors."""
        gradient = self.update_grad_input(*self.ready(input, target))
        return table.map(lambda g, x: g.reshape(np.shape(x)), table.fill(gradient, input), input)

    def ready(self, input: Any, target: Any) -> tuple[Any, Any]:
        """Input and target, checked and prepared."""
        input, target = table.as_value(input), as_target(target)
        if target is None and self.takes_target:
            raise ShapeError("expected a target, too")
        if any(np.size(leaf) == 0 for leaf in table.leaves(input)):
            raise ShapeError("expected at least one element")
        self.check(table.shape(input), None if target is None else table.shape(target))
        return self.prepare(input, target)

    @contextlib.contextmanager
    def _located(self, input: Any, target: Any) -> Iterator[None]:
        with np.errstate(all="ignore"):
            try:
                yield
            except Exception as error:
                raise locate(error, self.describe(), both(input, target))

    # Wiring

    def __call__(self, *parents: Any) -> Node:
        """A node that applies this criterion to two nodes, [input, target], or to the input if it has no target."""
        return Node(ModuleFromCriterion(self), as_parents(type(self).__name__, parents))


class ModuleFromCriterion(Module):
    """A criterion as a module: [input, target] -> (1,), the loss.

    The gradient of the target is zero. A criterion without a target takes its input alone. `Criterion(nodes)` makes it.

    >>> module = ModuleFromCriterion(nn.MSECriterion())
    >>> module.forward([np.array([1.0, 2.0]), np.array([1.0, 4.0])])
    array([2.])
    >>> module.backward([np.array([1.0, 2.0]), np.array([1.0, 4.0])], np.array([10.0]))
    [array([  0., -20.]), array([0., 0.])]

    Source: torch/nngraph, ModuleFromCriterion.lua.
    """

    parameter_names = ()
    shape: tuple[int, ...] = (1,)

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = a_criterion(criterion, type(self).__name__)

    @property
    def kind(self) -> str:
        return self.criterion.kind

    def convert_arrays(self, convert: Any) -> None:
        super().convert_arrays(convert)
        self.criterion.convert_arrays(convert)

    def update_output(self, input: Any) -> np.ndarray:
        self.saved = self.criterion.run(*self._pair(input))
        dtype = np.result_type(*[leaf.dtype for leaf in table.leaves(self._pair(input)[0])])
        return np.full(self.shape, self.saved.output, dtype if dtype.kind == "f" else float)

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        prediction, target = self._pair(input)
        factor = float(np.reshape(grad_output, ()))
        gradient = scaled(self.saved.gradient(prediction, target), factor)
        return [gradient, table.zeros_like(target)] if self.criterion.takes_target else gradient

    def _pair(self, input: Any) -> list[Any]:
        if not self.criterion.takes_target:
            return [input, None]
        if not isinstance(input, list) or len(input) != 2:
            raise ShapeError("expected a table of two, [input, target]")
        return input

    def check_input(self, input: Any) -> None:
        self._pair(input)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        self.criterion.check(*self._pair(shape))
        return self.shape


def both(input: Any, target: Any) -> str:
    """Input and target in words, for messages."""
    return f"input {table.describe(input)}" + (f" and target {table.describe(target)}" if target is not None else "")


def scaled(gradient: Any, factor: float) -> Any:
    """A gradient times a number."""
    return table.map(lambda g: g * factor, gradient)


def as_target(target: Any) -> Any:
    """The target as a value; None, for criterions that have no target, stays None."""
    if table.is_table(target):
        return [as_target(part) for part in target]
    return None if target is None else table.as_value(target)


def real(x: np.ndarray) -> np.ndarray:
    """The array itself if it is floating point, else as float64."""
    return x if x.dtype.kind == "f" else x.astype(float)


def signs(target: np.ndarray, dtype: Any) -> np.ndarray:
    """The target, which must be made of 1 and -1; InputError names another value."""
    wrong = ~np.isin(target, (1, -1))
    if wrong.any():
        raise InputError(f"the target is {target[wrong][0]} somewhere; it must be 1 or -1")
    return target.astype(dtype)


def a_criterion(value: Any, taker: str) -> Criterion:
    """The value, which must be a criterion."""
    if not isinstance(value, Criterion):
        raise ArgumentError(f"{taker} takes a criterion, got {value!r}")
    return value


def weight_array(weights: Any, what: str = "weights", ndim: int | None = None) -> np.ndarray:
    """The weights as a floating-point array of `ndim` axes, or of any number; ArgumentError if they are not."""
    try:
        array = np.array(weights, dtype=np.float32 if getattr(weights, "dtype", None) == np.float32 else float)
    except (TypeError, ValueError):
        array = None
    if array is None or array.size == 0 or np.isnan(array).any() or (ndim is not None and array.ndim != ndim):
        axes = "" if ndim is None else f" of {ndim} axis"
        raise ArgumentError(f"{what} must be an array of numbers{axes}, got {weights!r}")
    return array


def optional_weights(weights: Any) -> np.ndarray | None:
    """One weight for each class or label, or None."""
    return None if weights is None else weight_array(weights, ndim=1)
