"""Graphs of all classes that PyTorch can express, in PyTorch."""

from hypothesis import assume, given
from torch_judge import arrays, backward, call, gradients, tensors, to_torch

import nodegraph.random
from nodegraph import table
from nodegraph.errors import ExportError

from properties.graphs import FRACTIONAL, RANDOM, graphs
from properties.runs import assert_close, examples, gradient_for


@examples(80)
@given(graphs(without=FRACTIONAL))
def test_same_in_pytorch(grown):
    net, input = grown.gmodule, grown.input(1)
    if grown.classes & RANDOM:
        net.evaluate()
    try:
        theirs = to_torch(net)
    except ExportError:
        assume(False)
    given = tensors(table.as_value(input))
    nodegraph.random.seed(1)
    net.zero_grad_parameters()
    expected, output = net.forward(input), call(theirs, net, given)
    output = list(output) if isinstance(output, tuple) else output
    assert_close(arrays(output), expected, "output", 1e-8, 1.0)
    grad_output = table.fill(gradient_for(expected), expected)
    grad_input = table.fill(net.backward(input, grad_output), table.as_value(input))
    backward(output, grad_output)
    real = [x.dtype.kind == "f" for x in table.leaves(table.as_value(input))]
    pairs = zip(real, table.leaves(gradients(given)), table.leaves(grad_input))
    for _, theirs_, ours in [pair for pair in pairs if pair[0]]:
        assert_close(theirs_, ours, "gradient of the input", 1e-8, 1.0)
    found, named = dict(theirs.named_parameters()), net.named_parameters("gradient")
    for name, gradient in zip(net.named_parameters(), named.values()):
        assert_close(gradients(found[name]), gradient, f"gradient of {name}", 1e-8, 1.0)
    buffers = theirs.state_dict()
    for name, buffer in net.named_parameters("buffer").items():
        assert_close(buffers[name].numpy(), buffer, name, 1e-8, 1.0)
