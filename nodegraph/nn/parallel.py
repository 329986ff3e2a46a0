"""Containers that give each module its own part of the input: ParallelTable, MapTable, Parallel."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ShapeError, StateError
from nodegraph.nn.branches import put_together, side_by_side
from nodegraph.nn.container import Container
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape, flag
from nodegraph.nn.view import array, axis_of, count, integer


class ParallelTable(Container):
    """Module i applied to value i of a table: [x0, x1, ...] -> [f0(x0), f1(x1), ...].

    >>> ParallelTable(nn.Linear(4, 3), nn.Tanh()).forward([np.zeros(4), np.zeros(1)])[1]
    array([0.])

    Source: torch/nn, ParallelTable.lua. Torch7 passes over values for which there is no module; here they are refused.
    """

    def check_input(self, input: Any) -> None:
        self.check_table(input)

    def check_table(self, values: Any) -> Any:
        """The values or their shapes, which must be a table of one for each module."""
        if not isinstance(values, list) or len(values) != len(self.modules):
            raise ShapeError(f"expected a table of {len(self.modules)}, a value for each module")
        return values

    def update_output(self, input: list[Any]) -> list[Any]:
        self.saved = [self.call(i, part) for i, part in enumerate(input)]
        return [call.output for call in self.saved]

    def update_grad_input(self, input: list[Any], grad_output: list[Any]) -> list[Any]:
        return [self.back(i, gradient) for i, gradient in enumerate(grad_output)]

    def output_shape(self, shape: Any) -> list[Any]:
        return [self.child_shape(i, part) for i, part in enumerate(self.check_table(shape))]

    def rowwise(self, shape: Any) -> bool:
        return all(self.module_for(i).rowwise(part) for i, part in enumerate(shape))


class MapTable(ParallelTable):
    """The one module applied to each value of a table: [x0, x1, ...] -> [f(x0), f(x1), ...].

    With `shared` False each place of the table has parameters of its own: a copy of the module, made when a table
    first reaches so far, or by `resize`.

    >>> MapTable(nn.Linear(3, 2)).forward([np.zeros(3), np.zeros((5, 3))])[1].shape
    (5, 2)

    Source: torch/nn, MapTable.lua. Torch7 lists the shared parameters once for each value of the last table in
    `parameters()`; here they stand there once.
    """

    capacity = 1

    def __init__(self, module: Module | None = None, shared: bool = True) -> None:
        super().__init__(*[] if module is None else [module])
        self.shared = flag(shared, "shared")
        self.arguments = ((), {} if self.shared else {"shared": False})

    def module_for(self, i: int) -> Module:
        return self.modules[0 if self.shared else min(i, len(self.modules) - 1)]

    def resize(self, n: int) -> MapTable:
        """Have exactly `n` copies of the module where they are not shared, at least the module itself."""
        n = count(n, "n")
        if not self.shared:
            self._extend(n)
            del self.modules[max(n, 1) :]
        return self

    def _extend(self, n: int) -> None:
        self._check_module()
        while len(self.modules) < n:
            self.modules.append(self.modules[0].clone())

    def _check_module(self) -> None:
        if not self.modules:
            raise StateError("MapTable has no module: add it first")

    def check_table(self, values: Any) -> Any:
        self._check_module()
        if not isinstance(values, list):
            raise ShapeError("expected a table")
        return values

    def update_output(self, input: list[Any]) -> list[Any]:
        if not self.shared:
            self._extend(len(input))
        return super().update_output(input)


class Parallel(Container):
    """Module i applied to slice i of the input along one axis; the outputs one after the other along another.

    (batch, n, in) -> (batch, out1 + out2 + ...) for axes 1 and 1, the second counted in the modules' outputs.

    >>> Parallel(1, 1, nn.Linear(4, 3), nn.Linear(4, 2)).forward(np.zeros((5, 2, 4))).shape
    (5, 5)

    Source: torch/nn, Parallel.lua. Torch7 leaves modules out where there are too few slices; here that is refused.
    """

    def __init__(self, input_axis: int, output_axis: int, *modules: Module) -> None:
        super().__init__(*modules)
        self.arguments = ((input_axis, output_axis), {})
        self.input_axis, self.output_axis = integer(input_axis, "input_axis"), integer(output_axis, "output_axis")

    def check_input(self, input: Any) -> None:
        self._slice_shape(table.shape(input))

    def update_output(self, input: np.ndarray) -> np.ndarray:
        slices = np.moveaxis(array(input), self.input_axis, 0)
        self.saved = [self.call(i, slices[i, ...]) for i in range(len(slices))]
        return put_together([call.output for call in self.saved], self.output_axis)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        _, windows = side_by_side([call.output.shape for call in self.saved], self.output_axis)
        grad_input = table.zeros_like(input)
        slices = np.moveaxis(grad_input, self.input_axis, 0)
        for i, window in enumerate(windows):
            slices[i] = self.back(i, grad_output[window])
        return grad_input

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        part = self._slice_shape(shape)
        return side_by_side([self.child_shape(i, part) for i in range(len(self.modules))], self.output_axis)[0]

    def _slice_shape(self, shape: Any) -> tuple[int, ...]:
        axis = axis_of(self.input_axis, len(array_shape(shape)))
        if shape[axis] != len(self.modules):
            raise ShapeError(f"expected {len(self.modules)} slices along axis {axis}, one for each module")
        return shape[:axis] + shape[axis + 1 :]

    def rowwise(self, shape: Any) -> bool:
        part = self._slice_shape(shape)
        if axis_of(self.input_axis, len(shape)) == 0 or not all(module.rowwise(part) for module in self.modules):
            return False
        return axis_of(self.output_axis, len(self.output_shape(shape))) > 0
