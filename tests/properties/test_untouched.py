"""Nothing that a caller holds is written to: not what was given, and not what earlier calls returned."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import table

from properties.graphs import graphs
from properties.runs import examples, gradient_for


@examples(60)
@given(graphs(), st.booleans())
def test_arrays_keep_their_bytes(grown, compiled):
    net, held = grown.gmodule.compile() if compiled else grown.gmodule, Held()
    for seed in range(3):
        input = held.keep(grown.input(seed))
        output = held.keep(net.forward(input))
        grad_output = held.keep(gradient_for(output, seed, none=seed == 2))
        held.keep(net.backward(input, grad_output))
        net.update_parameters(0.01)
        net.zero_grad_parameters()
    held.assert_same()


class Held:
    """Arrays with what they held when they were put here."""

    def __init__(self):
        self.arrays = []

    def keep(self, value):
        arrays = [leaf for leaf in table.leaves(value) if leaf is not None]
        self.arrays += [(array, array.tobytes(), array.dtype, array.shape) for array in arrays]
        return value

    def assert_same(self):
        for array, bytes, dtype, shape in self.arrays:
            assert (array.tobytes(), array.dtype, array.shape) == (bytes, dtype, shape)


@examples(30)
@given(graphs())
def test_arrays_that_cannot_be_written_to_will_do(grown):
    expected = grown.gmodule.clone().forward(grown.input())
    frozen = table.map(np.array, grown.input())
    for array in table.leaves(frozen):
        array.flags.writeable = False
    gradient = gradient_for(expected)
    for array in table.leaves(gradient):
        if array is not None:
            array.flags.writeable = False
    for net in (grown.gmodule.clone(), grown.gmodule.clone().compile()):
        net.forward(frozen)
        net.backward(frozen, gradient)
