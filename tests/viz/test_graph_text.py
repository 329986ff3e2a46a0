"""print_graph: a graph in the terminal, a node a line."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, annotate_nodes, nest, nn
from nodegraph.errors import ArgumentError
from nodegraph.models import lstm
from nodegraph.viz.graph_text import in_a_line, node_names, print_graph


def printed(capsys, graph):
    print_graph(graph)
    return capsys.readouterr().out.splitlines()


def test_names_modules_and_parents_in_order(capsys):
    x, h = nn.Identity()(), nn.Identity()()
    i2h, h2h = nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)
    annotate_nodes()
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h])).annotate(name="next_h")
    assert printed(capsys, GModule([x, h], next_h)) == [
        "x       input 0",
        "i2h     Linear(3, 2) <- x",
        "h       input 1",
        "h2h     Linear(2, 2) <- h",
        "4       CAddTable() <- i2h, h2h",
        "next_h  Tanh() <- 4",
        "-> next_h",
    ]


def test_what_only_passes_a_value_on_is_left_out(capsys):
    state = nn.Identity()().annotate(name="state")
    c, h = state.split(2)
    passed = nn.Identity()(nn.Identity()(h))
    y = nn.CMulTable()([c, passed]).annotate(name="y")
    assert printed(capsys, GModule(state, [y, nn.Identity()(y)])) == [
        "state  input",
        "y      CMulTable() <- state[0], state[1]",
        "-> y, y",
    ]


def test_a_table_of_nodes_is_kept_for_it_is_more_than_one_value(capsys):
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="b")
    lines = printed(capsys, GModule([a, b], nn.CAddTable()(nest([a, b]))))
    assert lines[2:4] == ["2  Identity() <- a, b", "3  CAddTable() <- 2"]


def test_a_node_without_parents(capsys):
    x, gain = nn.Identity()().annotate(name="x"), nn.Parameters(3)().annotate(name="gain")
    assert "gain  Parameters(3)" in printed(capsys, GModule(x, nn.CMulTable()([x, gain])))


def test_a_graph_within_a_graph_is_one_line(capsys):
    assert "lstm_2    GModule of 18 nodes <- lstm_1[1], prev_c_2, prev_h_2" in printed(capsys, lstm.stack(3, 4, 2))


def test_a_recurrent_says_what_is_fed_back(capsys):
    lines = printed(capsys, Recurrent(lstm.lstm(11, 4, 1)))
    assert lines[0].endswith("input 0, a sequence")
    assert "prev_h_1           input 2, fed back from next_h_1" in lines


@pytest.mark.parametrize("wrong", [nn.Tanh(), None, np.zeros(3)])
def test_only_graphs_are_printed(wrong):
    with pytest.raises(ArgumentError, match="print_graph takes a GModule or a Recurrent"):
        print_graph(wrong)


def test_parts_of_parts():
    x = nn.Identity()().annotate(name="x")
    a, b = x.split(2)
    c, d = b.split(2)
    d.annotate(name="last")
    assert list(node_names(GModule(x, [a, c, d])).values()) == ["x", "x[0]", "x[1]", "x[1][0]", "last"]


@pytest.mark.parametrize(
    "module, text",
    [
        (nn.Linear(3, 2, bias=False), "Linear(3, 2, bias=False)"),
        (nn.Sequential(), "Sequential()"),
        (nn.Concat(1, nn.Tanh(), nn.Sequential(nn.Abs())), "Concat(1): Tanh(), Sequential: Abs()"),
        (nn.Sequential(*[nn.Linear(30, 30)] * 9), "Sequential: Linear(30, 30), Linear(30, 30), Linear(30, 30..."),
    ],
)
def test_a_module_in_a_line(module, text):
    assert in_a_line(module, limit=len(text)) == text


def test_a_name_is_one_line_that_a_terminal_can_show(capsys):
    x = nn.Identity()().annotate(name="a\nb\x1b[31m\udcff")
    assert printed(capsys, GModule(x, nn.Tanh()(x))) == [
        "a\\nb\\x1b[31m\\udcff  input",
        "1                   Tanh() <- a\\nb\\x1b[31m\\udcff",
        "-> 1",
    ]
