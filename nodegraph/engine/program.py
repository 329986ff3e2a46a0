"""Program: a plan as flat lists of steps, forward and backward, over arrays that are kept from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, product
from types import SimpleNamespace
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.debug import check_grad_parameters, mode
from nodegraph.engine.allocation import allocated
from nodegraph.engine.bases import Key
from nodegraph.engine.machine import Machine, machine_for, worth_numba
from nodegraph.engine.plan import Plan, Product
from nodegraph.engine.step_lists import StepLists
from nodegraph.engine.steps import Ring, Slot
from nodegraph.engine.values import ModuleCall
from nodegraph.errors import NodegraphError, ShapeError

COPIED = 1 << 14
"""What comes from outside, up to so many bytes, is copied into a ring of the program's own, whose views are kept."""


class Program(StepLists):
    """What a plan computes, for so many time steps.

    A kernel is one pass over fused pointwise modules, a product writes into an array, any other module is called. A
    state before step t and after step t - 1 is one place in a ring of steps + 1, so nothing is carried by copying.

    Without `differentiable` it has no steps backward, and of what is not returned only one step is kept.
    """

    def __init__(self, plan: Plan, steps: int, differentiable: bool) -> None:
        super().__init__(plan, steps, differentiable)
        self.numba = worth_numba(self.forward_steps, steps)
        if not self.numba and plan.by_parts:
            plan.as_wholes()
            self.compile()
        self.rings = allocated(self)
        self.machine: Machine = machine_for(self)
        for index in self.parameter_bases:
            size = plan.bases[index].rows * plan.bases[index].columns
            for slot in self.contributions[index]:
                self.rings[slot] = Ring(np.zeros((self.machine.threads, size), self.plan.dtype))
        self._parameters: dict[int, np.ndarray | None] = {}
        self._returned_views: dict[int, Any] = {}
        self._zeros: dict[int, np.ndarray] = {}
        self.machine.prepare(self.rings)

    # Forward

    def forward(self, inputs: dict[Key, Any], located: Callable[[Exception, int], Exception]) -> dict[int, Any]:
        """The returned places' values, each leaf (steps, ...).

        `inputs` are the sources' values, each leaf (steps, ...), but for states; a single step may be without its axis.
        An error of a call goes through `located`, with the time step.
        """
        plan = self.plan
        leaves = (leaf for value in inputs.values() for leaf in table.leaves(value))
        for index, leaf in zip(self.source_bases.values(), leaves):
            self._bind_source(index, leaf)
        for index in self.parameter_bases:
            module = plan.bases[index].module
            (name,) = module.parameter_names
            self._bind_parameter(index, getattr(module, name))
        for call in self.calls.values():
            call.forget()
        self._draw_noise()
        self._run(located, backward=False)
        return {place: table.map(self._returned, plan.values[place]) for place in plan.returned}

    def _bind_source(self, index: int, leaf: np.ndarray) -> None:
        ring = self.rings.get(("base", index))
        if index in self.states:
            ring.array[0] = leaf.reshape(-1)
        elif ring is not None and leaf.nbytes <= COPIED:
            ring.array[...] = leaf.reshape(ring.array.shape)
        else:
            self._bind(("base", index), np.ascontiguousarray(leaf).reshape(self.steps, -1))

    def _bind_parameter(self, index: int, array: np.ndarray) -> None:
        """Have a ring hold a parameter; it stays while the parameter is the same array, and the ring a view of it."""
        if array is not self._parameters.get(index):
            self.rings["base", index] = Ring(np.ascontiguousarray(array).reshape(1, -1))
            self._parameters[index] = array if array.flags.c_contiguous and array.flags.writeable else None

    def _bind(self, slot: Slot, array: np.ndarray) -> Ring:
        """Have a ring hold an array from outside, or a copy of a small one; it stays, with its views, where it can."""
        ring = self.rings.get(slot)
        if array.nbytes > COPIED:
            if not array.flags.writeable:
                array = array.copy()  # To numba a read-only array is of another type.
            if ring is None or not _same_place(ring.array, array):
                ring = self.rings[slot] = Ring(array)
        elif ring is None or ring.array.shape != array.shape:
            ring = self.rings[slot] = Ring(array.copy())
        else:
            ring.array[...] = array
        return ring

    def _draw_noise(self) -> None:
        for t, index in product(range(self.steps), self.noise_bases):
            base = self.plan.bases[index]
            like = np.broadcast_to(np.zeros((), self.plan.dtype), base.shape)
            base.module.saved = noise = base.module.factor(like)  # In `saved` one finds what was drawn last.
            self.rings["base", index].array[t] = noise.reshape(-1)

    def _returned(self, elements: np.ndarray) -> np.ndarray:
        """Part of a base over all steps, in a view of its ring where that can be."""
        key = id(elements)
        ring, view = self._returned_views.get(key, (None, None))
        if ring is not None and self.rings.get(ring[0]) is ring[1]:
            return view
        base, offset, strides = self.plan.bases.part(elements)
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
            if found.kind in ("product", "soft-max", "called") and found.differentiable and not self.is_summed(base):
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
                owner, offset, strides = self.plan.bases.part(elements)
                if owner != base or part is None:
                    continue
                part, shape = np.asarray(part, dtype=self.plan.dtype), (self.steps, *elements.shape)
                if part.shape != shape:  # What does not fit would be written outside of the array.
                    expected, got = (found[1:] if self.steps == 1 else found for found in (shape, part.shape))
                    raise ShapeError(f"expected a gradient of the output's shape, {expected}, got {got}")
                if total is None and self.plan.bases.whole(elements) is not None:
                    total = np.ascontiguousarray(part).reshape(self.steps, size)
                    owned = False
                    continue
                if total is None or not owned:
                    total = np.zeros((self.steps, size), self.plan.dtype) if total is None else total.copy()
                    owned = True
                item = total.itemsize
                target = np.lib.stride_tricks.as_strided(
                    total.reshape(-1)[offset:],
                    shape,
                    (total.strides[0], *(stride * item for stride in strides)),
                )
                target += part
        if total is None:
            total = self._zeros.setdefault(
                base, np.zeros((self.steps if self._is_series(base) else 1, size), self.plan.dtype)
            )
        return self._bind(("outside gradient", base), total)

    def _is_series(self, base: int) -> bool:
        """Whether the gradient of a base is read as a whole after the loop."""
        return self.plan.bases[base].kind in ("product", "source")

    def _given_back(self, index: int, base: Any) -> np.ndarray | None:
        is_state, total = index in self.states, None
        for slot in self.sources[index]:
            array = self.rings[slot].array
            total = table.add(total, array[0] if is_state else array)
        if total is None:
            return None
        return total.reshape(base.shape).copy() if is_state else total.reshape(self.steps, *base.shape)

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

    def _input_of(self, step: Product) -> np.ndarray:
        """The rows of all steps that a product multiplied."""
        base, source = self.plan.bases[step.base], step.source
        inner = base.module.weight.shape[1]
        if self.takes_all(step):
            return self._over_time(source.base).reshape(self.steps * base.rows, inner)
        grids = self.rings["base", source.base].grids(self.steps, base.rows, inner, source.offset, source.stride)
        return np.concatenate(grids)


def _as_shaped(shape: Any, leaves: Iterator[Any]) -> Any:
    """The leaves as a table of that shape."""
    return [_as_shaped(part, leaves) for part in shape] if isinstance(shape, list) else next(leaves)


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same memory, of the same shape and type."""
    return a.__array_interface__ == b.__array_interface__


def _pairs(value: Any, gradient: Any) -> Any:
    """The leaves of a value with those of its gradient."""
    if table.is_table(value):
        for i, part in enumerate(value):
            yield from _pairs(part, None if gradient is None else gradient[i])
    else:
        yield value, gradient
