"""Formulas: NumPy code that a pointwise module is made of, run on tensors by way of symbols."""

from __future__ import annotations

import operator
from collections.abc import Callable
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


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, ours)
        for name, ours in {
            "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "power": "pow", "negative": "neg",
            "floor_divide": "floordiv", "remainder": "mod", "greater": "gt", "greater_equal": "ge", "less": "lt",
            "less_equal": "le", "equal": "eq", "not_equal": "ne", "bitwise_and": "and_", "bitwise_or": "or_",
            "bitwise_xor": "xor", "invert": "invert",
        }.items()
    },
    **{
        name: getattr(torch, name)
        for name in """abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil clip copysign cos cosh deg2rad exp
        exp2 expm1 fix floor heaviside hypot isfinite isinf isnan log log10 log1p log2 logaddexp logaddexp2 logical_and
        logical_not logical_or logical_xor nan_to_num positive rad2deg reciprocal round sign signbit sin sinc sinh sqrt
        square tan tanh trunc where""".split()
    },
    "absolute": torch.abs,
    "fabs": torch.abs,
    "rint": torch.round,
    "maximum": maximum,
    "minimum": minimum,
}  # fmt: skip
"""Name of a NumPy function -> the function that computes it for tensors."""


class Operand(Symbol):
    """A symbol that has a value: what NumPy's functions make of it is computed at once, by PyTorch's.

    >>> np.tanh(1 - Operand(torch.zeros(2))).value
    tensor([0.7616, 0.7616])
    """

    def __init__(self, function: Any, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__(function, arguments)
        self.value = FUNCTIONS[function](*map(self._plain, arguments)) if arguments else function

    def _plain(self, argument: Any) -> Any:
        if isinstance(argument, Operand):
            return argument.value
        if isinstance(argument, np.ndarray) and argument.ndim:
            tensor = next(a.value for a in self.arguments if isinstance(a, Operand))
            return torch.as_tensor(argument, dtype=tensor.dtype, device=tensor.device)
        return argument.item() if isinstance(argument, (np.ndarray, np.generic)) else argument


class Formula(Layer):
    """A pointwise module: its formula, for one tensor or for the tensors of a table, which count as equally shaped."""

    rowwise = ANY

    def __init__(self, module: nn.Pointwise, converter: Converter) -> None:
        super().__init__(module)
        self.module = module.clone().clear_state()
        self.spread = module.arity != 1
        arguments = {name: value for name, value in vars(module).items() if isinstance(value, np.ndarray)}
        self.inline = not arguments

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
        pending = [module.formula(*[Symbol("x") for _ in range(module.arity or 2)])]
    except Exception as error:
        return f"its formula cannot be recorded: {error}"
    while pending:
        symbol = pending.pop()
        if isinstance(symbol, Symbol) and symbol.arguments:
            if symbol.function not in FUNCTIONS:
                return f"its formula uses {symbol.function}"
            pending.extend(symbol.arguments)
    return None
