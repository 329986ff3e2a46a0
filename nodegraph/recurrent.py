"""Recurrent: a cell over time. Only what depends on the step before runs step by step."""

from __future__ import annotations

from operator import index
from typing import Any

from nodegraph import table
from nodegraph.debug import mode
from nodegraph.engine.store import LoopStore
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.gmodule import GModule, parts_for
from nodegraph.nn.module import Module
from nodegraph.recurrent_tape import RecurrentTape
from nodegraph.schedule import Stage, stages


class Recurrent(Module):
    """Runs a cell over a time axis, its state outputs fed back to its state inputs.

    `cell` is a GModule. `feedback` lists pairs (output, input): that output of one step is that input of the next.
    By default the first input of the cell is its input proper and all others are states, which the first outputs
    feed, in order, as in char-rnn. `sequences` lists the outputs that are returned for every step: by default those
    that are not fed back, or the last one if all are.

    forward takes `[x, *states]`: for each input that is not fed a sequence (steps, batch, ...), then the initial
    states (batch, ...). It gives `[*sequences, *states]`: the sequences (steps, batch, ...), then the final states,
    which start the next piece of a long sequence (truncated backpropagation through time). backward takes gradients
    for all of these, None where there is none, and gives those of all inputs.

    Nodes outside the cycles that the feedback makes, such as the input-to-hidden products of every layer, run once
    for all steps where their modules are `rowwise`; so do the gradients of all weights. The loops themselves run
    compiled where the engine can, with pointwise modules fused; with `compiled` False, while the cell is watched, and
    while debug mode looks for NaN, all runs node by node. `tape` holds each node's values and gradients over time.

    >>> from nodegraph import nn
    >>> x, h = nn.Identity()(), nn.Identity()()
    >>> cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))
    >>> rnn = Recurrent(cell)
    >>> ys, h_end = rnn.forward([np.zeros((5, 4, 3)), np.zeros((4, 2))])
    >>> ys.shape, h_end.shape
    ((5, 4, 2), (4, 2))
    """

    parameter_names = ()
    passes_none = True

    def __init__(
        self,
        cell: GModule,
        feedback: list[tuple[int, int]] | None = None,
        sequences: list[int] | None = None,
        compiled: bool = True,
    ) -> None:
        self.cell, self.arguments, self.compiled, self.store = cell, ((), {}), compiled, LoopStore()
        self.feedback, self.sequences = feedback, sequences
        self.wiring = Wiring(cell, feedback, sequences)

    @property
    def stages(self) -> list[Stage]:
        """The parts of the cell, in the order in which they run, each a loop over the steps or once for all."""
        return self.wiring.stages

    @property
    def tape(self) -> RecurrentTape | None:
        """The last run: `tape[node]` or `tape["name"]` has `output` and `grad_output`, stacked over time."""
        return self.saved

    def children(self) -> list[Module]:
        return [self.cell]

    def check_input(self, input: Any) -> None:
        self.wiring.check(table.shape(input))

    def output_shape(self, shape: Any) -> Any:
        wiring, steps = self.wiring, self.wiring.check(shape)
        xs, states = wiring.parts(shape)
        shapes = self.cell.output_shape(wiring.cell_input([x[1:] for x in xs], states))
        shapes = shapes if wiring.n_outputs > 1 else [shapes]
        final = [shapes[i] for i in wiring.fed_from]
        if final != states:
            raise ShapeError(f"expected states of the shapes {table.describe_shape(final)} that come back")
        return wiring.as_output([(steps, *shapes[i]) for i in wiring.sequences], final)

    def update_output(self, input: Any) -> Any:
        watched = self.cell.hooks or mode.stop_at_nan
        store = self.store if self.compiled and not watched else None
        self.saved = RecurrentTape(self.wiring, self.wiring.check(table.shape(input)), store)
        self.output = self.wiring.as_output(*self.saved.forward(*self.wiring.parts(input)))
        return self.output

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        n = len(self.wiring.sequences)
        gradients = parts_for(self.wiring.sequences + self.wiring.fed_from, grad_output)
        self.grad_input = self.wiring.cell_input(*self.ran().backward(gradients[:n], gradients[n:]))
        return self.grad_input

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        self.ran().accumulate(scale)

    def replace(self, function: Any) -> Module:
        self.cell = self.cell.replace(function)
        self.wiring = Wiring(self.cell, self.feedback, self.sequences)
        return function(self)

    def describe(self) -> str:
        return "Recurrent"

    def __repr__(self) -> str:
        return "Recurrent(" + repr(self.cell).replace("\n", "\n  ") + ")"


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
        self.stages = stages(cell.parent_places, [(self.feeder[k], place) for place, k in self.state_of.items()])

    def parts(self, values: Any) -> tuple[list[Any], list[Any]]:
        """The values of the sequence inputs, and those of the states, from those of the cell's inputs in order."""
        values = values if self.n_inputs > 1 else [values]
        return [values[i] for i in self.inputs], [values[i] for i in self.fed_to]

    def cell_input(self, xs: list[Any], states: list[Any]) -> Any:
        """The two put together again."""
        values: list[Any] = [None] * self.n_inputs
        for i, x in zip(self.inputs + self.fed_to, xs + states):
            values[i] = x
        return values if self.n_inputs > 1 else values[0]

    def as_output(self, sequences: list[Any], states: list[Any]) -> Any:
        """The output of the whole: a list, or the one value if there is but one."""
        values = sequences + states
        return values if len(values) > 1 else values[0]

    def check(self, shape: Any) -> int:
        """The number of steps in an input of this shape; ShapeError if it is not one."""
        if self.n_inputs > 1 and (not isinstance(shape, list) or len(shape) != self.n_inputs):
            sequences, states = (" and ".join(names) for names in self.parts([n.short() for n in self.cell.inputs]))
            for_states = f", for {states} the state at the start (batch, ...)" if states else ""
            raise ShapeError(
                f"expected a table of {self.n_inputs}: for {sequences} a sequence (steps, batch, ...){for_states}"
            )
        xs, _ = self.parts(shape)
        if any(isinstance(x, list) or not x for x in xs):
            raise ShapeError("expected each sequence as one array (steps, batch, ...)")
        if len({x[0] for x in xs}) != 1 or xs[0][0] == 0:
            raise ShapeError("expected sequences of one number of steps, at least 1")
        return xs[0][0]
