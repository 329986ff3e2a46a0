"""StepLists: a plan as flat lists of steps at one time step, forward and backward."""

from __future__ import annotations

from typing import Any

from nodegraph import table
from nodegraph.engine.bases import Unfit
from nodegraph.engine.kernel import KernelCode
from nodegraph.engine.outside_call import CallStep
from nodegraph.engine.plan import Kernel, Normalisation, Plan, Product
from nodegraph.engine.steps import LookUp, Multiply, Slot, SoftMaxRows, Step, sum_of
from nodegraph.engine.values import ModuleCall
from nodegraph.nn.lookup import OneHot
from nodegraph.nn.softmax import LogSoftMax


class StepLists:
    """What to do at one of so many time steps, and which rings the parts of each gradient are in.

    Without `differentiable` there are no steps backward.
    """

    def __init__(self, plan: Plan, steps: int, differentiable: bool) -> None:
        self.plan, self.steps, self.differentiable = plan, steps, differentiable
        self.compile()

    def compile(self) -> None:
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
        self.states = {plan.bases.of(plan.values["input", state]): plan.state_fed_by[state] for state in plan.fed}
        self.state_fed = {feeder: state for state, feeder in self.states.items()}
        steps = list(enumerate(plan.steps))
        self.kernels = {
            i: KernelCode(plan, step, i, self.differentiable) for i, step in steps if isinstance(step, Kernel)
        }
        self.calls = {i: CallStep(plan, step, i, self.steps) for i, step in steps if isinstance(step, ModuleCall)}
        bases = list(enumerate(plan.bases))
        self.source_bases = {base.key: i for i, base in bases if base.kind == "source"}
        self.parameter_bases = [i for i, base in bases if base.kind == "parameter"]
        self.noise_bases = [i for i, base in bases if base.kind == "noise"]
        self.giver = {base: call for call in self.calls.values() for base in call.step.bases}
        self._find_one_hot()
        self.contributions: dict[int, list[Slot]] = {i: [] for i in range(len(plan.bases))}
        for i, step in steps:
            if isinstance(step, (Product, Normalisation)):
                if plan.bases[step.source.base].differentiable:
                    self.contributions[step.source.base].append((plan.bases[step.base].kind, step.base))
            else:
                into = (self.kernels if isinstance(step, Kernel) else self.calls)[i].into
                for slot, base in into.items():
                    self.contributions[base].append(slot)
        self._find_outside_readers()
        self.forward_steps = [done for i, step in steps for done in self._forward_of(i, step)]
        self.backward_steps: list[Step | CallStep] = []
        if self.differentiable:
            self._find_backward_steps()

    def _find_backward_steps(self) -> None:
        self.sources = {base: self._sources(base) for base in range(len(self.plan.bases))}
        for kernel in self.kernels.values():
            kernel.differentiate({root: self.sources[root] for root in kernel.kernel.roots})
        steps = list(enumerate(self.plan.steps))
        self.backward_steps = [done for i, step in reversed(steps) for done in self._backward_of(i, step)]

    def _find_one_hot(self) -> None:
        """Have those rows of OneHot that are only multiplied by weights stay indices."""
        read = {base for kernel in self.kernels.values() for base in kernel.reads}
        read |= {base for call in self.calls.values() for base in call.reads}
        read |= self.returned_bases()
        read |= {step.source.base for step in self.plan.steps if isinstance(step, Normalisation)}
        products = [step for step in self.plan.steps if isinstance(step, Product)]
        read |= {product.source.base for product in products if not self.takes_all(product)}
        for call in self.calls.values():
            if type(call.step.module) is OneHot and call.step.bases[0] not in read:
                if len(self.plan.bases[call.step.bases[0]].shape) == 2:
                    call.keep_indices()

    def returned_bases(self) -> set[int]:
        """The bases of which elements are returned."""
        values = [self.plan.values[place] for place in self.plan.returned]
        return {self.plan.bases.of(leaf) for value in values for leaf in table.leaves(value)}

    def _find_outside_readers(self) -> None:
        """For each base the places whose returned values have elements of it."""
        self.outside_readers: dict[int, list[int]] = {}
        for place in self.plan.returned:
            for base in {self.plan.bases.of(leaf) for leaf in table.leaves(self.plan.values[place])}:
                if self.plan.bases[base].differentiable:
                    self.outside_readers.setdefault(base, []).append(place)

    def _sources(self, base: int) -> list[Slot]:
        """The rings whose sum is the gradient of a base at a step; a carried state counts with its feeder.

        A base that is stored in another finds its own in the same places of that one's.
        """
        place = self.plan.bases[base].place
        if place is not None:
            return self._sources(place.base)
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
        place = (("base", source.base), source.offset, source.stride)
        into = (("base", step.base), 0, base.columns)
        if isinstance(step, Normalisation):
            return [SoftMaxRows(base.rows, base.columns, [place, into], isinstance(base.module, LogSoftMax))]
        inner = base.module.weight.shape[1]
        giver = self.giver.get(source.base)
        if giver is not None and giver.index_ring is not None:
            return [LookUp(base.rows, inner, base.columns, (giver.index_ring, 0, 1), into, base.module)]
        return [Multiply(base.rows, inner, base.columns, place, into, base.module, True)]

    def _backward_of(self, number: int, step: Any) -> list[Step | CallStep]:
        if isinstance(step, Kernel):
            return [self.kernels[number].backward]
        if isinstance(step, ModuleCall):
            return [*[self._summed(base) for base in step.bases if self.is_summed(base)], self.calls[number]]
        base, source = self.plan.bases[step.base], step.source
        done: list[Any] = [self._summed(step.base)] if self.is_summed(step.base) else []
        if self.plan.bases[source.base].differentiable:
            place = (("gradient", step.base), 0, base.columns)
            into = ((base.kind, step.base), source.offset, source.stride)
            if isinstance(step, Normalisation):
                places, log = [place, (("base", step.base), 0, base.columns), into], isinstance(base.module, LogSoftMax)
                return [*done, SoftMaxRows(base.rows, base.columns, places, log, backward=True)]
            inner = base.module.weight.shape[1]
            done.append(Multiply(base.rows, base.columns, inner, place, into, base.module, False))
        return done

    def is_summed(self, base: int) -> bool:
        """Whether a base's gradient must be put together, since it is not what one other step gives."""
        return len(self.sources[base]) != 1 and self.plan.bases[base].differentiable

    def _summed(self, base: int) -> Step:
        found = self.plan.bases[base]
        return sum_of(("gradient", base), self.sources[base], found.rows, found.columns)

    def takes_all(self, step: Product) -> bool:
        """Whether a product multiplies each row of a base as a whole."""
        base, read = self.plan.bases[step.base], self.plan.bases[step.source.base]
        return step.source.stride == read.columns == base.module.weight.shape[1] and base.rows == read.rows
