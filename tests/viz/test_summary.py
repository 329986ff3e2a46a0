"""summary: a model as a table."""

import pytest

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.models import lstm
from nodegraph.viz.summary import summary


class Silent(nn.Module):
    """A user's module whose output's shape cannot be told."""

    def update_output(self, input):
        raise ValueError


def mlp():
    x = nn.Identity()()
    hidden = nn.Linear(4, 5)(x)
    y = nn.Linear(5, 2)(nn.Tanh()(hidden))
    annotate_nodes()
    return GModule(x, y)


def row(text, name):
    return next(line for line in str(text).splitlines() if line.split()[0] == name)


def test_the_whole_table():
    assert str(summary(mlp(), (10, 4))).splitlines() == [
        "GModule: (10, 4) -> (10, 2)",
        "name    module        output   parameters  multiply-adds",
        "--------------------------------------------------------",
        "x       Identity()    (10, 4)                          0",
        "hidden  Linear(4, 5)  (10, 5)          25            200",
        "2       Tanh()        (10, 5)                          -",
        "y       Linear(5, 2)  (10, 2)          12            100",
        "--------------------------------------------------------",
        "total                                  37            300",
    ]


def test_without_shapes_the_columns_that_need_them_are_left_out():
    text = summary(mlp())
    assert str(text).splitlines()[:2] == ["GModule", "name    module        parameters"]
    assert "?" not in text and text.multiply_adds is None and text.parameters == 37


def test_it_shows_itself_where_it_is_returned():
    assert repr(summary(mlp())) == str(summary(mlp())) and isinstance(summary(mlp()), str)


def test_totals_are_those_of_the_model():
    net = lstm.lstm(65, 128, 2)
    text = summary(net, [(1,), *[(1, 128)] * 4])
    assert text.parameters == net.get_parameters()[0].size
    assert row(text, "total").split()[1:] == ["240,321", "238,208"]
    assert text.multiply_adds == sum(r.multiply_adds or 0 for r in text.rows)


def test_nested_modules_are_indented_and_holders_count_nothing_themselves():
    inner = nn.Sequential(nn.Linear(4, 3), nn.Bottle(nn.Linear(3, 2)))
    assert str(summary(nn.Sequential(nn.Tanh(), inner), (5, 4))).splitlines()[3:-2] == [
        "0      Tanh()        (5, 4)                          -",
        "1      Sequential    (5, 2)",
        "  0    Linear(4, 3)  (5, 3)          15             60",
        "  1    Bottle(2)     (5, 2)",
        "    0  Linear(3, 2)  (5, 2)           8             30",
    ]


def test_a_graph_inside_a_graph():
    text = summary(lstm.stack(3, 4, 2), [(1, 3), *[(1, 4)] * 4])
    names = [line.split("  ")[0] for line in str(text).splitlines()]
    assert "lstm_1" in names and "  i2h" in [line[:5] for line in str(text).splitlines()]
    assert text.parameters == lstm.stack(3, 4, 2).get_parameters()[0].size


def test_shared_weights_count_once_but_the_work_each_time():
    linear = nn.Linear(4, 4)
    twin = linear.clone("weight", "bias", "grad_weight", "grad_bias")
    text = summary(nn.Sequential(linear, nn.Tanh(), linear, twin), (5, 4))
    assert [r.shared for r in text.rows] == [None, None, "0", "0"]
    assert "as 0" in row(text, "2") and "as NAME" in text
    assert (text.parameters, text.multiply_adds) == (20, 3 * 80)


def test_a_module_used_for_every_part_of_a_table_counts_each_time():
    text = summary(nn.MapTable(nn.Linear(4, 3)), [(5, 4), (6, 4)])
    assert (text.parameters, text.multiply_adds) == (15, (5 + 6) * 12)


def test_a_recurrent_counts_all_steps():
    cell = GModule([x := nn.Identity()(), h := nn.Identity()()], nn.Linear(4, 4)(nn.CAddTable()([x, h])))
    text = summary(Recurrent(cell), [(50, 3, 4), (3, 4)])
    assert "Recurrent, 50 steps" in text and "of all steps" in text
    assert text.rows[-1].output == "(3, 4)" and text.multiply_adds == 50 * 3 * 16


def test_a_plain_module_and_one_that_has_parameters_beside_what_it_holds():
    assert summary(nn.Linear(2, 3), (5, 2)).rows[0].module == "Linear(2, 3)"
    text = summary(nn.WeightNorm(nn.Linear(4, 3)), (5, 4))
    assert [r.parameters for r in text.rows] == [3 * 4 + 3, 3]


def test_what_is_not_known_is_not_called_zero():
    text = summary(nn.Sequential(nn.Linear(4, 3), Silent(), nn.Linear(3, 2)), (5, 4))
    assert row(text, "1").split()[1:] == ["Silent()", "?", "?"]
    assert row(text, "2").split()[-3:] == ["?", "8", "?"]
    assert row(text, "total").endswith("60 + ?")


def test_parts_of_a_split_are_left_out():
    x = nn.Identity()()
    a, b = x.split(2)
    assert [r.module for r in summary(GModule(x, nn.CAddTable()([a, b])), [(2,), (2,)]).rows] == [
        "Identity()",
        "CAddTable()",
    ]


def test_long_texts_are_cut_off():
    net = nn.Sequential(nn.Constant([float(i) for i in range(100)]))
    assert summary(net, (3, 100)).rows[0].module.endswith("...")
    assert max(map(len, str(summary(net, (3, 100))).splitlines())) < 120


def test_wrong_shapes_name_the_node():
    with pytest.raises(ShapeError, match=r"Linear `hidden` at test_summary.py:\d+ got \(10, 3\) from `x`"):
        summary(mlp(), (10, 3))


@pytest.mark.parametrize("wrong", [None, "lstm", nn.MSECriterion(), nn.Identity()()])
def test_only_models_have_a_summary(wrong):
    with pytest.raises(ArgumentError, match="summary takes a module"):
        summary(wrong)


@pytest.mark.parametrize("wrong", [3, "(2, 3)", [(2, 3), 4]])
def test_shapes_must_be_shapes(wrong):
    with pytest.raises(ArgumentError, match="a shape is a tuple of sizes"):
        summary(mlp(), wrong)
