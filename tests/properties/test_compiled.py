"""Compiled graphs of all classes give what the same graphs give node by node."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import table

from properties.graphs import graphs
from properties.recipes import RECIPES
from properties.runs import assert_same_run, examples, run


def single(value):
    return table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, value)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_same_numbers_as_node_by_node(name):
    @examples(2)
    @given(graphs(name), st.booleans())
    def check(grown, none):
        eager, compiled = grown.gmodule.clone(), grown.gmodule.clone().compile()
        for seed in range(3):
            expected = run(eager, grown.input(seed), seed, none)
            assert_same_run(run(compiled, grown.input(seed), seed, none), expected)

    check()
