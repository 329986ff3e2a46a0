"""Models of too many modules for one picture."""

import random
import time

import pytest

from nodegraph import GModule, nn, unroll
from nodegraph.models import lstm
from nodegraph.viz import draw, grouping

from picture import Picture, words


def tangle(n):
    """A graph of n nodes, each of which takes two of the thirty before it."""
    draws = random.Random(0)
    nodes = [nn.Identity()().annotate(name="x")]
    for _ in range(n):
        nodes.append(nn.CAddTable()([nodes[-1], draws.choice(nodes[-30:])]).annotate(name=f"node {len(nodes)}"))
    return GModule(nodes[0], nodes[-1])


def chain(n):
    return nn.Sequential(*[nn.Linear(3, 3) if i % 2 else nn.Tanh() for i in range(n)])


LARGE = {"tangle": lambda: tangle(2000), "chain": lambda: chain(2000), "time": lambda: unroll(lstm.lstm(9, 4, 2), 60)}


@pytest.mark.parametrize("model", LARGE.values(), ids=LARGE)
def test_two_thousand_nodes_are_folded_with_a_note_in_the_picture(model):
    start = time.process_time()
    svg = draw(model()).svg()
    assert time.process_time() - start < 20
    assert any("modules, drawn as" in line for line in words(svg)) and len(words(svg)) < 600


def test_a_picture_that_fits_has_all_its_boxes():
    picture = Picture(draw(tangle(300)))
    assert len(picture.boxes) == 302 and not picture.notes


def test_groups_tell_what_is_in_them(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 10)
    monkeypatch.setattr(grouping, "GROUPS", 4)
    picture = Picture(draw(chain(40)))
    lines = [box["lines"] for box in picture.boxes.values()]
    assert lines[1] == ["11 modules: 6 Tanh, 5 Linear", "60 parameters"] and len(lines) == 6
    assert picture.notes == ["42 modules, drawn as 6 boxes"]


def test_modules_in_modules_are_folded_first(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 9)
    inner = nn.Sequential(nn.Sequential(nn.Tanh(), nn.Exp()), nn.Linear(3, 3))
    x = nn.Identity()()
    h = x
    for _ in range(4):
        h = inner.clone()(h)
    picture = Picture(draw(GModule(x, h)))
    assert [box["lines"][0] for box in picture.boxes.values()] == ["input", *["Sequential"] * 4, "output"]
    assert picture.notes == ["14 modules, folded at depth 0"]


def test_time_steps_are_folded_together(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 40)
    picture = Picture(draw(unroll(lstm.create(3, 2), 30)))
    assert {"steps 0 to 1", "steps 28 to 29", "SplitTable(0)", "prev_c", "output 2"} <= set(picture.boxes)
    assert ("steps 0 to 1", "steps 2 to 3") in picture.edges


def test_what_went_wrong_stays_a_box_of_its_own(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 10)
    monkeypatch.setattr(grouping, "GROUPS", 4)
    net = tangle(40)
    picture = Picture(draw(net, failed=net.nodes[20]))
    assert picture.boxes["node 20"]["lines"][-1] == "failed"


def test_ends_are_folded_where_they_are_too_many(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 60)
    x = nn.Identity()()
    picture = Picture(draw(GModule(x, [nn.Linear(2, 2)(x) for _ in range(200)])))
    assert len(picture.boxes) <= 60 and picture.notes[0].startswith("401 modules, drawn as ")
    assert any("5 modules: 5 output" in line for box in picture.boxes.values() for line in box["lines"])


def test_many_nodes_that_went_wrong_at_once_are_folded(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 60)
    x = nn.Identity()()
    net = GModule(x, nn.CAddTable()([nn.Linear(2, 2)(x) for _ in range(200)]))
    picture = Picture(draw(net, detail="shapes", input_shapes=(1, 3)))
    assert len(picture.boxes) <= 60


def test_parameters_are_counted_once_among_groups_of_time_steps(monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 40)
    net = unroll(lstm.create(3, 2), 30)
    picture = Picture(draw(net))
    counts = [line for box in picture.boxes.values() for line in box["lines"] if line.endswith("parameters")]
    assert counts == [f"{net.get_parameters()[0].size} parameters"]
    assert "weights A" in picture.boxes["steps 28 to 29"]["lines"]


def test_dense_graphs_are_folded_too():
    nodes = [nn.Identity()()]
    for _ in range(150):
        nodes.append(nn.CAddTable()(nodes[-60:]))
    start = time.process_time()
    draw(GModule(nodes[0], nodes[-1])).svg()
    assert time.process_time() - start < 20
