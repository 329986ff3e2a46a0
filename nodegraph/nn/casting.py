"""Copy and DontCast: modules that change the type of numbers, or keep it from being changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape, flag


class Copy(Module):
    """y = x as `output_type`; the gradient goes back as `input_type`.

    Types are NumPy's or their names; both are float64 by default. Between equal types nothing is copied, and the
    input is passed on as it is, unless `force_copy`. A cast of the module, such as `float()`, makes both types the new
    one, unless `dont_cast`.

    >>> Copy("float64", "float32").forward(np.array([1.0, 2.0]))
    array([1., 2.], dtype=float32)

    Source: torch/nn, Copy.lua.
    """

    parameter_names = ()
    keeps_output = False

    def __init__(
        self, input_type: Any = None, output_type: Any = None, force_copy: bool = False, dont_cast: bool = False
    ) -> None:
        types = number_type(input_type), number_type(output_type)
        self.passes_on = types[0] == types[1] and not flag(force_copy, "force_copy")
        # Empty arrays, where a cast of the module is to convert them.
        likes: Any = types if flag(dont_cast, "dont_cast") else (np.empty(0, dtype) for dtype in types)
        self.input_like, self.output_like = likes

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return input if self.passes_on else input.astype(np.result_type(self.output_like))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output if self.passes_on else grad_output.astype(np.result_type(self.input_like))

    def rowwise(self, shape: Any) -> bool:
        return True

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return array_shape(shape)


class DontCast(Decorator):
    """A module whose numbers keep their type when the network around it is cast, by `float()` for one.

    With `cast_in` the input is cast to `module_type`, and its gradient back to the type of the network around; with
    `cast_out`, by default the same, the output is cast to the type around, and its gradient to `module_type`. That is
    the type of the module's first parameter unless given. Integer arrays, such as indices, are left as they are.

    >>> net = DontCast(nn.Linear(3, 2), cast_in=True).float()
    >>> net[0].weight.dtype.name, net.forward(np.zeros(3, np.float32)).dtype.name
    ('float64', 'float32')

    Source: torch/nn, DontCast.lua.
    """

    def __init__(
        self, module: Module, cast_in: bool = False, cast_out: bool | None = None, module_type: Any = None
    ) -> None:
        super().__init__(module)
        self.arguments = ((cast_in, cast_out, module_type), {})
        self.cast_in = flag(cast_in, "cast_in")
        self.cast_out = self.cast_in if cast_out is None else flag(cast_out, "cast_out")
        if module_type is None:
            module_type = next((p.dtype for p in module.parameters()[0]), None)
        self.module_type = number_type(module_type)
        self.type_around = np.empty(0)

    def convert_arrays(self, convert: Any) -> None:
        self.convert_own_arrays(convert)

    def update_output(self, input: Any) -> Any:
        self.saved = [self.call(0, cast(input, self.module_type) if self.cast_in else input)]
        output = self.saved[0].output
        return cast(output, self.type_around.dtype) if self.cast_out else output

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        gradient = self.back(0, cast(grad_output, self.module_type) if self.cast_out else grad_output)
        return cast(gradient, self.type_around.dtype) if self.cast_in else gradient


def number_type(given: Any) -> np.dtype:
    """A type of numbers, float64 for None; ArgumentError if there is none such."""
    try:
        dtype = np.dtype(np.float64 if given is None else given)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "fiub":
        raise ArgumentError(f"expected a type of numbers, such as 'float32', got {given!r}")
    return dtype


def cast(value: Any, dtype: Any) -> Any:
    """The floating-point arrays of a value in another type."""
    return table.map(lambda x: x.astype(dtype, copy=False) if x.dtype.kind == "f" else x, value)
