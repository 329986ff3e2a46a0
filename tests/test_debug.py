"""Debug mode: a picture when a run fails, and the stop at the first NaN or infinity."""

import inspect
import xml.etree.ElementTree as xml

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.debug import mode
from nodegraph.errors import ArgumentError, InputError, ModuleError, NodegraphError, NonFiniteError, ShapeError
from nodegraph.tape import Tape


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    nodegraph.debug(False)


@pytest.fixture
def drawn(monkeypatch):
    """What `draw` was called with."""
    calls = []

    class Diagram:
        def save(self, path):
            path.write_text("<svg/>")

    def draw(model, **options):
        calls.append((model, options))
        return Diagram()

    monkeypatch.setattr("nodegraph.viz.draw", draw)
    return calls


def net():
    x, h = nn.Identity()(), nn.Identity()()
    i2h, h2h = nn.Linear(5, 8)(x), nn.Linear(4, 6)(h)
    total = nn.CAddTable()([i2h, h2h])
    annotate_nodes()
    return GModule([x, h], nn.Tanh()(total))


def caught(run, kind=NodegraphError):
    with pytest.raises(kind) as info:
        run()
    return info.value


def fail():
    return caught(lambda: net().forward([np.zeros((3, 5)), np.zeros((3, 4))]))


# The switch


def test_off_there_is_no_picture(folder):
    error = fail()
    assert error.picture is None and "picture" not in str(error) and not list(folder.iterdir())


def test_as_a_context(folder, drawn):
    with nodegraph.debug():
        assert fail().picture is not None
    assert fail().picture is None


def test_as_a_switch(folder, drawn):
    nodegraph.debug(True)
    assert fail().picture is not None
    nodegraph.debug(False, stop_at_nan=True)
    assert fail().picture is None and not mode.stop_at_nan


def test_contexts_nest_and_end_with_an_exception_too(drawn):
    nodegraph.debug(stop_at_nan=True)
    with pytest.raises(KeyError), nodegraph.debug(False):
        assert mode.folder is None and not mode.stop_at_nan
        raise KeyError
    assert mode.folder is not None and mode.stop_at_nan


@pytest.mark.parametrize("wrong", [None, "pictures", 1])
def test_what_is_not_a_switch(wrong):
    with pytest.raises(ArgumentError, match="debug takes True or False"):
        nodegraph.debug(wrong)


# The picture


def test_an_svg_is_written_and_the_message_says_where_and_what(folder):
    with nodegraph.debug():
        error = fail()
    assert error.picture == folder / "nodegraph-error.svg"
    first, last = str(error).splitlines()
    here = inspect.getsourcefile(net).rsplit("/")[-1]
    assert first.startswith(f"CAddTable `total` at {here}:")
    assert "got (3, 8) from `i2h` and (3, 6) from `h2h`" in first
    assert last == f"  picture: {error.picture}"
    svg = xml.parse(error.picture).getroot()
    words = " ".join(svg.itertext())
    assert svg.tag.endswith("svg") and "total" in words and "(3, 8)" in words and "(3, 6)" in words


@pytest.mark.parametrize("wrap", [lambda net: net, nn.Sequential])
def test_the_shapes_are_those_of_the_run_that_failed_not_of_one_before(wrap):
    model = wrap(GModule(x := nn.Identity()(), nn.Linear(5, 8)(x).annotate(name="first")))
    model.forward(np.zeros((3, 5)))
    with nodegraph.debug():
        error = caught(lambda: model.forward(np.zeros((7, 6))))
    words = " ".join(xml.parse(error.picture).getroot().itertext())
    assert "(7, 6)" in words and "(3, 5)" not in words and "(3, 8)" not in words


def test_the_whole_model_is_drawn_with_the_node_that_failed(drawn):
    inner = net()
    x, h = nn.Identity()(), nn.Identity()()
    outer = GModule([x, h], nn.Sequential(nn.Tanh(), nn.Identity())(inner([x, h])))
    with nodegraph.debug():
        error = caught(lambda: outer.forward([np.zeros((3, 5)), np.zeros((3, 4))]))
    [(model, options)] = drawn
    assert model is outer and options["failed"] is error.node is inner.node("total")
    assert options["direction"] == "forward" and options["input_shapes"] == [(3, 5), (3, 4)]
    assert error.graph.nodes is inner.nodes
    assert error.graph.tape["i2h"].output.shape == (3, 8)


class Wrapper(nn.Module):
    """A user's module that runs a graph inside, and hides it."""

    def __init__(self, inner):
        self.inner = inner

    def children(self):
        return []

    def update_output(self, input):
        return self.inner.forward(input)


def test_a_graph_that_a_module_hides_is_drawn_itself_and_once(drawn, folder):
    inner = net()
    x = nn.Identity()()
    outer = GModule(x, Wrapper(inner)(x))
    with nodegraph.debug():
        error = caught(lambda: outer.forward([np.zeros((3, 5)), np.zeros((3, 4))]))
    assert [model for model, _ in drawn] == [inner] and error.node is inner.node("total")
    assert len(list(folder.iterdir())) == 1 and str(error).count("picture") == 1


class Hidden(Wrapper):
    """One that runs its graph as a part of its own run."""

    def update_output(self, input):
        return self.inner.run(input, Tape(self.inner.nodes))


def test_a_graph_that_is_run_within_another_run_is_drawn_without_shapes(drawn):
    inner = net()
    x = nn.Identity()()
    outer = GModule(x, Hidden(inner)(x))
    with nodegraph.debug():
        error = caught(lambda: outer.forward([np.zeros((3, 5)), np.zeros((3, 4))]))
    [(model, options)] = drawn
    assert model is error.graph is inner and options["failed"] is error.node is inner.node("total")
    assert options["input_shapes"] is None and "picture: " in str(error)


class BadGradient(nn.Tanh):
    def update_grad_input(self, input, grad_output):
        return grad_output[:1]


def test_backward(drawn):
    x = nn.Identity()()
    model = GModule(x, BadGradient()(x).annotate(name="bad"))
    model.forward(np.ones((2, 3)))
    with nodegraph.debug():
        error = caught(lambda: model.backward(None, np.ones((2, 3))), ShapeError)
    [(drawn_model, options)] = drawn
    assert drawn_model is model and options["failed"].name == "bad"
    assert options["direction"] == "backward" and options["input_shapes"] == (2, 3)
    assert "picture: " in str(error)


class BadParameterGradient(nn.Linear):
    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        self.grad_weight += 1 / 0


@pytest.mark.parametrize("time", [False, True])
def test_the_gradients_of_parameters_name_the_node_too(drawn, time):
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.CAddTable()([BadParameterGradient(3, 3)(x).annotate(name="bad"), h]))
    model, input = cell, [np.ones((2, 3)), np.ones((2, 3))]
    if time:
        model, input = Recurrent(cell), [np.ones((4, 2, 3)), np.ones((2, 3))]
    output = model.forward(input)
    with nodegraph.debug():
        error = caught(lambda: model.backward(input, output), ModuleError)
    assert error.node.name == "bad" and isinstance(error.__cause__, ZeroDivisionError)
    assert drawn[0][0] is model


def test_a_recurrent_is_drawn_as_a_whole(drawn):
    x, h = nn.Identity()(), nn.Identity()()
    model = Recurrent(GModule([x, h], nn.CAddTable()([nn.Linear(3, 4)(x), h]).annotate(name="sum")))
    with nodegraph.debug():
        error = caught(lambda: model.forward([np.ones((5, 2, 3)), np.ones((2, 7))]))
    assert "step 0 of a Recurrent" in str(error) and drawn[0][0] is model and error.node.name == "sum"


def test_nothing_is_overwritten(folder, drawn):
    (folder / "nodegraph-error.svg").write_text("kept")
    with nodegraph.debug():
        assert [fail().picture.name, fail().picture.name] == ["nodegraph-error-2.svg", "nodegraph-error-3.svg"]
    assert (folder / "nodegraph-error.svg").read_text() == "kept"


def test_the_folder_is_made(folder, drawn):
    with nodegraph.debug(folder="pictures/of/errors"):
        assert fail().picture == folder / "pictures/of/errors/nodegraph-error.svg"


@pytest.mark.parametrize("breaks", ["draw", "save", "folder"])
def test_a_picture_that_cannot_be_made_hides_nothing(folder, drawn, monkeypatch, breaks):
    def broken(*args, **kwargs):
        raise OSError("no space left")

    where = folder / "pictures"
    if breaks == "folder":
        where.write_text("a file")
    elif breaks == "draw":
        monkeypatch.setattr("nodegraph.viz.draw", broken)
    else:
        monkeypatch.setattr("nodegraph.viz.draw", lambda *a, **k: type("Diagram", (), {"save": broken}))
    with nodegraph.debug(folder=where):
        error = fail()
    assert isinstance(error, ShapeError) and "CAddTable `total`" in str(error) and error.picture is None
    assert "no picture, for drawing it raised" in str(error)
    assert not where.exists() or not where.is_dir() or not list(where.iterdir())


def test_an_error_while_a_picture_is_made_has_none_itself(folder, monkeypatch):
    pictures = []

    def failing(*args, **kwargs):
        pictures.append(fail().picture)
        raise OSError("no space left")

    monkeypatch.setattr("nodegraph.viz.draw", failing)
    with nodegraph.debug(folder=folder):
        fail()
    assert pictures == [None]


def test_errors_that_are_not_about_a_node_have_no_picture(folder, drawn):
    with nodegraph.debug():
        caught(lambda: net().forward([np.zeros((3, 5))]), InputError)
        caught(lambda: nn.Linear(3, 2).forward(np.zeros((3, 5))), ShapeError)
        caught(lambda: net().output_shape([(3, 5), (3, 4)]), ShapeError)
    assert not drawn


# The stop at the first NaN or infinity


def log_net():
    x = nn.Identity()()
    inner = nn.Log()(x)
    y = nn.Exp()(inner)
    annotate_nodes()
    return GModule(x, y)


def stopped(run):
    with nodegraph.debug(stop_at_nan=True):
        return caught(run, NonFiniteError)


def test_the_node_that_made_it_is_named_with_the_ranges_that_came_in(drawn):
    error = stopped(lambda: log_net().forward(np.array([1.0, -2.0, 3.0, 0.0])))
    first = str(error).splitlines()[0]
    assert first.startswith("Log `inner` at test_debug.py:") and "from `x`" in first
    assert first.endswith("its output has 1 NaN and 1 -inf among 4 numbers; its input ranges from -2 to 3")
    assert error.node.name == "inner" and drawn and isinstance(error, ArithmeticError)


def test_without_asking_numbers_are_not_looked_at(drawn):
    with nodegraph.debug():
        assert np.isnan(log_net().forward(np.array([-1.0]))).all()


def test_the_picture_shows_the_values_up_to_there(folder):
    error = stopped(lambda: log_net().forward(np.array([1.0, -2.0, 3.0, 0.25])))
    words = " ".join(xml.parse(error.picture).getroot().itertext())
    assert "mean 0.5" in words and "inner" in words and "1 NaN of 4 numbers" in words


def test_several_inputs_are_told_apart(drawn):
    a, b = nn.Identity()(), nn.Identity()()
    model = GModule([a, b], nn.CDivTable()([a, b]))
    error = stopped(lambda: model.forward([np.array([1.0, 2.0]), np.array([0.0, 5.0])]))
    assert "has 1 inf among 2 numbers; its input 0 ranges from 1 to 2; its input 1 ranges from 0 to 5" in str(error)


def test_what_came_in_as_nan_is_found_at_the_input(drawn):
    error = stopped(lambda: log_net().forward(np.array([1.0, np.nan])))
    assert error.node.name == "x" and "its input ranges from 1 to 1 and has 1 NaN" in str(error)


def test_a_parameter_that_is_nan_is_named(drawn):
    linear = nn.Linear(3, 2)
    linear.weight[0, 1] = np.nan
    x = nn.Identity()()
    error = stopped(lambda: GModule(x, linear(x)).forward(np.ones((4, 3))))
    assert str(error).splitlines()[0].endswith("its input ranges from 1 to 1; its weight has 1 NaN")


def test_the_node_is_named_in_a_compiled_graph_too(drawn):
    model = log_net().compile()
    assert np.isnan(model.forward(np.array([-1.0]))).all()
    assert stopped(lambda: model.forward(np.array([-1.0]))).node.name == "inner"


def test_backward_stops_too_after_a_compiled_forward(drawn):
    x = nn.Identity()()
    model = GModule(x, nn.Tanh()(nn.Linear(2, 2)(x).annotate(name="hidden")).annotate(name="y")).compile()
    model.forward(np.ones((3, 2)))
    nodegraph.debug(stop_at_nan=True)
    error = caught(lambda: model.backward(np.ones((3, 2)), np.full((3, 2), np.inf)), NonFiniteError)
    assert error.node is model.node("y") and "the gradient that came in has 6 inf" in str(error)


def test_backward_over_time_stops_too_after_a_compiled_forward(drawn):
    x, h = nn.Identity()(), nn.Identity()()
    model = Recurrent(GModule([x, h], nn.Tanh()(nn.CAddTable()([x, h])).annotate(name="y")))
    output = model.forward([np.ones((4, 2, 3)), np.zeros((2, 3))])
    assert model.tape.programs
    error = stopped(lambda: model.backward(None, [np.full(output[0].shape, np.inf), None]))
    assert error.node.name == "y" and "the gradient that came in has 6 inf" in str(error)


def test_backward_stops_too(drawn):
    x = nn.Identity()()
    model = GModule(x, nn.Log()(x).annotate(name="inner"))
    model.forward(np.array([1.0, 1e-310]))
    error = stopped(lambda: model.backward(None, np.array([1.0, 1.0])))
    assert error.node.name == "inner" and drawn[0][1]["direction"] == "backward"
    assert "the gradient of its input has 1 inf among 2 numbers; its input ranges from 1e-310 to 1" in str(error)
    assert "the gradient that came in ranges from 1 to 1" in str(error)


@pytest.mark.parametrize("time", [False, True])
def test_gradients_of_parameters_stop_too(drawn, time):
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.CAddTable()([nn.Linear(3, 3)(x).annotate(name="huge"), nn.Linear(3, 3)(h)]))
    cell.node("huge").module.weight.fill(0)
    model, input = cell, [np.full((2, 3), 1e200), np.ones((2, 3))]
    if time:
        model, input = Recurrent(cell), [np.full((4, 2, 3), 1e200), np.ones((2, 3))]
    output = model.forward(input)
    gradient = [np.full(part.shape, 1e200) for part in output] if time else np.full(output.shape, 1e200)
    cell.nodes[-2].module.weight.fill(0)
    error = stopped(lambda: model.backward(input, gradient))
    assert error.node.name == "huge" and "the gradient of its weight has 9 inf among 9 numbers" in str(error)


def test_inside_nested_graphs_containers_and_over_time(drawn):
    x, h = nn.Identity()(), nn.Identity()()
    inner = GModule(y := nn.Identity()(), nn.Sequential(nn.Tanh(), nn.Log())(y).annotate(name="deep"))
    cell = GModule([x, h], nn.CAddTable()([inner(x).annotate(name="block"), h]))
    model = Recurrent(cell)
    error = stopped(lambda: model.forward([np.full((5, 2, 3), -1.0), np.zeros((2, 3))]))
    assert error.node.name == "deep" and error.graph.nodes is inner.nodes
    text = str(error)
    assert "Log(), module 1 of Sequential" in text and "inside Sequential `deep`" in text and "`block`" in text


def test_the_run_of_a_module_in_a_container_is_not_shown_as_that_of_the_node(drawn):
    x = nn.Identity()()
    model = GModule(x, nn.Sequential(nn.Tanh(), nn.Log())(x).annotate(name="deep"))
    error = stopped(lambda: model.forward(np.full((2, 3), -1.0)))
    assert error.node.name == "deep" and type(error.call.module) is nn.Log
    assert drawn[0][1]["detail"] == "values" and error.graph.tape["deep"] is None


def test_a_module_of_ones_own_may_stop_too(drawn):
    class Checked(nn.Identity):
        def update_output(self, input):
            raise NonFiniteError("not with me")

    x = nn.Identity()()
    error = stopped(lambda: GModule(x, Checked()(x).annotate(name="mine")).forward(np.ones(2)))
    assert error.node.name == "mine" and error.call is None and error.picture is not None
    assert drawn[0][1]["detail"] == "values"


def test_the_first_step_that_made_it_is_named(drawn):
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.Square()(nn.CAddTable()([x, h])).annotate(name="grows"))
    error = stopped(lambda: Recurrent(cell).forward([np.zeros((20, 1, 1)), np.full((1, 1), 10.0)]))
    assert error.node.name == "grows" and "step 8 of a Recurrent" in str(error)  # 10^512 is too large, 10^256 is not
    assert drawn[0][1]["detail"] == "shapes" and drawn[0][1]["failed"] is error.node


def test_whole_numbers_and_tables_and_missing_gradients_are_fine():
    x, table = nn.Identity()(), nn.Identity()()
    a, b = table.split(2)
    model = GModule([x, table], [nn.LookupTable(5, 3)(x), a, nn.Square()(b)])
    with nodegraph.debug(stop_at_nan=True):
        model.forward([np.array([1, 2]), [np.ones(2), np.ones((2, 2))]])
        model.backward(None, [None, None, np.ones((2, 2))])
