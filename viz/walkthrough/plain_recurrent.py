"""A Recurrent that is masked, or takes the batch first, as a plain one that computes the same, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.gmodule import parts_for
from nodegraph.masked_cell import held, masks_like, selected
from nodegraph.recurrent import Recurrent


@dataclass
class PlainRun:
    """A plain Recurrent with its input, and which steps count: a mask (steps, batch), or None where all do.

    Of a masked one each state has a node more, which takes the new state where a step counts and the old one elsewhere.
    """

    model: Recurrent
    input: Any
    batch_first: bool
    valid: np.ndarray | None

    @classmethod
    def of(cls, model: Recurrent, input: Any) -> PlainRun:
        """The run of a Recurrent, which leaves the model as it is, on an input that it can take."""
        xs, states, valid = model._taken(input)
        states = model._first_states(xs) if states is None else states
        if valid is not None:
            xs = [held(valid, x) for x in xs] + masks_like(valid, states)
        wiring, train = model.run_wiring, model.cell.train
        plain = Recurrent(wiring.cell, list(zip(wiring.fed_from, wiring.fed_to)), wiring.sequences, compiled=False)
        plain.train, plain.cell.train = model.train, train
        return cls(plain, plain.wiring.cell_input(xs, states), model.batch_first, valid)

    def forward(self) -> Any:
        """The output, with zeros where a step does not count, as a masked Recurrent has them."""
        self.model.output = self.counted(self.model.forward(self.input))
        return self.model.output

    def steps_first(self, value: Any) -> Any:
        """A target, or one of several gradients, of sequences as they are given to the Recurrent."""
        return np.swapaxes(value, 0, 1) if self.batch_first and np.ndim(value) > 1 else value

    def given(self, grad_output: Any) -> Any:
        """Gradients of the outputs as they are given to the Recurrent, with the steps first."""
        return None if grad_output is None else self._of_sequences(self.steps_first, grad_output)

    def counted(self, values: Any) -> Any:
        """Outputs, or their gradients, with zeros where a step does not count."""
        return values if self.valid is None else self._of_sequences(lambda leaf: selected(self.valid, leaf), values)

    def _of_sequences(self, function: Callable[[Any], Any], values: Any) -> Any:
        """The values of all outputs with those of the sequences changed."""
        wiring = self.model.wiring
        parts = list(parts_for(wiring.sequences + wiring.fed_from, values))
        for i in range(len(wiring.sequences)):
            parts[i] = None if parts[i] is None else table.map(function, parts[i])
        return parts[0] if len(parts) == 1 else parts
