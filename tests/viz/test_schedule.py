"""schedule: what runs once for all steps, and what step by step, as text."""

import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.models import lstm
from nodegraph.viz import schedule


class Silent(nn.Module):
    """A user's module whose output's shape cannot be told."""

    def update_output(self, input):
        raise ValueError


def recurrent(between=nn.Tanh, after=nn.Identity):
    """A loop, with a module of the user's choice in it, and one after it."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([nn.Linear(3, 2)(x).annotate(name="Wx"), nn.Linear(2, 2)(h).annotate(name="Uh")])
    new = between()(total).annotate(name="new")
    return Recurrent(GModule([x, h], [new, after()(nn.Linear(2, 5)(new)).annotate(name="y")]))


SHAPES = [(10, 4, 3), (4, 2)]


def cells(text, name):
    """What stands in the row of that name, from the third column on."""
    line = next(line for line in str(text).splitlines() if line.split()[:1] == [name])
    return [cell.strip() for cell in line.split("  ") if cell.strip()][2:]


def test_the_whole_text():
    assert str(schedule(recurrent(after=nn.LogSoftMax))).splitlines() == [
        "Recurrent",
        "stage and node         module",
        "-------------------------------------------------",
        "1: once for all steps",
        "  x                    input 0, a sequence",
        "  Wx                   Linear(3, 2) <- x",
        "2: step by step",
        "  h                    input 1, fed back from new",
        "  Uh                   Linear(2, 2) <- h",
        "  4                    CAddTable() <- Wx, Uh",
        "  new                  Tanh() <- 4",
        "3: once for all steps",
        "  6                    Linear(2, 5) <- new",
        "  y                    LogSoftMax() <- 6",
    ]


def test_shapes_of_one_step_and_multiply_adds_of_all():
    text = schedule(recurrent(after=nn.LogSoftMax), SHAPES)
    assert str(text).startswith("Recurrent over 10 steps\n") and repr(text) == text
    assert cells(text, "x") == ["(4, 3)"]
    assert cells(text, "Wx") == ["(4, 2)", "1", str(10 * 4 * 3 * 2)]
    assert cells(text, "Uh") == ["(4, 2)", "10", str(10 * 4 * 2 * 2)]
    assert cells(text, "new") == ["(4, 2)", "10", "-"]
    assert text.splitlines()[-2:] == [
        "total                                                         33            800",
        "of these step by step                                         30            160",
    ]


def test_what_is_not_rowwise_is_called_at_every_step():
    text = schedule(recurrent(after=lambda: nn.BatchNormalization(5)), SHAPES)
    assert [(row.calls, row.loop) for row in text.rows if row.name in ("6", "y")] == [(1, False), (10, False)]


def test_an_unknown_shape_leaves_the_rest_of_the_graph_open():
    text = schedule(recurrent(between=Silent), SHAPES)
    assert cells(text, "Uh") == ["(4, 2)", "10", "160"]
    assert cells(text, "new") == cells(text, "6") == ["?", "?", "?"]


def test_what_is_inside_a_module_is_counted_with_it():
    text = schedule(recurrent(after=lambda: nn.Sequential(nn.Linear(5, 7), nn.Tanh())), SHAPES)
    assert cells(text, "y") == ["(4, 7)", "1", "1,400"]


def test_a_stacked_lstm_has_a_loop_for_each_layer():
    rows = schedule(Recurrent(lstm.lstm(65, 8, 3)), [(20, 2), *[(2, 8)] * 6]).rows
    loops = {row.stage for row in rows if row.loop}
    assert loops == {2, 4, 6} and max(row.stage for row in rows) == 7
    assert [row.calls for row in rows if row.name in ("i2h_1", "i2h_2", "i2h_3", "decoder")] == [1, 1, 1, 1]


def test_a_cell_without_feedback_runs_once():
    x = nn.Identity()()
    text = schedule(Recurrent(GModule(x, nn.Linear(3, 2)(x)), feedback=[]), (7, 4, 3))
    assert text.splitlines()[-1].split() == ["of", "these", "step", "by", "step", "0", "0"]


def test_refusals():
    with pytest.raises(ArgumentError, match="schedule takes a Recurrent, got Tanh"):
        schedule(nn.Tanh())
    with pytest.raises(ShapeError):
        schedule(recurrent(), [(10, 4, 9), (4, 2)])
    with pytest.raises(ArgumentError, match="a shape is"):
        schedule(recurrent(), "wide")
