"""Rows of OneHot that a weight multiplies, and that something else reads as well: then they are written out."""

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.engine.steps import Multiply

from agreement import assert_agrees

pytestmark = pytest.mark.usefixtures("numpy_kernels")
rng = np.random.default_rng(0)


class Doubled(nn.Module):
    """A module that the engine does not know."""

    def update_output(self, input):
        return 2 * input

    def update_grad_input(self, input, grad_output):
        return 2 * grad_output

    def output_shape(self, shape):
        return shape

    def rowwise(self, shape):
        return True


READERS = {
    "nothing else": lambda rows: [],
    "a pointwise module": lambda rows: [nn.MulConstant(0.5)(rows)],
    "a module that is called": lambda rows: [Doubled()(rows)],
    "a normalisation": lambda rows: [nn.LogSoftMax()(rows)],
    "a product of a part": lambda rows: [nn.Linear(2, 4)(nn.Narrow(1, 1, 2)(rows))],
    "another product": lambda rows: [nn.Linear(4, 4)(rows)],
}


@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_whoever_reads_the_rows(reader, returned):
    x, h = nn.Identity()(), nn.Identity()()
    rows = nn.OneHot(4)(x)
    new = nn.Tanh()(nn.CAddTable()([nn.Linear(4, 4)(rows), nn.Linear(4, 4)(h), *READERS[reader](rows)]))
    cell = GModule([x, h], [new, rows] if returned else new)
    input = [rng.integers(0, 4, (5, 3)), rng.standard_normal((3, 4))]
    assert_agrees(cell, input, [1.0, 0.5, 0.25][: 2 + returned])


@pytest.mark.parametrize("kind", [int, float])
def test_rows_that_only_weights_multiply_are_not_made(kind, monkeypatch):
    """Nor is there a gradient of indices to compute: backward multiplies for the state alone."""
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(4, 4)(nn.OneHot(4)(x)), nn.Linear(4, 4)(h)])))
    input = [rng.integers(0, 4, (5, 3)).astype(kind), rng.standard_normal((3, 4))]
    net = assert_agrees(cell, input, [1.0, 0.5])
    steps = [step for stage in net.tape.programs.values() for step in stage.program.backward_steps]
    assert sum(isinstance(step, Multiply) for step in steps) == 1
    monkeypatch.setattr(nn.OneHot, "update_output", None)
    net.forward(input)
