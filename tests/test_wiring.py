"""Wiring nodes: the ways to say it, and the refusals, each naming the line in the user's file."""

import inspect
import traceback

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, Node, annotate_nodes, nest, nn, table
from nodegraph.errors import ArgumentError, InputError, ModuleError, ShapeError, StateError, WiringError


def here(offset=0):
    """This file and the caller's line, as messages give them."""
    return f"test_wiring.py:{inspect.currentframe().f_back.f_lineno + offset}"


# The ways to wire


def test_call_on_a_node_a_list_and_nothing():
    x = nn.Identity()()
    y = nn.Tanh()(x)
    z = nn.CAddTable()([x, y])
    assert x.parents == () and y.parents == (x,) and z.parents == (x, y)
    assert x.children == [y, z]


def test_minus_reads_from_left_to_right():
    x = -nn.Identity()
    y = x - nn.Tanh() - nn.Square()
    z = [x, y] - nn.CAddTable()
    assert z.parents == (x, y) and isinstance(y.parents[0].module, nn.Tanh)
    np.testing.assert_allclose(GModule(x, z).forward(np.ones(2)), 1 + np.tanh(1) ** 2)


def test_split_gives_the_parts_of_a_table():
    x = nn.Identity()()
    a, b = nn.SplitTable(0)(x).split(2)
    net = GModule(x, nn.CMulTable()([a, b]))
    np.testing.assert_array_equal(net.forward(np.array([[1.0, 2], [3, 4]])), [3, 8])
    np.testing.assert_array_equal(net.backward(None, np.ones(2)), [[3, 4], [1, 2]])


def test_split_of_one_gives_a_node():
    x = nn.Identity()()
    part = x.split(1)
    assert isinstance(part, Node)
    np.testing.assert_array_equal(GModule(x, part).forward([np.ones(2)]), np.ones(2))


def test_nest_makes_tables():
    a, b, c = nn.Identity()(), nn.Identity()(), nn.Identity()()
    net = GModule([a, b, c], [nn.CAddTable()(nest([a])), nest(a), nest([a, [b], c]), nest([c])])
    x, y, z = np.ones((7, 3)), np.ones(2), np.ones(3)
    total, same, nested, one = net.forward([x, y, z])
    assert total.shape == same.shape == (7, 3)
    assert table.equal(nested, [x, [y], z]) and table.equal(one, [z])


def test_annotations():
    x = nn.Identity()().annotate(name="x", description="the input", graph_attributes={"color": "red"})
    assert x.annotate(description="words").annotations == {
        "name": "x",
        "description": "words",
        "graph_attributes": {"color": "red"},
    }
    assert x.name == "x" and x.label().splitlines() == ["x", "words", "Identity()", x.place]


def test_annotate_nodes_uses_the_names_of_local_variables():
    x = nn.Identity()()
    hidden = nn.Tanh()(x).annotate(name="kept")
    other = nn.Tanh()(x)
    annotate_nodes()
    assert (x.name, hidden.name, other.name) == ("x", "kept", "other")


def test_annotate_nodes_passes_over_what_a_notebook_showed_last():
    _ = _3 = hidden = nn.Identity()()
    annotate_nodes()
    assert hidden.name == "hidden"
    _ = nn.Identity()()
    annotate_nodes()
    assert _.name is None


def test_a_node_knows_its_line():
    x = nn.Identity()()
    assert x.place == here(-1)
    y = x - nn.Tanh()
    assert y.place == here(-1)
    first, _ = y.split(2)
    assert first.place == here(-1)


def test_a_criterion_on_nodes():
    p, t = nn.Identity()(), nn.Identity()()
    net = GModule([p, t], nn.MSECriterion()([p, t]))
    np.testing.assert_allclose(net.forward([np.zeros(4), np.ones(4)]), [1.0])
    grad_p, grad_t = net.backward(None, np.array([2.0]))
    np.testing.assert_allclose(grad_p, -np.ones(4))
    np.testing.assert_allclose(grad_t, np.zeros(4))


# Refusals at the call


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: nn.Tanh()(nn.Linear(3, 2)), r"module Linear\(3, 2\).*forget the second .*nn.Linear\(3, 2\)\(\)"),
        (lambda: nn.CAddTable()([nn.Identity()(), nn.Identity()]), r"module Identity\(\).* position 1"),
        (lambda: nn.Tanh()(None), "None where a node belongs"),
        (lambda: nn.CAddTable()([nn.Identity()(), None]), "None.*position 1"),
        (lambda: nn.CAddTable()([nn.Identity()(), 5, None]), "5 at position 1, which is not a node"),
        (lambda: nn.Tanh()([]), "empty list"),
        (lambda: nn.Tanh()(np.zeros((2, 3))), r"array of shape \(2, 3\) where a node belongs"),
        (lambda: nn.Tanh()([[nn.Identity()()]]), r"list of 1 at position 0.*nest"),
        (lambda: nn.Tanh()("x"), "'x', which is not a node"),
        (lambda: nn.Identity()() - nn.Identity()(), "the difference of two nodes is nn.CSubTable"),
        (lambda: nn.Identity()() - 3, "to the right of `-` belongs a module"),
        (lambda: nest([]), r"nest\(...\) at .* got an empty list$"),
        (lambda: nest(nn.Identity()), r"nest\(...\) at .* got the module Identity\(\)"),
        (lambda: nest([nn.Identity()(), None]), "None"),
        (lambda: nn.MSECriterion()(nn.Tanh()), r"module Tanh\(\)"),
        (lambda: GModule(nn.Identity(), nn.Identity()()), "GModule inputs.*Identity"),
        (lambda: GModule(nn.Identity()(), []), "GModule outputs.*empty"),
        (lambda: nn.Tanh(nn.Identity()()), r"a node among its settings: did you mean Tanh\(...\)\(node\)"),
        (lambda: nn.CAddTable([nn.Identity()()]), "a node among its settings"),
        (lambda: nn.Linear(3, output_size=nn.Identity()()), "a node among its settings"),
        (lambda: nn.MSECriterion(nn.Identity()()), "a node among its settings"),
        (lambda: nn.CAddTable()(nn.Identity()(), nn.Identity()()), "got 2 arguments: several nodes go into one list"),
        (lambda: nn.MSECriterion()(nn.Identity()(), nn.Identity()()), "got 2 arguments"),
        (lambda: nn.Tanh()(nn.Tanh), "the class Tanh where a node belongs"),
        (lambda: nn.Identity()() - nn.Tanh, "to the right of `-` belongs a module"),
        (lambda: np.zeros((2, 3)) - nn.Tanh(), r"array of shape \(2, 3\) where a node belongs"),
    ],
)
def test_what_is_not_a_node_is_refused(wrong, words):
    with pytest.raises(WiringError, match=words) as caught:
        wrong()
    assert "test_wiring.py:" in str(caught.value)


@pytest.mark.parametrize(
    "wrong, advice",
    [
        (lambda a, b: a + b, "nn.CAddTable()([a, b])"),
        (lambda a, b: 1 + a, "nn.AddConstant(number)(node)"),
        (lambda a, b: a * b, "nn.CMulTable()([a, b])"),
        (lambda a, b: a * 2.0, "nn.MulConstant(number)(node)"),
        (lambda a, b: np.float64(2) * a, "nn.MulConstant(number)(node)"),
        (lambda a, b: a / b, "nn.CDivTable()([a, b])"),
        (lambda a, b: a / 2, "nn.MulConstant(1 / number)(node)"),
        (lambda a, b: a @ b, "nn.MM()([a, b])"),
        (lambda a, b: a**2, "nn.Power(number)(node)"),
        (lambda a, b: a - b, "nn.CSubTable()([a, b])"),
        (lambda a, b: 1 - a, "nn.AddConstant(number)(nn.MulConstant(-1)(node))"),
        (lambda a, b: -a, "nn.MulConstant(-1)(node)"),
        (lambda a, b: a[0], "node.split(n) or nn.SelectTable(i)(node)"),
        (lambda a, b: [*a], "node.split(n)"),
    ],
)
def test_arithmetic_with_nodes_is_answered_by_the_module_that_does_it(wrong, advice):
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()()
    with pytest.raises(WiringError) as caught:
        wrong(a, b)
    assert advice in str(caught.value) and "Identity `a` at test_wiring.py:" in str(caught.value)


def test_what_is_advised_in_place_of_a_module_is_what_one_would_write():
    class Mine(nn.Identity):
        pass

    for module, advice in [
        (nn.Linear(3, 2), "did you forget the second parentheses, as in nn.Linear(3, 2)()?"),
        (nn.Sequential(nn.Tanh(), nn.Tanh()), "did you forget the second parentheses?"),
        (Mine(), "did you forget the second parentheses?"),
    ]:
        with pytest.raises(WiringError) as caught:
            nn.Tanh()(module)
        assert str(caught.value).endswith(advice)


@pytest.mark.parametrize("n", [0, -1, 2.0, "2", True])
def test_split_needs_a_number(n):
    with pytest.raises(ArgumentError, match="split needs a positive number"):
        nn.Identity()().split(n)


def test_split_takes_any_whole_number():
    assert len(nn.Identity()().split(np.int64(2))) == 2


@pytest.mark.parametrize("wrong", [{"name": 3}, {"name": {"name": "x"}}, {"graph_attributes": "red"}])
def test_annotations_of_the_wrong_kind(wrong):
    with pytest.raises(ArgumentError, match=f"its {next(iter(wrong))} must be a"):
        nn.Identity()().annotate(**wrong)


# Refusals when the graph is closed


def test_unused_input():
    x, h = nn.Identity()(), nn.Identity()()
    place = here(-1)
    with pytest.raises(WiringError, match="input Identity at .* is not used") as caught:
        GModule([x, h], [x])
    assert place in str(caught.value)


def test_forgotten_input():
    x, h = nn.Identity()(), nn.Identity()()
    with pytest.raises(WiringError, match="has no parents, and it is missing among the graph's inputs"):
        GModule([x], [nn.CAddTable()([x, h])])


@pytest.mark.parametrize("make", [lambda: nn.SpatialZeroPadding(1), lambda: nn.Convert("chw", "hwc")])
def test_forgotten_input_of_a_module_with_settings(make):
    x, h = nn.Identity()(), make()()
    with pytest.raises(WiringError, match="has no parents, and it is missing among the graph's inputs"):
        GModule([x], [nn.JoinTable(1)([x, h])])


def test_dangling_node():
    x = nn.Identity()()
    h = nn.Linear(20, 10)(x)
    nn.Sigmoid()(h)
    place = here(-1)
    with pytest.raises(WiringError, match="Sigmoid at .* hangs loose") as caught:
        GModule([x], [nn.Tanh()(h)])
    assert place in str(caught.value)


def test_unused_part_of_a_split():
    x = nn.Identity()()
    place_of_node = here(-1)
    h, _ = x.split(2)
    place_of_split = here(-1)
    with pytest.raises(WiringError, match=r"part 1 of the split\(2\)") as caught:
        GModule(x, h)
    assert place_of_node in str(caught.value) and place_of_split in str(caught.value)


def test_input_with_parents_and_input_given_twice():
    x = nn.Identity()()
    h = nn.Tanh()(x)
    with pytest.raises(WiringError, match="given as an input of the graph, but takes the output of"):
        GModule(h, nn.Tanh()(h))
    with pytest.raises(WiringError, match="given twice"):
        GModule([x, x], h)


def test_cycle():
    x = nn.Identity()()
    a = nn.CAddTable()([x, x])
    b = nn.Tanh()(a)
    a.parents = (x, b)
    with pytest.raises(WiringError, match="cycle: .*CAddTable.* takes the output of .*Tanh"):
        GModule(x, b)


# Refusals at run time


def two_inputs():
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    return GModule([x, y], [nn.CAddTable()([x, y]), nn.Tanh()(x)])


@pytest.mark.parametrize(
    "input, got",
    [
        (np.zeros(3), r"an array \(3,\)"),
        (np.zeros((2, 3)), r"an array \(2, 3\)"),
        ([np.zeros(3)], r"a list of 1: \[\(3,\)\]"),
        ([np.zeros(3)] * 3, r"a list of 3: \[\(3,\), \(3,\), \(3,\)\]"),
    ],
)
def test_wrong_number_of_inputs(input, got):
    with pytest.raises(InputError, match=rf"has 2 inputs \(`x`, `y`\), got {got}$"):
        two_inputs().forward(input)


def test_errors_at_run_time_tell_where_the_graph_was_made():
    x, y = nn.Identity()(), nn.Identity()()
    net = GModule([x, y], [nn.Tanh()(x), nn.Tanh()(y)])
    place = here(-1)
    with pytest.raises(StateError, match=f"GModule at {place}: a backward needs a forward"):
        net.backward(None, None)
    with pytest.raises(InputError, match=f"GModule at {place} got"):
        net.forward(np.zeros(3))
    net.forward([np.zeros(3), np.zeros(3)])
    with pytest.raises(ShapeError, match=f"GModule at {place} got gradient"):
        net.backward(None, [np.zeros(3)])


@pytest.mark.parametrize("gradient", [np.zeros(3), [np.zeros(3)], [np.zeros(3)] * 3, [np.zeros(3), np.zeros(4)]])
def test_wrong_gradient(gradient):
    net = two_inputs()
    net.forward([np.zeros(3), np.zeros(3)])
    with pytest.raises(ShapeError, match=r"gradient.*\[\(3,\), \(3,\)\]"):
        net.backward(None, gradient)


@pytest.mark.parametrize("rows", [1, 3])
def test_split_that_finds_another_number(rows):
    x = nn.Identity()()
    a, b = nn.SplitTable(0)(x).split(2)
    net = GModule(x, [a, b])
    with pytest.raises(ShapeError, match=rf"split\(2\) expected a table of 2, found a table of {rows}"):
        net.forward(np.zeros((rows, 4)))


def test_shapes_that_do_not_fit_name_the_node_and_what_came_from_where():
    x, h = nn.Identity()(), nn.Identity()()
    i2h, h2h = nn.Linear(5, 512)(x), nn.Linear(4, 256)(h)
    preactivations = nn.CAddTable()([i2h, h2h])
    place = here(-1)
    annotate_nodes()
    net = GModule([x, h], preactivations)
    words = rf"CAddTable `preactivations` at {place} got \(10, 512\) from `i2h` and \(10, 256\) from `h2h`"
    with pytest.raises(ShapeError, match=words) as caught:
        net.forward([np.zeros((10, 5)), np.zeros((10, 4))])
    assert caught.value.node is preactivations
    with pytest.raises(ShapeError, match=words):
        net.output_shape([(10, 5), (10, 4)])


def test_an_error_inside_a_nested_graph_names_both_nodes():
    x = nn.Identity()()
    inner = GModule(x, nn.Linear(3, 2)(x).annotate(name="deep"))
    y = nn.Identity()()
    net = GModule(y, inner(y).annotate(name="block"))
    with pytest.raises(ShapeError, match=r"Linear `deep`.*\n.*inside GModule `block`"):
        net.forward(np.zeros((2, 4)))


def test_an_exception_of_a_users_module_names_the_node():
    class Broken(nn.Module):
        def update_output(self, input):
            return input[5]

    x = nn.Identity()()
    net = GModule(x, Broken()(x).annotate(name="mine"))
    for broken, named in ((net, "Broken `mine` at .*"), (Broken(), r"Broken\(\) got \(2,\): ")):
        with pytest.raises(ModuleError, match=f"{named}IndexError") as caught:
            broken.forward(np.zeros(2))
        assert isinstance(caught.value.__cause__, IndexError)


def test_an_error_is_told_once():
    """However many graphs it passes on its way out."""
    x = nn.Identity()()
    inner = GModule(x, nn.Linear(3, 2)(x))
    y = nn.Identity()()
    with pytest.raises(ShapeError) as caught:
        GModule(y, inner(y)).forward(np.zeros((2, 4)))
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_a_module_that_gives_a_gradient_of_the_wrong_shape_is_named():
    class Wrong(nn.Module):
        def update_output(self, input):
            return input

        def update_grad_input(self, input, grad_output):
            return grad_output.sum(0)

    x = nn.Identity()()
    net = GModule(x, Wrong()(x))
    net.forward(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="Wrong at .* gave .3,. for an input of .2, 3."):
        net.backward(None, np.zeros((2, 3)))


@pytest.mark.parametrize("value", ["text", None, {"a": 1}, [np.zeros(2), "text"]])
def test_a_value_that_is_no_array(value):
    x = nn.Identity()()
    with pytest.raises(InputError, match="expected a NumPy array"):
        GModule(x, nn.Tanh()(x)).forward(value)


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_an_array_of_something_else_than_real_numbers(value):
    with pytest.raises(InputError, match="expected an array of real numbers"):
        nn.Tanh().forward(value)


def test_backward_needs_a_forward():
    with pytest.raises(nodegraph.NodegraphError, match="needs a forward"):
        two_inputs().backward(None, [np.zeros(3)] * 2)
