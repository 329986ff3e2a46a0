"""The checks on a graph's wiring: which nodes their messages name."""

import pytest

from nodegraph import GModule, nn
from nodegraph.errors import WiringError


def closed_chain(length):
    """A chain of so many nodes, each after the other, the first fed by the last; behind it two that are in no cycle."""
    node, chain = nn.Identity()(), []
    for i in range(length):
        node = nn.Tanh()(node).annotate(name=f"tanh {i}")
        chain.append(node)
    chain[0].parents = (chain[-1],)
    return chain, nn.Square()(nn.Sigmoid()(node))


@pytest.mark.parametrize("length", [2, 3, 8])
def test_a_cycle_is_told_from_node_to_node_without_those_that_only_lead_to_it(length):
    chain, output = closed_chain(length)
    with pytest.raises(WiringError) as caught:
        GModule(chain[0], output)
    around = [*reversed(chain), chain[-1]]
    expected = " takes the output of ".join(node.describe() for node in around)
    assert str(caught.value) == f"the graph has a cycle: {expected}"


@pytest.mark.parametrize("length", [9, 20])
def test_of_a_long_cycle_four_nodes_are_told_at_either_end(length):
    chain, output = closed_chain(length)
    with pytest.raises(WiringError) as caught:
        GModule(chain[0], output)
    names = str(caught.value).removeprefix("the graph has a cycle: ").split(" takes the output of ")
    around = [node.describe() for node in reversed(chain)]
    assert names == [*around[:4], f"{length - 8} more nodes, the last of which", *around[-4:], around[0]]


def test_an_input_with_several_parents_is_told_the_first():
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    total = nn.CAddTable()([x, y])
    with pytest.raises(WiringError, match="given as an input of the graph, but takes the output of `x`"):
        GModule(total, nn.Tanh()(total))


def test_a_node_is_visited_once_however_many_paths_lead_to_it():
    x = node = nn.Identity()()
    for _ in range(60):
        node = nn.CAddTable()([nn.Tanh()(node), nn.Sigmoid()(node)])
    assert len(GModule(x, node).nodes) == 1 + 3 * 60


def test_an_unused_part_of_a_split_is_told_with_what_takes_a_single_part():
    x = nn.Identity()()
    first, _ = x.split(2)
    with pytest.raises(
        WiringError, match=r"^part 1 of the split.* is not used: .*; nn.SelectTable takes a single value"
    ):
        GModule(x, first)
