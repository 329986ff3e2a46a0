"""KernelCode: pointwise modules fused into one pass, forward and backward, from their recorded formulas."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nodegraph.engine.bases import Access, Base, Unfit
from nodegraph.engine.code import CHEAP, NotFusable, Place
from nodegraph.engine.plan import Kernel, Plan
from nodegraph.engine.steps import Pass, Slot
from nodegraph.symbols import Symbol


class KernelCode:
    """Both passes of a kernel.

    `into` has for each ring in which the backward pass stores gradients the base that they are of: ("into", number of
    the kernel, base, group), parts of a base that overlap being in different groups. Without `differentiable` there is
    none.
    """

    def __init__(self, plan: Plan, kernel: Kernel, number: int, differentiable: bool) -> None:
        self.plan, self.kernel, self.number = plan, kernel, number
        self.forward = Pass(kernel.rows, kernel.columns)
        self.backward = Pass(kernel.rows, kernel.columns)
        self._entries: dict[Access, _Entry] = {}
        self._leaves: dict[Access, Any] = {}
        self._saved: dict[Access, Place] = {}
        self._values: dict[Access, Any] = {}
        self._make_forward()
        self._into = list(self._grouped()) if differentiable else []
        self.into = {slot: access.base for access, slot in self._into}

    @property
    def reads(self) -> set[int]:
        """The stored bases that the kernel reads."""
        return {access.base for access in self._leaves}

    @property
    def saved(self) -> list[Slot]:
        """The arrays that forward stores for backward alone."""
        return [("saved", self.number, access) for access in self._saved]

    # Forward

    def _make_forward(self) -> None:
        for root in self.kernel.roots:
            value = self._forward_value(Access(root, 0, self.kernel.columns))
            self.forward.store(*self._place(root), value)

    def _place(self, root: int) -> tuple[Slot, int, int]:
        """Where a root is stored: in a ring of its own, or in that of another base."""
        base, offset, stride = self.plan.bases[root].place or (root, 0, self.kernel.columns)
        return ("base", base), offset, stride

    def _forward_value(self, access: Access) -> Any:
        if access in self._entries:
            return self._entries[access].y
        base = self.plan.bases[access.base]
        if base.kind != "pointwise" or (base.kept and access.base not in self.kernel.roots):
            if access not in self._leaves:
                self._leaves[access] = self._leaf(self.forward, access)
            return self._leaves[access]
        operands = self.plan.bases.operands(access, self.kernel.rows, self.kernel.columns)
        xs = [self._forward_value(operand) for operand in operands]
        formula = _given(base, base.module.formula, *map(Symbol, xs))
        try:
            y, cheap = self.forward.code.number(self.forward.code.record(formula)), _is_cheap(formula)
        except (NotFusable, RecursionError):  # A sum of hundreds of inputs may be nested deeper than Python's stack.
            raise Unfit(base.path) from None
        self._entries[access] = _Entry(base, operands, y, cheap)
        return y

    def _leaf(self, into: Pass, access: Access) -> Any:
        """A stored base's element."""
        return into.load(("base", access.base), access.offset, access.stride)

    # Backward

    def differentiate(self, sources: dict[int, list[Slot]]) -> None:
        """Make the backward pass; `sources` names for each root the rings whose sum is its gradient."""
        code, columns = self.backward.code, self.kernel.columns
        gradients: dict[Access, Any] = {}
        for root in self.kernel.roots:
            seed: Any = 0.0
            for slot in sources[root]:
                seed = code.add("add", seed, self.backward.load(slot, *self._place(root)[1:]))
            gradients[Access(root, 0, columns)] = seed
        for access, entry in reversed(self._entries.items()):
            gradient = gradients.get(access, 0.0)
            for operand, derivative in self._derivatives(access):
                try:
                    part = code.times(gradient, code.record(self._fetched(derivative)))
                except (NotFusable, RecursionError):
                    raise Unfit(entry.base.path) from None
                gradients[operand] = code.add("add", gradients[operand], part) if operand in gradients else part
        for access, slot in self._into:
            kind = self.plan.bases[access.base].kind
            into = self.backward.sums if kind == "parameter" else self.backward.stores
            into.append((slot, access.offset, access.stride, gradients[access]))
        for access, place in self._saved.items():
            self.forward.store(("saved", self.number, access), 0, columns, place)

    def _derivatives(self, access: Access) -> Iterator[tuple[Access, Any]]:
        """The operands of a value and its derivatives by them, but for those that are 0 whatever the operands are."""
        entry = self._entries[access]
        xs = [Symbol(_Forward(operand)) for operand in entry.operands]
        derivatives = _given(entry.base, entry.base.module.derivatives, xs, Symbol(_Forward(access)))
        for operand, derivative in zip(entry.operands, derivatives):
            if not (isinstance(derivative, numbers.Real) and derivative == 0):
                yield operand, derivative

    def _differentiated(self) -> set[Access]:
        """The values that the kernel's results depend on in a way that has a derivative."""
        found = {Access(root, 0, self.kernel.columns) for root in self.kernel.roots}
        for access in reversed(self._entries):
            if access in found:
                found.update(operand for operand, _ in self._derivatives(access))
        return found

    def _grouped(self) -> Iterator[tuple[Access, Slot]]:
        """What the kernel reads that has a gradient, and where that goes."""
        groups: dict[int, list[list[Access]]] = {}
        differentiated = self._differentiated()
        for access in self._leaves:
            base = self.plan.bases[access.base]
            if not base.differentiable or access not in differentiated:
                continue
            mine = groups.setdefault(access.base, [])
            number = next((n for n, group in enumerate(mine) if not self._overlaps(access, group)), len(mine))
            if base.kind == "parameter":
                number = 0
            if number == len(mine):
                mine.append([])
            mine[number].append(access)
            yield access, ("into", self.number, access.base, number)

    def _overlaps(self, access: Access, others: list[Access]) -> bool:
        columns = self.kernel.columns
        return any(o.stride != access.stride or abs(o.offset - access.offset) < columns for o in others)

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
        if access.base in self.kernel.roots or (entry is None and (base.kind != "product" or base.kept)):
            return self._leaf(self.backward, access)
        if entry is not None and entry.cheap:
            xs = [Symbol(self.value_in_backward(operand)) for operand in entry.operands]
            return code.record(entry.base.module.formula(*xs))
        self._saved[access] = self._leaves[access] if entry is None else entry.y
        return self.backward.load(("saved", self.number, access), 0, self.kernel.columns)


@dataclass
class _Entry:
    base: Base
    operands: list[Access]
    y: Any
    cheap: bool


@dataclass(frozen=True)
class _Forward:
    """A forward value in a derivative's formula, which is fetched only if the formula uses it."""

    access: Access


def _given(base: Base, formula: Callable[..., Any], *symbols: Any) -> Any:
    """What a formula gives for symbols; Unfit where it asks of them what only arrays can tell, such as their dtype."""
    try:
        return formula(*symbols)
    except Exception:  # Whatever comes of that.
        raise Unfit(base.path) from None


def _is_cheap(formula: Any) -> bool:
    if not isinstance(formula, Symbol) or not formula.arguments:
        return True
    return formula.function in CHEAP and all(map(_is_cheap, formula.arguments))
