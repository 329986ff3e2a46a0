"""onnxruntime as the judge of exported models."""

from __future__ import annotations

import numpy as np

from nodegraph import nn, table

TYPES = {"tensor(double)": "f8", "tensor(float)": "f4", "tensor(int64)": "i8", "tensor(bool)": "?"}


class Own(nn.Module):
    """A module that is a function of an array (batch, 4)."""

    parameter_names = ()

    def __init__(self, function):
        self.function = function

    def update_output(self, input):
        return self.function(input)

    def output_shape(self, shape):
        return np.shape(self.function(np.ones([int(n) for n in shape])))


def run(model, value):
    """What onnxruntime makes of a value."""
    import onnxruntime

    # Before 1.31 it would make x * sigmoid(x) an operator that onnxruntime has for float32 alone.
    skipped = {"disabled_optimizers": ["QuickGeluFusion"]}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"], **skipped)
    pairs = zip(session.get_inputs(), table.leaves(value), strict=True)
    return session.run(None, {input.name: np.asarray(x).astype(TYPES[input.type]) for input, x in pairs})


def assert_same(module, model, value, tolerance=1e-10):
    expected = list(table.leaves(module.forward(value)))
    actual = run(model, value)
    assert [x.shape for x in actual] == [np.shape(x) for x in expected]
    for ours, theirs in zip(expected, actual, strict=True):
        assert theirs.dtype == ours.dtype
        np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)


def open_axes(model):
    """For each input whether its first axis is open."""
    shapes = [input.type.tensor_type.shape.dim for input in model.graph.input]
    return [bool(shape) and bool(shape[0].dim_param) for shape in shapes]


def larger(model, value):
    """The value with more samples where the model takes more."""
    is_open = iter(open_axes(model))
    return table.map(lambda x: np.concatenate([x, x[::-1], x[:1]]) if next(is_open) else x, value)


def as_type(value, dtype):
    return table.map(lambda x: x.astype(dtype) if x.dtype.kind == "f" else x, value)


def kinds(model):
    return [operator.op_type for operator in model.graph.node]
