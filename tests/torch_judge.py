"""PyTorch as what a module is exported to: its values and gradients beside those expected."""

from __future__ import annotations

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, table

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nodegraph.export import load_torch, to_torch  # noqa: E402, F401

TOLERANCE = 1e-10


def tensors(value):
    """A value as new tensors, of which the floating-point ones are differentiable."""

    def tensor(array):
        made = torch.from_numpy(np.array(array))
        return made.requires_grad_() if made.is_floating_point() else made

    return table.map(tensor, value)


def arrays(value):
    return table.map(lambda x: x.detach().numpy(), value)


def call(theirs, ours, input):
    """Run an exported module: the outermost graph takes the parts of a table as so many arguments."""
    inputs = ours.inputs if isinstance(ours, GModule) else [None] * isinstance(ours, Recurrent) * 2
    return theirs(*input) if len(inputs) > 1 and table.is_table(input) else theirs(input)


def backward(output, grad_output):
    """Go back from all outputs that depend on something trained or differentiable."""
    gradients = table.leaves(grad_output)
    pairs = [(y, torch.from_numpy(np.array(g))) for y, g in zip(table.leaves(output), gradients) if y.requires_grad]
    if pairs:
        torch.autograd.backward(*zip(*pairs))


def gradients(value):
    """The gradients of tensors; zeros where there are none."""
    return table.map(lambda x: np.zeros(x.shape) if x.grad is None else x.grad.numpy(), value)


def assert_close(actual, expected, what="", tolerance=TOLERANCE):
    assert table.shape(actual) == table.shape(expected), what
    for a, b in zip(table.leaves(actual), table.leaves(expected)):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def assert_same(ours, theirs, input, seed=0, tolerance=TOLERANCE):
    """Our module and the exported one agree: outputs, gradients of inputs and parameters, names and buffers."""
    ours.zero_grad_parameters()
    theirs.zero_grad()
    given = tensors(input)
    expected, output = ours.forward(input), call(theirs, ours, given)
    output = list(output) if isinstance(output, tuple) else output
    assert_close(arrays(output), expected, "output", tolerance)
    rng = np.random.default_rng(seed)
    grad_output = table.map(lambda y: rng.normal(size=np.shape(y)).astype(y.dtype), expected)
    grad_input = ours.backward(input, grad_output)
    backward(output, grad_output)
    assert_close(gradients(given), table.fill(grad_input, ours._last.input), "gradient of the input", tolerance)
    parameters = dict(theirs.named_parameters())
    values, grads = ours.named_parameters(), list(ours.named_parameters("gradient").values())
    assert list(parameters) == list(values)
    for (name, parameter), value, gradient in zip(parameters.items(), values.values(), grads):
        np.testing.assert_array_equal(parameter.detach().numpy(), value, err_msg=name)
        assert_close(gradients(parameter), gradient, name, tolerance)
    buffers = theirs.state_dict()
    for name, value in ours.named_parameters("buffer").items():
        assert_close(buffers[name].numpy(), value, name, tolerance)
