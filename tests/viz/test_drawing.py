"""What a picture shows: boxes, edges, frames, by the DOT source."""

import re

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, annotate_nodes, nest, nn, unroll
from nodegraph.errors import ArgumentError, ShapeError, StateError
from nodegraph.models import gru, lstm
from nodegraph.viz import draw

from picture import Picture

STATES = ["prev_c", "prev_h"]
LSTM_EDGES = {
    ("x", "i2h"), ("prev_h", "h2h"), ("i2h", "preactivations"), ("h2h", "preactivations"),
    ("preactivations", "pre_sigmoid_chunk"), ("preactivations", "in_chunk"), ("pre_sigmoid_chunk", "all_gates"),
    ("in_chunk", "in_transform"), ("all_gates", "in_gate"), ("all_gates", "forget_gate"), ("all_gates", "out_gate"),
    ("forget_gate", "c_forget"), ("prev_c", "c_forget"), ("in_gate", "c_input"), ("in_transform", "c_input"),
    ("c_forget", "next_c"), ("c_input", "next_c"), ("next_c", "c_transform"), ("out_gate", "next_h"),
    ("c_transform", "next_h"), ("next_c", "output 0"), ("next_h", "output 1"),
}  # fmt: skip


def lstm_cell():
    return lstm.create(3, 2)


def lines(picture, name):
    return picture.boxes[name]["lines"]


# Structure


def test_the_lstm():
    picture = Picture(draw(lstm_cell()))
    assert set(picture.edges) == LSTM_EDGES and not picture.frames and not picture.notes
    assert lines(picture, "x") == ["x", "input 0"]
    assert lines(picture, "i2h") == ["i2h", "Linear(3, 8)", "W x + b", "32 parameters"]
    assert lines(picture, "forget_gate") == ["forget_gate", "Narrow(1, 2, 2)", "all_gates[:, 2:4]"]
    assert lines(picture, "next_c") == ["next_c", "CAddTable", "c_forget + c_input"]
    assert lines(picture, "output 1") == ["output 1"]


def test_kinds_differ_in_form_and_in_colour():
    x = nn.Identity()()
    picture = Picture(draw(GModule(x, nn.LogSoftMax()(nn.Narrow(1, 0, 2)(nn.Tanh()(nn.Linear(3, 4)(x)))))))
    forms = {(box["shape"], box["style"], box.get("peripheries")) for box in picture.boxes.values()}
    assert len(forms) == 6
    assert len({box["fillcolor"] for box in picture.boxes.values()}) == 5  # the two ends share one


def test_themes_differ_in_colours_alone():
    light, dark = draw(lstm_cell()).dot, draw(lstm_cell(), theme="dark").dot
    hide = re.compile(r"#[0-9a-fA-F]{6}")
    assert light != dark and hide.sub("", light) == hide.sub("", dark)


def test_a_node_without_a_name_is_headed_by_its_module():
    x = nn.Identity()()
    picture = Picture(draw(GModule(x, nn.Tanh()(nn.Linear(3, 4)(x)))))
    assert lines(picture, "Linear(3, 4)") == ["Linear(3, 4)", "W x + b", "16 parameters"]
    assert set(picture.boxes) == {"input", "Linear(3, 4)", "Tanh", "output"}


def test_an_input_node_with_a_module_of_its_own_has_an_end_of_its_own():
    h = nn.Linear(3, 4)().annotate(name="h")
    picture = Picture(draw(GModule(h, nn.Tanh()(h))))
    assert set(picture.edges) == {("input", "h"), ("h", "Tanh"), ("Tanh", "output")}


def test_the_parts_of_a_split_are_labels_on_edges():
    x = nn.Identity()().annotate(name="x")
    a, b = nn.SplitTable(1)(x).annotate(name="halves").split(2)
    b.annotate(name="b")
    picture = Picture(draw(GModule(x, [nn.Tanh()(a).annotate(name="y"), nn.Exp()(b), b])))
    assert picture.edge("halves", "y")["lines"] == ["[0]"]
    assert picture.edge("halves", "Exp")["lines"] == ["[1] b"]
    assert picture.edge("halves", "output 2")["lines"] == ["[1] b"]
    assert lines(picture, "y")[2] == "tanh(halves[0])" and lines(picture, "Exp")[1] == "exp(b)"


def test_a_part_with_a_description_is_a_box():
    x = nn.Identity()()
    a, b = x.split(2)
    picture = Picture(draw(GModule(x, [a.annotate(name="a", description="the first"), b])))
    assert lines(picture, "a") == ["a", "Part(0, 2)", "x[0]", "the first"]


def test_the_same_value_taken_twice_has_two_edges():
    x = nn.Identity()().annotate(name="x")
    picture = Picture(draw(GModule(x, nn.CMulTable()([x, x]).annotate(name="y"))))
    assert len(picture.edges["x", "y"]) == 2 and lines(picture, "y")[2] == "x²"


def test_inputs_that_nothing_else_tells_apart_are_numbered_at_their_edges():
    a, b = nn.Identity()(), nn.Identity()()
    picture = Picture(draw(GModule([a, b], nn.CSubTable()([nn.Tanh()(a), nn.Exp()(b)]))))
    assert lines(picture, "CSubTable")[1] == "x₀ − x₁"
    assert picture.edge("Exp", "CSubTable")["lines"] == ["x₁"]
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="b")
    named = GModule([a, b], nn.CSubTable()([a, b]))
    assert Picture(draw(named)).edge("b", "CSubTable")["lines"] == []


def test_the_places_in_a_table_of_tables_are_told_apart():
    inner = nn.ParallelTable(nn.Tanh(), nn.ParallelTable(nn.Sigmoid(), nn.ReLU()))
    x = nn.Identity()()
    picture = Picture(draw(GModule(x, nn.FlattenTable()(inner(x)))))
    assert [picture.edge(name, "FlattenTable")["lines"] for name in ("Tanh", "Sigmoid", "ReLU")] == [
        ["x₀"], ["x₁[0]"], ["x₁[1]"],
    ]  # fmt: skip


def test_nested_tables_lead_to_the_node_that_takes_them():
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="b")
    picture = Picture(draw(GModule([a, b], nest([a, [b]]))))
    assert ("a", "Identity") in picture.edges and ("JustTable", "Identity") in picture.edges


# What the user adds


def test_annotations():
    x = nn.Identity()().annotate(name="x")
    y = nn.Tanh()(x).annotate(
        name="y", description="squashed", graph_attributes={"fillcolor": "gold", "shape": "star", "URL": "http://a.b"}
    )
    box = Picture(draw(GModule(x, y))).boxes["y"]
    assert box["lines"] == ["y", "Tanh", "tanh(x)", "squashed"]
    assert (box["fillcolor"], box["shape"], box["URL"]) == ("gold", "star", "http://a.b")
    assert box["tooltip"].startswith("test_drawing.py:")


def test_a_modules_own_equation():
    class Cosine(nn.Module):
        equation = "cos(x, w)"

    x = nn.Identity()()
    assert lines(Picture(draw(GModule(x, Cosine()(x)))), "Cosine")[1] == "cos(x, w)"


# Shapes


def test_shapes_of_all_values_for_input_shapes():
    picture = Picture(draw(lstm_cell(), detail="shapes", input_shapes=[(4, 3), (4, 2), (4, 2)]))
    assert lines(picture, "i2h")[-1] == "(4, 8)   32 parameters"
    assert picture.edge("preactivations", "in_chunk")["lines"] == ["(4, 8)"]
    assert all(edge["lines"] for edges in picture.edges.values() for edge in edges)
    assert not draw(lstm_cell()).dot.count("(4, 8)")


def test_shapes_of_the_last_run_and_of_its_parts():
    x = nn.Identity()().annotate(name="x")
    a, b = nn.SplitTable(1)(x).split(2)
    net = GModule(x, nn.JoinTable(0)([a, b]))
    net.forward(np.zeros((3, 2)))
    picture = Picture(draw(net, detail="shapes"))
    edges = picture.edges["SplitTable(1)", "JoinTable(0)"]
    assert [edge["lines"] for edge in edges] == [["[0]", "x₀", "(3,)"], ["[1]", "x₁", "(3,)"]]
    assert lines(picture, "SplitTable(1)") == ["SplitTable(1)", "[(3,), (3,)]"]


def test_a_module_that_cannot_tell_its_shape_leaves_the_rest_open():
    x = nn.Identity()()
    picture = Picture(draw(GModule(x, nn.Tanh()(nn.Module()(nn.Tanh()(x)))), detail="shapes", input_shapes=(2, 3)))
    assert lines(picture, "Tanh")[-1] == "(2, 3)" and lines(picture, "Tanh'")[-1] == "tanh(x)"
    assert not [box for box in picture.boxes.values() if box["penwidth"] == "2.4"]


def test_a_node_that_cannot_take_its_shape_is_red_and_says_what_came_in():
    picture = Picture(draw(lstm_cell(), detail="shapes", input_shapes=[(4, 3), (4, 2), (4, 5)]))
    assert lines(picture, "h2h")[-3:] == ["got (4, 5) from prev_h", "expected an array of shape (batch, 2) or ", "(2,)"]
    red = {name for name, box in picture.boxes.items() if box["penwidth"] == "2.4"}
    assert red == {"h2h"} and picture.edge("prev_h", "h2h")["penwidth"] == "1.8"


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_failed_node_is_red_whatever_the_shapes(direction):
    cell = lstm_cell()
    picture = Picture(draw(cell, direction=direction, detail="shapes", failed=cell.node("c_input")))
    assert lines(picture, "c_input")[-1] == "failed"
    assert {name for name, box in picture.boxes.items() if box["penwidth"] == "2.4"} == {"c_input"}


def test_a_failed_node_in_a_folded_module_makes_that_red():
    inner = lstm_cell()
    x, c, h = (nn.Identity()() for _ in range(3))
    net = GModule([x, c, h], inner([x, c, h]).annotate(name="cell"))
    assert lines(Picture(draw(net, depth=0, failed=inner.node("i2h"))), "cell")[-1] == "failed"
    assert lines(Picture(draw(net, failed=inner.node("i2h"))), "i2h")[-1] == "failed"


def recurrent():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return Recurrent(GModule([x, h], nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])))


@pytest.mark.parametrize(
    ("shapes", "name", "told"),
    [
        ([(3,)], "x", "Recurrent got (3,) from a"),
        ([(4, 5, 7)], "Linear(3, 2)", "got (5, 7) from x expected an array of shape (batch, 3) or (3,)"),
        ([(4, 5, 3)] * 3, "x", "Recurrent got (4, 5, 3) from a and (4, 5, 3) from b and (4, 5, 3) from c"),
    ],
)
def test_a_recurrent_that_failed_is_drawn_whatever_came_in(shapes, name, told):
    """The node is no box of its own: what came in is told where it failed inside, or else at its first box."""
    inputs = [nn.Identity()().annotate(name=letter) for letter in "abc"[: len(shapes)]]
    node = recurrent()(inputs if len(inputs) > 1 else inputs[0])
    shapes = shapes if len(shapes) > 1 else shapes[0]
    picture = Picture(draw(GModule(inputs, node), detail="shapes", input_shapes=shapes, failed=node))
    assert {name for name, box in picture.boxes.items() if box["penwidth"] == "2.4"} == {name}
    assert " ".join(" ".join(lines(picture, name)).split()).endswith(told)


def test_a_part_of_a_table_of_another_length_is_red():
    a = nn.Identity()().annotate(name="a")
    first, second = a.split(2)
    net = GModule(a, nn.CAddTable()([first, second]).annotate(name="sum"))
    picture = Picture(draw(net, detail="shapes", input_shapes=[(2,), (2,), (2,)]))
    red = [lines(picture, name) for name, box in picture.boxes.items() if box["penwidth"] == "2.4"]
    assert red and all("expected a table of 2" in " ".join(told) for told in red)


# Values


def run(cell, bad=False):
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((4, n)) for n in (3, 2, 2)]
    if bad:
        xs[1][0, 0] = np.nan
    cell.forward(xs)
    cell.backward(xs, [np.ones((4, 2)), np.ones((4, 2))])
    return cell


def test_values_of_the_last_run():
    cell = run(lstm_cell())
    values = cell.tape["next_c"].output
    expected = f"{values.min():.3g} … {values.max():.3g}, mean {values.mean():.3g}".replace("-", "−")
    assert lines(Picture(draw(cell, detail="values")), "next_c")[-2:] == ["(4, 2)", expected]


def test_gradients_on_the_backward_graph():
    picture = Picture(draw(run(lstm_cell()), detail="values", direction="backward"))
    assert lines(picture, "next_h")[-2:] == ["(4, 2)", "all 1"]
    assert picture.notes == ["the numbers are gradients"]


def test_nan_is_red_and_filled_where_it_began():
    picture = Picture(draw(run(lstm_cell(), bad=True), detail="values"))
    assert lines(picture, "prev_c")[-2:] == ["1 NaN of 8 numbers", "here first"]
    assert lines(picture, "next_h")[-1] == "1 NaN of 8 numbers"
    red = {name for name, box in picture.boxes.items() if box["penwidth"] == "2.4"}
    assert red == {"prev_c", "c_forget", "next_c", "c_transform", "next_h"}
    filled = picture.boxes["prev_c"]["fillcolor"]
    assert {name for name, box in picture.boxes.items() if box["fillcolor"] == filled} == {"prev_c"}
    assert picture.edge("next_c", "c_transform")["color"] == picture.boxes["next_c"]["color"]


def test_values_inside_containers_and_a_recurrent():
    net = nn.Sequential(nn.Tanh(), nn.Sequential(nn.Square()))
    net.forward(np.array([[0.0, np.inf]]))
    picture = Picture(draw(net, detail="values"))
    assert lines(picture, "input")[-2:] == ["1 inf of 2 numbers", "here first"]
    assert lines(picture, "Square")[-1] == "0 … 1, mean 0.5"
    recurrent = Recurrent(lstm_cell())
    recurrent.forward([np.zeros((5, 4, 3)), np.zeros((4, 2)), np.zeros((4, 2))])
    picture = Picture(draw(recurrent, detail="values"))
    assert lines(picture, "x")[-2:] == ["(4, 3)", "all 0"]
    values = recurrent.tape["next_h"].output
    assert lines(picture, "next_h")[-1].startswith(f"{values.min():.3g} … ".replace("-", "−"))


# Backward


def test_the_backward_graph_has_its_edges_turned_round_and_the_derivatives():
    picture = Picture(draw(lstm_cell(), direction="backward"))
    assert set(picture.edges) == {(head, tail) for tail, head in LSTM_EDGES}
    assert lines(picture, "all_gates")[2] == "dx = dy · y · (1 − y)"
    assert lines(picture, "i2h")[2:] == ["dx = Wᵀ dy", "dW = dy xᵀ", "db = dy", "32 parameters"]


# Modules in modules


def nested():
    x = nn.Identity()().annotate(name="x")
    inner = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Exp()))
    return GModule(x, inner(x).annotate(name="block"))


def test_a_module_inside_is_a_frame():
    picture = Picture(draw(nested()))
    assert picture.frames == {"block": ["Linear(3, 4)", "Tanh", "Exp"], "Sequential": ["Tanh", "Exp"]}
    chain = [("x", "Linear(3, 4)"), ("Linear(3, 4)", "Tanh"), ("Tanh", "Exp"), ("Exp", "output")]
    assert list(picture.edges) == chain


def test_depth_folds():
    assert set(Picture(draw(nested(), depth=1)).boxes) == {"x", "Linear(3, 4)", "Sequential", "output"}
    picture = Picture(draw(nested(), depth=0))
    assert lines(picture, "block") == ["block", "Sequential", "16 parameters"] and not picture.frames


def test_a_graph_inside_a_graph_is_wired_to_its_own_inputs_and_outputs():
    picture = Picture(draw(lstm.stack(3, 2, 2)))
    assert len(picture.frames["lstm_1"]) == len(picture.frames["lstm_2"]) == 18
    assert ("prev_c_1", "prev_c") in picture.edges and ("next_h", "x''") in picture.edges
    assert ("next_h", "output 1") in picture.edges


def test_branches():
    x = nn.Identity()().annotate(name="x")
    both = nn.ConcatTable(nn.Tanh(), nn.Exp())(x)
    picture = Picture(draw(GModule(x, nn.CAddTable()(both).annotate(name="sum"))))
    assert set(picture.edges) == {("x", "Tanh"), ("x", "Exp"), ("Tanh", "sum"), ("Exp", "sum"), ("sum", "output")}
    picture = Picture(draw(nn.Concat(1, nn.Linear(3, 2), nn.Linear(3, 4)), detail="shapes", input_shapes=(5, 3)))
    assert lines(picture, "join") == ["join", "(5, 6)"]
    picture = Picture(draw(nn.ParallelTable(nn.Tanh(), nn.Exp())))
    assert picture.edge("input", "Exp")["lines"] == ["[1]"]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_any_module_alone(direction):
    picture = Picture(draw(nn.Linear(3, 2), direction=direction))
    assert set(picture.boxes) == {"input", "Linear(3, 2)", "output"}
    assert set(Picture(draw(nn.Sequential(), direction=direction)).boxes) == {"input", "Sequential", "output"}


def test_a_decorator_that_changes_shapes():
    picture = Picture(draw(nn.Bottle(nn.Linear(4, 3)), detail="shapes", input_shapes=(2, 5, 4)))
    assert picture.edge("Linear(4, 3)", "output")["lines"] == ["(2, 5, 3)"]


def test_shared_weights_bear_the_same_letter():
    x = nn.Identity()()
    linear, other = nn.Linear(3, 3), nn.Linear(3, 3)
    copy = other.clone("weight")
    h = linear(other(copy(linear(x))))
    picture = Picture(draw(GModule(x, nn.Linear(3, 3)(h))))
    tags = [box["lines"][-1] for box in picture.boxes.values() if box["lines"][0].startswith("Linear")]
    assert sorted(tags) == ["12 parameters", "weights A", "weights A", "weights B", "weights B"]
    counts = [line for box in picture.boxes.values() for line in box["lines"] if line.endswith("parameters")]
    assert counts == ["12 parameters", "12 parameters", "3 parameters", "12 parameters"]  # each counted once


def test_weights_shared_in_a_chain_bear_one_letter():
    first, second, third = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
    second.share(first, "weight")
    third.share(second, "bias")
    x = nn.Identity()()
    boxes = Picture(draw(GModule(x, third(second(first(x)))))).boxes.values()
    assert [line for box in boxes for line in box["lines"][2:]] == [
        "12 parameters", "weights A", "3 parameters", "weights A", "9 parameters", "weights A",
    ]  # fmt: skip


# Recurrence


def test_the_cell_of_a_recurrent_with_its_feedback_and_its_loop():
    picture = Picture(draw(Recurrent(lstm_cell())))
    assert picture.edge("next_h", "prev_h")["style"] == picture.edge("next_c", "prev_c")["style"] == "dashed"
    assert picture.edge("next_h", "prev_h")["constraint"] == "false"
    assert set(picture.frames) == {"step by step"}
    assert set(picture.boxes) - set(picture.frames["step by step"]) == {"x", "i2h", "output, one a step"}
    assert lines(picture, "prev_c") == ["prev_c", "input 1, then fed back"]


def test_the_schedule_of_a_recurrent():
    picture = Picture(draw(Recurrent(lstm.lstm(5, 2, 2)), detail="schedule"))
    once, loop = "once for all steps", "step by step"
    assert list(picture.frames) == [f"1: {once}", f"2: {loop}", f"3: {once}", f"4: {loop}", f"5: {once}"]
    assert picture.frames[f"3: {once}"] == ["i2h_2"]


def test_a_recurrent_inside_a_graph():
    x, c, h = (nn.Identity()().annotate(name=name) for name in ("xs", "c", "h"))
    net = GModule([x, c, h], Recurrent(lstm_cell())([x, c, h]).annotate(name="rnn"))
    picture = Picture(draw(net, detail="shapes", input_shapes=[(5, 4, 3), (4, 2), (4, 2)]))
    assert set(picture.frames) == {"rnn", "step by step"}
    assert picture.edge("xs", "x")["lines"] == ["(5, 4, 3)"] and picture.edge("x", "i2h")["lines"] == ["(4, 3)"]
    assert ["(5, 4, 2)"] in [edge["lines"] for edge in picture.edges["next_h", "output"]]


def test_shapes_of_a_recurrent_are_those_of_a_step():
    picture = Picture(draw(Recurrent(gru.gru(65, 8, 1)), detail="shapes", input_shapes=[(50, 4), (4, 8)]))
    assert picture.edge("one_hot", "i2h_update_1")["lines"] == ["(4, 65)"]
    assert picture.notes == ["shapes are those of one step"]


# What is refused


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"direction": "up"}, ArgumentError, "direction must be one of forward, backward, got 'up'"),
        ({"detail": "all"}, ArgumentError, "detail must be one of structure, shapes, values, schedule, got 'all'"),
        ({"theme": "red"}, ArgumentError, "theme must be one of light, dark"),
        ({"theme": ["light"]}, ArgumentError, "theme must be one of light, dark"),
        ({"depth": -1}, ArgumentError, "depth must be a whole number"),
        ({"depth": True}, ArgumentError, "depth must be a whole number"),
        ({"failed": "i2h"}, ArgumentError, "failed must be a node"),
        ({"detail": "shapes"}, ArgumentError, "needs input_shapes, or a run"),
        ({"detail": "shapes", "input_shapes": (4, 3)}, ArgumentError, "has 3 inputs"),
        ({"detail": "shapes", "input_shapes": [(4, 3)]}, ArgumentError, "a list of 3 shapes"),
        ({"detail": "values"}, StateError, "call forward first"),
        ({"detail": "schedule"}, ArgumentError, "is for a Recurrent"),
    ],
)
def test_arguments(options, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        draw(lstm_cell(), **options)


def test_things_that_are_no_models():
    for thing in (None, nn.Identity()(), np.zeros(3), [nn.Tanh()]):
        with pytest.raises(ArgumentError, match="draw takes a module"):
            draw(thing)


def test_values_of_a_backward_that_was_not_run():
    cell = lstm_cell()
    cell.forward([np.zeros((4, n)) for n in (3, 2, 2)])
    with pytest.raises(StateError, match="call backward first"):
        draw(cell, detail="values", direction="backward")


def test_places_of_inputs_are_written_at_the_edges_unless_they_are_too_many():
    for n in (12, 13):
        xs = [nn.Identity()() for _ in range(n)]
        assert ("x₁₁" in draw(GModule(xs, nn.JoinTable(0)(xs))).dot.replace("x₀, x₁", "")) == (n == 12)


def test_shapes_that_a_recurrent_cannot_take():
    with pytest.raises(ShapeError, match="expected a table of 3"):
        draw(Recurrent(lstm_cell()), detail="shapes", input_shapes=[(5, 4, 3), (4, 2)])


def test_drawing_leaves_the_model_as_it_was():
    cell = run(lstm_cell())
    before = {name: array.copy() for name, array in cell.named_parameters().items()}
    tape, output = cell.tape, cell.output
    for options in ({}, {"detail": "values"}, {"direction": "backward"}, {"depth": 0}):
        draw(cell, **options)
    assert cell.tape is tape and cell.output is output
    assert all(np.array_equal(before[name], array) for name, array in cell.named_parameters().items())


def test_the_source_is_the_same_each_time():
    assert draw(unroll(lstm_cell(), 3)).dot == draw(unroll(lstm_cell(), 3)).dot


def test_names_of_local_variables():
    def net():
        x = nn.Identity()()
        hidden = nn.Linear(3, 2)(x)
        annotate_nodes()
        return GModule(x, hidden)

    assert {"x", "hidden"} <= set(Picture(draw(net())).boxes)
