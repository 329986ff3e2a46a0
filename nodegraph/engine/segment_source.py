"""The text of a segment: products, soft-maxes and passes as one function, for numba to compile."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.engine.code import Place
from nodegraph.engine.steps import LookUp, Multiply, Pass, Slot, SoftMaxRows, Step

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "greater": ">", "greater_equal": ">=",
    "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|",
    "logical_and": "&", "logical_or": "|",
}  # fmt: skip
TEMPLATES = {
    "negative": "-{0}", "square": "{0} * {0}", "absolute": "abs({0})", "where": "{1} if {0} else {2}",
    "sign": "np.sign({0})",
    "maximum": "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
    "minimum": "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
}  # fmt: skip

MOST_ARGUMENTS = 24
"""So many arrays are arguments of a call as they are. Python compiles a call of more than 30 to what numba refuses."""

ALL = -1
"""Stands for all rows of a step, where steps have different numbers of rows."""


def numbers_of(step: Step) -> list[int]:
    """The numbers that the function of a segment needs about a step: the source depends on none of them."""
    if isinstance(step, (Multiply, LookUp)):
        return [step.rows, *step.source[1:], *step.into[1:], step.columns]
    return [step.rows, step.columns, *[n for _, *place in step.places for n in place]]  # Of a pass or of a soft-max.


def source_of(steps: list[Step], slots: list[Slot], dtype: np.dtype, few: list[Multiply], many: list[Multiply]) -> str:
    """The text of a module that holds the steps as a function `segment`."""
    writer = _Writer()
    body, kernels, soft_maxes, at = [], {}, set(), 0
    for step in steps:
        rows = f"r0, P[{at}] if r1 == {ALL} else r1"
        if isinstance(step, (Multiply, LookUp)):
            (source, *_), (into, *_) = step.source, step.into
            a, c, p = f"a{slots.index(source)}", f"a{slots.index(into)}", [f"P[{at + i}]" for i in range(6)]
            k = 2 * few.index(step) if step in few else 2 * len(few) + many.index(step)
            out = f"{c}, {p[3]}, {p[4]}"
            if isinstance(step, LookUp):
                few_or_many = (
                    f"_few({rows}, {a}, W{k}, W{k + 1}, {out}" if step in few else f"({rows}, {a}, W{k}, {out}, {p[5]}"
                )
                body.append(f"look_up{few_or_many})")
            elif step in few:
                body.append(f"multiply_few({rows}, {a}, {p[1]}, {p[2]}, W{k}, {step.transposed}, W{k + 1}, {out})")
            else:
                body.append(f"multiply({rows}, {a}, {p[1]}, {p[2]}, W{k}, {out}, {p[5]})")
        elif isinstance(step, SoftMaxRows):
            name = "soft_max_backward" if step.backward else "soft_max"
            soft_maxes.add(name)
            places = [
                f"a{slots.index(slot)}, P[{at + 2 + 2 * k}], P[{at + 3 + 2 * k}]"
                for k, (slot, *_) in enumerate(step.places)
            ]
            body.append(f"{name}({rows}, {step.log}, P[{at + 1}], {', '.join(places)})")
        else:
            text = writer.kernel(step)
            name = kernels.setdefault(text, f"kernel{len(kernels)}")
            arrays = [f"a{slots.index(slot)}" for slot, *_ in step.places]
            body.append(f"{name}({rows}, P[{at + 1}:], {_arguments(arrays)})")
        at += len(numbers_of(step))
    sums = {slot for step in steps if isinstance(step, Pass) for slot, *_ in step.sums}
    lines = [
        "import numpy as np",
        "from numba import njit",
        "from nodegraph.engine import soft_max as soft_maxes",
        "from nodegraph.engine.elementary import function",
        "from nodegraph.engine.products import look_up, look_up_few, product, product_of_few",
        f"multiply, multiply_few = product(np.{dtype.name}), product_of_few(np.{dtype.name})",
        *[f"{name} = function({name!r}, np.{dtype.name})" for name in sorted(writer.functions)],
        *[f"{name} = soft_maxes.{name}(np.{dtype.name})" for name in sorted(soft_maxes)],
        *[f"{name} = np.{dtype.name}(float({str(value)!r}))" for value, name in writer.constants.items()],
        *[line for text, name in kernels.items() for line in text.replace("NAME", name).splitlines()],
        '@njit(cache=CACHE, error_model="numpy", nogil=True)',
        f"def segment(first, last, step, r0, r1, thread, P, S, "
        f"{', '.join([f'A{k}' for k in range(len(slots))] + [f'W{k}' for k in range(2 * len(few) + len(many))])}):",
        "    t = first",
        "    while t != last:",
        *[
            f"        a{k} = A{k}[" + ("thread]" if slot in sums else f"(t + S[{2 * k}]) % S[{2 * k + 1}]]")
            for k, slot in enumerate(slots)
        ],
        *[f"        {line}" for line in body],
        "        t += step",
    ]
    return "\n".join(lines) + "\n"


def _arguments(arrays: list[str]) -> str:
    """The text of arguments. Numba takes no long list of them but in tuples, none of which is long as it stands."""
    if len(arrays) <= MOST_ARGUMENTS:
        return ", ".join(arrays)
    parts = (", ".join(arrays[k : k + MOST_ARGUMENTS]) for k in range(0, len(arrays), MOST_ARGUMENTS))
    return "*(" + " + ".join(f"({part},)" for part in parts) + ")"


class _Writer:
    """Writes passes as functions of the rows to run. Each row of an array becomes a slice, so that LLVM sees runs."""

    def __init__(self) -> None:
        self.constants: dict[float, str] = {}
        self.functions: set[str] = set()

    def kernel(self, kernel: Pass) -> str:
        body = [f"x{i} = {self._operation(*operation)}" for i, operation in enumerate(kernel.code.operations)]
        places, first = kernel.places, len(kernel.loads)
        body += [f"b{first + k}[j] = {self._operand(value)}" for k, (*_, value) in enumerate(kernel.stores)]
        first += len(kernel.stores)
        body += [f"b{first + k}[j] += {self._operand(value)}" for k, (*_, value) in enumerate(kernel.sums)]
        slices = [f"b{k} = a{k}[P[{2 * k + 1}] + r * P[{2 * k + 2}]:][:columns]" for k in range(len(places))]
        return "\n".join(
            [
                '@njit(error_model="numpy", fastmath={"contract"}, nogil=True)',
                f"def NAME(r0, r1, P{''.join(f', a{k}' for k in range(len(places)))}):",
                "    columns = P[0]",
                "    for r in range(r0, r1):",
                *[f"        {line}" for line in slices],
                "        for j in range(columns):",
                *[f"            {line}" for line in body],
            ]
        )

    def _operand(self, argument: Any) -> str:
        if isinstance(argument, Place):
            return f"x{argument.number}"
        return self.constants.setdefault(float(argument), f"C{len(self.constants)}")

    def _operation(self, function: str, arguments: tuple[Any, ...]) -> str:
        if function == "load":
            return f"b{arguments[0]}[j]"
        operands = [self._operand(argument) for argument in arguments]
        if function in INFIX:
            return f" {INFIX[function]} ".join(operands)
        if function in TEMPLATES:
            return TEMPLATES[function].format(*operands)
        self.functions.add(function)
        return f"{function}({operands[0]})"
