"""CompiledRun: one run of a GModule as a program of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.random import get_state
from nodegraph.replay import check_same, replayed
from nodegraph.tape import Tape

if TYPE_CHECKING:
    from nodegraph.gmodule import GModule


class CompiledRun:
    """What a compiled run of a graph left. `made` tells whether there is one, or the graph must run node by node.

    `input` has a value for each input node. Without `differentiable` nothing is kept for `backward`, which then runs
    the graph forward once more.
    """

    def __init__(self, graph: GModule, input: Any, differentiable: bool) -> None:
        self.input, self.random, self.grad_output, self._tape = input, get_state(), None, None
        self._input_places, self._output_places = graph.input_places, graph.output_places
        inputs = {("input", place): value for place, value in zip(self._input_places, input)}
        places, returned = range(len(graph.nodes)), sorted(set(self._output_places))
        self._loan = graph.store.lend(graph, places, inputs, {}, returned, 1, differentiable)
        self.made = self._loan is not None
        if self._loan is not None:
            self._kept = self._loan.kept
            values = self._loan.program.forward(inputs, _as_it_is)
            outputs = [table.map(_owned, values[place]) for place in self._output_places]
            self.output = outputs[0] if len(outputs) == 1 else outputs

    def backward(self, graph: GModule, grad_output: Any) -> Any:
        """The gradient of the input.

        StateError if the graph must run once more and gives something else.
        """
        self.grad_output, self._tape = grad_output, None
        if not self._loan.program.differentiable:
            with replayed(graph, self.random, self._kept):
                again = CompiledRun(graph, self.input, True)
            check_same(again.output if again.made else None, self.output)
            self._loan = again._loan
        parts = [grad_output] if len(self._output_places) == 1 else grad_output or [None] * len(self._output_places)
        gradients: dict[int, Any] = {}
        for place, part in zip(self._output_places, parts):
            gradients[place] = table.add(gradients.get(place), part)
        given = {place: _as_step(part) for place, part in gradients.items()}
        found = self._loan.program.backward(given, _as_it_is)
        inputs = [
            table.fill(table.map(_owned, found["input", place]), value)
            for place, value in zip(self._input_places, self.input)
        ]
        return inputs if len(inputs) > 1 else inputs[0]

    def accumulate(self, scale: float) -> None:
        """Add to the gradients of all parameters."""
        self._loan.program.accumulate(scale)

    def tape(self, graph: GModule) -> Tape:
        """The calls of the same run node by node, for which it runs once more.

        StateError if that gives something else.
        """
        if self._tape is None:
            with replayed(graph, self.random, self._kept):
                tape, input = Tape(graph.nodes), self.input if len(self.input) > 1 else self.input[0]
                check_same(graph.run(input, tape), self.output)
                if self.grad_output is not None:
                    graph.run_backward(self.grad_output, tape)
            self._tape = tape
        return self._tape


def _as_it_is(error: Exception, t: int) -> Exception:
    return error


def _as_step(value: Any) -> Any:
    return table.map(lambda leaf: None if leaf is None else np.asarray(leaf)[None], value)


def _owned(leaf: np.ndarray | None) -> np.ndarray | None:
    """The one step of a leaf, copied, for it may be in an array that the program writes into."""
    return None if leaf is None else leaf[0].copy()
