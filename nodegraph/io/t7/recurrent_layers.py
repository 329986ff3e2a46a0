"""The layers of the packages rnn and torch-rnn that run over all steps themselves, each as a Recurrent around a cell.

Each has one weight, of the input's rows and then the state's.

Source: Element-Research/rnn, SeqLSTM.lua, SeqGRU.lua; jcjohnson/torch-rnn, LSTM.lua, VanillaRNN.lua.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.sequencer import masked_by, outside, over_time, remembers
from nodegraph.io.t7.translation import register


def linear(weight: np.ndarray, bias: np.ndarray | None = None) -> nn.Linear:
    """A Linear with a weight (in, out)."""
    module = nn.Linear(*weight.shape, bias is not None)
    module.weight, module.grad_weight = np.ascontiguousarray(weight.T), np.zeros_like(weight.T, order="C")
    if bias is not None:
        module.bias, module.grad_bias = bias, np.zeros_like(bias)
    return module


def _matrices(fields: Fields, inputs: Any, size: Any, parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weight of the input, that of the state, and the bias."""
    weight = fields.fitting("weight", (inputs + size, parts * size))
    return weight[:inputs], weight[inputs:], fields.fitting("bias", (parts * size,))


def lstm_cell(fields: Fields, inputs: Any, size: Any) -> GModule:
    """[x, prev_c, prev_h] -> [next_c, next_h, next_h], with the gates i, f, o and the candidate g."""
    of_input, of_state, bias = _matrices(fields, inputs, size, 4)
    x, prev_c, prev_h = (nn.Identity()().annotate(name=name) for name in ("x", "prev_c", "prev_h"))
    i2h = linear(of_input, bias)(x).annotate(name="i2h")
    h2h = linear(of_state)(prev_h).annotate(name="h2h")
    added = nn.CAddTable()([i2h, h2h])
    gates = nn.Sigmoid()(nn.Narrow(1, 0, 3 * size)(added))
    i, f, o = (nn.Narrow(1, k * size, size)(gates).annotate(name=name) for k, name in enumerate("ifo"))
    g = nn.Tanh()(nn.Narrow(1, 3 * size, size)(added)).annotate(name="g")
    kept, taken_in = nn.CMulTable()([f, prev_c]), nn.CMulTable()([i, g])
    next_c = nn.CAddTable()([kept, taken_in]).annotate(name="next_c")
    next_h = nn.CMulTable()([o, nn.Tanh()(next_c)]).annotate(name="next_h")
    return GModule([x, prev_c, prev_h], [next_c, next_h, next_h])


def gru_cell(fields: Fields, inputs: Any, size: Any) -> GModule:
    """[x, prev_h] -> [next_h, next_h], with the gates r and u and the candidate."""
    of_input, of_state, bias = _matrices(fields, inputs, size, 3)
    x, prev_h = (nn.Identity()().annotate(name=name) for name in ("x", "prev_h"))
    i2h = linear(of_input, bias)(x).annotate(name="i2h")
    h2h = linear(of_state[:, : 2 * size])(prev_h).annotate(name="h2h")
    gates = nn.Sigmoid()(nn.CAddTable()([nn.Narrow(1, 0, 2 * size)(i2h), h2h]))
    r, u = (nn.Narrow(1, k * size, size)(gates).annotate(name=name) for k, name in enumerate("ru"))
    reset = linear(of_state[:, 2 * size :])(nn.CMulTable()([r, prev_h]))
    candidate = nn.Tanh()(nn.CAddTable()([nn.Narrow(1, 2 * size, size)(i2h), reset])).annotate(name="candidate")
    change = nn.CMulTable()([u, nn.CSubTable()([prev_h, candidate])])
    next_h = nn.CAddTable()([candidate, change]).annotate(name="next_h")
    return GModule([x, prev_h], [next_h, next_h])


def tanh_cell(fields: Fields, inputs: Any, size: Any) -> GModule:
    """[x, prev_h] -> [next_h, next_h]."""
    of_input, of_state, bias = _matrices(fields, inputs, size, 1)
    x, prev_h = (nn.Identity()().annotate(name=name) for name in ("x", "prev_h"))
    i2h = linear(of_input, bias)(x).annotate(name="i2h")
    h2h = linear(of_state)(prev_h).annotate(name="h2h")
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h])).annotate(name="next_h")
    return GModule([x, prev_h], [next_h, next_h])


def _of_torch_rnn(cell: Callable[[Fields, Any, Any], GModule]) -> Callable[[Fields], nn.Module]:
    """A layer of torch-rnn's: (batch, steps, input_dim) -> (batch, steps, hidden_dim)."""

    def build(fields: Fields) -> nn.Module:
        if fields.get("input_dim") is None:  # rnn has an nn.LSTM, too
            return outside(fields)
        made = cell(fields, fields.get("input_dim"), fields.get("hidden_dim"))
        return over_time(made, batch_first=True, stateful=bool(fields.get("remember_states")))

    return build


def _of_rnn(cell: Callable[[Fields, Any, Any], GModule], inputs: str, size: str) -> Callable[[Fields], nn.Module]:
    """A layer of rnn's: (steps, batch, inputs) -> (steps, batch, size).

    One with `maskzero` begins anew after each step of zeros, with which it parts independent sequences.
    """

    def build(fields: Fields) -> nn.Module:
        made = cell(fields, fields.get(inputs), fields.get(size))
        if fields.get("maskzero", False):
            made = GModule(made.inputs, masked_by(made.inputs[0], list(made.outputs), 1))
        return over_time(made, batch_first=bool(fields.get("batchfirst")), stateful=remembers(fields))

    return build


register("nn.LSTM", _of_torch_rnn(lstm_cell))
register("nn.VanillaRNN", _of_torch_rnn(tanh_cell))
register("nn.SeqLSTM", _of_rnn(lstm_cell, "inputsize", "outputsize"))
register("nn.SeqGRU", _of_rnn(gru_cell, "inputSize", "outputSize"))
