"""Program: a plan as flat lists of steps, forward and backward, over arrays that are kept from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.debug import check_grad_parameters, mode
from nodegraph.engine.kernel import KernelCode
from nodegraph.engine.machine import Machine, machine_for, worth_numba
from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.plan import Kernel, Key, ModuleCall, Plan, Product, Unfit
from nodegraph.engine.steps import LookUp, Multiply, Ring, Slot, Step, sum_of
from nodegraph.errors import NodegraphError
from nodegraph.nn.lookup import OneHot

COPIED = 1 << 14
"""What comes from outside, up to so many bytes, is copied into a ring of the program's own, whose views are kept."""


class Program:
    """What a plan computes, for so many time steps.

    A kernel is one pass over fused pointwise modules, a product writes into an array, any other module is called. A
    state before step t and after step t - 1 is one place in a ring of steps + 1, so nothing is carried by copying.
    """

    def __init__(self, plan: Plan, steps: int) -> None:
        self.plan, self.steps, self.dtype = plan, steps, plan.dtype
        self._compile()
        self.numba = worth_numba(self.forward_steps, steps)
        if not self.numba and plan.by_parts:
            plan.as_wholes()
            self._compile()
        self._allocate()

    # The steps

    def _compile(self) -> None:
        """Find the steps; nodes that do not fit into kernels become calls."""
        while True:
            try:
                self._find_steps()
                return
            except Unfit as unfit:
                self.plan.without_fusing(unfit.path)

    def _find_steps(self) -> None:
        """What to do at one time step, in either direction: segments of products and passes, and calls between them."""
        plan = self.plan
        self.states = {plan.base_of(plan.values["input", state]): plan.state_fed_by[state] for state in plan.fed}
        self.state_fed = {feeder: state for state, feeder in self.states.items()}
        steps = list(enumerate(plan.steps))
        self.kernels = {i: KernelCode(plan, step, i) for i, step in steps if isinstance(step, Kernel)}
        self.calls = {i: CallStep(plan, step, i, self.steps) for i, step in steps if isinstance(step, ModuleCall)}
        bases = list(enumerate(plan.bases))
        self.source_bases = {base.key: i for i, base in bases if base.kind == "source"}
        self.parameter_bases = [i for i, base in bases if base.kind == "parameter"]
        self.noise_bases = [i for i, base in bases if base.kind == "noise"]
        self._returned_views: dict[int, Any] = {}
        self._zeros: dict[int, np.ndarray] = {}
        self.giver = {base: call for call in self.calls.values() for base in call.step.bases}
        self._find_one_hot()
        self.contributions: dict[int, list[Slot]] = {i: [] for i in range(len(plan.bases))}
        for i, step in steps:
            if isinstance(step, Product):
                if plan.bases[step.source.base].differentiable:
                    self.contributions[step.source.base].append(("product", step.base))
            else:
                into = (self.kernels if isinstance(step, Kernel) else self.calls)[i].into
                for slot, base in into.items():
                    self.contributions[base].append(slot)
        self._find_outside_readers()
        self.sources = {base: self._sources(base) for base in range(len(plan.bases))}
        for kernel in self.kernels.values():
            kernel.differentiate({root: self.sources[root] for root in kernel.kernel.roots})
        self.forward_steps = [done for i, step in steps for done in self._forward_of(i, step)]
        self.backward_steps = [done for i, step in reversed(steps) for done in self._backward_of(i, step)]

    def _find_one_hot(self) -> None:
        """Have those rows of OneHot that are only multiplied by weights stay indices."""
        read = {base for kernel in self.kernels.values() for base in kernel.reads}
        read |= {base for call in self.calls.values() for base in call.reads}
        read |= {
            self.plan.base_of(leaf) for place in self.plan.returned for leaf in table.leaves(self.plan.values[place])
        }
        products = [step for step in self.plan.steps if isinstance(step, Product)]
        read |= {product.source.base for product in products if not self._takes_all(product)}
        for call in self.calls.values():
            if type(call.step.module) is OneHot and call.step.bases[0] not in read:
                if len(self.plan.bases[call.step.bases[0]].shape) == 2:
                    call.keep_indices()

    def _find_outside_readers(self) -> None:
        """For each base the places whose returned values have elements of it."""
        self.outside_readers: dict[int, list[int]] = {}
        for place in self.plan.returned:
            for base in {self.plan.base_of(leaf) for leaf in table.leaves(self.plan.values[place])}:
                if self.plan.bases[base].differentiable:
                    self.outside_readers.setdefault(base, []).append(place)

    def _sources(self, base: int) -> list[Slot]:
        """The rings whose sum is the gradient of a base at a step; a carried state counts with its feeder."""
        slots = list(self.contributions[base])
        if base in self.outside_readers:
            slots.append(("outside gradient", base))
        if base in self.state_fed:
            slots += [("carried", slot) for slot in self._sources(self.state_fed[base])]
        return slots

    def _forward_of(self, number: int, step: Any) -> list[Step | CallStep]:
        if isinstance(step, Kernel):
            return [self.kernels[number].forward]
        if isinstance(step, ModuleCall):
            return [self.calls[number]]
        base, source = self.plan.bases[step.base], step.source
        inner = base.module.weight.shape[1]
        place = (("base", source.base), source.offset, source.stride)
        into = (("base", step.base), 0, base.columns)
        giver = self.giver.get(source.base)
        if giver is not None and giver.index_ring is not None:
            return [LookUp(base.rows, inner, base.columns, (giver.index_ring, 0, 1), into, base.module)]
        return [Multiply(base.rows, inner, base.columns, place, into, base.module, True)]

    def _backward_of(self, number: int, step: Any) -> list[Step | CallStep]:
        if isinstance(step, Kernel):
            return [self.kernels[number].backward]
        if isinstance(step, ModuleCall):
            return [*[self._summed(base) for base in step.bases if self._is_summed(base)], self.calls[number]]
        base, source = self.plan.bases[step.base], step.source
        done: list[Any] = [self._summed(step.base)] if self._is_summed(step.base) else []
        if self.plan.bases[source.base].differentiable:
            inner = base.module.weight.shape[1]
            place = (("gradient", step.base), 0, base.columns)
            into = (("product", step.base), source.offset, source.stride)
            done.append(Multiply(base.rows, base.columns, inner, place, into, base.module, False))
        return done

    def _is_summed(self, base: int) -> bool:
        """Whether a base's gradient must be put together, since it is not what one other step gives."""
        return len(self.sources[base]) != 1 and self.plan.bases[base].differentiable

    def _summed(self, base: int) -> Step:
        found = self.plan.bases[base]
        return sum_of(("gradient", base), self.sources[base], found.rows, found.columns)

    # Rings

    def _allocate(self) -> None:
        plan, steps = self.plan, self.steps
        self.rings: dict[Slot, Ring] = {}
        for index, base in enumerate(plan.bases):
            size = base.rows * base.columns
            if index in self.states:
                array = np.zeros((steps + 1, size), self.dtype)
                self.rings["base", index] = Ring(array)
                self.rings["base", self.states[index]] = Ring(array, 1)
            elif index in self.state_fed or base.kind in ("source", "parameter"):
                continue
            elif index in self.giver and self.giver[index].index_ring is not None:
                self.rings[self.giver[index].index_ring] = Ring(np.zeros((steps, base.rows), np.int64))
            elif base.kind == "called" and not self._read_by_steps(index):
                continue
            elif base.kept or base.kind in ("noise", "called"):
                self.rings["base", index] = self._ring(steps, size)
            elif base.kind == "product":
                self.rings["base", index] = self._ring(1, size)
        for kernel in self.kernels.values():
            for slot in kernel.saved:
                self.rings[slot] = self._ring(steps, kernel.forward.rows * kernel.forward.columns)
        self._allocate_gradients()
        self.machine: Machine = machine_for(self)
        for index in self.parameter_bases:
            for slot in self.contributions[index]:
                self.rings[slot] = self._ring(self.machine.threads, plan.bases[index].columns * plan.bases[index].rows)
        self.machine.prepare(self.rings)

    def _ring(self, places: int, size: int) -> Ring:
        return Ring(np.zeros((places, size), self.dtype))

    def _read_by_steps(self, base: int) -> bool:
        read = {access.base for access in self.plan.product_sources.values()}
        return base in read.union(*[kernel.reads for kernel in self.kernels.values()])

    def _allocate_gradients(self) -> None:
        """Where gradients are stored: all steps where they are needed after the loop, else one or two."""
        stored: dict[Any, Ring] = {}
        for base, slots in self.contributions.items():
            found = self.plan.bases[base]
            size = found.rows * found.columns
            for slot in slots:
                if found.kind == "parameter":
                    continue  # Each thread needs a place of its own.
                if base in self.states:
                    self.rings[slot] = self._ring(2, size)
                    self.rings["carried", slot] = Ring(self.rings[slot].array, 1)
                elif found.kind in ("product", "source"):
                    same = self._stored_values(slot, size)
                    if same in stored:
                        kernel = self.kernels[slot[1]].backward
                        kernel.stores = [store for store in kernel.stores if store[0] != slot]
                    else:
                        stored[same] = self._ring(self.steps, size)
                    self.rings[slot] = stored[same]
                else:
                    self.rings[slot] = self._ring(1, size)
        for base, found in enumerate(self.plan.bases):
            if found.kind in ("product", "called") and self._is_summed(base):
                places = self.steps if found.kind == "product" else 1
                self.rings["gradient", base] = self._ring(places, found.rows * found.columns)

    def _stored_values(self, slot: Slot, size: int) -> Any:
        """What a kernel stores in a ring: two rings that get the same values can be one."""
        if slot[0] != "into":
            return slot
        stores = self.kernels[slot[1]].backward.stores
        return slot[1], size, frozenset((offset, stride, v) for s, offset, stride, v in stores if s == slot)

    # Forward

    def forward(self, inputs: dict[Key, Any], located: Callable[[Exception, int], Exception]) -> dict[int, Any]:
        """The returned places' values, each leaf (steps, ...).

        `inputs` are the sources' values, each leaf (steps, ...), but for states. An error of a call goes through
        `located`, with the time step.
        """
        plan, rings = self.plan, self.rings
        for key, value in inputs.items():
            for i, leaf in enumerate(table.leaves(value)):
                self._bind_source(self.source_bases[(*key, i)], leaf)
        for index in self.parameter_bases:
            module = plan.bases[index].module
            (name,) = module.parameter_names
            rings["base", index] = Ring(np.ascontiguousarray(getattr(module, name)).reshape(1, -1))
        for call in self.calls.values():
            call.forget()
        self._draw_noise()
        self._run(located, backward=False)
        return {place: table.map(self._returned, plan.values[place]) for place in plan.returned}

    def _bind_source(self, index: int, leaf: np.ndarray) -> None:
        if index in self.states:
            self.rings["base", index].array[0] = leaf.reshape(-1)
        else:
            self._bind(("base", index), np.ascontiguousarray(leaf).reshape(self.steps, -1))

    def _bind(self, slot: Slot, array: np.ndarray) -> Ring:
        """Have a ring hold an array from outside, or a copy of a small one; it stays, with its views, where it can."""
        ring = self.rings.get(slot)
        if array.nbytes > COPIED:
            if ring is None or not _same_place(ring.array, array):
                ring = self.rings[slot] = Ring(array)
        elif ring is None or ring.array.shape != array.shape or ring.array.dtype != array.dtype:
            ring = self.rings[slot] = Ring(np.array(array, order="C"))
        else:
            ring.array[...] = array
        return ring

    def _draw_noise(self) -> None:
        for t in range(self.steps if self.noise_bases else 0):
            for index in self.noise_bases:
                base = self.plan.bases[index]
                like = np.broadcast_to(np.zeros((), self.dtype), base.shape)
                base.module.saved = noise = base.module.factor(like)  # In `saved` one finds what was drawn last.
                self.rings["base", index].array[t] = noise.reshape(-1)

    def _returned(self, elements: np.ndarray) -> np.ndarray:
        """Part of a base over all steps, in a view of its ring where that can be."""
        key = id(elements)
        ring, view = self._returned_views.get(key, (None, None))
        if ring is not None and self.rings.get(ring[0]) is ring[1]:
            return view
        base, offset, strides = self.plan.part(elements)
        if ("base", base) not in self.rings:
            return self.giver[base].stacked(elements)
        array = self._over_time(base)
        item = array.itemsize
        view = np.lib.stride_tricks.as_strided(
            array.reshape(-1)[offset:],
            (self.steps, *elements.shape),
            (array.strides[0], *(stride * item for stride in strides)),
        )
        slot = ("base", base)
        self._returned_views[key] = ((slot, self.rings[slot]), view)
        return view

    def _over_time(self, base: int) -> np.ndarray:
        """All steps of a base, (steps, elements)."""
        ring = self.rings["base", base]
        return ring.array[ring.shift : ring.shift + self.steps]

    # Backward

    def _run(self, located: Callable[[Exception, int], Exception], backward: bool) -> None:
        self.located = located
        try:
            self.machine.run(self, backward)
        finally:
            del self.located  # It knows the run, which must not live as long as the program.

    def backward(self, gradients: dict[int, Any], located: Callable[[Exception, int], Exception]) -> dict[Key, Any]:
        """The gradients of the sources' values by their keys, for those of the returned places' values.

        Leaves are (steps, ...), those of states without steps; None stands for zero. `located` is as in forward.
        """
        rings = self.rings
        for base in self.outside_readers:
            total = self._outside_gradient(gradients, base)
            if base in self.states:
                after_last = np.zeros_like(total.array[:1])
                rings["carried", ("outside gradient", base)] = Ring(np.append(total.array, after_last, 0), 1)
        for base, found in enumerate(self.plan.bases):
            if found.kind in ("product", "called") and found.differentiable and not self._is_summed(base):
                rings["gradient", base] = rings[self.sources[base][0]]
            for slot in self.contributions[base]:
                if base in self.states:
                    rings[slot].array[self.steps % 2] = 0
                elif found.kind == "parameter":
                    rings[slot].array.fill(0)
        self._run(located, backward=True)
        found = {key: self._given_back(index, self.plan.bases[index]) for key, index in self.source_bases.items()}
        return {key: _as_shaped(shape, (found[(*key, i)] for i in count())) for key, shape in self.plan.shapes.items()}

    def _outside_gradient(self, gradients: dict[int, Any], base: int) -> Ring:
        """The gradient that others than the program's steps give a base."""
        size = self.plan.bases[base].rows * self.plan.bases[base].columns
        total = None
        for place in self.outside_readers[base]:
            value, gradient = self.plan.values[place], gradients.get(place)
            for elements, part in _pairs(value, gradient):
                owner, offset, strides = self.plan.part(elements)
                if owner != base or part is None:
                    continue
                part = np.asarray(part, dtype=self.dtype)
                if total is None and self.plan.whole(elements) is not None:
                    total = np.ascontiguousarray(part).reshape(self.steps, size)
                    owned = False
                    continue
                if total is None or not owned:
                    total = np.zeros((self.steps, size), self.dtype) if total is None else total.copy()
                    owned = True
                item = total.itemsize
                target = np.lib.stride_tricks.as_strided(
                    total.reshape(-1)[offset:],
                    part.shape,
                    (total.strides[0], *(stride * item for stride in strides)),
                )
                target += part
        if total is None:
            total = self._zeros.setdefault(
                base, np.zeros((self.steps if self._is_series(base) else 1, size), self.dtype)
            )
        return self._bind(("outside gradient", base), total)

    def _is_series(self, base: int) -> bool:
        """Whether the gradient of a base is read as a whole after the loop."""
        return self.plan.bases[base].kind in ("product", "source")

    def _given_back(self, index: int, base: Any) -> np.ndarray | None:
        total = None
        for slot in self.sources[index]:
            if index in self.states:
                total = table.add(total, self.rings[slot].array[0])
            else:
                total = table.add(total, self.rings[slot].array)
        if total is None:
            return None
        shape = base.shape if index in self.states else (self.steps, *base.shape)
        owned = len(self.sources[index]) > 1
        return total.reshape(shape) if owned or index not in self.states else total.reshape(shape).copy()

    def accumulate(self, scale: float) -> None:
        """Add to the parameters' gradients, those of a weight by one product over the rows of all steps."""
        for number, step in enumerate(self.plan.steps):
            if isinstance(step, Product):
                self._add_gradients(step, scale)
            elif isinstance(step, ModuleCall):
                self.calls[number].accumulate(scale)
        for index in self.parameter_bases:
            module = self.plan.bases[index].module
            (name,) = module.parameter_names
            gradient = getattr(module, "grad_" + name)
            for slot in self.contributions[index]:
                gradient += (self.rings[slot].array.sum(0) * scale).reshape(gradient.shape)

    def _add_gradients(self, step: Product, scale: float) -> None:
        base, graph = self.plan.bases[step.base], self.plan.graph
        gradient = self.rings["gradient", step.base].array.reshape(self.steps * base.rows, base.columns)
        giver = self.giver.get(step.source.base)
        looked_up = giver is not None and giver.index_ring is not None
        input = self.rings[giver.index_ring].array.reshape(-1) if looked_up else self._input_of(step)
        call = SimpleNamespace(module=base.module, input=input, grad_output=gradient)
        add = self.machine.add_gradients_of_columns if looked_up else self.machine.add_gradients
        add(call.module, call.input, call.grad_output, scale)
        if mode.stop_at_nan:
            try:
                check_grad_parameters(call)
            except NodegraphError as error:
                raise graph.error_of(graph.nodes[base.path[0]], error, "gradient " + table.describe(gradient))

    def _takes_all(self, step: Product) -> bool:
        """Whether a product multiplies each row of a base as a whole."""
        base, read = self.plan.bases[step.base], self.plan.bases[step.source.base]
        return step.source.stride == read.columns == base.module.weight.shape[1] and base.rows == read.rows

    def _input_of(self, step: Product) -> np.ndarray:
        """The rows of all steps that a product multiplied."""
        base, source = self.plan.bases[step.base], step.source
        inner = base.module.weight.shape[1]
        if self._takes_all(step):
            return self._over_time(source.base).reshape(self.steps * base.rows, inner)
        grids = self.rings["base", source.base].grids(self.steps, base.rows, inner, source.offset, source.stride)
        return np.concatenate(grids)


def _as_shaped(shape: Any, leaves: Iterator[Any]) -> Any:
    """The leaves as a table of that shape."""
    return [_as_shaped(part, leaves) for part in shape] if isinstance(shape, list) else next(leaves)


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two contiguous arrays are the same memory, of the same shape and type."""
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.dtype == b.dtype


def _pairs(value: Any, gradient: Any) -> Any:
    """The leaves of a value with those of its gradient."""
    if table.is_table(value):
        for i, part in enumerate(value):
            yield from _pairs(part, None if gradient is None else gradient[i])
    else:
        yield value, gradient
