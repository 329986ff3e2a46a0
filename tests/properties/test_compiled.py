"""Compiled graphs of all classes give what the same graphs give node by node."""

import importlib.util
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import nn, table
from nodegraph.engine import machine

from properties.graphs import graphs
from properties.recipes import RECIPES
from properties.runs import assert_same_run, examples, run

BASES = """ClassCriterion Component CompositeCriterion Container Convolution Criterion FullConvolution Module
PairCriterion Pointwise PointwiseCriterion ViewModule""".split()


def test_every_class_has_a_recipe():
    classes = {name for name, cls in vars(nn).items() if inspect.isclass(cls) and issubclass(cls, nn.Component)}
    assert classes - set(BASES) <= set(RECIPES)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_same_as_node_by_node(name):
    """Outputs, all gradients, buffers and random numbers: with other inputs, with new parameters, in the other mode."""

    @examples(2)
    @given(graphs(name), st.booleans())
    def check(grown, none):
        eager, compiled = grown.gmodule.clone(), grown.gmodule.clone().compile()
        for seed in range(4):
            expected = run(eager, grown.input(seed), seed, none)
            assert_same_run(run(compiled, grown.input(seed), seed, none), expected)
            for net in (eager, compiled):
                if seed == 1:
                    net.update_parameters(0.01)
                if seed == 2:
                    net.evaluate() if net.train else net.training()

    check()


@examples(40)
@given(graphs())
def test_same_in_single_precision(grown):
    input = table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, grown.input(1))
    eager, compiled = grown.gmodule.clone().float(), grown.gmodule.clone().float().compile()
    assert_same_run(run(compiled, input), run(eager, input), 1e-3)


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs the extra nodegraph[fast]")
def test_same_with_numba(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path_factory.getbasetemp() / "kernels"))
    monkeypatch.setattr(machine, "WORTH_COMPILING", 0)

    @examples(2)
    @given(graphs(most=3))
    def check(grown):
        eager, compiled = grown.gmodule.clone(), grown.gmodule.clone().compile()
        for seed in range(2):
            assert_same_run(run(compiled, grown.input(seed), seed), run(eager, grown.input(seed), seed))

    check()
