"""CompiledLoop: a loop of a Recurrent as a program over arrays that are kept from run to run."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine.kernel import KernelCode, Slot
from nodegraph.engine.numpy_kernels import NumpyKernel
from nodegraph.engine.plan import Kernel, NotPlannable, Plan, Product
from nodegraph.over_time import Series

WORTH_COMPILING = 20_000
"""The number of elements in a run of a kernel from which on numba, if it is installed, compiles it.

Below it is made of NumPy calls. The choice follows from the shapes alone, so that the same run gives the same bits.
"""


class CompiledLoop:
    """The products and kernels of a loop, for given shapes and one dtype.

    A product writes into an array by `np.matmul(..., out=)`; a kernel is one pass over fused pointwise modules. A state
    before step t and after step t - 1 is one place in an array of steps + 1, so nothing is carried by copying.
    """

    def __init__(self, plan: Plan, steps: int, dtype: np.dtype) -> None:
        self.plan, self.steps, self.dtype = plan, steps, np.dtype(dtype)
        self._zeros: dict[int, np.ndarray] = {}
        self._find_sources()
        self.kernels = {
            i: KernelCode(plan, step, i, {root: self._sources(root) for root in step.roots})
            for i, step in enumerate(plan.steps)
            if isinstance(step, Kernel)
        }
        self._allocate()
        kind = self._kind_of_kernel()
        self._forward = {i: kind(kernel.forward, self.dtype) for i, kernel in self.kernels.items()}
        self._backward = {i: kind(kernel.backward, self.dtype) for i, kernel in self.kernels.items()}

    def _kind_of_kernel(self) -> type:
        elements = max(kernel.forward.rows * kernel.forward.columns for kernel in self.kernels.values())
        if self.steps * elements < WORTH_COMPILING or not importlib.util.find_spec("numba"):
            return NumpyKernel
        from nodegraph.engine.numba_kernels import NumbaKernel

        return NumbaKernel

    # Where gradients come from

    def _find_sources(self) -> None:
        """For each base the arrays whose sum is its gradient at a step; a carried state counts with its feeder."""
        plan, wiring = self.plan, self.plan.wiring
        self.states = {plan.whole(plan.values[p]): k for p, k in wiring.state_of.items() if p in plan.inside}
        self.feeder = {state: plan.whole(plan.values[wiring.feeder[k]]) for state, k in self.states.items()}
        if len(set(self.feeder.values())) != len(self.feeder):
            raise NotPlannable("one output feeds two states")
        self.state_fed = {feeder: state for state, feeder in self.feeder.items()}
        self.outside_readers: dict[int, list[tuple[int, Any]]] = {}
        for place in plan.read_outside:
            for leaf in table.leaves(plan.values[place]):
                readers = self.outside_readers.setdefault(plan.base_of(leaf), [])
                if place not in [reader for reader, _ in readers]:
                    readers.append((place, plan.values[place]))
        self.contributions: dict[int, list[Slot]] = {i: [] for i in range(len(plan.bases))}
        for number, step in enumerate(plan.steps):
            if isinstance(step, Product):
                self.contributions[step.source].append(("product", step.base))
            else:
                for base in self._read_by(step):
                    self.contributions[base].append(("into", number, base))

    def _read_by(self, kernel: Kernel) -> list[int]:
        """The stored bases that a kernel reads, but for its own roots."""
        leaves = [leaf for root in kernel.roots for leaf, _ in self.plan.leaves(root)]
        return [leaf for leaf in dict.fromkeys(leaves) if leaf not in kernel.roots]

    def _sources(self, base: int) -> list[Slot]:
        slots = list(self.contributions[base])
        if base in self.outside_readers:
            slots.append(("outside gradient", base))
        state = self.state_fed.get(base)
        if state is not None:
            slots += [("carried", slot) for slot in self._sources(state)]
        return slots

    # Arrays

    def _allocate(self) -> None:
        plan, steps = self.plan, self.steps
        self.arrays: dict[Slot, np.ndarray] = {}
        self._at: dict[Slot, list[np.ndarray]] = {}
        for index, base in enumerate(plan.bases):
            size = base.rows * base.columns
            if index in self.state_fed:
                both = np.zeros((steps + 1, size), self.dtype)
                self._series(("base", index), both[1:])
                self._series(("base", self.state_fed[index]), both[:-1])
            elif base.kind == "pointwise" and base.kept or base.kind == "linear" and base.kept:
                self._series(("base", index), np.zeros((steps, size), self.dtype))
            elif base.kind == "linear":
                self._repeated(("base", index), size)
        for number, kernel in self.kernels.items():
            for slot in kernel.saved:
                self._series(slot, np.zeros((steps, kernel.forward.rows * kernel.forward.columns), self.dtype))
            self._allocate_gradients(number, kernel)
        self._allocate_products()

    def _allocate_gradients(self, number: int, kernel: KernelCode) -> None:
        """Where the kernel stores gradients: all steps where they are needed after the loop, else one or two."""
        stored: dict[Any, Slot] = {}
        values: dict[int, set] = {}
        for slot, offset, stride, value in kernel.backward.stores:
            values.setdefault(slot[2], set()).add((offset, stride, value))
        for index, accesses in kernel.gradient_accesses().items():
            base, slot = self.plan.bases[index], ("into", number, index)
            offsets = sorted(access.offset for access in accesses)
            if any(b - a < kernel.forward.columns for a, b in zip(offsets, offsets[1:])):
                raise NotPlannable("overlapping parts")
            if base.kind == "state":
                self._alternating(slot, base.rows * base.columns)
            elif base.kind == "pointwise":
                self._repeated(slot, base.rows * base.columns)
            else:
                same = (base.rows, base.columns, frozenset(values[index]))
                if same in stored:
                    self._at[slot], self.arrays[slot] = self._at[stored[same]], self.arrays[stored[same]]
                    kernel.backward.stores = [store for store in kernel.backward.stores if store[0] != slot]
                else:
                    stored[same] = slot
                    self._series(slot, np.zeros((self.steps, base.rows * base.columns), self.dtype))

    def _allocate_products(self) -> None:
        for step in self.plan.steps:
            if isinstance(step, Product):
                source, base = self.plan.bases[step.source], self.plan.bases[step.base]
                allocate = self._alternating if source.kind == "state" else self._repeated
                allocate(("product", step.base), source.rows * source.columns)
                sources = self._sources(step.base)
                if len(sources) == 1 and sources[0][0] == "into":
                    self._series(("gradient", step.base), self.arrays[sources[0]])
                else:
                    self._series(("gradient", step.base), np.zeros((self.steps, base.rows * base.columns), self.dtype))

    def _series(self, slot: Slot, array: np.ndarray) -> None:
        self.arrays[slot], self._at[slot] = array, list(array)

    def _repeated(self, slot: Slot, size: int) -> None:
        self._at[slot] = [np.zeros(size, self.dtype)] * self.steps

    def _alternating(self, slot: Slot, size: int) -> None:
        """Two arrays in turns, as what is written at one step is read at the next."""
        pair = np.zeros(size, self.dtype), np.zeros(size, self.dtype)
        self._at[slot] = [pair[t % 2] for t in range(self.steps)]

    def _stacked(self, slot: Slot, base: int) -> np.ndarray:
        """The steps of a base's array, in the shape of the base."""
        return self.arrays[slot].reshape(self.steps, *self.plan.bases[base].shape)

    # Forward

    def forward(self, tape: Any) -> None:
        """Run the loop; `tape` has the values of the nodes before it, and gets those that are read outside it."""
        plan, at = self.plan, dict(self._at)
        for index, base in enumerate(plan.bases):
            if base.kind == "outside":
                at["base", index] = list(self._flat(tape.values[base.place].stacked))
            elif base.kind == "linear" and base.module.bias is not None:
                at["bias", index] = [base.module.bias] * self.steps
        self._bound = at
        for state, k in self.states.items():
            at["base", state][0][...] = tape.states[k].reshape(-1)
        program = []
        for number, step in enumerate(plan.steps):
            if isinstance(step, Product):
                program.append(self._product(step, at))
            else:
                program.append((self._forward[number], self._forward[number].prepare(at, self.steps)))
        for t in range(self.steps):
            for run, arguments in program:
                run(arguments[t])
        for place in plan.read_outside:
            tape.values[place] = self._series_of(place)

    def _product(self, step: Product, at: dict[Slot, list[np.ndarray]]) -> tuple[Any, list[Any]]:
        base, source = self.plan.bases[step.base], self.plan.bases[step.source]
        weight = np.ascontiguousarray(base.module.weight.T)
        bias = base.module.bias if base.kept else None
        inputs = [array.reshape(source.rows, source.columns) for array in at["base", step.source]]
        outputs = [array.reshape(base.rows, base.columns) for array in at["base", step.base]]

        def run(arrays: tuple[np.ndarray, np.ndarray]) -> None:
            np.matmul(arrays[0], weight, out=arrays[1])
            if bias is not None:
                np.add(arrays[1], bias, out=arrays[1])

        return run, list(zip(inputs, outputs))

    def _flat(self, stacked: np.ndarray) -> np.ndarray:
        array = np.ascontiguousarray(stacked, dtype=self.dtype)
        return array.reshape(self.steps, -1)

    def _series_of(self, place: int) -> Series:
        """The values of a node over time, as views of the bases' arrays."""

        def leaf(elements: np.ndarray) -> np.ndarray:
            base, local = self.plan.within(elements)
            array = self.arrays["base", base]
            if self.plan.whole(elements) is None:
                array = array[:, local]
            return array.reshape(self.steps, *elements.shape)

        return Series(stacked=table.map(leaf, self.plan.values[place]))

    # Backward

    def backward(self, tape: Any) -> None:
        """Run the loop backward; `tape.gradients` has those of the nodes after it, and gets those of nodes before."""
        plan, at = self.plan, dict(self._bound)
        for base in self.outside_readers:
            total = self._outside_gradient(tape, base)
            at["outside gradient", base] = self._nothing(base) if total is None else list(total)
        for slots in [self._sources(root) for kernel in self.kernels.values() for root in kernel.kernel.roots]:
            for slot in slots:
                if slot[0] == "carried":
                    at[slot] = self._carried(slot[1], at)
        program = []
        for number, step in reversed(list(enumerate(plan.steps))):
            if isinstance(step, Product):
                program.append(self._product_backward(step, at))
            else:
                program.append((self._backward[number], self._backward[number].prepare(at, self.steps)))
        for t in reversed(range(self.steps)):
            for run, arguments in program:
                run(arguments[t])
        self._hand_out(tape, at)

    def _nothing(self, base: int) -> list[np.ndarray]:
        """A gradient of zeros for each step."""
        size = self.plan.bases[base].rows * self.plan.bases[base].columns
        return [self._zeros.setdefault(size, np.zeros(size, self.dtype))] * self.steps

    def _outside_gradient(self, tape: Any, base: int) -> np.ndarray | None:
        """The gradient that nodes outside the loop give a base, (steps, elements); None for zero."""
        total = None
        for place, elements in self.outside_readers[base]:
            if tape.gradients[place].empty:
                continue
            gradient = tape.gradients[place].stacked(tape.values[place])
            for leaf, part in zip(table.leaves(elements), table.leaves(gradient)):
                owner, local = self.plan.within(leaf)
                if owner != base:
                    continue
                if total is None and self.plan.whole(leaf) is not None:
                    total = self._flat(part)
                    continue
                size = self.plan.bases[base].rows * self.plan.bases[base].columns
                total = np.zeros((self.steps, size), self.dtype) if total is None else total.copy()
                total[:, local] += self._flat(part)
        return total

    def _carried(self, slot: Slot, at: dict[Slot, list[np.ndarray]]) -> list[np.ndarray]:
        """A part of a state's gradient as its feeder sees it, one step earlier; at the last step there is none."""
        return [*at[slot][1:], np.zeros_like(at[slot][0])]

    def _product_backward(self, step: Product, at: dict[Slot, list[np.ndarray]]) -> tuple[Any, list[Any]]:
        base, source = self.plan.bases[step.base], self.plan.bases[step.source]
        weight, gradient = base.module.weight, ("gradient", step.base)
        sources = self._sources(step.base)
        summed = [] if self.arrays[gradient] is self.arrays.get(sources[0]) else [at[slot] for slot in sources]
        outputs = [array.reshape(base.rows, base.columns) for array in at[gradient]]
        inputs = [array.reshape(source.rows, source.columns) for array in at["product", step.base]]

        def run(arrays: tuple) -> None:
            grad_output, grad_input, parts = arrays
            if parts:
                flat = grad_output.reshape(-1)
                flat[...] = parts[0]
                for part in parts[1:]:
                    np.add(flat, part, out=flat)
            np.matmul(grad_output, weight, out=grad_input)

        return run, list(zip(outputs, inputs, list(zip(*summed)) if summed else [()] * self.steps))

    def _hand_out(self, tape: Any, at: dict[Slot, list[np.ndarray]]) -> None:
        for index, base in enumerate(self.plan.bases):
            if base.kind == "outside":
                for slot in self.contributions[index]:
                    tape.gradients[base.place].add(self._stacked(slot, index))
        for state, k in self.states.items():
            total = None
            for slot in self._sources(state):
                total = table.add(total, at[slot][0])
            if total is not None:
                tape.grad_states[k] = total.reshape(self.plan.bases[state].shape).copy()

    def accumulate(self, scale: float) -> None:
        """Add to the weights' gradients, each one product over the rows of all steps."""
        for step in self.plan.steps:
            if isinstance(step, Product):
                base, source = self.plan.bases[step.base], self.plan.bases[step.source]
                rows = self.steps * base.rows
                input = self.arrays["base", step.source].reshape(rows, source.columns)
                gradient = self.arrays["gradient", step.base].reshape(rows, base.columns)
                base.module.acc_grad_parameters(input, gradient, scale)
