"""CallStep: the call of a module that the engine does not know, between the steps of a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine.plan import Plan
from nodegraph.engine.steps import Slot
from nodegraph.engine.values import ModuleCall
from nodegraph.errors import ShapeError
from nodegraph.nn.lookup import whole
from nodegraph.nn.module import Call, accumulate_jointly, checked_grad_input
from nodegraph.over_time import stack


class CallStep:
    """The calls of one module at all time steps. They take views of the program's rings, and what other calls gave."""

    def __init__(self, plan: Plan, step: ModuleCall, number: int, steps: int) -> None:
        self.plan, self.step, self.steps = plan, step, steps
        self.into: dict[Slot, int] = {}
        self._slots: list[Slot | None] = []
        for k, leaf in enumerate(table.leaves(step.input)):
            base = plan.bases.of(leaf)
            slot = ("call", number, base, k) if plan.bases[base].differentiable else None
            self._slots.append(slot)
            if slot is not None:
                self.into[slot] = base
        self._parts = {id(leaf): plan.bases.part(leaf) for leaf in table.leaves(step.input)}
        self._shape = table.shape(step.output)
        self.differentiable = plan.bases[step.bases[0]].differentiable
        self.index_ring: Slot | None = None
        """Where the indices go if only products read what a OneHot gives, which then need not be made."""
        self.forget()

    def keep_indices(self) -> None:
        """Leave the rows of a OneHot unmade, and keep the indices, for only products read them."""
        (base,) = self.step.bases
        self.index_ring, self.differentiable, self.into = ("index", base), False, {}
        self.plan.bases[base].differentiable = False

    @property
    def reads(self) -> set[int]:
        """The bases that the module takes."""
        return {self.plan.bases.of(leaf) for leaf in table.leaves(self.step.input)}

    def forget(self) -> None:
        self.calls: list[Call] = []

    def forward(self, program: Any, t: int) -> None:
        """Run the module at step t; every later step has the shapes of the second."""
        input = table.map(lambda elements: self._read(program, elements, t), self.step.input)
        try:
            if self.index_ring is not None:
                program.rings[self.index_ring].at(t)[...] = whole(input, self.step.module.output_size)
                return
            call = Call(self.step.module, input, check=t < 2)
            if table.shape(call.output) != self._shape:
                expected, got = table.describe_shape(self._shape), table.describe(call.output)
                raise ShapeError(f"its update_output gave {got} where its output_shape says {expected}")
            rings = [program.rings.get(("base", base)) for base in self.step.bases]
            for ring, leaf in zip(rings, table.leaves(call.output)):
                if ring is not None:
                    np.copyto(ring.at(t), leaf.reshape(-1))
        except Exception as error:
            raise program.located(self._named(error, input), t)
        if program.differentiable:
            self.calls.append(call)
        elif None in rings:
            call.output = table.map(np.copy, call.output)  # Perhaps a view of the input, which the next step replaces.
            self.calls.append(call)

    def output(self, base: int, t: int) -> np.ndarray:
        """What the module gave at step t for one of its bases."""
        return list(table.leaves(self.calls[t].output))[self.step.bases.index(base)]

    def _read(self, program: Any, elements: np.ndarray, t: int) -> np.ndarray:
        base, offset, strides = self._parts[id(elements)]
        if ("base", base) in program.rings:
            array = program.rings["base", base].at(t)
        else:
            array = np.ascontiguousarray(program.giver[base].output(base, t))
        return part_of(array, elements.shape, offset, strides)

    def stacked(self, elements: np.ndarray) -> np.ndarray:
        """A part of what the module gave at all time steps."""
        base, offset, strides = self.plan.bases.part(elements)
        outputs = [np.ascontiguousarray(self.output(base, t)) for t in range(self.steps)]
        parts = [part_of(output, elements.shape, offset, strides) for output in outputs]
        return parts[0][None] if self.steps == 1 else stack(parts)

    def backward(self, program: Any, t: int) -> None:
        if not self.differentiable:
            return
        call, step = self.calls[t], self.step
        bases = iter(step.bases)

        def gradient(leaf: np.ndarray) -> np.ndarray:
            ring = program.rings["gradient", next(bases)]
            found = ring.at(t).reshape(leaf.shape)
            return found.copy() if len(ring.array) < self.steps else found

        grad_output = table.map(gradient, call.output)
        if not self.into and not step.module.children():
            call.grad_output = grad_output
            return
        try:
            grad_input = checked_grad_input(call, grad_output)
        except Exception as error:
            raise program.located(self._named(error, gradient=grad_output), t)
        for slot, elements, part in zip(self._slots, table.leaves(step.input), _leaves(step.input, grad_input)):
            if slot is not None:
                _, offset, strides = self._parts[id(elements)]  # Of a ring that is zero everywhere else.
                into = part_of(program.rings[slot].at(t), elements.shape, offset, strides)
                into[...] = 0 if part is None else part

    def accumulate(self, scale: float) -> None:
        """Add to the parameters' gradients what the calls give."""
        if not self.differentiable:
            return
        try:
            accumulate_jointly(self.calls, scale)
        except Exception as error:
            raise self._named(error, gradient=self.calls[0].grad_output)

    def _named(self, error: Exception, input: Any = None, gradient: Any = None) -> Exception:
        """The error with the names of the module and of all that it is in."""
        got = table.describe(input) if gradient is None else f"gradient {table.describe(gradient)}"
        for owner, inner in reversed(self.step.within):
            if isinstance(inner, int):
                error = owner.at_child(error, inner, got)
            elif gradient is None:
                error = owner.error_at(error, inner, input)
            else:
                error = owner.error_of(inner, error, got)
        return error


def part_of(array: np.ndarray, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]) -> np.ndarray:
    """Elements of a contiguous array, as places count in elements."""
    item = array.itemsize
    return np.ndarray(shape, array.dtype, array, offset * item, tuple([stride * item for stride in strides]))


def _leaves(like: Any, gradient: Any) -> list[Any]:
    """The leaves of a gradient, None where there is none, for those of its value."""
    if table.is_table(like):
        parts = [None] * len(like) if gradient is None else gradient
        return [leaf for value, part in zip(like, parts) for leaf in _leaves(value, part)]
    return [gradient]
