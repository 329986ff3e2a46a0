"""Recurrent: a cell over time. unroll: the same as one big graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Call, Module, locate
from nodegraph.nn.tables import JustTable, SplitTable, StackTable
from nodegraph.nn.view import Identity
from nodegraph.node import Node


class Recurrent(Module):
    """Runs a cell over a time axis, its state outputs fed back to its state inputs.

    `cell` is a GModule. `feedback` lists pairs (output, input): that output of one step is that input of the next.
    By default the first input of the cell is its input proper and all others are states, which the first outputs
    feed, in order, as in char-rnn. `sequences` lists the outputs that are returned for every step: by default those
    that are not fed back, or the last one if all are.

    forward takes `[x, *states]`: for each input that is not fed a sequence (steps, batch, ...), then the initial
    states (batch, ...). It gives `[*sequences, *states]`: the sequences (steps, batch, ...), then the final states, which
    start the next piece of a long sequence (truncated backpropagation through time). backward takes gradients for
    all of these, None where there is none, and gives those of all inputs.

    >>> from nodegraph import nn
    >>> x, h = nn.Identity()(), nn.Identity()()
    >>> cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))
    >>> rnn = Recurrent(cell)
    >>> ys, h_end = rnn.forward([np.zeros((5, 4, 3)), np.zeros((4, 2))])
    >>> ys.shape, h_end.shape
    ((5, 4, 2), (4, 2))
    """

    parameter_names = ()

    def __init__(
        self, cell: GModule, feedback: list[tuple[int, int]] | None = None, sequences: list[int] | None = None
    ) -> None:
        self.cell, self.arguments = cell, ((), {})
        self.wiring = Wiring(cell, feedback, sequences)

    def children(self) -> list[Module]:
        return [self.cell]

    def check_input(self, input: Any) -> None:
        self.wiring.check(table.shape(input))

    def output_shape(self, shape: Any) -> Any:
        steps = self.wiring.check(shape)
        xs, states = self.wiring.parts(shape)
        shapes = self.wiring.outputs_of(self.cell.output_shape(self.wiring.cell_input([x[1:] for x in xs], states)))
        sequences = [(steps, *shapes[i]) for i in self.wiring.sequences]
        return sequences + [shapes[i] for i in self.wiring.fed_from]

    def update_output(self, input: Any) -> list[np.ndarray]:
        wiring, self.saved = self.wiring, []
        xs, states = wiring.parts(input)
        collected: list[list[np.ndarray]] = [[] for _ in wiring.sequences]
        for t in range(len(xs[0])):
            call = self._step(t, wiring.cell_input([x[t] for x in xs], states))
            self.saved.append(call)
            outputs = wiring.outputs_of(call.output)
            states = [outputs[i] for i in wiring.fed_from]
            for values, i in zip(collected, wiring.sequences):
                values.append(outputs[i])
        return [np.stack(values) for values in collected] + states

    def _step(self, t: int, input: Any) -> Call:
        try:
            return Call(self.cell, input)
        except Exception as error:
            raise locate(error, f"step {t} of {self.describe()}", table.describe(input))

    def update_grad_input(self, input: Any, grad_output: Any) -> list[np.ndarray]:
        wiring = self.wiring
        n = len(wiring.sequences)
        xs, states = wiring.parts(input)
        grad_xs = [table.zeros_like(x) for x in xs]
        grad_states = list(grad_output[n:])
        for t, call in reversed(list(enumerate(self.saved))):
            gradients: list[Any] = [None] * wiring.n_outputs
            for i, g in zip(wiring.fed_from, grad_states):
                gradients[i] = g
            for i, g in zip(wiring.sequences, grad_output[:n]):
                gradients[i] = table.add(gradients[i], g[t])
            grad_input = call.update_grad_input(gradients if wiring.n_outputs > 1 else gradients[0])
            grad_now, grad_states = wiring.parts(grad_input)
            for whole, g in zip(grad_xs, grad_now):
                whole[t] = 0 if g is None else g
        return wiring.cell_input(grad_xs, [table.fill(g, s) for g, s in zip(grad_states, states)])

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        for call in self.saved:
            call.acc_grad_parameters(scale)

    def describe(self) -> str:
        return "Recurrent"

    def __repr__(self) -> str:
        return "Recurrent(" + repr(self.cell).replace("\n", "\n  ") + ")"


class Wiring:
    """Which inputs of a cell are sequences and which are states, and which of its outputs are either."""

    def __init__(self, cell: GModule, feedback: list[tuple[int, int]] | None, sequences: list[int] | None) -> None:
        self.n_inputs, self.n_outputs = len(cell.inputs), len(cell.outputs)
        if feedback is None:
            feedback = [(i, i + 1) for i in range(self.n_inputs - 1)]
        self.fed_from, self.fed_to = [o for o, _ in feedback], [i for _, i in feedback]
        valid = all(0 <= o < self.n_outputs for o in self.fed_from) and all(0 <= i < self.n_inputs for i in self.fed_to)
        if not valid or len(set(self.fed_to)) != len(self.fed_to):
            raise ArgumentError(
                f"feedback {feedback} does not fit a cell of {self.n_inputs} inputs and {self.n_outputs} outputs"
            )
        self.inputs = [i for i in range(self.n_inputs) if i not in self.fed_to]
        if not self.inputs:
            raise ArgumentError("a cell needs an input that is not fed back, for it tells the number of steps")
        if sequences is None:
            sequences = [i for i in range(self.n_outputs) if i not in self.fed_from] or [self.n_outputs - 1]
        if not all(0 <= i < self.n_outputs for i in sequences):
            raise ArgumentError(f"sequences {sequences} are not all among the cell's {self.n_outputs} outputs")
        self.sequences = list(sequences)

    def parts(self, values: list[Any]) -> tuple[list[Any], list[Any]]:
        """The values of the sequence inputs, and those of the states, from a list in the order of the cell's inputs."""
        values = values if self.n_inputs > 1 else [values]
        return [values[i] for i in self.inputs], [values[i] for i in self.fed_to]

    def cell_input(self, xs: list[Any], states: list[Any]) -> Any:
        """The two put together again."""
        values: list[Any] = [None] * self.n_inputs
        for i, x in zip(self.inputs + self.fed_to, xs + states):
            values[i] = x
        return values if self.n_inputs > 1 else values[0]

    def outputs_of(self, output: Any) -> list[Any]:
        return output if self.n_outputs > 1 else [output]

    def check(self, shape: Any) -> int:
        """The number of steps in an input of this shape; ShapeError if it is not one."""
        if self.n_inputs > 1 and (not isinstance(shape, list) or len(shape) != self.n_inputs):
            raise ShapeError(f"expected a table of {self.n_inputs}: sequences (steps, batch, ...) and initial states")
        xs, _ = self.parts(shape)
        if any(isinstance(x, list) or not x for x in xs):
            raise ShapeError("expected each sequence as one array (steps, batch, ...)")
        if len({x[0] for x in xs}) != 1 or xs[0][0] == 0:
            raise ShapeError("expected sequences of one number of steps, at least 1")
        return xs[0][0]


def unroll(cell: GModule, steps: int, feedback: list[tuple[int, int]] | None = None, sequences: list[int] | None = None) -> GModule:
    """The cell at each of `steps` time steps, as an ordinary GModule: takes and gives what `Recurrent` does.

    Every step has nodes of its own, made of the cell's own modules, so that the weights are shared by being the same.

    >>> from nodegraph import nn
    >>> x, h = nn.Identity()(), nn.Identity()()
    >>> cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))
    >>> ys, h_end = unroll(cell, 5).forward([np.zeros((5, 4, 3)), np.zeros((4, 2))])
    >>> ys.shape, h_end.shape
    ((5, 4, 2), (4, 2))
    """
    if steps < 1:
        raise ArgumentError(f"a number of steps must be at least 1, got {steps}")
    wiring = Wiring(cell, feedback, sequences)
    inputs = [Identity()().annotate(name=node.name) for node in cell.inputs]
    xs, states = wiring.parts(inputs if wiring.n_inputs > 1 else inputs[0])
    slices = [_as_list(SplitTable(0)(x).split(steps)) for x in xs]
    collected: list[list[Node]] = [[] for _ in wiring.sequences]
    for t in range(steps):
        outputs = _copy_nodes(cell, wiring.cell_input([s[t] for s in slices], states), t)
        states = [outputs[i] for i in wiring.fed_from]
        for nodes, i in zip(collected, wiring.sequences):
            nodes.append(outputs[i])
    return GModule(inputs, [StackTable(0)(nodes if steps > 1 else JustTable()(nodes)) for nodes in collected] + states)


def _copy_nodes(cell: GModule, sources: Any, t: int) -> list[Node]:
    """The cell's nodes anew, for time step `t`, its inputs taking the output of `sources`; returns the outputs."""
    sources = sources if len(cell.inputs) > 1 else [sources]
    copies: dict[Node, Node] = {}
    for node in cell.nodes:
        parents = [copies[p] for p in node.parents] or [sources[cell.inputs.index(node)]] * (node in cell.inputs)
        copy = Node(node.module, tuple(parents), node.part)
        copy.annotations, copy.where = dict(node.annotations), node.where
        if node.name:
            copy.annotate(name=f"{node.name} {t}")
        copies[node] = copy
    return [copies[node] for node in cell.outputs]


def _as_list(nodes: Any) -> list[Node]:
    return nodes if isinstance(nodes, list) else [nodes]
