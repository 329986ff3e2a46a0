"""Modules of tables, and modules without input."""

import numpy as np
import pytest
from soundness import assert_sound, random_value

from nodegraph import GModule, nn, table
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

PAIR = [(3, 4), (3, 2)]
NESTED = [(3, 2), [(3,), [(3, 1)]], (3, 4)]
TABLES = [
    (nn.SelectTable(1), PAIR, (3, 2), True),
    (nn.SelectTable(-2), NESTED, [(3,), [(3, 1)]], True),
    (nn.NarrowTable(1, 2), [(3,), (3, 2), (3, 1)], [(3, 2), (3, 1)], True),
    (nn.NarrowTable(-1), NESTED, [(3, 4)], True),
    (nn.NarrowTable(0, 2), NESTED, NESTED[:2], True),
    (nn.FlattenTable(), NESTED, [(3, 2), (3,), (3, 1), (3, 4)], True),
    (nn.ZipTable(), [PAIR, PAIR, PAIR], [[(3, 4)] * 3, [(3, 2)] * 3], True),
    (nn.ZipTable(), [[(3,), PAIR]], [[(3,)], [PAIR]], True),
    (nn.ZipTableOneToMany(), [(3,), PAIR], [[(3,), (3, 4)], [(3,), (3, 2)]], True),
    (nn.ZipTableOneToMany(), [PAIR, [(3,)]], [[PAIR, (3,)]], True),
    (nn.ZipTableOneToMany(), [(3,), []], [], True),
    (nn.JustTable(), (3, 4), [(3, 4)], True),
    (nn.JustElement(), [PAIR], PAIR, True),
    (nn.SplitTable(1), (3, 2, 4), [(3, 4)] * 2, True),
    (nn.SplitTable(0), (3, 2), [(2,)] * 3, False),
    (nn.SplitTable(-1), (3, 2), [(3,)] * 2, True),
    (nn.SplitTable(0, 1), (3, 2), [(3,)] * 2, True),
    (nn.JoinTable(1), PAIR, (3, 6), True),
    (nn.JoinTable(0), [(2, 3), (1, 3)], (3, 3), False),
    (nn.JoinTable(0, 1), PAIR, (3, 6), True),
    (nn.JoinTable(-1, 1), PAIR, (3, 6), True),
    (nn.JoinTable(0), [(3,)], (3,), False),
    (nn.StackTable(1), [(3, 4)] * 2, (3, 2, 4), True),
    (nn.StackTable(), [(3,)] * 2, (2, 3), False),
    (nn.StackTable(-1), [(3,)] * 2, (3, 2), True),
    (nn.MixtureTable(), [(3, 2), [(3, 4), (3, 4)]], (3, 4), True),
    (nn.MixtureTable(), [(2,), [(4, 3), (4, 3)]], (4, 3), False),
    (nn.MixtureTable(), [(3, 2), [(3, 2, 4), (3, 2, 4)]], (3, 2, 4), True),
    (nn.MixtureTable(), [(3, 2), (3, 2, 4)], (3, 4), True),
    (nn.MixtureTable(2), [(3, 2), (3, 4, 2)], (3, 4), True),
    (nn.MixtureTable(-1), [(3, 2), (3, 4, 2)], (3, 4), True),
    (nn.MixtureTable(), [(2,), (2, 4)], (4,), False),
    (nn.MixtureTable(1), [(2,), (4, 2)], (4,), False),
    (nn.CAddTensorTable(), [(3, 4), [(3, 4), (3, 4)]], [(3, 4)] * 2, True),
    (nn.CAddTensorTable(), [(3, 4), [(12,), (4, 3)]], [(3, 4)] * 2, False),
    (nn.CAddTensorTable(), [(3, 4), []], [], True),
    (nn.Constant(2.5), (3, 4), (1,), False),
    (nn.Constant(np.ones((2, 3)), 1), (5, 4), (5, 2, 3), True),
    (nn.Constant(np.ones((2, 3)), 1), (4,), (2, 3), False),
    (nn.Constant(1), PAIR, (1,), False),
    (nn.Parameters(3, 4), [], (3, 4), False),
]


@pytest.mark.parametrize(("module", "shape", "output_shape", "rowwise"), TABLES, ids=lambda value: repr(value))
def test_soundness(module, shape, output_shape, rowwise):
    assert_sound(module, shape, output_shape, rowwise)


def test_which_values_go_where():
    a, b, c, d = values = [np.full(2, float(i)) for i in range(4)]

    def passed(module, input):
        return table.map(lambda x: "abcd"[int(x[0])], module.forward(input))

    assert passed(nn.SelectTable(-2), values) == "c"
    assert passed(nn.NarrowTable(-3, 2), values) == ["b", "c"]
    assert passed(nn.FlattenTable(), [a, [b, [c]], d]) == ["a", "b", "c", "d"]
    assert passed(nn.ZipTable(), [[a, b], [c, d]]) == [["a", "c"], ["b", "d"]]
    assert passed(nn.ZipTableOneToMany(), [a, [b, c]]) == [["a", "b"], ["a", "c"]]
    assert passed(nn.JustElement(), [a]) == "a"


def test_what_is_not_selected_has_gradient_zero():
    module, input = nn.SelectTable(1), [np.ones(2), np.ones(3), [np.ones(1)]]
    module.forward(input)
    first, second, (third,) = module.backward(input, np.ones(3))
    assert not first.any() and second.all() and not third.any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mixture_of_stacked_experts_is_the_same_as_of_listed_ones(axis):
    gater, listed = random_value([(4, 3), [(4, 2)] * 3])
    stacked = np.stack(listed, axis)
    g = random_value((4, 2), seed=1)
    a, b = nn.MixtureTable(), nn.MixtureTable(axis)
    np.testing.assert_allclose(a.forward([gater, listed]), b.forward([gater, stacked]), 1e-14)
    grad_a, grad_b = a.backward([gater, listed], g), b.backward([gater, stacked], g)
    np.testing.assert_allclose(grad_a[0], grad_b[0], 1e-14)
    np.testing.assert_allclose(np.stack(grad_a[1], axis), grad_b[1], 1e-14)


def test_a_mixture_does_not_fix_its_axis_at_the_first_input():
    module = nn.MixtureTable()
    assert module.forward(random_value([(2,), (2, 4)])).shape == (4,)
    assert module.forward(random_value([(3, 2), (3, 2, 4)])).shape == (3, 4)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.SelectTable(0), (3,)),
        (nn.SelectTable(2), PAIR),
        (nn.SelectTable(-3), PAIR),
        (nn.NarrowTable(1, 2), PAIR),
        (nn.NarrowTable(-3), PAIR),
        (nn.NarrowTable(0), (3,)),
        (nn.FlattenTable(), (3,)),
        (nn.ZipTable(), [PAIR, [(3,)]]),
        (nn.ZipTable(), PAIR),
        (nn.ZipTableOneToMany(), PAIR),
        (nn.ZipTableOneToMany(), [(3,)]),
        (nn.JustElement(), PAIR),
        (nn.JustElement(), (1, 3)),
        (nn.SplitTable(2), (3, 4)),
        (nn.SplitTable(0), PAIR),
        (nn.JoinTable(0), PAIR),
        (nn.JoinTable(2), PAIR),
        (nn.JoinTable(0), [(3,), (3, 1)]),
        (nn.JoinTable(0), []),
        (nn.JoinTable(0), [[(3,)]]),
        (nn.JoinTable(0), (3,)),
        (nn.StackTable(), PAIR),
        (nn.StackTable(), []),
        (nn.StackTable(3), [(3, 4)]),
        (nn.MixtureTable(), [(3, 2), [(3, 4)]]),
        (nn.MixtureTable(), [(3, 2), [(3, 4), (3, 5)]]),
        (nn.MixtureTable(), [(3, 2), [(2, 4), (2, 4)]]),
        (nn.MixtureTable(), [(3, 2), (3, 4)]),
        (nn.MixtureTable(3), [(3, 2), (3, 2, 4)]),
        (nn.MixtureTable(), [(3, 2, 1), (3, 2, 4)]),
        (nn.MixtureTable(), (3, 2)),
        (nn.CAddTensorTable(), [(3,), [(4,)]]),
        (nn.CAddTensorTable(), [(3,), [[(3,)]]]),
        (nn.CAddTensorTable(), [(3,), (3,)]),
        (nn.Constant(1, 1), [(3,)]),
        (nn.Parameters(3), [(3,)]),
        (nn.Parameters(3), (3,)),
    ],
    ids=repr,
)
def test_wrong_shapes_are_refused(module, shape):
    for attempt in (module.output_shape, lambda shape: module.forward(random_value(shape))):
        with pytest.raises(ShapeError, match="expected"):
            attempt(shape)


@pytest.mark.parametrize(
    "construct",
    [
        lambda: nn.SelectTable("1"),
        lambda: nn.NarrowTable(0.5),
        lambda: nn.NarrowTable(0, -1),
        lambda: nn.SplitTable(None),
        lambda: nn.JoinTable(0, -1),
        lambda: nn.JoinTable(0, 0.5),
        lambda: nn.StackTable(1.5),
        lambda: nn.MixtureTable("last"),
        lambda: nn.Constant("one"),
        lambda: nn.Constant(None),
        lambda: nn.Constant([1, [2, 3]]),
        lambda: nn.Constant(1, -1),
        lambda: nn.Parameters(),
        lambda: nn.Parameters(-1),
        lambda: nn.Parameters(2.5),
    ],
)
def test_wrong_arguments_are_refused(construct):
    with pytest.raises(ArgumentError):
        construct()


class TestConstant:
    def test_nobody_can_write_to_the_value(self):
        given = np.ones(2)
        module = nn.Constant(given)
        given[0] = 5
        module.forward(np.zeros(1))[1] = 5
        assert module.forward(np.zeros(1)).tolist() == [1, 1]

    def test_the_value_is_a_buffer(self):
        assert list(nn.Constant(2).named_parameters("buffer")) == ["value"] and nn.Constant(2).parameters() == ([], [])


class TestParameters:
    def test_a_weight_in_a_graph_is_trained(self):
        x, shift = nn.Identity()(), nn.Parameters(4)()
        gmodule = GModule(x, nn.CAddTable()([x, shift]))
        gmodule.zero_grad_parameters()
        weight = shift.module.weight
        assert gmodule.forward(np.zeros(4)).tolist() == weight.tolist()
        gmodule.backward(np.zeros(4), np.array([1.0, 2, 3, 4]), 2.0)
        assert shift.module.grad_weight.tolist() == [2, 4, 6, 8]
        assert check_gradients(gmodule, np.ones(4)) < 1e-6

    def test_its_node_takes_no_parents(self):
        x = nn.Identity()()
        with pytest.raises(ShapeError, match="expected no input"):
            GModule(x, nn.Parameters(4)(x)).forward(np.ones(4))

    def test_what_it_gives_is_the_callers(self):
        module = nn.Parameters(3)
        output, before = module.forward([]), module.weight.copy()
        assert module.backward([], np.ones(3)) == []
        module.update_parameters(0.1)
        output += 0
        assert output.tolist() == before.tolist() != module.weight.tolist()

    def test_reset(self):
        module = nn.Parameters(50, 4)
        assert 0.4 < abs(module.weight).max() <= 0.5
        assert 0.009 < abs(module.reset(0.01).weight).max() / np.sqrt(3) <= 0.01
