"""Compiled and node by node are the same: outputs, final states, all gradients, and the random numbers drawn."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import nodegraph.random
from nodegraph import Recurrent, table

numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs the extra nodegraph[fast]")


def as_list(value):
    return value if isinstance(value, list) else [value]


def cosines(like, size):
    """A gradient for a value, no two elements of which are the same."""
    dtype = like.dtype if like.dtype.kind == "f" else float
    return (size * np.cos(np.arange(like.size).reshape(like.shape))).astype(dtype)


def run(module, input, sizes, scale=1.0, backwards=1):
    """Output, gradient of the input, gradients of the parameters, and the random number that comes after."""
    nodegraph.random.seed(1)
    module.zero_grad_parameters()
    output = module.forward(input)
    pairs = zip(sizes, as_list(output))
    given = [None if g is None else table.map(lambda y, g=g: cosines(y, g), value) for g, value in pairs]
    for _ in range(backwards):
        grad_input = module.backward(input, given if isinstance(output, list) else given[0], scale)
    after = np.array(nodegraph.random.generator().random())
    gradients = [g.copy() for g in module.parameters()[1]]
    return list(table.leaves([as_list(output), as_list(grad_input), gradients, after]))


def assert_close(got, expected, tolerance=1e-12):
    """Leaf by leaf the same type, and the same numbers as far as rounding goes; NaN where there is NaN."""
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        largest = np.abs(np.where(np.isfinite(b), b, 0)).max(initial=1)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest)


def assert_agrees(cell, input, sizes, tolerance=1e-12, **options):
    """Run a cell over time both ways, two backward passes and a scale among them; returns the compiled Recurrent.

    `sizes` has for each output how large its gradient is, None for none.
    """
    eager, compiled = Recurrent(cell, compiled=False, **options), Recurrent(cell, **options)
    for scale, backwards in ((1.0, 1), (0.3, 2)):
        expected = run(eager, input, sizes, scale, backwards)
        for _ in range(2):
            assert_close(run(compiled, input, sizes, scale, backwards), expected, tolerance)
    return compiled


def loops(net):
    """The programs of a Recurrent's last run that are loops."""
    return [stage.program for stage in net.tape.programs.values() if stage.stage.loop]


def called(net):
    """The classes of the modules that the loops call, since the engine cannot compute them itself."""
    return [type(call.step.module).__name__ for loop in loops(net) for call in loop.calls.values()]
