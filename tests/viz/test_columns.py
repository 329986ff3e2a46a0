"""Unrolled graphs: time from left to right, one column a step, weights named once."""

import json
from collections import defaultdict

import pytest

from nodegraph import GModule, nn, unroll
from nodegraph.models import gru, lstm
from nodegraph.viz import draw
from nodegraph.viz.renderers import programs, render

from picture import Picture, words

MODELS = {
    "lstm": lambda: unroll(lstm.create(3, 2), 3),
    "gru": lambda: unroll(gru.gru(65, 8, 1), 4),
    "two layers": lambda: unroll(lstm.lstm(65, 8, 2), 3),
    "graph in a graph": lambda: unroll(lstm.stack(3, 2, 2), 2),
}


def positions(diagram, program):
    """For each step the horizontal positions of its boxes, and of those without a step by their text."""
    columns, whole = defaultdict(list), json.loads(render(diagram.dot, "json0", program))
    by_name = {found["name"]: float(found["pos"].split(",")[0]) for found in whole["objects"] if "pos" in found}
    for line in diagram.dot.splitlines():
        if "rank=same" in line:
            row = line.split("rank=same;")[1].strip(" }").split("; ")
            step = None
            for name in row:
                if name.startswith("rail"):
                    step = int(name[4:].split("_")[0])
                elif name.startswith("n") and step is not None:
                    columns[step].append(by_name[name])
    rails = {name: x for name, x in by_name.items() if name.startswith("rail")}
    return columns, rails


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("program", programs())
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_step_lies_between_its_rails(model, program, direction):
    columns, rails = positions(draw(model(), direction=direction), program)
    steps = sorted(columns)
    for step in steps:
        left = [x for name, x in rails.items() if name.startswith(f"rail{step}_")]
        right = [x for name, x in rails.items() if name.startswith(f"rail{step + 1}_")]
        assert max(left) - min(left) < 1
        assert max(left) < min(columns[step]) and (not right or max(columns[step]) < min(right))
    assert len(steps) >= 3


def test_titles_names_and_weights():
    diagram = draw(unroll(lstm.create(3, 2), 3))
    found = words(diagram.svg())
    assert [found.count(f"step {t}") for t in range(4)] == [1, 1, 1, 0]
    assert found.count("preactivations") == 3 and found.count("next_h") == 3
    assert found.count("32 parameters") == 1 and found.count("weights A") == found.count("weights B") == 3
    assert found.count("W prev_h + b") == 3


def test_states_lead_from_step_to_step():
    picture = Picture(draw(unroll(lstm.create(3, 2), 3)))
    assert ("next_c", "c_forget'") in picture.edges and ("next_c'", "c_forget''") in picture.edges
    assert ("prev_c", "c_forget") in picture.edges and ("next_c''", "output 1") in picture.edges
    assert not [name for name in picture.boxes if name.startswith("prev_h'")]


@pytest.mark.parametrize(("direction", "ends"), [("forward", ("n4", "n5")), ("backward", ("n5", "n4"))])
def test_a_state_that_goes_up_takes_a_rail_with_one_arrow(direction, ends):
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    y = nn.Exp()(nn.Tanh()(nn.Square()(nn.CAddTable()([x, h]))))
    diagram = draw(unroll(GModule([x, h], y), 2), direction=direction)
    along = [line for line in diagram.dot.splitlines() if "rail1_" in line and "->" in line and "invis" not in line]
    arrows = [line for line in along if 'dir="none"' not in line]
    assert len(arrows) == 1 and ('dir="back"' in arrows[0]) == (direction == "backward")


def test_one_step_needs_no_columns():
    assert set(Picture(draw(unroll(lstm.create(3, 2), 1))).frames) == {"step 0"}
