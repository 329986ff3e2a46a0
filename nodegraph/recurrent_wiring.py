"""The wiring of a cell over time: which of its inputs and outputs are sequences and which are states."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.gmodule import GModule
from nodegraph.schedule import Stage, stages
from nodegraph.state_shapes import state_shapes


@dataclass(frozen=True)
class Links:
    """What a stage takes and gives, by places of nodes."""

    read: list[int]
    """Nodes of earlier stages whose values its nodes take."""
    given: list[int]
    """Its nodes that are inputs of the cell."""
    fed: dict[int, int]
    """In a loop: its states, each with the node that gives it one step later."""
    returned: list[int]
    """Its nodes whose values others want."""
    feeds_itself: bool
    """Whether one of its nodes gives a state of its own one step later."""


class Wiring:
    """Which inputs of a cell are sequences and which are states, which outputs are either, and its stages."""

    def __init__(self, cell: GModule, feedback: list[tuple[int, int]] | None, sequences: list[int] | None) -> None:
        if not isinstance(cell, GModule):
            raise ArgumentError(f"the cell must be a GModule, got {cell!r}")
        self.cell, self.n_inputs, self.n_outputs = cell, len(cell.inputs), len(cell.outputs)
        sizes = f"{cell.describe()}, which has {self.n_inputs} inputs and {self.n_outputs} outputs"
        if feedback is None:
            feedback = [(i, i + 1) for i in range(self.n_inputs - 1)]
            if self.n_outputs < len(feedback):
                raise ArgumentError(
                    f"by default each input but the first is a state, fed by an output: too few in {sizes}; "
                    "else say which output feeds which input, feedback=[(output, input), ...]"
                )
        try:
            self.fed_from, self.fed_to = [index(o) for o, _ in feedback], [index(i) for _, i in feedback]
        except (TypeError, ValueError):
            raise ArgumentError(f"feedback must be a list of pairs (output, input), got {feedback!r}") from None
        valid = all(0 <= o < self.n_outputs for o in self.fed_from) and all(0 <= i < self.n_inputs for i in self.fed_to)
        if not valid or len(set(self.fed_to)) != len(self.fed_to):
            raise ArgumentError(f"feedback {feedback} does not fit {sizes}")
        self.inputs = [i for i in range(self.n_inputs) if i not in self.fed_to]
        if not self.inputs:
            raise ArgumentError("a cell needs an input that is not fed back, for it tells the number of steps")
        if sequences is None:
            sequences = [i for i in range(self.n_outputs) if i not in self.fed_from] or [self.n_outputs - 1]
        try:
            self.sequences = [index(i) for i in sequences]
        except TypeError:
            raise ArgumentError(f"sequences must be a list of the outputs to return, got {sequences!r}") from None
        if not all(0 <= i < self.n_outputs for i in self.sequences):
            raise ArgumentError(f"sequences {sequences} are not all among the outputs of {sizes}")
        self.sequence_of = {cell.input_places[i]: k for k, i in enumerate(self.inputs)}
        self.state_of = {cell.input_places[i]: k for k, i in enumerate(self.fed_to)}
        self.feeder = [cell.output_places[i] for i in self.fed_from]
        self.at_once = Stage(tuple(range(len(cell.nodes))), loop=True)
        self._links: dict[Stage, Links] = {}
        self.stages = stages(cell.parent_places, [(self.feeder[k], place) for place, k in self.state_of.items()])

    def links(self, stage: Stage) -> Links:
        """How a stage is linked to the others."""
        if stage not in self._links:
            inside, parents = set(stage.places), self.cell.parent_places
            read = {parent for place in stage.places for parent in parents[place]} - inside
            given = [place for place in stage.places if place in self.sequence_of or place in self.state_of]
            fed = {place: self.feeder[self.state_of[place]] for place in given if place in self.state_of}
            wanted = {p for place in range(len(parents)) if place not in inside for p in parents[place]}
            wanted |= {*self.cell.output_places, *self.feeder}
            self._links[stage] = Links(
                sorted(read), given, fed if stage.loop else {}, sorted(wanted & inside), bool(inside & {*fed.values()})
            )
        return self._links[stage]

    def parts(self, values: Any) -> tuple[list[Any], list[Any]]:
        """The values of the sequence inputs, and those of the states, from those of the cell's inputs in order."""
        values = values if self.n_inputs > 1 else [values]
        return [values[i] for i in self.inputs], [values[i] for i in self.fed_to]

    def cell_input(self, xs: list[Any], states: list[Any]) -> Any:
        """The two put together again."""
        values: list[Any] = [None] * self.n_inputs
        for i, x in zip(self.inputs + self.fed_to, xs + states):
            values[i] = x
        return one_or_all(values)

    def as_output(self, sequences: list[Any], states: list[Any]) -> Any:
        """The output of the whole: a list, or the one value if there is but one."""
        return one_or_all(sequences + states)

    def given(self, input: Any, masked: bool, batch_first: bool = False) -> tuple[list[Any], list[Any] | None, Any]:
        """The sequences, the states or None, and with `masked` the mask, from an input of a Recurrent or its shape."""
        values, mask = input, None
        if masked and isinstance(input, list) and len(input) > 1:
            *values, mask = input
            values = one_or_all(values)
        n = len(values) if isinstance(values, list) else 1
        if masked == (mask is not None) and n == self.n_inputs:
            return *self.parts(values), mask
        if masked == (mask is not None) and n == len(self.inputs):
            return values if n > 1 else [values], None, mask
        raise ShapeError(f"expected {self._expected(masked, batch_first)}")

    def _expected(self, masked: bool, batch_first: bool) -> str:
        """What an input of a Recurrent has in it, in words."""
        names = one_or_all([node.short() for node in self.cell.inputs])
        sequences, states = (" and ".join(part) for part in self.parts(names))
        axes = "batch, steps" if batch_first else "steps, batch"
        if self.n_inputs + masked == 1:
            return f"a sequence ({axes}, ...) for {sequences}"
        text = f"for {sequences} a sequence ({axes}, ...)"
        if states:
            text += f", for {states} the state at the start (batch, ...) or, for zeros, none"
        if masked:
            text += f", at last the lengths (batch,) or a mask ({axes})"
        return f"a table of {self.n_inputs + masked}: {text}"

    def state_shapes(self, xs: list[tuple[int, ...]]) -> list[Any]:
        """The shapes of the states for those of the sequences at one step; ShapeError if the cell does not tell."""
        places = [self.cell.input_places[i] for i in self.inputs]
        feeder = {place: self.feeder[k] for place, k in self.state_of.items()}
        shapes = state_shapes(self.cell, dict(zip(places, xs)), feeder)
        untold = [self.cell.nodes[place].short() for place in self.state_of if place not in shapes]
        if untold:
            raise ShapeError(
                f"the cell does not tell the shape of {' and '.join(untold)}: give the states at the start"
            )
        return [shapes[self.cell.input_places[i]] for i in self.fed_to]


def one_or_all(values: list[Any]) -> Any:
    """A list, or its one value if there is but one."""
    return values if len(values) > 1 else values[0]
