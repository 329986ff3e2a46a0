"""Containers: what goes in and comes out, who is in them, and where an error says that it happened."""

import copy
import pickle

import numpy as np
import pytest
from soundness import assert_sound, random_value

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ArgumentError, ModuleError, ShapeError, StateError

PAIR = [(3, 4), (3, 2)]


def two():
    return nn.Linear(4, 3), nn.Linear(4, 2)


SOUND = [
    (nn.Sequential(), (3, 4), (3, 4), True),
    (nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (3, 4), (3, 2), True),
    (nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Tanh())), (4,), (3,), False),
    (nn.Sequential(nn.Narrow(0, 0, 2), nn.Tanh()), (3, 4), (2, 4), False),
    (nn.Sequential(nn.SelectTable(0), nn.Tanh()), PAIR, (3, 4), True),
    (nn.Decorator(nn.Linear(4, 2)), (3, 4), (3, 2), True),
    (nn.ConcatTable(*two()), (3, 4), [(3, 3), (3, 2)], True),
    (nn.ConcatTable(nn.Linear(4, 2), nn.Narrow(0, 0, 1)), (3, 4), [(3, 2), (1, 4)], False),
    (nn.ConcatTable(nn.Identity(), nn.SelectTable(1)), PAIR, [PAIR, (3, 2)], True),
    (nn.ConcatTable(), (3, 4), [], True),
    (nn.Concat(1, *two()), (3, 4), (3, 5), True),
    (nn.Concat(-1, *two()), (3, 4), (3, 5), True),
    (nn.Concat(0, *two()), (4,), (5,), False),
    (nn.Concat(0, nn.Tanh(), nn.Identity()), (3, 4), (6, 4), False),
    (nn.Concat(1, nn.JoinTable(1), nn.SelectTable(0)), PAIR, (3, 10), True),
    (nn.DepthConcat(1, nn.Narrow(2, 0, 3), nn.Narrow(2, 0, 2), nn.Identity()), (2, 1, 4), (2, 3, 4), True),
    (nn.DepthConcat(0, nn.Narrow(1, 0, 1), nn.Identity()), (3, 4), (6, 4), False),
    (nn.ParallelTable(nn.Linear(4, 3), nn.Tanh()), PAIR, [(3, 3), (3, 2)], True),
    (nn.ParallelTable(nn.Identity(), nn.Linear(2, 3)), [PAIR, (2,)], [PAIR, (3,)], False),
    (nn.ParallelTable(), [], [], True),
    (nn.MapTable(nn.Linear(4, 2)), [(3, 4), (5, 4)], [(3, 2), (5, 2)], True),
    (nn.MapTable(nn.Linear(4, 2), shared=False).resize(2), [(3, 4)] * 2, [(3, 2)] * 2, True),
    (nn.MapTable(nn.Linear(4, 2)), [(3, 4), (4,)], [(3, 2), (2,)], False),
    (nn.MapTable(nn.Tanh()), [], [], True),
    (nn.Parallel(1, 1, *two()), (3, 2, 4), (3, 5), True),
    (nn.Parallel(0, 0, *two()), (2, 4), (5,), False),
    (nn.Parallel(-2, -1, *two()), (3, 2, 4), (3, 5), True),
    (nn.Parallel(1, 0, nn.Tanh(), nn.Identity()), (3, 2, 4), (6, 4), False),
    (nn.Bottle(nn.Linear(4, 3)), (2, 5, 4), (2, 5, 3), True),
    (nn.Bottle(nn.Linear(4, 3)), (2, 3, 5, 4), (2, 3, 5, 3), True),
    (nn.Bottle(nn.Linear(4, 3)), (4,), (3,), False),
    (nn.Bottle(nn.Select(1, 0), 2, 1), (2, 3, 4), (2, 3), True),
    (nn.Bottle(nn.Unsqueeze(1), 2, 3), (2, 5, 4), (2, 5, 1, 4), True),
    (nn.Bottle(nn.Reshape(12, 2), 2), (2, 3, 4), (2, 6, 2), False),
]


@pytest.mark.parametrize(("module", "shape", "output_shape", "rowwise"), SOUND, ids=lambda value: repr(value))
def test_soundness(module, shape, output_shape, rowwise):
    assert_sound(module, shape, output_shape, rowwise)


class TestValues:
    def test_concat_joins_what_its_modules_give(self):
        a, b = two()
        x = random_value((3, 4))
        expected = np.concatenate([a.forward(x), b.forward(x)], 1)
        np.testing.assert_array_equal(nn.Concat(1, a, b).forward(x), expected)

    def test_parallel_gives_each_module_its_slice(self):
        a, b = two()
        x = random_value((3, 2, 4))
        expected = np.concatenate([a.forward(x[:, 0]), b.forward(x[:, 1])], 1)
        np.testing.assert_array_equal(nn.Parallel(1, 1, a, b).forward(x), expected)

    def test_depth_concat_centres_with_the_odd_rest_at_the_end(self):
        module = nn.DepthConcat(0, nn.Identity(), nn.Narrow(1, 0, 1), nn.Narrow(1, 0, 2))
        assert module.forward(np.ones((1, 4))).tolist() == [[1, 1, 1, 1], [0, 1, 0, 0], [0, 1, 1, 0]]

    def test_bottle_is_its_module_on_the_merged_rows(self):
        linear, x = nn.Linear(4, 3), random_value((2, 5, 4))
        expected = linear.forward(x.reshape(10, 4)).reshape(2, 5, 3)
        np.testing.assert_array_equal(nn.Bottle(linear).forward(x), expected)

    def test_one_module_at_two_places(self):
        linear, x = nn.Linear(4, 4), random_value((3, 4))
        net = nn.Sequential(linear, nn.Tanh(), linear)
        net.zero_grad_parameters()
        net.forward(x)
        net.backward(x, np.ones((3, 4)))
        apart = net.clone()
        apart.modules[2] = linear.clone()
        apart.zero_grad_parameters()
        apart.forward(x)
        apart.backward(x, np.ones((3, 4)))
        np.testing.assert_allclose(linear.grad_weight, apart[0].grad_weight + apart[2].grad_weight, 1e-13)

    def test_gradients_of_parameters_add_up_and_scale(self):
        net, x, g = nn.Concat(1, *two()), random_value((3, 4)), random_value((3, 5), 1)
        net.zero_grad_parameters()
        net.forward(x)
        net.backward(x, g)
        once = net[0].grad_weight.copy()
        net.backward(x, g, 0.5)
        np.testing.assert_allclose(net[0].grad_weight, 1.5 * once, 1e-13)

    def test_a_missing_gradient_is_zero(self):
        net, x = nn.ConcatTable(*two()), random_value((3, 4))
        net.forward(x)
        g = random_value((3, 2))
        np.testing.assert_allclose(net.backward(x, [None, g]), g @ net[1].weight, 1e-14)

    def test_a_container_in_a_recurrent_net(self):
        x, h = nn.Identity()(), nn.Identity()()
        encoded = nn.Sequential(nn.Linear(4, 3), nn.Concat(1, nn.Tanh(), nn.Linear(3, 2)))(x)
        cell = GModule([x, h], nn.Tanh()(nn.Linear(10, 5)(nn.JoinTable(1)([encoded, h]))))
        xs, states = random_value((6, 2, 4)), np.zeros((2, 5))
        recurrent = Recurrent(cell)
        ys, _ = recurrent.forward([xs, states])
        for x, y in zip(xs, ys):
            states = cell.forward([x, states])
            np.testing.assert_allclose(y, states, 1e-12)


class TestMembers:
    def test_they_are_added_read_and_counted(self):
        a, b = two()
        net = nn.Sequential().add(a).add(b)
        assert len(net) == net.size() == 2 and list(net) == net.children() == [a, b]
        assert net[0] is net.get(0) is a and net.get(-1) is b

    def test_a_sequential_can_be_changed(self):
        a, b, c = nn.Tanh(), nn.Sigmoid(), nn.Abs()
        net = nn.Sequential(a).insert(c).insert(b, 1)
        assert list(net) == [a, b, c]
        assert list(net.remove(0)) == [b, c] and list(net.remove()) == [b]

    @pytest.mark.parametrize(
        "misuse",
        [
            lambda net: net.add(None),
            lambda net: net.add(nn.Tanh),
            lambda net: net.add(nn.Tanh()()),
            lambda net: net.add(net),
            lambda net: net.add(nn.ConcatTable(net)),
            lambda net: net.insert(3, 0),
            lambda net: net.insert(nn.Tanh(), 2),
            lambda net: net.insert(nn.Tanh(), -1),
            lambda net: net.get(1),
            lambda net: net.get(-2),
            lambda net: net.get("0"),
            lambda net: net.remove(1),
            lambda net: nn.Sequential(nn.Tanh),
            lambda net: nn.Sequential().remove(),
            lambda net: nn.Concat(nn.Tanh()),
            lambda net: nn.Parallel(0, 0.5),
            lambda net: nn.MapTable(nn.Tanh()).add(nn.Tanh()),
            lambda net: nn.MapTable(nn.Tanh(), False).resize(-1),
            lambda net: nn.MapTable(nn.Tanh(), "no"),
            lambda net: nn.Bottle(nn.Tanh()).add(nn.Tanh()),
            lambda net: nn.NaN(nn.Tanh()).add(nn.Tanh()),
            lambda net: nn.Bottle(nn.Tanh(), 0),
            lambda net: nn.Bottle(nn.Tanh(), 2, 1.5),
            lambda net: nn.Bottle(3),
        ],
    )
    def test_misuse_is_refused_and_changes_nothing(self, misuse):
        member = nn.Tanh()
        net = nn.Sequential(member)
        with pytest.raises(ArgumentError):
            misuse(net)
        assert list(net) == [member]

    def test_functions_reach_them(self):
        net = nn.Sequential(nn.Tanh(), nn.Sequential(nn.Tanh()))
        seen = []
        net.apply_to_modules(seen.append)
        assert seen == list(net)
        net.replace(lambda module: nn.Abs() if isinstance(module, nn.Tanh) else module)
        assert net.find_modules("Tanh") == [] and len(net.find_modules(nn.Abs)) == 2
        assert not net.evaluate()[1][0].train
        with pytest.raises(ArgumentError, match="replace's function must give a module, gave None"):
            net.replace(lambda module: None if isinstance(module, nn.Abs) else module)
        assert len(net.find_modules(nn.Abs)) == 2

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, lambda net: net.clone(), lambda net: pickle.loads(pickle.dumps(net))]
    )
    def test_copies_are_independent(self, duplicate):
        net, x = nn.Bottle(nn.Sequential(*two()[:1])), random_value((2, 3, 4))
        expected = net.forward(x)
        twin = duplicate(net)
        net[0][0].weight.fill(0)
        np.testing.assert_array_equal(twin.forward(x), expected)

    def test_how_they_read(self):
        net = nn.Sequential(nn.Concat(1, nn.Linear(4, 3)), nn.Bottle(nn.Tanh(), 2))
        assert repr(net).splitlines() == [
            "Sequential(",
            "  (0): Concat(1",
            "    (0): Linear(4, 3)",
            "  )",
            "  (1): Bottle(2",
            "    (0): Tanh()",
            "  )",
            ")",
        ]
        assert repr(nn.Sequential()) == "Sequential()"


class TestMapTable:
    def test_shared_parameters_stand_once_and_take_all_gradients(self):
        net, x = nn.MapTable(nn.Linear(3, 2)), [np.ones(3)] * 4
        net.zero_grad_parameters()
        net.forward(x)
        net.backward(x, [np.ones(2)] * 4)
        assert len(net.parameters()[0]) == 2 and net[0].grad_bias.tolist() == [4, 4]

    def test_without_sharing_each_place_has_a_copy(self):
        net, x = nn.MapTable(nn.Linear(3, 2), shared=False), [np.ones(3)] * 3
        first, second, third = net.forward(x)
        assert len(net) == 3 and np.array_equal(first, second)
        net[1].weight.fill(0)
        assert not np.array_equal(*net.forward(x)[:2])
        assert len(net.resize(2)) == 2 and len(net.resize(0)) == 1

    def test_added_later(self):
        assert nn.MapTable().add(nn.Tanh()).forward([np.zeros(1)])[0] == 0
        with pytest.raises(StateError, match="no module"):
            nn.MapTable().forward([np.zeros(1)])
        with pytest.raises(StateError, match="no module"):
            nn.MapTable(shared=False).resize(2)


class TestErrors:
    @pytest.mark.parametrize(
        ("module", "shape"),
        [
            (nn.Sequential(nn.Linear(4, 3)), (3, 3)),
            (nn.ConcatTable(nn.Linear(4, 3)), (3, 3)),
            (nn.Concat(0, *two()), (3, 4)),
            (nn.Concat(2, *two()), (3, 4)),
            (nn.Concat(1, nn.Identity(), nn.Select(0, 0)), (3, 4)),
            (nn.Concat(1, nn.SplitTable(0)), (3, 4)),
            (nn.DepthConcat(0, nn.Identity(), nn.Select(0, 0)), (3, 4)),
            (nn.ParallelTable(*two()), [(3, 4)]),
            (nn.ParallelTable(*two()), [(3, 4)] * 3),
            (nn.ParallelTable(*two()), (2, 4)),
            (nn.ParallelTable(*two()), [(4,), (3,)]),
            (nn.MapTable(nn.Linear(4, 3)), (2, 4)),
            (nn.MapTable(nn.Linear(4, 3)), [(4,), (3,)]),
            (nn.Parallel(1, 1, *two()), (2, 3, 4)),
            (nn.Parallel(1, 1, *two()), (2,)),
            (nn.Parallel(0, 0, *two()), [(4,), (4,)]),
            (nn.Parallel(0, 1, *two()), (2, 4)),
            (nn.Bottle(nn.Linear(4, 3)), (2, 5, 3)),
            (nn.Bottle(nn.Linear(4, 3), 2, 1), (2, 5, 4)),
            (nn.Bottle(nn.Linear(4, 3)), [(2, 4)]),
            (nn.Bottle(nn.SplitTable(0), 2), (2, 5, 4)),
            (nn.Bottle(nn.Narrow(0, 0, 5), 2), (2, 3, 4)),
        ],
        ids=repr,
    )
    def test_wrong_shapes_are_refused(self, module, shape):
        for attempt in (module.output_shape, lambda shape: module.forward(random_value(shape))):
            with pytest.raises(ShapeError, match="expected"):
                attempt(shape)

    @pytest.mark.parametrize("module", [nn.Concat(0), nn.DepthConcat(0)], ids=repr)
    def test_nothing_to_join(self, module):
        with pytest.raises(StateError, match="no modules"):
            module.forward(np.zeros(2))

    def test_they_say_which_module_it_was(self):
        net = nn.Sequential(nn.Tanh(), nn.Linear(4, 3))
        with pytest.raises(ShapeError, match=r"Linear\(4, 3\), module 1 of Sequential, got \(2, 5\): expected"):
            net.forward(np.zeros((2, 5)))
        with pytest.raises(ShapeError, match=r"Linear\(4, 3\), module 1 of Sequential, got \(2, 5\): expected"):
            net.output_shape((2, 5))

    def test_a_wrong_gradient_is_caught_where_it_arises(self):
        class Wrong(nn.Identity):
            def update_grad_input(self, input, grad_output):
                return grad_output[:1]

        for net in (nn.Sequential(nn.Tanh(), Wrong()), nn.ConcatTable(nn.Tanh(), Wrong())):
            net.forward(np.zeros(3))
            with pytest.raises(ShapeError, match=r"Wrong\(\), module 1 of .* its gradient has shape \(1,\)"):
                net.backward(np.zeros(3), None)

    def test_a_module_that_breaks_is_named(self):
        class Breaks(nn.Identity):
            def update_grad_input(self, input, grad_output):
                raise ZeroDivisionError("by zero")

        net = nn.Sequential(nn.Tanh(), Breaks())
        net.forward(np.zeros(3))
        with pytest.raises(ModuleError, match=r"Breaks\(\), module 1 of Sequential") as info:
            net.backward(np.zeros(3), np.zeros(3))
        assert isinstance(info.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("in_a_graph", [False, True])
def test_dont_cast_keeps_its_type_inside_anything(in_a_graph):
    kept, x = nn.DontCast(nn.Linear(3, 2), cast_in=True), nn.Identity()()
    net = (GModule(x, kept(x)) if in_a_graph else nn.Sequential(kept)).float()
    assert kept[0].weight.dtype == np.float64 and net.forward(np.zeros((1, 3), np.float32)).dtype == np.float32
