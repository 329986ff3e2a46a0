"""Whole graphs, forward and backward, against Torch7."""

import oracle
import pytest

CASES = [case for file in ("graphs.json", "graphs_more.json") for case in oracle.cases(file)]


def run(case):
    gmodule, nodes = oracle.graph(case)
    for path, fields in case["params"].items():
        for field, stored in fields.items():
            oracle.set_array(find(nodes, path), field, stored)
    gmodule.zero_grad_parameters()
    return gmodule, nodes


def find(nodes, path):
    """The module of a node, or of a node inside the GModule of a node: `inner/iu`."""
    name, *inner = path.split("/")
    return nodes[name].module


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_graph(case):
    gmodule, nodes = run(case)
    input = oracle.value(case["input"])
    oracle.assert_equal(gmodule.forward(input), case["output"], what="output")
    oracle.assert_equal(gmodule.backward(input, oracle.value(case["gradOutput"])), case["gradInput"], what="gradInput")
