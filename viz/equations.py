"""What a module computes, and what its backward computes, in a line of mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodegraph import nn
from nodegraph.nn.module import Module
from nodegraph.nn.tables import Part
from nodegraph.viz.symbols import CONDITIONS, SUBSCRIPTS, Symbol

LONGEST = 44
"""Equations of more characters are not shown."""


def equation(module: Module, operands: list[str | None]) -> str:
    """The output of a module for inputs of these names, or "" where that takes more than a line.

    Where a name is missing or the line would be long, the inputs are called x, or x₀, x₁ and so on. A module of
    one's own may say its equation in the class attribute `equation`.

    >>> equation(nn.CAddTable(), ["c_forget", "c_input"]), equation(nn.Linear(3, 2), [None])
    ('c_forget + c_input', 'W x + b')
    """
    if all(operands):
        named = _written(module, [str(name) for name in operands])
        if named and len(named) <= LONGEST:
            return named
    general = _written(module, generic_names(len(operands)))
    return general if len(general) <= LONGEST else ""


def generic_names(n: int) -> list[str]:
    """Names for n inputs: x alone, or x₀, x₁ and so on."""
    return ["x"] if n == 1 else ["x" + str(i).translate(SUBSCRIPTS) for i in range(n)]


def tells_inputs_apart(module: Module) -> bool:
    """Whether the order of the inputs matters to the module."""
    return not isinstance(module, (nn.CAddTable, nn.CMulTable, nn.CMaxTable, nn.CMinTable))


def _written(module: Module, names: list[str]) -> str:
    own = getattr(type(module), "equation", None)
    if isinstance(own, str):
        return own
    if isinstance(module, nn.Pointwise):
        try:
            return str(module.formula(*[Symbol(name) for name in names]))
        except Exception:  # a user's formula may be more than symbols can follow
            return ""
    rule = FORWARD.get(type(module))
    return rule(module, *names) if rule and (len(names) == 1 or type(module) in TAKES_TABLE) else ""


def gradient_equations(module: Module, n: int) -> list[str]:
    """The gradients of a module's n inputs, dx, and of its parameters, for that of its output, dy.

    Those that would take more than a line are left out, as are those after the third; "…" stands for them.

    >>> gradient_equations(nn.Tanh(), 1), gradient_equations(nn.CMulTable(), 2)
    (['dx = dy · (1 − y²)'], ['dx₀ = dy · x₁', 'dx₁ = dy · x₀'])
    """
    if isinstance(module, nn.Pointwise):
        lines = _pointwise_gradients(module, n)
    else:
        rule = BACKWARD.get(type(module))
        lines = rule(module) if rule else []
    short = [line for line in lines if len(line) <= LONGEST][:3]
    return short + ["…"] * (0 < len(short) < len(lines))


def _pointwise_gradients(module: nn.Pointwise, n: int) -> list[str]:
    names = generic_names(n)
    try:
        derivatives = module.derivatives([Symbol(name) for name in names], Symbol("y"))
        gradients = [str(_times_dy(derivative)) for derivative in derivatives]
    except Exception:  # as above
        return []
    if n > 1 and set(gradients) == {"dy"}:
        return ["dxᵢ = dy for each i"]
    return [f"d{name} = {gradient}" for name, gradient in zip(names, gradients)]


def _times_dy(derivative: Any) -> Symbol:
    dy = Symbol("dy")
    if isinstance(derivative, Symbol) and derivative.function in CONDITIONS:
        return Symbol("where", (derivative, dy, 0))
    return Symbol("multiply", (dy, derivative))


Rule = Callable[..., str]


def _linear(module: Any, x: str) -> str:
    return f"W {x}" + (" + b" if module.bias is not None else "")


def _narrow(module: nn.Narrow, x: str) -> str:
    if module.axis < 0 or module.start < 0 or module.length < 0:
        return ""
    return f"{x}[{':, ' * module.axis}{module.start}:{module.start + module.length}]"


def _select(module: nn.Select, x: str) -> str:
    return f"{x}[{':, ' * module.axis}{module.index}]" if module.axis >= 0 else ""


FORWARD: dict[type, Rule] = {
    nn.Linear: _linear,
    nn.LookupTable: lambda module, x: f"W[{x}]",
    nn.OneHot: lambda module, x: f"one-hot({x})",
    nn.SoftMax: lambda module, x: f"softmax({x})",
    nn.LogSoftMax: lambda module, x: f"log softmax({x})",
    nn.Add: lambda module, x: f"{x} + b",
    nn.Mul: lambda module, x: f"w · {x}",
    nn.CAdd: lambda module, x: f"{x} + b",
    nn.CMul: lambda module, x: f"w · {x}",
    nn.Narrow: _narrow,
    nn.Select: _select,
    nn.SelectTable: lambda module, x: f"{x}[{module.index}]",
    Part: lambda module, x: f"{x}[{module.index}]",
    nn.JoinTable: lambda module, *xs: f"[{', '.join(xs)}]",
}
TAKES_TABLE = {nn.JoinTable}


def _linear_gradients(module: nn.Linear) -> list[str]:
    return ["dx = Wᵀ dy", "dW = dy xᵀ"] + (["db = dy"] if module.bias is not None else [])


BACKWARD: dict[type, Callable[[Any], list[str]]] = {
    nn.Linear: _linear_gradients,
    nn.LogSoftMax: lambda module: ["dx = dy − exp(y) · Σ dy"],
    nn.SoftMax: lambda module: ["dx = y · (dy − Σ y · dy)"],
    nn.Add: lambda module: ["dx = dy", "db = dy"],
    nn.CAdd: lambda module: ["dx = dy", "db = dy"],
    nn.Mul: lambda module: ["dx = w · dy", "dw = Σ x · dy"],
    nn.CMul: lambda module: ["dx = w · dy", "dw = x · dy"],
    nn.Narrow: lambda module: [f"{text} = dy"] if (text := _narrow(module, "dx")) else [],
    nn.Select: lambda module: [f"{text} = dy"] if (text := _select(module, "dx")) else [],
    nn.SelectTable: lambda module: [f"dx[{module.index}] = dy"],
    Part: lambda module: [f"dx[{module.index}] = dy"],
}
