"""RecurrentTape: one run of a cell over time, forward and backward, by the stages of its schedule."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.compiled_stage import CompiledStage
from nodegraph.debug import mode
from nodegraph.engine.store import ProgramStore
from nodegraph.errors import ArgumentError, NodegraphError, StateError
from nodegraph.gmodule import parts_for
from nodegraph.nn.module import Call, Module, locate
from nodegraph.node import Node
from nodegraph.over_time import GradientSeries, OverTime, Series, merge, separate, step
from nodegraph.random import get_state
from nodegraph.replay import KeptStates, check_same, kept_states, replayed
from nodegraph.schedule import Stage

if TYPE_CHECKING:
    from nodegraph.recurrent_wiring import Wiring


class RecurrentTape:
    """One run of a cell over time.

    A node has one call for all steps, or a list of calls, one a step; the nodes of a stage that is compiled have none.
    With `store` stages run compiled where they can be; then without `differentiable` they keep nothing for `backward`,
    which runs forward once more.
    """

    def __init__(
        self, wiring: Wiring, steps: int, store: ProgramStore | None = None, differentiable: bool = True
    ) -> None:
        self.wiring, self.steps, self.cell = wiring, steps, wiring.cell
        self.store, self.programs, self.differentiable = store, {}, differentiable
        self.nodes, self.parents = self.cell.nodes, self.cell.parent_places
        self.calls: list[Any] = [None] * len(self.nodes)
        self.values: list[Any] = [None] * len(self.nodes)

    def __getitem__(self, node: Node | str) -> OverTime:
        for place, candidate in enumerate(self.nodes):
            if candidate is node or candidate.name == node:
                run = self if self.calls[place] is not None else self._replayed()
                return OverTime(run.calls[place], self.steps)
        raise ArgumentError(f"no node {node!r} in this run")

    def _replayed(self) -> RecurrentTape:
        """The same run once more, node by node, so that one can look at the nodes inside compiled loops.

        Changes neither the random numbers nor the running averages. StateError if it comes to something else.
        """
        run = self._again(RecurrentTape(self.wiring, self.steps))
        if self.given is not None:
            with replayed(self.cell, self.random, self.kept):
                run.backward(*self.given)
        return run

    def _again(self, run: RecurrentTape) -> RecurrentTape:
        """The same run on another tape; StateError if it comes to something else."""
        with replayed(self.cell, self.random, self.kept):
            run.forward(self.xs, self.states)
        for place in self.cell.output_places:
            check_same(run.values[place].stacked, self.values[place].stacked)
        return run

    # Forward

    def forward(self, xs: list[np.ndarray], states: list[Any]) -> tuple[list[Any], list[Any]]:
        """The sequence outputs and the final states, for the sequence inputs and the initial states."""
        self.xs, self.states, self.given, self.random = xs, states, None, get_state()
        self.kept: KeptStates = []
        for stage in self._stages():
            program = None if self.store is None else CompiledStage.run(self, stage)
            if program is not None:
                self.programs[stage] = program
                self.kept += program.kept
                continue
            self.kept += kept_states(self.nodes[place].module for place in stage.places)
            if stage.loop:
                self._loop(stage)
            else:
                for place in stage.places:
                    self._once(place)
        outputs = self.cell.output_places
        sequences = [self.values[outputs[i]].stacked for i in self.wiring.sequences]
        if self.programs:
            sequences = table.map(_owned, sequences)
        return sequences, [table.map(np.array, self.values[place].at(self.steps - 1)) for place in self.wiring.feeder]

    def _stages(self) -> list[Stage]:
        """What to run: of a single step all at once, where that can be compiled."""
        self.stages, at_once = self.wiring.stages, self.wiring.at_once
        if self.store is not None and self.steps == 1:
            program = CompiledStage.run(self, at_once)
            if program is not None:
                self.programs[at_once], self.stages, self.kept = program, [at_once], program.kept
                return []
        return self.stages

    def _once(self, place: int) -> None:
        module, source = self.nodes[place].module, self.source(place)
        first = self._at(source, 0)
        if self.merges(module, table.shape(first)):
            call = self._call(place, merge(self._stacked(source)), None)
            self.calls[place], self.values[place] = call, Series(stacked=separate(call.output, self.steps))
        else:
            self.calls[place] = [self._call(place, self._at(source, t), t) for t in range(self.steps)]
            self.values[place] = Series(listed=[call.output for call in self.calls[place]])

    def _loop(self, stage: Stage) -> None:
        inside = set(stage.places)
        outside = sorted({parent for place in stage.places for parent in self.parents[place]} - inside)
        calls: dict[int, list[Call]] = {place: [] for place in stage.places}
        now: list[Any] = [None] * len(self.nodes)
        for t in range(self.steps):
            state = {
                place: self.states[k] if t == 0 else now[self.wiring.feeder[k]]
                for place, k in self.wiring.state_of.items()
                if place in inside
            }
            for parent in outside:
                now[parent] = self.values[parent].at(t)
            for place in stage.places:
                parents = self.parents[place]
                if place in state:
                    value = state[place]
                else:
                    value = now[parents[0]] if len(parents) == 1 else [now[parent] for parent in parents]
                call = self._call(place, value, t)
                calls[place].append(call)
                now[place] = call.output
        for place in stage.places:
            self.calls[place] = calls[place]
            self.values[place] = Series(listed=[call.output for call in calls[place]])

    def source(self, place: int) -> Series | list[Series]:
        """What a node outside the loops takes: one series, or one for each parent."""
        wiring = self.wiring
        if place in wiring.sequence_of:
            return Series(stacked=self.xs[wiring.sequence_of[place]])
        if place in wiring.state_of:
            k = wiring.state_of[place]
            fed = self.values[wiring.feeder[k]]
            return Series(listed=[self.states[k]] + [fed.at(t) for t in range(self.steps - 1)])
        parents = [self.values[parent] for parent in self.parents[place]]
        return parents[0] if len(parents) == 1 else parents

    @staticmethod
    def _at(source: Series | list[Series], t: int) -> Any:
        return source.at(t) if isinstance(source, Series) else [series.at(t) for series in source]

    @staticmethod
    def _stacked(source: Series | list[Series]) -> Any:
        return source.stacked if isinstance(source, Series) else [series.stacked for series in source]

    def merges(self, module: Module, shape: Any) -> bool:
        """Whether the steps, each of this shape, may go into one call of the module with all their rows."""
        shapes = list(table.shapes(shape))
        if not shapes or any(not s or s[0] != shapes[0][0] for s in shapes):
            return False
        try:
            if not module.rowwise(shape):
                return False
            one, all = module.output_shape(shape), module.output_shape(_times_rows(shape, self.steps))
        except (NodegraphError, NotImplementedError):
            return False
        rows = shapes[0][0]
        return all == _times_rows(one, self.steps) and {s[:1] for s in table.shapes(one)} == {(rows,)}

    def _call(self, place: int, value: Any, t: int | None) -> Call:
        """Run a node at step t, or once for all; every later step has the shapes of the second."""
        node = self.nodes[place]
        try:
            call = Call(node.module, value, check=t is None or t < 2)
            for forward, _ in self.cell.hooks:
                if forward:
                    forward(node, call)
            return call
        except Exception as error:
            raise self.at_step(self.cell.error_at(error, node, value), t)

    def at_step(self, error: NodegraphError, t: int | None) -> NodegraphError:
        """The error with the step at which it happened; None stands for all steps at once."""
        return error if t is None or self.steps == 1 else locate(error, f"step {t} of a Recurrent", "")

    # Backward

    def backward(self, sequences: list[Any], states: list[Any]) -> tuple[list[Any], list[Any]]:
        """The gradients of the sequence inputs and of the initial states, for those of what forward gave."""
        if (mode.stop_at_nan or self.cell.hooks) and self.programs:
            with suppress(StateError):
                self.__dict__.update(self._replayed().__dict__)  # Only node by node one sees where a NaN comes up.
        if self.programs and not self.differentiable:
            self.__dict__.update(self._again(RecurrentTape(self.wiring, self.steps, self.store)).__dict__)
        self.given = sequences, states
        self.gradients = [GradientSeries(self.steps) for _ in self.nodes]
        self.grad_xs: list[Any] = [None] * len(self.xs)
        self.grad_states: list[Any] = [None] * len(self.states)
        for i, gradient in zip(self.wiring.sequences, sequences):
            self.gradients[self.cell.output_places[i]].add(gradient)
        for place, gradient in zip(self.wiring.feeder, states):
            self.gradients[place].add_at(self.steps - 1, gradient)
        for stage in reversed(self.stages):
            if stage in self.programs:
                self.programs[stage].backward(self)
            elif stage.loop:
                self._loop_backward(stage)
            else:
                for place in reversed(stage.places):
                    self._once_backward(place)
        grad_states = [table.fill(g, state) for g, state in zip(self.grad_states, self.states)]
        grad_xs = [table.fill(g, x) for g, x in zip(self.grad_xs, self.xs)]
        return table.map(_owned, grad_xs) if self.programs else grad_xs, grad_states

    @cached_property
    def constant(self) -> set[int]:
        """The nodes that nothing trained or real-valued comes before, such as one-hot rows of integer indices."""
        found: set[int] = set()
        for place, node in enumerate(self.nodes):
            if node.module.parameters()[0] or node.module.source:
                continue
            if place in self.wiring.sequence_of:
                x = self.xs[self.wiring.sequence_of[place]]
                if x.dtype.kind in "iu":
                    found.add(place)
            elif place not in self.wiring.state_of and all(parent in found for parent in self.parents[place]):
                found.add(place)
        return found

    def _once_backward(self, place: int) -> None:
        calls, gradient = self.calls[place], self.gradients[place]
        if place in self.constant:
            return
        parents, alone = self.parents[place], not self.nodes[place].module.children()
        if isinstance(calls, Call) and parents and self.constant.issuperset(parents) and alone:
            calls.grad_output = merge(gradient.stacked(self.values[place]))
        elif isinstance(calls, Call):
            whole = self._grad_input(place, calls, merge(gradient.stacked(self.values[place])), None)
            self.pass_on(place, separate(whole, self.steps))
        else:
            for t in reversed(range(self.steps)):
                self._backward_at(place, t)

    def _loop_backward(self, stage: Stage) -> None:
        for t in reversed(range(self.steps)):
            for place in reversed(stage.places):
                self._backward_at(place, t)

    def _backward_at(self, place: int, t: int) -> None:
        gradient = self._grad_input(place, self.calls[place][t], self.gradients[place].at(t), t)
        self._pass_on_at(place, t, gradient)

    def _grad_input(self, place: int, call: Call, gradient: Any, t: int | None) -> Any:
        try:
            return self.cell.run_node_backward(call, gradient, self.nodes[place])
        except NodegraphError as error:
            raise self.at_step(error, t)

    def pass_on(self, place: int, grad_input: Any) -> None:
        """Hand a gradient for all steps to where the node's input came from."""
        wiring, parents = self.wiring, self.parents[place]
        if place in wiring.sequence_of:
            self.grad_xs[wiring.sequence_of[place]] = grad_input
        elif place in wiring.state_of:
            for t in range(self.steps):
                self._pass_on_at(place, t, step(grad_input, t))
        else:
            for parent, part in zip(parents, parts_for(parents, grad_input)):
                self.gradients[parent].add(part)

    def _pass_on_at(self, place: int, t: int, grad_input: Any) -> None:
        """Hand the gradient of one step to where the node's input came from."""
        wiring, parents = self.wiring, self.parents[place]
        if place in wiring.sequence_of:
            k = wiring.sequence_of[place]
            if self.grad_xs[k] is None:
                self.grad_xs[k] = table.zeros_like(self.xs[k])
            if grad_input is not None:
                self.grad_xs[k][t] = grad_input
        elif place in wiring.state_of:
            k = wiring.state_of[place]
            if t == 0:
                self.grad_states[k] = grad_input
            else:
                self.gradients[wiring.feeder[k]].add_at(t - 1, grad_input)
        else:
            for parent, part in zip(parents, parts_for(parents, grad_input)):
                self.gradients[parent].add_at(t, part)

    def accumulate(self, scale: float) -> None:
        """Add to the gradients of all parameters, for all steps of a node at once where its module allows it."""
        for program in self.programs.values():
            program.accumulate(scale)
        for node, calls in zip(self.nodes, self.calls):
            if calls is None:
                continue
            self.cell.accumulate_node([calls] if isinstance(calls, Call) else calls, scale, node)


def _owned(array: np.ndarray) -> np.ndarray:
    """The array, copied if it is a view, for it may be one of an array that a program will write into."""
    return array if array.base is None else array.copy()


def _times_rows(shape: Any, steps: int) -> Any:
    if isinstance(shape, list):
        return [_times_rows(part, steps) for part in shape]
    return (shape[0] * steps, *shape[1:])
