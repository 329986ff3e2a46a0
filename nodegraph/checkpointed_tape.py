"""CheckpointedTape: a run over many time steps that keeps few of its values, and computes the others again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.over_time import OverTime
from nodegraph.random import get_state
from nodegraph.recurrent_tape import RecurrentTape
from nodegraph.replay import KeptStates, check_same, replayed

if TYPE_CHECKING:
    from nodegraph.engine.store import ProgramStore
    from nodegraph.node import Node
    from nodegraph.recurrent_wiring import Wiring


class CheckpointedTape:
    """A run in about sqrt(steps) pieces of as many steps each.

    Forward keeps the states between the pieces and the values that are returned. Backward runs each piece once more,
    from the last to the first, with the random numbers of the first time; so the values inside the cell are kept for
    one piece only, for one more forward run.

    Source: Chen et al., "Training deep nets with sublinear memory cost" (2016).
    """

    def __init__(self, wiring: Wiring, steps: int, store: ProgramStore | None = None) -> None:
        self.wiring, self.steps, self.store, self.cell = wiring, steps, store, wiring.cell
        count = math.ceil(math.sqrt(steps))
        ends = [steps * i // count for i in range(count + 1)]
        self.pieces = list(zip(ends, ends[1:]))

    def forward(self, xs: list[np.ndarray], states: list[Any]) -> tuple[list[Any], list[Any]]:
        """The sequence outputs and the final states, for the sequence inputs and the initial states."""
        self.xs, self.states, self.given = xs, states, None
        self._starts: list[tuple[list[Any], Mapping[str, Any], KeptStates]] = []
        found = []
        for first, last in self.pieces:
            start, random = states, get_state()
            tape = RecurrentTape(self.wiring, last - first, self.store, differentiable=False)
            sequences, states = tape.forward(_cut(xs, first, last), states)
            self._starts.append((start, random, tape.kept))
            found.append(sequences)
        self._returned = [table.map(lambda *parts: np.concatenate(parts), *parts) for parts in zip(*found)]
        return self._returned, states

    def backward(self, sequences: list[Any], states: list[Any]) -> tuple[list[Any], list[Any]]:
        """The gradients of the sequence inputs and of the initial states, for those of what forward gave.

        StateError if a piece comes to something else than the first time.
        """
        self.given, found = (sequences, states), []
        gradients = self.cell.named_parameters("gradient")
        before = {path: gradient.copy() for path, gradient in gradients.items()}
        for gradient in gradients.values():
            gradient.fill(0)
        try:
            for tape, *grads in self._from_the_last():
                tape.accumulate(1.0)
                found.append(grads)
            self._sums = {path: gradient.copy() for path, gradient in gradients.items()}
        finally:
            for path, gradient in gradients.items():
                gradient[...] = before[path]
        grad_xs = [np.concatenate(parts[::-1]) for parts in zip(*[of_inputs for of_inputs, _ in found])]
        _, grad_states = found[-1]
        return grad_xs, grad_states

    def _from_the_last(self) -> Iterator[tuple[RecurrentTape, list[Any], list[Any]]]:
        """The pieces once more, forward and backward, each with the gradients of its inputs and first states."""
        sequences, states = self.given
        for (first, last), start in zip(reversed(self.pieces), reversed(self._starts)):
            tape = self._again(first, last, *start)
            grad_xs, states = tape.backward(_cut(sequences, first, last), states)
            yield tape, grad_xs, states

    def _again(
        self, first: int, last: int, states: list[Any], random: Mapping[str, Any], kept: KeptStates
    ) -> RecurrentTape:
        tape = RecurrentTape(self.wiring, last - first, self.store)
        with replayed(self.cell, random, kept):
            sequences, _ = tape.forward(_cut(self.xs, first, last), states)
        check_same(sequences, _cut(self._returned, first, last))
        return tape

    def accumulate(self, scale: float) -> None:
        """Add to the gradients of all parameters what backward found for them."""
        for path, gradient in self.cell.named_parameters("gradient").items():
            gradient += self._sums[path] * scale

    def __getitem__(self, node: Node | str) -> OverTime:
        if self.given is None:
            tapes = [self._again(*piece, *start) for piece, start in zip(self.pieces, self._starts)]
        else:
            tapes = [tape for tape, _, _ in self._from_the_last()][::-1]
        return OverPieces([tape[node] for tape in tapes])


class OverPieces(OverTime):
    """A node's values over all pieces of a run."""

    def __init__(self, pieces: list[OverTime]) -> None:
        self._pieces = pieces

    def _gather(self, name: str) -> Any:
        found = [getattr(piece, name) for piece in self._pieces]
        if all(value is None for value in found):
            return None
        filled = [table.fill(value, piece.output) for value, piece in zip(found, self._pieces)]
        return table.map(lambda *parts: np.concatenate(parts), *filled)


def _cut(values: list[Any], first: int, last: int) -> list[Any]:
    return [table.map(lambda leaf: None if leaf is None else leaf[first:last], value) for value in values]
