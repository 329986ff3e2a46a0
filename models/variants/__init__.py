"""The LSTM's family: cells wired to be read beside their equations, and what is made of cells.

A cell takes `[x, states...]` and gives `[next states...]`, the hidden state h last, so that `Recurrent(cell)` runs it
over time. x is (batch, input_size), each state (batch, rnn_size). The weights stand at nodes named as in the equations:
`cell.node("W_f").module.bias` is the bias of the forget gate.

>>> cell = peephole_lstm(3, 2)
>>> cell.node("W_f").module.bias[:] = 1
>>> next_c, next_h = cell.forward([np.zeros((5, 3)), np.zeros((5, 2)), np.zeros((5, 2))])
>>> next_h.shape
(5, 2)
"""

from nodegraph.models.variants.attention import additive_attention, dot_product_attention
from nodegraph.models.variants.gated import gru_cell, mut1, mut2, mut3
from nodegraph.models.variants.highway import highway
from nodegraph.models.variants.layers import bidirectional, stacked
from nodegraph.models.variants.memory_cell import memory_cell, original_lstm, peephole_lstm
from nodegraph.models.variants.odyssey import (
    coupled_gates,
    full_gate_recurrence,
    no_forget_gate,
    no_input_activation,
    no_input_gate,
    no_output_activation,
    no_output_gate,
    no_peepholes,
)
from nodegraph.models.variants.tree import child_sum_tree_lstm

__all__ = [
    "additive_attention",
    "bidirectional",
    "CELLS",
    "child_sum_tree_lstm",
    "coupled_gates",
    "dot_product_attention",
    "full_gate_recurrence",
    "gru_cell",
    "highway",
    "memory_cell",
    "mut1",
    "mut2",
    "mut3",
    "no_forget_gate",
    "no_input_activation",
    "no_input_gate",
    "no_output_activation",
    "no_output_gate",
    "no_peepholes",
    "original_lstm",
    "peephole_lstm",
    "stacked",
]

CELLS = {
    "original-lstm": original_lstm,
    "peephole-lstm": peephole_lstm,
    "no-input-gate": no_input_gate,
    "no-forget-gate": no_forget_gate,
    "no-output-gate": no_output_gate,
    "no-input-activation": no_input_activation,
    "no-output-activation": no_output_activation,
    "coupled-gates": coupled_gates,
    "no-peepholes": no_peepholes,
    "full-gate-recurrence": full_gate_recurrence,
    "gru-cell": gru_cell,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
}
"""The cells by name; each is made by `make(input_size, rnn_size)`."""
