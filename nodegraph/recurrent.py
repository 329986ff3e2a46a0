"""Recurrent: a cell over time. Only what depends on the step before runs step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.checkpointed_tape import CheckpointedTape
from nodegraph.debug import mode
from nodegraph.engine.store import ProgramStore
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.gmodule import GModule, parts_for
from nodegraph.masked_cell import check_batch, held, masked_wiring, masks_like, selected
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import flag
from nodegraph.nn.steps import check_mask_shape, valid_steps
from nodegraph.recurrent_tape import RecurrentTape
from nodegraph.recurrent_wiring import Wiring, one_or_all
from nodegraph.schedule import Stage


class Recurrent(Module):
    """Runs a cell over a time axis, its state outputs fed back to its state inputs.

    `cell` is a GModule. `feedback` lists pairs (output, input): that output of one step is that input of the next.
    By default the first input of the cell is its input proper and all others are states, which the first outputs
    feed, in order, as in char-rnn. `sequences` lists the outputs that are returned for every step: by default those
    that are not fed back, or the last one if all are.

    forward takes `[x, *states]`: for each input that is not fed a sequence (steps, batch, ...), then the initial
    states (batch, ...). It gives `[*sequences, *states]`: the sequences (steps, batch, ...), then the final states,
    which start the next piece of a long sequence (truncated backpropagation through time). backward takes gradients
    for all of these, None where there is none, and gives those of all inputs. With `batch_first` sequences and their
    gradients are (batch, steps, ...); states stay (batch, ...).

    >>> from nodegraph import nn
    >>> x, h = nn.Identity()(), nn.Identity()()
    >>> cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))
    >>> rnn = Recurrent(cell)
    >>> ys, h_end = rnn.forward([np.zeros((5, 4, 3)), np.zeros((4, 2))])
    >>> ys.shape, h_end.shape
    ((5, 4, 2), (4, 2))

    The states may be left out, all together, as in `rnn.forward(x)`. They are zeros then, of the shapes that the cell
    tells; with `stateful` those that the last call ended with, until `reset_states`.

    With `masked` the input has one more entry, the last: either the lengths of the sequences (batch,), or a mask
    (steps, batch), True or 1 where a step counts, with `batch_first` (batch, steps). A step that does not count leaves
    its sequence's states as they are and gives outputs of zero; no gradient goes through it; and what the sequences
    have there, be it NaN, is not read. So a sequence gives in a padded batch what it gives alone, and the final states
    are those at its own end. This holds for modules to which the rows of a batch are independent samples: one that
    is not `rowwise`, such as batch normalisation, sees at such steps once more what the last step read that counted.

    >>> rnn = Recurrent(cell, masked=True, batch_first=True)
    >>> ys, h_end = rnn.forward([np.ones((2, 5, 3)), np.array([5, 2])])
    >>> bool((h_end[1] == ys[1, 1]).all()), bool((ys[1, 2:] == 0).all())
    (True, True)

    Nodes outside the cycles that the feedback makes, such as the input-to-hidden products of every layer, run once
    for all steps where their modules are `rowwise`; so do the gradients of all weights. The loops themselves run
    compiled where the engine can, with pointwise modules fused, and a single step as a whole; with `compiled` False,
    while the cell is watched, and while debug mode looks for NaN, all runs node by node. In evaluation a compiled run
    keeps nothing for backward, which runs forward once more. `tape` holds each node's values and gradients over time.

    With `checkpointed` the values inside the cell are kept for about sqrt(steps) steps only, and computed once more in
    backward: for long sequences, whose values would not fit into memory.

    `nn.Last` takes the last step of each sequence, `nn.Reverse` turns sequences round for a run that goes backwards.
    """

    parameter_names = ()
    passes_none = True

    def __init__(
        self,
        cell: GModule,
        feedback: list[tuple[int, int]] | None = None,
        sequences: list[int] | None = None,
        compiled: bool = True,
        batch_first: bool = False,
        masked: bool = False,
        stateful: bool = False,
        checkpointed: bool = False,
    ) -> None:
        self.cell, self.arguments, self.compiled = cell, ((), {}), flag(compiled, "compiled")
        self.feedback, self.sequences = feedback, sequences
        self.batch_first, self.masked = flag(batch_first, "batch_first"), flag(masked, "masked")
        self.checkpointed = flag(checkpointed, "checkpointed")
        self.stateful, self.kept_states = flag(stateful, "stateful"), None
        self._wire()

    def _wire(self) -> None:
        self.store = ProgramStore()
        self.wiring = Wiring(self.cell, self.feedback, self.sequences)
        self.run_wiring = masked_wiring(self.wiring) if self.masked else self.wiring

    @property
    def stages(self) -> list[Stage]:
        """The parts of the cell, in the order in which they run, each a loop over the steps or once for all."""
        n = len(self.cell.nodes)  # A masked cell has further nodes after these.
        own = [Stage(tuple(place for place in s.places if place < n), s.loop) for s in self.run_wiring.stages]
        return [stage for stage in own if stage.places]

    @property
    def tape(self) -> RecurrentTape | CheckpointedTape | None:
        """The last run: `tape[node]` or `tape["name"]` has `output` and `grad_output`, stacked over time."""
        return self.saved

    def reset_states(self) -> Recurrent:
        """Forget the states that a stateful Recurrent keeps, so that the next call begins with zeros."""
        self.kept_states = None
        return self

    def children(self) -> list[Module]:
        return [self.cell]

    # Shapes

    def check_input(self, input: Any) -> None:
        self.at_a_step(table.shape(input))

    def at_a_step(self, shape: Any) -> tuple[int, Any]:
        """The number of steps in an input of this shape, and the shape of the cell's input at one of them.

        ShapeError for the shape of something else, or if a state is left out whose shape the cell does not tell.
        """
        xs, states, mask = self.wiring.given(shape, self.masked, self.batch_first)
        if any(isinstance(x, list) or len(x) < 1 + self.batch_first for x in xs):
            axes = "(batch, steps, ...)" if self.batch_first else "(steps, batch, ...)"
            raise ShapeError(f"expected each sequence as one array {axes}")
        xs = self._turned(xs)
        if len({x[0] for x in xs}) != 1 or xs[0][0] == 0:
            raise ShapeError("expected sequences of one number of steps, at least 1")
        if self.masked:
            if len(xs[0]) < 2 or len({x[1:2] for x in xs}) != 1:
                raise ShapeError("expected sequences of one batch where there is a mask")
            check_mask_shape(mask, xs[0][0], xs[0][1], self.batch_first)
        at_a_step = [x[1:] for x in xs]
        states = self._state_shapes(at_a_step) if states is None else states
        return xs[0][0], self.wiring.cell_input(at_a_step, states)

    def _state_shapes(self, at_a_step: list[tuple[int, ...]]) -> list[Any]:
        """The shapes of states that are left out: those of the states that are kept, or what the cell tells."""
        if self.stateful and self.kept_states is not None:
            if all(state.shape[:1] == at_a_step[0][:1] for state in table.leaves(self.kept_states)):
                return table.shape(self.kept_states)
        return self.wiring.state_shapes(at_a_step)

    def output_shape(self, shape: Any) -> Any:
        wiring, (steps, at_a_step) = self.wiring, self.at_a_step(shape)
        shapes = self.cell.output_shape(at_a_step)
        shapes = shapes if wiring.n_outputs > 1 else [shapes]
        xs, states = wiring.parts(at_a_step)
        final = [shapes[i] for i in wiring.fed_from]
        _check_states(states, final)
        sequences = [_over(steps, shapes[i]) for i in wiring.sequences]
        if self.masked:
            check_batch(sequences, steps, xs[0][0])
        return wiring.as_output(self._turned(sequences), final)

    def _turned(self, value: Any) -> Any:
        """Sequences, or their shapes, with the first two axes exchanged if the batch comes first; None stays None."""
        if not self.batch_first or value is None:
            return value
        if isinstance(value, list):
            return [self._turned(part) for part in value]
        return (*value[1::-1], *value[2:]) if isinstance(value, tuple) else value.swapaxes(0, 1)

    # Running

    def update_output(self, input: Any) -> Any:
        watched = self.cell.hooks or mode.stop_at_nan
        store = self.store if self.compiled and not watched else None
        xs, states, mask = self._taken(input)
        states = self._first_states(xs) if states is None else states
        tape: CheckpointedTape | RecurrentTape
        if self.checkpointed:
            tape = CheckpointedTape(self.run_wiring, len(xs[0]), store)
        else:
            tape = RecurrentTape(self.run_wiring, len(xs[0]), store, self.cell.train)
        self.saved = tape
        if mask is None:
            sequences, final = tape.forward(xs, states)
        else:
            sequences, final = tape.forward([held(mask, x) for x in xs] + masks_like(mask, states), states)
            check_batch(table.shape(sequences), *mask.shape)
            sequences = table.map(lambda y: selected(mask, y), sequences)
        _check_states(table.shape(states), table.shape(final))
        if self.stateful:
            self.kept_states = table.map(np.array, final)
        self.output = self.wiring.as_output(self._turned(sequences), final)
        return self.output

    def _taken(self, input: Any) -> tuple[list[np.ndarray], list[Any] | None, np.ndarray | None]:
        """The sequences, the states or None, and which steps count or None; the steps first."""
        xs, states, mask = self.wiring.given(input, self.masked)
        xs = self._turned(xs)
        if mask is not None:
            mask = valid_steps(mask, xs[0].shape[0], xs[0].shape[1], self.batch_first)
        return xs, states, mask

    def _first_states(self, xs: list[np.ndarray]) -> list[Any]:
        """The states to begin with where none are given."""
        if self.stateful and self.kept_states is not None:
            batch = xs[0].shape[1]
            if any(len(state) != batch for state in table.leaves(self.kept_states)):
                kept = table.describe(self.kept_states)
                raise ShapeError(f"states {kept} are kept from the last call, for another batch: see reset_states")
            return table.map(np.array, self.kept_states)
        real = [array.dtype for array in [*self.cell.parameters()[0], *xs] if array.dtype.kind == "f"]
        shapes = self.wiring.state_shapes([x.shape[1:] for x in xs])
        return [np.zeros(shape, real[0] if real else float) for shape in shapes]

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        xs, states, mask = self._taken(input)
        n = len(self.wiring.sequences)
        gradients = parts_for(self.wiring.sequences + self.wiring.fed_from, grad_output)
        sequences = self._turned(gradients[:n])
        if mask is None:
            grad_xs, grad_states = self.ran().backward(sequences, gradients[n:])
        else:
            sequences = table.map(lambda g: selected(mask, g), sequences)
            grad_xs, grad_states = self.ran().backward(sequences, gradients[n:])
            grad_xs = [selected(mask, g) for g in grad_xs[: len(xs)]]
        grad_xs = self._turned(grad_xs)
        given = self.wiring.cell_input(grad_xs, grad_states) if states is not None else one_or_all(grad_xs)
        if mask is not None:
            given = [*(given if isinstance(given, list) else [given]), table.zeros_like(input[-1])]
        self.grad_input = given
        return given

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        self.ran().accumulate(scale)

    # The module as a whole

    def replace(self, function: Any) -> Module:
        cell = self.cell.replace(function)
        if not isinstance(cell, GModule):
            raise ArgumentError(f"Recurrent: replace's function must give a GModule for its cell, gave {cell!r}")
        self.cell = cell
        self._wire()
        return function(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("wiring", "run_wiring", "store")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._wire()

    def describe(self) -> str:
        return "Recurrent"

    def __repr__(self) -> str:
        names = ("batch_first", "masked", "stateful", "checkpointed")
        options = [f", {name}=True" for name in names if getattr(self, name)]
        return "Recurrent(" + repr(self.cell).replace("\n", "\n  ") + "".join(options) + ")"


def _check_states(states: Any, final: Any) -> None:
    """ShapeError unless the initial states have the shapes of those that come back."""
    if final != states:
        raise ShapeError(f"expected states of the shapes {table.describe_shape(final)} that come back")


def _over(steps: int, shape: Any) -> Any:
    """The shape of a value over so many steps."""
    return [_over(steps, part) for part in shape] if isinstance(shape, list) else (steps, *shape)
