"""Views that regroup the values of nested tables."""

from __future__ import annotations

import functools
from typing import Any

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.nn.tables import table_of
from nodegraph.nn.view import ViewModule


class FlattenTable(ViewModule):
    """The arrays of a nested table in a plain one, from left to right: [a, [b, [c]]] -> [a, b, c].

    >>> FlattenTable().forward([np.zeros(1), [np.ones(2), [np.zeros(1)]]])
    [array([0.]), array([1., 1.]), array([0.])]

    Source: torch/nn, FlattenTable.lua.
    """

    def view(self, input: Any) -> list[Any]:
        return list(table.leaves(table_of(input)))

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: list[Any]) -> Any:
        gradients = iter(grad_output)
        return table.map(lambda _: next(gradients), input)


class ZipTable(ViewModule):
    """A table of rows as a table of columns: [[a0, a1], [b0, b1], [c0, c1]] -> [[a0, b0, c0], [a1, b1, c1]].

    >>> ZipTable().forward([[np.zeros(1), np.ones(1)], [np.zeros(2), np.ones(2)]])
    [[array([0.]), array([0., 0.])], [array([1.]), array([1., 1.])]]

    Source: torch/nn, ZipTable.lua. Torch7 leaves holes where the rows are of different lengths; here they are refused.
    """

    def view(self, input: Any) -> list[Any]:
        if len({len(table_of(row)) for row in table_of(input)}) > 1:
            raise ShapeError("expected a table of tables of one length")
        return [list(column) for column in zip(*input)]

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: list[Any]) -> list[Any]:
        return [[column[i] for column in grad_output] for i in range(len(input))]


class ZipTableOneToMany(ViewModule):
    """A value paired with each of a table: [v, [a, b, c]] -> [[v, a], [v, b], [v, c]]; v's gradients add up.

    >>> ZipTableOneToMany().forward([np.zeros(1), [np.ones(2), np.ones(1)]])
    [[array([0.]), array([1., 1.])], [array([0.]), array([1.])]]

    Source: torch/nn, ZipTableOneToMany.lua.
    """

    def view(self, input: Any) -> list[Any]:
        if len(table_of(input)) != 2 or not table.is_table(input[1]):
            raise ShapeError("expected a table of a value and a table")
        return [[input[0], part] for part in input[1]]

    def rowwise(self, shape: Any) -> bool:
        return True

    def update_grad_input(self, input: Any, grad_output: list[Any]) -> list[Any]:
        total = functools.reduce(table.add, [pair[0] for pair in grad_output], None)
        return [table.fill(total, input[0]), [pair[1] for pair in grad_output]]
