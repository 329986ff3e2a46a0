"""What holds for every module: right gradients, its dtype kept, the input left alone, shapes and rows as it claims."""

import copy

import numpy as np

from nodegraph import table
from nodegraph.check import check_gradients


def random_value(shape, seed=0):
    """Normal numbers of a shape, or a table of them."""
    rng = np.random.default_rng(seed)

    def draw(shape):
        return [draw(part) for part in shape] if isinstance(shape, list) else rng.normal(size=shape)

    return draw(shape)


def assert_sound(module, shape, output_shape, rowwise):
    """Check a module of floating-point input on an input of this shape."""
    input = random_value(shape)
    assert check_gradients(module, input) < 1e-6
    assert module.output_shape(shape) == output_shape
    before = copy.deepcopy(input)
    output = module.forward(input)
    assert table.shape(output) == output_shape
    grad_input = module.backward(input, random_value(output_shape, seed=1))
    assert table.shape(grad_input) == shape
    assert all(np.array_equal(a, b) for a, b in zip(table.leaves(input), table.leaves(before)))
    assert_single_precision(module, input)
    assert module.rowwise(shape) is rowwise
    if rowwise:
        assert_rows_may_be_stacked(module, shape)


def assert_single_precision(module, input):
    single = module.clone().float()
    input = table.map(lambda x: x.astype(np.float32), input)
    output = single.forward(input)
    grad_input = single.backward(input, table.map(np.ones_like, output))
    assert {x.dtype for x in table.leaves([output, grad_input])} <= {np.dtype(np.float32)}


def assert_rows_may_be_stacked(module, shape):
    """One call on the rows of two inputs gives, forward and backward, what two calls give."""
    inputs = [random_value(shape, seed) for seed in (2, 3)]
    gradients = [random_value(module.output_shape(shape), seed) for seed in (4, 5)]

    def run(pairs):
        module.zero_grad_parameters()
        results = [[module.forward(x), module.backward(x, g)] for x, g in pairs]
        return results, [gradient.copy() for gradient in module.parameters()[1]]

    apart, expected = run(zip(inputs, gradients))
    (together,), actual = run([(stacked(*inputs), stacked(*gradients))])
    for a, b in zip(table.leaves(together), table.leaves(stacked(*apart))):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    for a, b in zip(actual, expected):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def stacked(*values):
    return table.map(lambda *rows: np.concatenate(rows), *values)
