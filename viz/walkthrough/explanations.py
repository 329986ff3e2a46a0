"""Explanations: a box's equation, its derivative in the same names, its source, and the line that wired it."""

from __future__ import annotations

import inspect
import linecache
import re
import textwrap
from typing import Any

from nodegraph.nn.module import Module
from nodegraph.node import Node
from nodegraph.viz.equations import equation, generic_names, gradient_equations

METHODS = (
    "formula", "derivative", "derivatives", "view", "update_output", "update_grad_input", "acc_grad_parameters",
)  # fmt: skip
MOST_LINES = 60

SYMBOL = re.compile(r"(?<![^\W\d_])(?:(d?)(x[₀-₉]*|y)|d([Wwb]))(?![a-zA-Z₀-₉ᵢ])")


class Names:
    """What a box's inputs and its output are called in its equations.

    `symbols` has what each input is called: its name, or x₀, x₁ and so on where names are missing or make the line
    too long. The output is y where it has no name.

    >>> names = Names(nn.Tanh(), ["next_c"], "squashed")
    >>> names.equation, names.gradients
    ('squashed = tanh(next_c)', ['∂next_c = ∂squashed · (1 − squashed²)'])
    """

    def __init__(self, module: Module, operands: list[str | None], name: str | None) -> None:
        self.module, self.output = module, name or "y"
        generic = generic_names(len(operands))
        self.line = equation(module, operands) if operands else ""
        without_names = equation(module, [None] * len(operands)) if operands else ""
        named = all(operands) and (not self.line or self.line != without_names)
        self.symbols = [str(operand) for operand in operands] if named else generic

    @property
    def equation(self) -> str:
        """Such as "next_c = c_forget + c_input"; "" where the module's takes more than a line."""
        return f"{self.output} = {self.line}" if self.line else ""

    @property
    def gradients(self) -> list[str]:
        """The derivative, such as ["∂c_forget = ∂next_c", "∂c_input = ∂next_c"], as far as it is known.

        ∂a is short for ∂L/∂a, the gradient of the loss with respect to a.
        """
        names = dict(zip(generic_names(len(self.symbols)), self.symbols)) | {"y": self.output}
        found: list[str] = []
        for line in gradient_equations(self.module, len(self.symbols)):
            if "xᵢ" in line:
                found += [f"∂{symbol} = ∂{self.output}" for symbol in dict.fromkeys(self.symbols)]
            else:
                found.append(_renamed(line, names))
        return found


def _renamed(line: str, names: dict[str, str]) -> str:
    """A gradient's equation in these names instead of x and y, with ∂ for d."""

    def name(match: re.Match[str]) -> str:
        differential, symbol, parameter = match.groups()
        if parameter:
            return f"∂{parameter}"
        return f"{'∂' if differential else ''}{names.get(symbol, symbol)}"

    return SYMBOL.sub(name, line)


def source(module: Module) -> str:
    """The methods in which a module's class computes, as they stand in its file; "" where that cannot be read."""
    found = []
    for method in METHODS:
        function = getattr(type(module), method, None)
        if function is None or function is getattr(Module, method, None) or _is_of_a_base(function):
            continue
        try:
            found.append(textwrap.dedent(inspect.getsource(function)).rstrip())
        except (OSError, TypeError):
            return ""
    lines = "\n\n".join(found).splitlines()
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "..."])


def _is_of_a_base(function: Any) -> bool:
    """Whether a method is that of a whole kind of modules, and tells nothing of this one."""
    return getattr(function, "__qualname__", "").split(".")[0] in ("Pointwise", "ViewModule", "Container")


def wiring_line(node: Node) -> str:
    """The user's own line that made a node; "" where it cannot be read."""
    file, number = node.where
    return linecache.getline(file, number).strip()
