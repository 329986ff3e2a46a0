"""Whole graphs, forward and backward, against Torch7: values, gradients, the order of nodes and parameters."""

import numpy as np
import pytest

from nodegraph import nn, parameters

import oracle

CASES = [case for file in ("graphs.json", "graphs_more.json") for case in oracle.cases(file)]
ORDERED = [case for case in CASES if case.get("parametersOrder") is not None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_forward_and_backward(case):
    gmodule, modules = oracle.prepared_graph(case)
    input = oracle.graph_input(case)
    oracle.assert_equal(gmodule.forward(input), case["output"], what="output")
    grad_input = gmodule.backward(input, oracle.value(case["gradOutput"]))
    oracle.assert_equal(grad_input, case["gradInput"], what="gradInput")
    for path, fields in case["gradParams"].items():
        for field, stored in fields.items():
            owner, name = oracle.owner(modules[path], field)
            oracle.assert_equal(getattr(owner, "grad_" + name), stored, what=f"{path}.{field}")


@pytest.mark.parametrize("case", ORDERED, ids=lambda case: case["name"])
def test_order_of_parameters(case):
    gmodule, _ = oracle.prepared_graph(case)
    assert [list(p.shape) for p in gmodule.parameters()[0]] == case["parametersOrder"]
    flat, _ = gmodule.get_parameters()
    assert flat.size == case["getParametersSize"]
    np.testing.assert_allclose(flat.sum(), case["getParametersSum"], atol=1e-12)


@pytest.mark.parametrize("case", ORDERED, ids=lambda case: case["name"])
def test_order_of_nodes(case):
    gmodule, _ = oracle.prepared_graph(case)
    routing = {"dummy", "split", "nngraph.JustTable", "nngraph.JustElement"}
    theirs = [name for name in case["forwardOrder"] if name not in routing and not name.startswith("select")]
    skipped = (nn.Part, nn.JustTable)
    ours = [type(node.module).__name__ for node in gmodule.nodes if not isinstance(node.module, skipped)]
    assert [name.replace("GModule", "gModule") for name in ours] == theirs


@pytest.mark.parametrize("case", [c for c in ORDERED if "getParametersGradSum" in c], ids=lambda case: case["name"])
def test_flat_gradient(case):
    gmodule, _ = oracle.prepared_graph(case)
    _, gradient = gmodule.get_parameters()
    input = oracle.graph_input(case)
    gmodule.forward(input)
    gmodule.backward(input, oracle.value(case["gradOutput"]))
    np.testing.assert_allclose(gradient.sum(), case["getParametersGradSum"], atol=1e-10)
    assert len(parameters.unique(*gmodule.parameters())[0]) <= len(gmodule.parameters()[0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_copies_compute_the_same(case):
    gmodule, _ = oracle.prepared_graph(case)
    input = oracle.graph_input(case)
    oracle.assert_equal(gmodule.clone().forward(input), case["output"])
