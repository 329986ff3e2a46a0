"""Arithmetic of one array with each of a table: MixtureTable and CAddTensorTable."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import as_numbers
from nodegraph.nn.view import axis_of, integer


class MixtureTable(Module):
    """y = sum_i g_i x_i, a mixture of experts: [g, [x_0, x_1, ...]] -> an array of an expert's shape.

    The gater g is (batch, n) for n experts (batch, ...), or (n,) for experts of any shape. The experts may also come
    as one array, in which they lie along `axis`; by default that is the gater's last.

    >>> MixtureTable().forward([np.array([0.25, 0.75]), [np.array([4.0, 0.0]), np.array([0.0, 4.0])]])
    array([1., 3.])

    Source: torch/nn, MixtureTable.lua. Torch7 fixes the default axis at the first input, for all later ones.
    """

    parameter_names = ()

    def __init__(self, axis: int | None = None) -> None:
        self.axis = None if axis is None else integer(axis, "axis")

    def update_output(self, input: list[Any]) -> np.ndarray:
        gater, experts = as_numbers(input[0]), self._listed(input)
        return functools.reduce(np.add, [gate(gater, i, x) * x for i, x in enumerate(experts)])

    def update_grad_input(self, input: list[Any], grad_output: np.ndarray) -> list[Any]:
        gater, experts = input[0], self._listed(input)
        summed = tuple(range(gater.ndim - 1, grad_output.ndim))
        grad_gater = np.stack([(grad_output * x).sum(summed) for x in experts], -1)
        grad_experts: Any = [gate(gater, i, x) * grad_output for i, x in enumerate(experts)]
        if not table.is_table(input[1]):
            grad_experts = np.stack(grad_experts, self._axis(gater.ndim, input[1].ndim))
        return [grad_gater, grad_experts]

    def _axis(self, gater_ndim: int, ndim: int) -> int:
        return axis_of(gater_ndim - 1 if self.axis is None else self.axis, ndim)

    def _listed(self, input: list[Any]) -> Any:
        """The experts, whichever way they came, as something to go through one by one."""
        gater, experts = input
        return experts if table.is_table(experts) else np.moveaxis(experts, self._axis(gater.ndim, experts.ndim), 0)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if not isinstance(shape, list) or len(shape) != 2 or isinstance(shape[0], list) or len(shape[0]) not in (1, 2):
            raise ShapeError("expected a table of a gater (batch, n) or (n,) and the experts")
        gater, experts = shape
        if not isinstance(experts, list):
            axis = self._axis(len(gater), len(experts))
            experts = [experts[:axis] + experts[axis + 1 :]] * experts[axis]
        if len(experts) != gater[-1] or not experts:
            raise ShapeError("expected as many experts as the gater has columns, at least one")
        if any(isinstance(s, list) or s != experts[0] for s in experts):
            raise ShapeError("expected experts of one shape")
        if experts[0][: len(gater) - 1] != gater[:-1]:
            raise ShapeError("expected as many rows in the gater as in each expert")
        return experts[0]

    def rowwise(self, shape: Any) -> bool:
        gater, experts = shape
        return len(gater) == 2 and (isinstance(experts, list) or self._axis(2, len(experts)) > 0)


def gate(gater: np.ndarray, i: int, expert: np.ndarray) -> np.ndarray:
    """The gater's i-th column, shaped so that each of its rows scales a row of the expert."""
    return gater[..., i].reshape(gater.shape[:-1] + (1,) * (expert.ndim - gater.ndim + 1))


class CAddTensorTable(Module):
    """An array added to each of a table: [v, [a, b]] -> [a + v, b + v], for arrays of equally many elements.

    >>> CAddTensorTable().forward([np.array([1.0, 2.0]), [np.array([10.0, 10.0]), np.array([20.0, 20.0])]])
    [array([11., 12.]), array([21., 22.])]

    Source: torch/nn, CAddTensorTable.lua.
    """

    parameter_names = ()

    def update_output(self, input: list[Any]) -> list[np.ndarray]:
        return [x.reshape(input[0].shape) + as_numbers(input[0]) for x in input[1]]

    def update_grad_input(self, input: list[Any], grad_output: list[np.ndarray]) -> list[Any]:
        total = functools.reduce(table.add, grad_output, None)
        return [table.fill(total, input[0]), [g.reshape(x.shape) for g, x in zip(grad_output, input[1])]]

    def output_shape(self, shape: Any) -> list[tuple[int, ...]]:
        if not isinstance(shape, list) or [type(part) for part in shape] != [tuple, list]:
            raise ShapeError("expected a table of an array and a table of arrays")
        if any(isinstance(s, list) or math.prod(s) != math.prod(shape[0]) for s in shape[1]):
            raise ShapeError("expected arrays of equally many elements")
        return [shape[0]] * len(shape[1])

    def rowwise(self, shape: Any) -> bool:
        return len(shape[0]) > 0 and all(s == shape[0] for s in shape[1])
