"""KernelCode: pointwise modules fused into one pass, forward and backward, from their recorded formulas."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nodegraph.engine.code import CHEAP, Code, NotFusable, Place
from nodegraph.engine.plan import Access, Kernel, NotPlannable, Plan
from nodegraph.symbols import Symbol

Slot = tuple[Hashable, ...]
"""The name of an array that a kernel reads or writes, such as ("base", 3); what it is, is the loop's affair."""


@dataclass
class Pass:
    """What a kernel does in one direction: operations, where their loads come from, and where results are stored."""

    rows: int
    columns: int
    code: Code = field(default_factory=Code)
    loads: list[tuple[Slot, int, int]] = field(default_factory=list)
    stores: list[tuple[Slot, int, int, Any]] = field(default_factory=list)

    def load(self, slot: Slot, offset: int, stride: int) -> Place:
        """The element of an array at offset + row x stride + column."""
        place = (slot, offset, stride)
        if place not in self.loads:
            self.loads.append(place)
        return self.code.add("load", self.loads.index(place))

    def store(self, slot: Slot, offset: int, stride: int, value: Any) -> None:
        self.stores.append((slot, offset, stride, value))

    @property
    def slots(self) -> list[Slot]:
        """The arrays, each once, in the order of their first use."""
        return list(dict.fromkeys([load[0] for load in self.loads] + [store[0] for store in self.stores]))


class KernelCode:
    """Both passes of a kernel.

    `sources` names for each root the arrays whose sum is its gradient. `into` lists, for each base that the kernel
    reads, where the backward pass stores the gradient: slot ("into", number of the kernel, base).
    """

    def __init__(self, plan: Plan, kernel: Kernel, number: int, sources: dict[int, list[Slot]]) -> None:
        self.plan, self.kernel, self.number = plan, kernel, number
        self.forward = Pass(kernel.rows, kernel.columns)
        self.backward = Pass(kernel.rows, kernel.columns)
        self._entries: dict[Access, _Entry] = {}
        self._leaves: dict[Access, Any] = {}
        self._saved: dict[Access, Place] = {}
        self._values: dict[Access, Any] = {}
        try:
            self._make_forward()
            self._make_backward(sources)
        except NotFusable as error:
            raise NotPlannable(str(error)) from error

    @property
    def saved(self) -> list[Slot]:
        """The arrays that forward stores for backward alone."""
        return [("saved", self.number, access) for access in self._saved]

    # Forward

    def _make_forward(self) -> None:
        columns = self.kernel.columns
        for root in self.kernel.roots:
            value = self._forward_value(Access(root, 0, columns))
            self.forward.store(("base", root), 0, columns, value)

    def _forward_value(self, access: Access) -> Any:
        if access in self._entries:
            return self._entries[access].y
        base = self.plan.bases[access.base]
        if base.kind != "pointwise" or (base.kept and access.base not in self.kernel.roots):
            if access not in self._leaves:
                self._leaves[access] = self._leaf(self.forward, access)
            return self._leaves[access]
        positions = (access.offset + access.stride * np.arange(self.kernel.rows)[:, None]) + np.arange(
            self.kernel.columns
        )
        operands = [self.plan.access(elements[positions], self.kernel.columns) for elements in base.operands]
        xs = [self._forward_value(operand) for operand in operands]
        formula = base.module.formula(*map(Symbol, xs))
        y = self.forward.code.record(formula)
        self._entries[access] = _Entry(base.module, operands, y, _is_cheap(formula))
        return y

    def _leaf(self, into: Pass, access: Access) -> Any:
        """A stored base's element; a product that is not kept as a whole gets its bias here."""
        base = self.plan.bases[access.base]
        value = into.load(("base", access.base), access.offset, access.stride)
        if base.kind == "linear" and not base.kept and base.module.bias is not None:
            value = into.code.add("add", value, into.load(("bias", access.base), access.offset, 0))
        return value

    # Backward

    def _make_backward(self, sources: dict[int, list[Slot]]) -> None:
        code, columns = self.backward.code, self.kernel.columns
        gradients: dict[Access, Any] = {}
        for root in self.kernel.roots:
            seed: Any = 0.0
            for slot in sources[root]:
                seed = code.add("add", seed, self.backward.load(slot, 0, columns))
            gradients[Access(root, 0, columns)] = seed
        for access, entry in reversed(self._entries.items()):
            gradient = gradients.get(access, 0.0)
            xs = [Symbol(_Forward(operand)) for operand in entry.operands]
            for operand, derivative in zip(entry.operands, entry.module.derivatives(xs, Symbol(_Forward(access)))):
                part = code.times(gradient, code.record(self._fetched(derivative)))
                gradients[operand] = code.add("add", gradients[operand], part) if operand in gradients else part
        for access in self._leaves:
            slot = ("into", self.number, access.base)
            self.backward.store(slot, access.offset, access.stride, gradients.get(access, 0.0))
        for access, place in self._saved.items():
            self.forward.store(("saved", self.number, access), 0, columns, place)

    def _fetched(self, derivative: Any) -> Any:
        """The recorded derivative with the forward values that it uses in their places."""
        if not isinstance(derivative, Symbol):
            return derivative
        if isinstance(derivative.function, _Forward):
            return Symbol(self.value_in_backward(derivative.function.access))
        return Symbol(derivative.function, tuple(map(self._fetched, derivative.arguments)))

    def value_in_backward(self, access: Access) -> Any:
        """A forward value, loaded where it is stored, computed again where that is cheap, else saved by forward."""
        if access not in self._values:
            self._values[access] = self._found_again(access)
        return self._values[access]

    def _found_again(self, access: Access) -> Any:
        code, base = self.backward.code, self.plan.bases[access.base]
        entry = self._entries.get(access)
        if access.base in self.kernel.roots or (entry is None and (base.kind != "linear" or base.kept)):
            return self._leaf(self.backward, access)
        if entry is not None and entry.cheap:
            xs = [Symbol(self.value_in_backward(operand)) for operand in entry.operands]
            return code.record(entry.module.formula(*xs))
        self._saved[access] = self._leaves[access] if entry is None else entry.y
        return self.backward.load(("saved", self.number, access), 0, self.kernel.columns)

    def gradient_accesses(self) -> dict[int, list[Access]]:
        """The bases that the kernel reads, each with the parts of it that are read."""
        found: dict[int, list[Access]] = {}
        for access in self._leaves:
            found.setdefault(access.base, []).append(access)
        return found


@dataclass
class _Entry:
    module: Any
    operands: list[Access]
    y: Any
    cheap: bool


@dataclass(frozen=True)
class _Forward:
    """A forward value in a derivative's formula, which is fetched only if the formula uses it."""

    access: Access


def _is_cheap(formula: Any) -> bool:
    if not isinstance(formula, Symbol) or not formula.arguments:
        return True
    return formula.function in CHEAP and all(map(_is_cheap, formula.arguments))
