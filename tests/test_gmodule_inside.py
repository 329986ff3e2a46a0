"""Looking inside a GModule: its networkx graphs, the tape of its last run, hooks that watch a run."""

import numpy as np
import pytest

from nodegraph import GModule, Node, nn
from nodegraph.errors import ArgumentError

from small_graphs import mlp, two_by_two

rng = np.random.default_rng(0)


def test_the_graphs_are_networkx_graphs():
    x = nn.Identity()()
    y = nn.CAddTable()([x, x])
    net = GModule(x, y)
    assert set(net.fg.nodes) == {x, y} and net.fg.edges[x, y]["positions"] == [0, 1]
    assert list(net.bg.edges) == [(y, x)] and isinstance(x, Node)


def test_the_graph_of_a_single_node_holds_it():
    x = nn.Identity()()
    assert list(GModule(x, x).fg) == [x] and not GModule(x, x).fg.edges


def test_the_tape_holds_each_nodes_values_and_gradients():
    net = mlp()
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    y = net.forward(x)
    gx = net.backward(x, g)
    assert net.tape["x"].output is x and (net.tape["y"].output == y).all()
    assert (net.tape["x"].grad_input == gx).all()
    np.testing.assert_array_equal(net.tape[net.node("squashed")].grad_output, g @ net.node("y").module.weight)
    assert [node.name for node, _ in net.tape] == ["x", "hidden", "squashed", "y"]
    with pytest.raises(ArgumentError):
        net.tape["nobody"]
    with pytest.raises(ArgumentError, match="the names are"):
        net.node("nobody")


def test_hooks_see_every_node_forward_and_backward():
    net = mlp()
    seen = []
    with net.watch(lambda n, c: seen.append(("forward", n.name)), lambda n, c: seen.append(("backward", n.name))):
        net.forward(np.ones(4))
        net.backward(None, np.ones(2))
    net.forward(np.ones(4))
    names = ["x", "hidden", "squashed", "y"]
    assert seen == [("forward", n) for n in names] + [("backward", n) for n in reversed(names)]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_watch_in_one_direction(direction):
    net, seen = mlp(), []
    with net.watch(**{direction: lambda node, call: seen.append(node.name)}):
        net.forward(np.ones(4))
        net.backward(None, np.ones(2))
    assert sorted(seen) == ["hidden", "squashed", "x", "y"]


def test_a_backward_that_is_looked_at_goes_node_by_node_also_after_a_compiled_forward():
    net, x, g = mlp().compile(), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net.forward(x)
    expected, seen = net.backward(x, g), []
    net.forward(x)
    with net.watch(backward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.backward(x, g), expected, rtol=1e-12)
    assert seen == ["y", "squashed", "hidden", "x"]


def test_a_backward_that_is_looked_at_when_the_run_cannot_be_repeated_is_not_seen_but_right():
    net, x, g = mlp().compile(), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net.forward(x)
    expected, seen = net.backward(x, g), []
    net.forward(x)
    net.node("hidden").module.bias += 1
    with net.watch(backward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.backward(x, g), expected, rtol=1e-12)
    assert seen == []


def test_a_watch_ends_with_its_context_or_before():
    network, seen = two_by_two(), []
    with network.watch(forward=lambda node, call: seen.append(node)) as watch:
        network.forward([np.ones(3), np.ones(3)])
        watch.remove()
        network.forward([np.ones(3), np.ones(3)])
    assert seen == network.nodes and network.hooks == []


def test_a_compiled_graph_that_is_looked_at_runs_node_by_node():
    net, x, seen = mlp().compile(), rng.standard_normal((3, 4)), []
    expected = net.forward(x)
    with net.watch(forward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.forward(x), expected, rtol=1e-12)
    net.forward(x)
    assert seen == ["x", "hidden", "squashed", "y"]
