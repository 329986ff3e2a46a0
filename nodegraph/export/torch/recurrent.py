"""A cell over time. As in nodegraph.Recurrent, only what depends on the step before runs step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nodegraph import table
from nodegraph.errors import ShapeError
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.graph import GraphWriter
from nodegraph.export.torch.layer import ANY
from nodegraph.export.torch.steps import columns, numbered, over, valid_steps
from nodegraph.over_time import merge, separate, step
from nodegraph.recurrent import Recurrent
from nodegraph.recurrent_wiring import Wiring
from nodegraph.schedule import Stage

ROWWISE = {torch.nn.Linear: (2,), torch.nn.Dropout: ANY, torch.nn.LayerNorm: (2,)}
"""PyTorch's own classes -> the numbers of axes for which the first axis only lists independent samples."""


@register(Recurrent)
class RecurrentModule(torch.nn.Module):
    """Runs its cell, the child `0`, over sequences (steps, batch, ...), from initial states to final ones.

    Sequences, states and lengths or mask come as in nodegraph.Recurrent, with its options; the outermost module takes
    them as separate arguments, one inside another module takes a table.
    """

    def __init__(self, module: Recurrent, converter: Converter) -> None:
        super().__init__()
        wiring, run = module.wiring, module.run_wiring
        self.outermost, self.n_inputs = converter.outermost, wiring.n_inputs
        self.batch_first, self.masked, self.stateful = module.batch_first, module.masked, module.stateful
        self.inputs, self.fed_to, self.feeder = wiring.inputs, wiring.fed_to, run.feeder
        self.sequences = [run.cell.output_places[i] for i in run.sequences]
        self.samples = samples_of_states(wiring)
        self.kept_states: list[Any] | None = None
        # In a tuple, so that they do not become children: what they run are the cell's own modules.
        self.runs = tuple(part for stage in run.stages for part in runs_of(stage, run, converter))

    def _get_name(self) -> str:
        return "Recurrent"

    def extra_repr(self) -> str:
        return ", ".join(f"{name}=True" for name in ("batch_first", "masked", "stateful") if getattr(self, name))

    def reset_states(self) -> None:
        """Forget the states that a stateful one keeps, so that the next call begins with zeros."""
        self.kept_states = None

    def _apply(self, fn: Any, recurse: bool = True) -> RecurrentModule:
        """What `to`, `cuda` and `half` call for all tensors: kept states go where the parameters go."""
        if self.kept_states is not None:
            self.kept_states = table.map(fn, self.kept_states)
        return super()._apply(fn, recurse)

    def forward(self, *inputs: Any) -> Any:
        xs, states, mask = self.given(inputs if self.outermost else inputs[0])
        xs = [x.transpose(0, 1) for x in xs] if self.batch_first else xs
        states = self.first_states(xs) if states is None else states
        if mask is not None:
            mask = valid_steps(mask, len(xs[0]), self.batch_first)
            xs = [held(mask, x) for x in xs] + [masks_like(mask, state) for state in states]
        values = Values(xs, states)
        for run in self.runs:
            run(values)
        sequences = [values.stacked(place) for place in self.sequences]
        if mask is not None:
            sequences = [table.map(lambda y: torch.where(over(mask, y), y, 0.0), y) for y in sequences]
        if self.batch_first:
            sequences = [table.map(lambda y: y.transpose(0, 1), y) for y in sequences]
        final = [values.at(place, values.steps - 1) for place in self.feeder]
        if self.stateful:
            self.kept_states = table.map(torch.detach, final)
        outputs = sequences + final
        if len(outputs) == 1:
            return outputs[0]
        return tuple(outputs) if self.outermost else outputs

    def given(self, input: Any) -> tuple[list[Tensor], list[Any] | None, Tensor | None]:
        """The sequences, the states or None, and the lengths or the mask or None."""
        values = list(input) if isinstance(input, (list, tuple)) else [input]
        mask = values.pop() if self.masked else None
        if len(values) == self.n_inputs:
            return [values[i] for i in self.inputs], [values[i] for i in self.fed_to], mask
        if len(values) == len(self.inputs):
            return values, None, mask
        raise ShapeError(
            f"expected {len(self.inputs)} sequences and {len(self.fed_to)} states, or the sequences alone"
            f"{', and lengths or a mask' if self.masked else ''}; got {len(values) + self.masked} values"
        )

    def first_states(self, xs: list[Tensor]) -> list[Any]:
        """The states to begin with where none are given: those kept, or zeros."""
        if self.stateful and self.kept_states is not None:
            return self.kept_states
        if self.samples is None:
            raise ShapeError("the cell alone does not tell the shapes of its states: give the states at the start")
        real = [tensor for tensor in [*self.parameters(), *xs] if tensor.is_floating_point()]
        dtype = real[0].dtype if real else torch.float64
        return [torch.zeros(xs[0].shape[1], *shape, dtype=dtype, device=xs[0].device) for shape in self.samples]


def samples_of_states(wiring: Wiring) -> list[tuple[int, ...]] | None:
    """The shape of each state without the batch, as far as that depends on the cell alone; else None."""
    found = []
    for size in (10_007, 10_009):  # sizes that no module asks for
        try:
            shapes = wiring.state_shapes([(1, size)] * len(wiring.inputs))
        except ShapeError:
            return None
        found.append([shape[1:] for shape in shapes])
    return found[0] if found[0] == found[1] else None


# Sequences of different lengths


def masks_like(valid: Tensor, state: Tensor) -> Tensor:
    """Which steps count, for each number of a state: (steps, *shape of the state)."""
    return over(valid, state.unsqueeze(0)).expand(len(valid), *state.shape).to(state.dtype)


def held(valid: Tensor, x: Tensor) -> Tensor:
    """A sequence whose steps that do not count repeat the last one that does, or the first, or are zero."""
    last = torch.where(valid, numbered(len(x), x), -1).cummax(0).values
    source = torch.where(last < 0, valid.int().argmax(0), last)
    values = x.detach()[source, columns(valid)]
    values = torch.where(over(valid.any(0, keepdim=True), x), values, 0)
    return torch.where(over(valid, x), x, values)


# Running


class Values:
    """The values of the cell's nodes over time: all steps in one tensor, or a list with one for each step."""

    def __init__(self, xs: list[Tensor], states: list[Any]) -> None:
        self.xs, self.states, self.steps = xs, states, xs[0].shape[0]
        self.whole: dict[int, Any] = {}
        self.listed: dict[int, list[Any]] = {}

    def at(self, place: int, t: int) -> Any:
        return self.listed[place][t] if place in self.listed else step(self.whole[place], t)

    def stacked(self, place: int) -> Any:
        if place not in self.whole:
            self.whole[place] = table.map(lambda *parts: torch.stack(parts), *self.listed[place])
        return self.whole[place]


class Once:
    """A node outside the loops: all rows of all steps in one call of its module where that is the same."""

    def __init__(self, place: int, wiring: Wiring, module: torch.nn.Module) -> None:
        self.place, self.module, self.parents = place, module, wiring.cell.parent_places[place]
        self.x, self.state = wiring.sequence_of.get(place), wiring.state_of.get(place)
        self.fed_by = None if self.state is None else wiring.feeder[self.state]
        self.rowwise = getattr(module, "rowwise", ROWWISE.get(type(module), ()))

    def __call__(self, values: Values) -> None:
        if self.state is not None:
            before = [values.at(self.fed_by, t) for t in range(values.steps - 1)]
            values.listed[self.place] = [self.module(value) for value in [values.states[self.state], *before]]
        elif self.merges(self.input(values, 0)):
            merged = self.module(merge(self.stacked_input(values)))
            values.whole[self.place] = separate(merged, values.steps)
        else:
            values.listed[self.place] = [self.module(self.input(values, t)) for t in range(values.steps)]

    def input(self, values: Values, t: int) -> Any:
        if self.x is not None:
            return values.xs[self.x][t]
        parts = [values.at(parent, t) for parent in self.parents]
        return parts[0] if len(parts) == 1 else parts

    def stacked_input(self, values: Values) -> Any:
        if self.x is not None:
            return values.xs[self.x]
        parts = [values.stacked(parent) for parent in self.parents]
        return parts[0] if len(parts) == 1 else parts

    def merges(self, value: Any) -> bool:
        """Whether the steps, each a value like this one, may go into one call with all their rows."""
        leaves = list(table.leaves(value))
        shapes = {tuple(x.shape) for x in leaves} if self.x is None else {tuple(leaves[0].shape)}
        return len(shapes) == 1 and all(x.dim() in self.rowwise for x in leaves)


class Loop:
    """Nodes on a cycle: a graph of their own, run step by step."""

    def __init__(self, stage: Stage, wiring: Wiring, converter: Converter) -> None:
        parents, inside = wiring.cell.parent_places, set(stage.places)
        self.outside = sorted({parent for place in stage.places for parent in parents[place]} - inside)
        self.states = [(place, k) for place, k in wiring.state_of.items() if place in inside]
        read = {p for place in range(len(parents)) if place not in inside for p in parents[place]}
        read |= {*wiring.feeder, *wiring.cell.output_places}
        self.returned = [place for place in stage.places if place in read]
        self.feeder = [self.returned.index(wiring.feeder[k]) for _, k in self.states]
        writer = GraphWriter(wiring.cell, converter)
        writer.values = {place: writer.placeholder(writer.name(place)) for place in self.outside}
        writer.write(stage.places, {place: writer.placeholder(writer.name(place)) for place, _ in self.states})
        self.body = writer.close([writer.values[place] for place in self.returned])

    def __call__(self, values: Values) -> None:
        states = [values.states[k] for _, k in self.states]
        found: list[list[Any]] = []
        for t in range(values.steps):
            found.append(self.body(*(values.at(place, t) for place in self.outside), *states))
            states = [found[-1][i] for i in self.feeder]
        for place, over_time in zip(self.returned, zip(*found)):
            values.listed[place] = list(over_time)


def runs_of(stage: Stage, wiring: Wiring, converter: Converter) -> list[Loop | Once]:
    """What runs for a stage of the schedule."""
    if stage.loop:
        return [Loop(stage, wiring, converter)]
    nodes = wiring.cell.nodes
    return [Once(place, wiring, converter.convert(nodes[place].module)) for place in stage.places]
