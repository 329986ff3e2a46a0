"""Eight variants of the LSTM, each with one thing changed (Greff et al., "LSTM: A search space odyssey", 2015).

They start from `peephole_lstm`, which the paper calls vanilla, and whose equations are those of `memory_cell`. The
paper finds none much better; without forget gate or output activation the LSTM is clearly worse.
"""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.variants.memory_cell import memory_cell


def no_input_gate(input_size: int, rnn_size: int) -> GModule:
    """NIG, i = 1: `[x, c, h]` -> `[next_c, next_h]`::

        next_c = f * c + z

    Initialisation: bias of node `W_f` at 1.

    >>> no_input_gate(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, gates="fo")


def no_forget_gate(input_size: int, rnn_size: int) -> GModule:
    """NFG, f = 1: `[x, c, h]` -> `[next_c, next_h]`::

        next_c = c + i * z

    Initialisation: a negative bias of node `W_i`, so that the state, which nothing empties, does not fill at once.

    >>> no_forget_gate(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, gates="io")


def no_output_gate(input_size: int, rnn_size: int) -> GModule:
    """NOG, o = 1: `[x, c, h]` -> `[next_c, next_h]`::

        next_h = tanh(next_c)

    Initialisation: bias of node `W_f` at 1.

    >>> no_output_gate(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, gates="if")


def no_input_activation(input_size: int, rnn_size: int) -> GModule:
    """NIAF, the block input is linear: `[x, c, h]` -> `[next_c, next_h]`::

        z = W_z x + b_z + U_z h

    Initialisation: bias of node `W_f` at 1.

    >>> no_input_activation(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, input_activation=nn.Identity)


def no_output_activation(input_size: int, rnn_size: int) -> GModule:
    """NOAF, the state goes out as it is: `[x, c, h]` -> `[next_c, next_h]`::

        next_h = o * next_c

    Initialisation: bias of node `W_f` at 1. What goes out is not bounded, so neither is what comes back in.

    >>> no_output_activation(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, output_activation=nn.Identity)


def coupled_gates(input_size: int, rnn_size: int) -> GModule:
    """CIFG, coupled input and forget gates: `[x, c, h]` -> `[next_c, next_h]`; it forgets as much as it takes in::

        f = 1 - i
        next_c = (1 - i) * c + i * z

    Initialisation: there is no `W_f`; bias of node `W_i` at -1 has the same effect.

    >>> cell = coupled_gates(3, 2)
    >>> len(cell.parameters()[0]), len(memory_cell(3, 2).parameters()[0])
    (11, 15)
    """
    return memory_cell(input_size, rnn_size, gates="io", coupled=True)


def no_peepholes(input_size: int, rnn_size: int) -> GModule:
    """NP, the gates do not see the state: `[x, c, h]` -> `[next_c, next_h]`; the LSTM as most libraries have it::

        i = sigmoid(W_i x + b_i + U_i h)
        f = sigmoid(W_f x + b_f + U_f h)
        o = sigmoid(W_o x + b_o + U_o h)

    `nodegraph.models.lstm.create` is the same with all its weights in two matrices, which is quicker.

    Initialisation: bias of node `W_f` at 1.

    >>> no_peepholes(3, 2).output_shape([(1, 3), (1, 2), (1, 2)])
    [(1, 2), (1, 2)]
    """
    return memory_cell(input_size, rnn_size, peepholes=False)


def full_gate_recurrence(input_size: int, rnn_size: int) -> GModule:
    """FGR, each gate sees all gates of the step before: `[x, i, f, o, c, h]` -> `[i, f, o, c, h]` of the next step::

        next_i = sigmoid(W_i x + b_i + U_i h + p_i * c + U_ii i + U_if f + U_io o)
        next_f = sigmoid(W_f x + b_f + U_f h + p_f * c + U_fi i + U_ff f + U_fo o)
        next_o = sigmoid(W_o x + b_o + U_o h + p_o * next_c + U_oi i + U_of f + U_oo o)

    All states are (batch, rnn_size). The nine matrices more that it has bring nothing, says the paper; the LSTM of 1997
    had them.

    Initialisation: bias of node `W_f` at 1.

    >>> len(full_gate_recurrence(3, 2).output_shape([(1, 3)] + [(1, 2)] * 5))
    5
    """
    return memory_cell(input_size, rnn_size, gate_recurrence=True)
