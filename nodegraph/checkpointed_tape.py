"""CheckpointedTape: a run over many time steps that keeps few of its values, and computes the others again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.random import get_state
from nodegraph.recurrent_tape import RecurrentTape
from nodegraph.replay import replayed

if TYPE_CHECKING:
    from nodegraph.engine.store import ProgramStore
    from nodegraph.node import Node
    from nodegraph.over_time import OverTime
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

    def forward(self, xs: list[np.ndarray], states: list[np.ndarray]) -> tuple[list[Any], list[Any]]:
        self.xs, self.states, self.random, self.given = xs, states, get_state(), None
        self._starts: list[tuple[list[Any], dict[Any, Any]]] = []
        found = []
        for first, last in self.pieces:
            self._starts.append((states, get_state()))
            tape = RecurrentTape(self.wiring, last - first, self.store, differentiable=False)
            sequences, states = tape.forward(_cut(xs, first, last), states)
            found.append(sequences)
        return [table.map(lambda *parts: np.concatenate(parts), *parts) for parts in zip(*found)], states

    def backward(self, sequences: list[Any], states: list[Any]) -> tuple[list[Any], list[Any]]:
        """The gradients of the sequence inputs and of the initial states, for those of what forward gave."""
        self.given, found = (sequences, states), []
        gradients = self.cell.named_parameters("gradient")
        before = {path: gradient.copy() for path, gradient in gradients.items()}
        for gradient in gradients.values():
            gradient.fill(0)
        for (first, last), start in zip(reversed(self.pieces), reversed(self._starts)):
            tape = self._again(first, last, *start)
            grad_xs, states = tape.backward(_cut(sequences, first, last), states)
            tape.accumulate(1.0)
            found.append(grad_xs)
        self._sums = {path: gradient.copy() for path, gradient in gradients.items()}
        for path, gradient in gradients.items():
            gradient[...] = before[path]
        return [np.concatenate(parts[::-1]) for parts in zip(*found)], states

    def _again(self, first: int, last: int, states: list[Any], random: dict[Any, Any]) -> RecurrentTape:
        tape = RecurrentTape(self.wiring, last - first, self.store)
        with replayed(self.cell, random):
            tape.forward(_cut(self.xs, first, last), states)
        return tape

    def accumulate(self, scale: float) -> None:
        """Add to the gradients of all parameters what backward found for them."""
        for path, gradient in self.cell.named_parameters("gradient").items():
            gradient += self._sums[path] * scale

    def __getitem__(self, node: Node | str) -> OverTime:
        whole = self._again(0, self.steps, self.states, self.random)
        if self.given is not None:
            whole.backward(*self.given)
        return whole[node]


def _cut(values: list[Any], first: int, last: int) -> list[Any]:
    return [table.map(lambda leaf: None if leaf is None else leaf[first:last], value) for value in values]
