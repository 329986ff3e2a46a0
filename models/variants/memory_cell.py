"""The memory cell of the LSTM with what its variants change, and two early forms of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.models.variants.blocks import complement, gate, product, total, weights
from nodegraph.nn.activation import sigmoid
from nodegraph.nn.pointwise import number
from nodegraph.node import Node, annotate_nodes


def memory_cell(
    input_size: int,
    rnn_size: int,
    *,
    gates: str = "ifo",
    coupled: bool = False,
    peepholes: bool = True,
    gate_recurrence: bool = False,
    input_activation: Callable[[], nn.Module] = nn.Tanh,
    output_activation: Callable[[], nn.Module] = nn.Tanh,
) -> GModule:
    """A memory cell: `[x, c, h]` -> `[next_c, next_h]`, for x (batch, input_size) and states (batch, rnn_size).

    The equations, with * element by element::

        i = sigmoid(W_i x + b_i + U_i h + p_i * c)
        f = sigmoid(W_f x + b_f + U_f h + p_f * c)
        z = tanh(W_z x + b_z + U_z h)
        next_c = f * c + i * z
        o = sigmoid(W_o x + b_o + U_o h + p_o * next_c)
        next_h = o * tanh(next_c)

    `gates` says which of the three gates there are; one that is left out is always open, a factor of 1. `coupled` makes
    f = 1 - i. Without `peepholes` there are no terms with p. The activations are the classes of the modules in the
    places of the two tanh. With `gate_recurrence` each gate also takes all three gates of the step before, as in
    i = sigmoid(... + U_ii i + U_if f + U_io o), and these are states: `[x, i, f, o, c, h]` -> `[i, f, o, c, h]`.

    Initialisation: set the bias of node `W_f` to 1, so that the cell remembers from the start and long time lags are
    learnt sooner (Gers, Schmidhuber and Cummins 2000; Jozefowicz et al. 2015).

    >>> cell = memory_cell(3, 2, gates="io")
    >>> next_c, next_h = cell.forward([np.zeros((1, 3)), np.ones((1, 2)), np.zeros((1, 2))])
    >>> next_c.shape, next_h.shape
    ((1, 2), (1, 2))

    Raises ArgumentError for other gates, and for recurrence of gates that are not all there.
    Source: Greff et al., "LSTM: A search space odyssey" (2015), section 2.
    """
    if not set(gates) <= set("ifo") or (gate_recurrence and gates != "ifo"):
        raise ArgumentError(f"gates are some of 'ifo', and with gate_recurrence all of them; got {gates!r}")
    W, U, p = weights(input_size, rnn_size)
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    prev_gates = [nn.Identity()().annotate(name=f"prev_{name}") for name in gates] if gate_recurrence else []

    def gate_of(name: str, c: Node) -> Node | None:
        if name not in gates:
            return None
        terms = [W(name, x), U(name, prev_h)]
        if peepholes:
            terms.append(p(name, c))
        return gate(*terms, *(U(name + other, prev) for other, prev in zip(gates, prev_gates)))

    def through(gate_node: Node | None, value: Node) -> Node:
        return value if gate_node is None else product(gate_node, value)

    in_gate = gate_of("i", prev_c)
    forget_gate = complement(in_gate) if coupled else gate_of("f", prev_c)
    block_input = input_activation()(total(W("z", x), U("z", prev_h)))
    kept, taken = through(forget_gate, prev_c), through(in_gate, block_input)
    next_c = total(kept, taken)
    out_gate = gate_of("o", next_c)
    next_h = through(out_gate, output_activation()(next_c))

    annotate_nodes()
    next_gates = [in_gate, forget_gate, out_gate] if gate_recurrence else []
    return GModule([x, *prev_gates, prev_c, prev_h], [*next_gates, next_c, next_h])


def peephole_lstm(input_size: int, rnn_size: int) -> GModule:
    """The LSTM whose gates see the cell state, through the peepholes p; the equations are those of `memory_cell`.

    It can tell apart time lags of 49 and of 50 steps. Greff et al. call it the vanilla LSTM. Of the squashing functions
    in use over the years it has the one that stayed, tanh twice; Gers, Schraudolph and Schmidhuber (2002) have none at
    the output, as in `no_output_activation`.

    Initialisation: bias of node `W_f` at 1; peepholes may start at 0.

    >>> [p.shape for p in peephole_lstm(3, 2).node("p_o").module.parameters()[0]]
    [(2,)]

    Source: Gers and Schmidhuber, "Recurrent nets that time and count" (2000).
    """
    return memory_cell(input_size, rnn_size)


class CentredSigmoid(nn.Pointwise):
    """y = 2 reach / (1 + exp(-x)) - reach: the sigmoid, stretched to between -reach and reach.

    >>> CentredSigmoid(2).forward(np.array([0.0, 100.0]))
    array([0., 2.])

    Raises ArgumentError unless `reach` is positive.
    """

    def __init__(self, reach: float = 1) -> None:
        self.reach = number(reach, "reach")
        if self.reach <= 0:
            raise ArgumentError(f"reach must be positive, got {reach}")

    def formula(self, x: Any) -> Any:
        return 2 * self.reach * sigmoid(x) - self.reach

    def derivative(self, x: Any, y: Any) -> Any:
        return (self.reach - y) * (self.reach + y) / (2 * self.reach)


def original_lstm(input_size: int, rnn_size: int) -> GModule:
    """The first LSTM, without forget gate: `[x, c, h]` -> `[next_c, next_h]`.

    What is in the cell stays in it, and so does the error on its way back, the constant error carousel::

        i = sigmoid(W_i x + b_i + U_i h)
        z = 4 sigmoid(W_z x + b_z + U_z h) - 2
        next_c = c + i * z
        o = sigmoid(W_o x + b_o + U_o h)
        next_h = o * (2 sigmoid(next_c) - 1)

    Here the gradient is the whole one; the paper cuts it off where it leaves the cell through the gates.

    Initialisation: negative biases of nodes `W_i` and `W_o`, such as -1, -2, -3, ... from cell to cell, keep the cells
    from all being used for the same thing at once.

    >>> next_c, _ = original_lstm(3, 2).forward([np.ones((1, 3)), np.zeros((1, 2)), np.zeros((1, 2))])
    >>> bool(abs(next_c).max() < 2)
    True

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997).
    """
    return memory_cell(
        input_size,
        rnn_size,
        gates="io",
        peepholes=False,
        input_activation=lambda: CentredSigmoid(2),
        output_activation=lambda: CentredSigmoid(1),
    )
