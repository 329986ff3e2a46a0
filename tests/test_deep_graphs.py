"""Graphs of thousands of nodes in a row: nothing recurses along the nodes."""

import contextlib
import copy
import io
import pickle

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import NodegraphError, ShapeError, WiringError
from nodegraph.graph import forward_order
from nodegraph.viz import draw, print_graph, summary

DEPTH = 5000


def chain(depth=DEPTH):
    """x + 1 + 1 + ..., with one node that has parameters in the middle."""
    x = nn.Identity()().annotate(name="x")
    node = x
    for i in range(depth):
        node = (nn.Add(3) if i == depth // 2 else nn.AddConstant(1))(node)
    return GModule(x, node)


@pytest.fixture(scope="module")
def deep():
    net = chain()
    net.nodes[DEPTH // 2 + 1].module.bias[:] = 0
    return net


def run(net):
    return net.forward(np.ones((2, 3))), net.backward(np.ones((2, 3)), np.ones((2, 3)))


def test_runs_forward_and_backward(deep):
    assert deep.output_shape((2, 3)) == (2, 3)
    deep.zero_grad_parameters()
    y, grad_x = run(deep)
    np.testing.assert_array_equal(y, np.full((2, 3), DEPTH))
    np.testing.assert_array_equal(grad_x, np.ones((2, 3)))
    np.testing.assert_array_equal(deep.named_parameters("gradient")[f"{DEPTH // 2 + 1}.bias"], np.full(3, 2))


def test_a_sum_of_thousands_runs_compiled_too():
    x, linear = nn.Identity()(), nn.Linear(3, 3)
    net = GModule(x, nn.CAddTable()([nn.Tanh()(linear(x)) for _ in range(DEPTH // 2)]))
    input, gradient = np.ones((2, 3)), np.ones((2, 3))
    expected = [net.forward(input), net.backward(input, gradient)]
    compiled = net.clone().compile()
    for a, b in zip([compiled.forward(input), compiled.backward(input, gradient)], expected):
        np.testing.assert_allclose(a, b)


def test_networkx_graphs(deep):
    assert deep.fg.number_of_edges() == deep.bg.number_of_edges() == DEPTH
    assert nx.dag_longest_path_length(deep.fg) == DEPTH


@pytest.mark.parametrize(
    "made",
    [
        lambda net: net.clone(),
        lambda net: net.clone("bias", "grad_bias"),
        copy.copy,
        copy.deepcopy,
        lambda net: pickle.loads(pickle.dumps(net)),
    ],
    ids=["clone", "clone shared", "copy", "deepcopy", "pickle"],
)
def test_copies_are_as_deep(deep, made):
    twin = made(deep)
    assert len(twin.nodes) == DEPTH + 1 and not set(twin.nodes) & set(deep.nodes)
    np.testing.assert_array_equal(run(twin)[0], np.full((2, 3), DEPTH))


def test_nodes_are_copied_with_all_that_is_wired_to_them():
    net = chain()
    twin = GModule(*copy.deepcopy([net.inputs[0], net.outputs[0]]))
    assert len(twin.nodes) == DEPTH + 1 and not set(twin.nodes) & set(net.nodes)
    middle = [net.nodes[DEPTH // 2 + 1], twin.nodes[DEPTH // 2 + 1]]
    assert middle[0].module is not middle[1].module and middle[0].where == middle[1].where
    np.testing.assert_array_equal(run(twin)[0], run(net)[0])


@pytest.mark.parametrize("compiled", [False, True])
def test_over_time(compiled):
    x, state = nn.Identity()(), nn.Identity()()
    node = nn.CAddTable()([x, state])
    for _ in range(2000):
        node = nn.AddConstant(1)(node)
    net = Recurrent(GModule([x, state], nn.MulConstant(0.5)(node)), compiled=compiled)
    input = [np.ones((3, 2, 4)), np.zeros((2, 4))]
    ys, last = net.forward(input)
    np.testing.assert_array_equal(ys[:, 0, 0], [1000.5, 1500.75, 1750.875])
    _, grad_state = net.backward(input, [None, np.ones((2, 4))])
    np.testing.assert_array_equal(grad_state, np.full((2, 4), 0.125))


def test_the_module_as_a_whole(deep):
    net = deep.clone().float().evaluate()
    vector, gradient = net.get_parameters()
    assert vector.shape == gradient.shape == (3,) and vector.dtype == np.float32
    assert len(net.list_modules()) == DEPTH + 2
    net.replace(lambda module: nn.Identity() if isinstance(module, nn.AddConstant) else module)
    np.testing.assert_array_equal(net.forward(np.ones((2, 3))), np.ones((2, 3)))


def test_as_text(deep):
    assert len(repr(deep).splitlines()) == DEPTH + 4
    assert summary(deep, (2, 3)).parameters == 3
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_graph(deep)
    assert len(printed.getvalue().splitlines()) == DEPTH + 2


def test_a_picture_is_folded(deep):
    dot = draw(deep).dot
    assert "modules: 51 AddConstant" in dot and len(dot) < 200_000


def test_an_error_in_the_depth_names_its_node_alone(deep):
    with pytest.raises(ShapeError) as raised:
        deep.forward(np.ones((2, 4)))
    assert raised.value.node is deep.nodes[DEPTH // 2 + 1]
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_go_to_other_processes_with_node_and_graph(deep, made):
    with pytest.raises(ShapeError) as raised:
        deep.forward(np.ones((2, 4)))
    error = made(raised.value)
    assert type(error) is ShapeError and str(error) == str(raised.value)
    assert error.node is error.graph.nodes[DEPTH // 2 + 1]


def test_a_long_cycle_is_told_in_short():
    net = chain()
    net.inputs[0].parents = (net.outputs[0],)
    with pytest.raises(WiringError) as caught:
        forward_order(net.inputs, net.outputs)
    told = str(caught.value).removeprefix("the graph has a cycle: ").split(" takes the output of ")
    assert told[4] == f"{DEPTH + 1 - 8} more nodes, the last of which"
    assert len(told) == 4 + 1 + 4 + 1 and told[0] == told[-1]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_is_depth_first(data):
    nodes = [nn.Identity()()]
    for _ in range(data.draw(st.integers(1, 12))):
        parents = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=4))
        nodes.append(nn.CAddTable()(parents))
    loose = [node for node in nodes if not node.children]
    outputs = data.draw(st.permutations(loose + data.draw(st.lists(st.sampled_from(nodes), max_size=3))))
    above = nx.DiGraph()
    above.add_edges_from(("end", node) for node in outputs)
    for node in nodes:
        above.add_edges_from((node, parent) for parent in node.parents)
    expected = list(nx.dfs_postorder_nodes(above, "end"))[:-1]
    assert forward_order((nodes[0],), tuple(outputs)) == expected


def test_the_refusals_are_the_same_every_time():
    def refusal():
        x = nn.Identity()()
        loose = [nn.Identity()().annotate(name=f"z{i}") for i in range(9)]
        try:
            GModule(x, nn.CAddTable()([x, *loose]))
        except NodegraphError as error:
            return str(error)

    assert {refusal() for _ in range(20)} == {refusal()} and "`z0`" in refusal()
