"""What a Recurrent shows over all its steps: which heat maps, and how far back gradients reach."""

import numpy as np
import pytest
from page_numbers import numbers

from nodegraph import GModule, Recurrent, nest, nn
from nodegraph.models import lstm
from nodegraph.viz import walkthrough

RNG = np.random.default_rng(0)


def over_time(model, input, grad_output=None, names=None):
    page = walkthrough(model, input, grad_output, over_time=names)
    return page, page.data["overTime"]


def cell_with_a_table_for_state():
    """c and h in one state, which is a table."""
    x, state = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="state")
    c, h = state.split(2)
    new_c = nn.Tanh()(nn.CAddTable()([x, c])).annotate(name="new_c")
    new_h = nn.Sigmoid()(nn.CMulTable()([new_c, h])).annotate(name="new_h")
    return GModule([x, state], [nest([new_c, new_h]).annotate(name="both")])


def test_what_has_no_rows_of_units_has_no_heat_map():
    """A table, and an array that is not (batch, units)."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, h])).annotate(name="new")
    parts = nn.ConcatTable().add(nn.Identity()).add(nn.Tanh())(new).annotate(name="parts")
    cell = GModule([x, h], [new, nn.CAddTable()(parts), nn.Sum(1)(new).annotate(name="sum")])
    input = [RNG.normal(size=(3, 2, 4)), RNG.normal(size=(2, 4))]
    page, shown = over_time(Recurrent(cell), input, names=["x", "sum", "new"])
    assert [entry["name"] for entry in shown["maps"]] == ["x", "new"]
    np.testing.assert_allclose(numbers(page.data, shown["maps"][0]["map"]), input[0][:, 0].T, rtol=1e-3)


def test_a_state_that_is_a_table_has_neither_a_map_nor_norms():
    one = RNG.normal(size=(2, 4))
    _, shown = over_time(Recurrent(cell_with_a_table_for_state()), [RNG.normal(size=(3, 2, 4)), [one, one]])
    assert shown["norms"] == []
    assert "both" not in [entry["name"] for entry in shown["maps"]]


def test_the_norms_of_the_whole_loss_and_of_the_last_step_alone():
    """With a gradient at the last step only, both are the same; a gradient at step 0 does not count for the last."""
    network, zeros = Recurrent(lstm.create(3, 2)), np.zeros((2, 2))
    input, last, first = [RNG.normal(size=(4, 2, 3)), zeros, zeros], np.zeros((4, 2, 2)), np.zeros((4, 2, 2))
    last[-1], first[0] = 1.0, 1.0
    for norm in over_time(network, input, [last, None, None])[1]["norms"]:
        assert norm["all"] == norm["last"] and all(size > 0 for size in norm["all"])
    for norm in over_time(network, input, [first, None, None])[1]["norms"]:
        assert norm["all"][0] > 0 and norm["all"][1:] == [0, 0, 0] and norm["last"] == [0, 0, 0, 0]


def test_gradients_of_final_states_count_for_the_last_step():
    network, zeros = Recurrent(lstm.create(3, 2)), np.zeros((2, 2))
    input = [RNG.normal(size=(4, 2, 3)), zeros, zeros]
    for norm in over_time(network, input, [None, np.ones((2, 2)), None])[1]["norms"]:
        assert norm["all"] == norm["last"]


def squashing_graph():
    x = nn.Identity()()
    return GModule(x, nn.Tanh()(x))


@pytest.mark.parametrize("made_by", [nn.Tanh, squashing_graph])
def test_a_state_that_no_gradient_reaches_has_norms_of_zero(made_by):
    x, h, k = (nn.Identity()().annotate(name=name) for name in "xhk")
    new_h = nn.Tanh()(nn.CAddTable()([x, h])).annotate(name="new_h")
    new_k = made_by()(nn.CAddTable()([x, k])).annotate(name="new_k")
    cell = GModule([x, h, k], [new_h, new_k, nn.MulConstant(2.0)(new_h)])
    input = [RNG.normal(size=(3, 2, 4)), np.zeros((2, 4)), np.zeros((2, 4))]
    _, shown = over_time(Recurrent(cell), input, [np.ones((3, 2, 4)), None, None])
    found = {norm["name"]: norm for norm in shown["norms"]}
    assert found["new_k"]["all"] == found["new_k"]["last"] == [0, 0, 0]
    assert all(size > 0 for size in found["new_h"]["all"])


def test_one_output_alone_takes_its_gradient_as_it_is():
    """A Recurrent without states gives one sequence, and no list."""
    x = nn.Identity()().annotate(name="x")
    network = Recurrent(GModule(x, nn.Tanh()(x).annotate(name="y")))
    _, shown = over_time(network, RNG.normal(size=(3, 2, 4)), np.ones((3, 2, 4)), names=["y"])
    assert shown["norms"] == [] and [entry["name"] for entry in shown["maps"]] == ["y"]
