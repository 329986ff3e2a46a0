"""Formulas: NumPy code that a pointwise module is made of, run on tensors by way of symbols."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, cannot, register
from nodegraph.export.torch.layer import ANY, Layer
from nodegraph.symbols import Symbol


def maximum(a: Any, b: Any) -> Any:
    """The larger of two, of which one may be a number."""
    if isinstance(a, (int, float)):
        return torch.clamp(b, min=a)
    return torch.clamp(a, min=b) if isinstance(b, (int, float)) else torch.maximum(a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two, of which one may be a number."""
    if isinstance(a, (int, float)):
        return torch.clamp(b, max=a)
    return torch.clamp(a, max=b) if isinstance(b, (int, float)) else torch.minimum(a, b)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """The values between two bounds, of which each may be a number, a tensor, or None for no bound."""
    if not any(isinstance(bound, torch.Tensor) for bound in (low, high)):
        return torch.clip(x, low, high)
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


def floor_divide(a: Any, b: Any) -> Any:
    """The whole quotient; unlike that of PyTorch's function of this name, its derivative is 0."""
    return torch.div(a, b, rounding_mode="floor")


def heaviside(x: Any, at_zero: Any) -> Any:
    """The step from 0 to 1; unlike that of PyTorch's function of this name, its derivative is 0."""
    return torch.heaviside(x.detach(), at_zero.detach())


def rounded(x: Any, decimals: int = 0) -> Any:
    return torch.round(x, decimals=decimals) if decimals else torch.round(x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, ours)
        for name, ours in {
            "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "power": "pow", "negative": "neg",
            "remainder": "mod", "greater": "gt", "greater_equal": "ge", "less": "lt",
            "less_equal": "le", "equal": "eq", "not_equal": "ne", "bitwise_and": "and_", "bitwise_or": "or_",
            "bitwise_xor": "xor", "invert": "invert",
        }.items()
    },
    **{
        name: getattr(torch, name)
        for name in """abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil copysign cos cosh deg2rad exp exp2
        expm1 fix floor hypot isfinite isinf isnan log log10 log1p log2 logaddexp logaddexp2 logical_and
        logical_not logical_or logical_xor nan_to_num positive rad2deg reciprocal sign signbit sin sinc sinh sqrt square
        tan tanh trunc where""".split()
    },
    "absolute": torch.abs,
    "fabs": torch.abs,
    "clip": clip,
    "floor_divide": floor_divide,
    "heaviside": heaviside,
    "rint": torch.round,
    "round": rounded,
    "maximum": maximum,
    "minimum": minimum,
}  # fmt: skip
"""Name of a NumPy function -> the function that computes it for tensors."""

CONDITIONS = set(
    """bitwise_and bitwise_or bitwise_xor equal greater greater_equal invert isfinite isinf isnan less less_equal
    logical_and logical_not logical_or logical_xor not_equal signbit""".split()
)
"""Functions that give true or false."""

KEEP_TYPE = set(
    """abs absolute add clip fabs floor_divide maximum minimum multiply negative positive power remainder sign square
    subtract where""".split()
)
"""Functions that give whole numbers for whole numbers."""

OF_TENSORS = set(
    """arctan2 copysign floor_divide heaviside hypot logaddexp logaddexp2 logical_and logical_or logical_xor
    where""".split()
)
"""Functions that take no plain numbers."""


class Operand(Symbol):
    """A symbol that has a value: what NumPy's functions make of it is computed at once, by PyTorch's.

    Numbers and conditions count in the type of the input, as in NumPy, where PyTorch would take its default type.

    >>> np.tanh(1 - Operand(torch.zeros(2))).value
    tensor([0.7616, 0.7616])
    >>> (0.1 * (Operand(torch.ones(2).double()) > 0)).value
    tensor([0.1000, 0.1000], dtype=torch.float64)
    """

    def __init__(self, function: Any, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__(function, arguments)
        if not arguments:
            self.value = self.input = function
            self.floating = True
            return
        self.input = next(a.input for a in arguments if isinstance(a, Operand))
        self.floating = function not in CONDITIONS
        if function in KEEP_TYPE:
            self.floating = any(map(_is_floating, arguments[1:] if function == "where" else arguments))
        self.value = FUNCTIONS[function](*map(self._plain, arguments))

    def _plain(self, argument: Any) -> Any:
        """The argument as PyTorch's function takes it."""
        if isinstance(argument, Operand):
            if self.function == "where" and argument is self.arguments[0]:
                return argument.value != 0 if argument.floating else argument.value
            as_it_is = argument.floating or not self.floating
            return argument.value if as_it_is else argument.value.to(self.input.dtype)
        if isinstance(argument, np.ndarray) and argument.ndim:
            dtype = self.input.dtype if argument.dtype.kind == "f" else None
            return torch.as_tensor(argument, dtype=dtype, device=self.input.device)
        argument = argument.item() if isinstance(argument, (np.ndarray, np.generic)) else argument
        if self.function in OF_TENSORS and isinstance(argument, (int, float)):
            return self.input.new_full((), argument)
        return argument


def _is_floating(argument: Any) -> bool:
    if isinstance(argument, Operand):
        return argument.floating
    return np.result_type(argument).kind == "f" if argument is not None else False


class Formula(Layer):
    """A pointwise module: its formula, for one tensor or for the tensors of a table, which count as equally shaped."""

    rowwise = ANY

    def __init__(self, module: nn.Pointwise, converter: Converter) -> None:
        super().__init__(module)
        self.module = module.clone().clear_state()
        self.spread = module.arity != 1
        self.inline = not any(isinstance(part, np.ndarray) and part.ndim for part in parts_of_formula(module))

    def forward(self, input: Any) -> Any:
        first, *others = input if self.spread else [input]
        result = self.module.formula(Operand(first), *(Operand(x.reshape_as(first)) for x in others))
        return result.value if isinstance(result, Operand) else torch.zeros_like(first) + result

    def extra_repr(self) -> str:
        return repr(self.module).partition("(")[2][:-1]


register(nn.Pointwise, overridable="formula derivative derivatives")(Formula)


@cannot(nn.Pointwise)
def unknown_function(module: nn.Pointwise) -> str | None:
    """A function in the formula that is not in the list, or one that cannot be recorded at all."""
    if type(module).formula is nn.Pointwise.formula:
        return "it has no formula"
    try:
        parts = list(parts_of_formula(module))
    except Exception as error:
        return f"its formula cannot be recorded: {error}"
    used = [part.function for part in parts if isinstance(part, Symbol) and part.arguments]
    return next((f"its formula uses {function}" for function in used if function not in FUNCTIONS), None)


def parts_of_formula(module: nn.Pointwise) -> Iterator[Any]:
    """The symbols that a formula gives, and all that they are made of."""
    pending = [module.formula(*[Symbol("x") for _ in range(module.arity or 2)])]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, Symbol):
            pending.extend(part.arguments)
