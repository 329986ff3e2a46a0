"""Networks in .t7 files against Torch7: the same graph, the same numbers, forward and backward."""

import json

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.io import t7

import oracle

FILES = oracle.DATA / "t7"
GRAPHS = [
    (folder, case)
    for folder in ("graphs", "graphs_more")
    for case in oracle.cases(f"{folder}.json")
    if (FILES / folder / f"{case['name']}.t7").exists()
]
NETWORKS = sorted(FILES.glob("net_*.t7"))


def graph_cases():
    return pytest.mark.parametrize("folder, case", GRAPHS, ids=[case["name"] for _, case in GRAPHS])


def loaded(folder, case, path=None):
    gmodule = t7.load(path or FILES / folder / f"{case['name']}.t7")
    gmodule.zero_grad_parameters()
    return gmodule


def skeleton(gmodule):
    """What the graph is, apart from its numbers; a split into one part is a JustElement in Torch."""
    nodes = []
    for node, parents in zip(gmodule.nodes, gmodule.parent_places, strict=True):
        kind = (nn.JustElement, None) if node.part == (0, 1) else (type(node.module), node.part)
        nodes.append((*kind, parents, node.name))
    return nodes, gmodule.input_places, gmodule.output_places


def assert_runs_as(gmodule, case):
    input = oracle.graph_input(case)
    oracle.assert_equal(gmodule.forward(input), case["output"], what="output")
    grad_input = gmodule.backward(input, oracle.value(case["gradOutput"]))
    oracle.assert_equal(grad_input, case["gradInput"], what="gradInput")


@graph_cases()
def test_a_graph_is_that_of_the_script_and_runs_to_the_same_numbers(folder, case):
    gmodule, (expected, _) = loaded(folder, case), oracle.prepared_graph(case)
    assert skeleton(gmodule) == skeleton(expected)
    for ours, theirs in zip(gmodule.parameters()[0], expected.parameters()[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert_runs_as(gmodule, case)
    expected.forward(oracle.graph_input(case))
    expected.backward(oracle.graph_input(case), oracle.value(case["gradOutput"]))
    for ours, theirs in zip(gmodule.parameters()[1], expected.parameters()[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@graph_cases()
def test_modules_and_tensors_stay_shared(folder, case):
    gmodule, (expected, _) = loaded(folder, case), oracle.prepared_graph(case)
    assert len(gmodule.list_modules()) == len(expected.list_modules())
    assert len(gmodule.named_parameters()) == len(expected.named_parameters())
    assert gmodule.get_parameters()[0].size == expected.get_parameters()[0].size


@graph_cases()
@pytest.mark.parametrize("ascii", [False, True], ids=["binary", "ascii"])
def test_a_graph_written_and_read_again_is_the_same(folder, case, ascii, tmp_path):
    gmodule = loaded(folder, case)
    again = loaded(folder, case, t7.save(gmodule, tmp_path / "graph.t7", ascii))
    assert skeleton(again) == skeleton(gmodule)
    assert [node.where for node in again.nodes] == [node.where for node in gmodule.nodes]
    assert [node.annotations for node in again.nodes] == [node.annotations for node in gmodule.nodes]
    assert len(again.list_modules()) == len(gmodule.list_modules())
    assert_runs_as(again, case)


def test_annotations_are_read():
    gmodule = t7.load(FILES / "graphs_more" / "readme_annotations.t7")
    node = gmodule.node("L1")
    assert node.annotations["description"] == "Level 1 Node"
    assert node.annotations["graph_attributes"] == {"color": "red"}
    assert node.where == ("gen_graphs.lua", 26)


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("again", [False, True], ids=["read", "written and read"])
def test_a_network_runs_as_in_torch(path, again, tmp_path):
    network, expected = t7.load(path), json.loads(path.with_suffix(".json").read_text())
    if again:
        network = t7.load(t7.save(network, tmp_path / "net.t7"))
    for ours, theirs in zip(network.parameters()[0], expected["params"], strict=True):
        oracle.assert_equal(ours, theirs)
    input = oracle.value(expected["input"])
    for mode in ("evaluate", "train"):
        (network.evaluate if mode == "evaluate" else network.training)()
        run = expected[mode]
        network.zero_grad_parameters()
        oracle.assert_equal(network.forward(input), run["output"], what="output")
        grad_input = network.backward(input, oracle.value(run["gradOutput"]))
        oracle.assert_equal(grad_input, run["gradInput"], what="gradInput")
        for ours, theirs in zip(network.parameters()[1], run["gradParams"], strict=True):
            oracle.assert_equal(ours, theirs, what="gradParams")


def test_a_shared_network_is_shared():
    network = t7.load(FILES / "net_gmodule_shared.t7")
    assert isinstance(network, GModule)
    assert len(network.named_parameters()) < len(network.parameters()[0])


def test_a_module_in_a_table_becomes_a_module():
    value = t7.load(FILES / "module_table.t7")
    assert isinstance(value["model"], nn.Linear)
    assert value["opt"] == {"lr": 0.1, "layers": [4, 5]}
