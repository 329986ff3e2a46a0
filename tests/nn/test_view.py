"""Views, and what converts formats and types."""

import numpy as np
import pytest
from soundness import assert_sound, random_value

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.view import integer, sizes_of

SOUND = [
    (nn.Identity(), (3, 4), (3, 4), True),
    (nn.Identity(), [(3, 4), [(3,)]], [(3, 4), [(3,)]], True),
    (nn.Contiguous(), (3, 4), (3, 4), True),
    (nn.Copy(), (3, 4), (3, 4), True),
    (nn.Copy("float64", "float64", force_copy=True), (3,), (3,), True),
    (nn.Narrow(1, 1, 2), (3, 4), (3, 2), True),
    (nn.Narrow(0, 1, 2), (3, 4), (2, 4), False),
    (nn.Narrow(-1, -3, 2), (3, 4), (3, 2), True),
    (nn.Narrow(1, 1, -2), (3, 4), (3, 2), True),
    (nn.Narrow(1, -3, -1), (3, 4), (3, 3), True),
    (nn.Narrow(1, -1), (3, 4), (3, 1), True),
    (nn.Select(1, -1), (3, 4, 2), (3, 2), True),
    (nn.Select(0, 2), (3,), (), False),
    (nn.Reshape(2, 6), (3, 4), (2, 6), False),
    (nn.Reshape(2, 6), (5, 3, 4), (5, 2, 6), True),
    (nn.Reshape(2, 6), (1, 3, 4), (1, 2, 6), True),
    (nn.Reshape(3, 4, batch_mode=False), (1, 12), (3, 4), False),
    (nn.Reshape((4, 3), batch_mode=True), (2, 12), (2, 4, 3), True),
    (nn.View(12), (3, 4), (12,), False),
    (nn.View(2, 3), (4, 6), (4, 2, 3), True),
    (nn.View(2, 3), (1, 6), (2, 3), False),
    (nn.View(2, 3).set_num_input_dims(1), (1, 6), (1, 2, 3), True),
    (nn.View(2, -1), (3, 4), (2, 6), False),
    (nn.View(-1).set_num_input_dims(2), (3, 2, 4), (3, 8), True),
    (nn.View(-1).set_num_input_dims(2), (2, 4), (8,), False),
    (nn.View(4).reset_size(3, -1), (6,), (3, 2), False),
    (nn.Collapse(2), (5, 3, 4), (5, 12), True),
    (nn.Collapse(2), (3, 4), (12,), False),
    (nn.Collapse(1), (5, 2, 3, 4), (5, 24), True),
    (nn.Transpose((0, 1)), (3, 4), (4, 3), False),
    (nn.Transpose((0, 2), (1, 2)), (2, 3, 4), (4, 2, 3), False),
    (nn.Transpose((1, -1)), (2, 3, 4), (2, 4, 3), True),
    (nn.Transpose((0, 1)).set_num_input_dims(2), (2, 3, 4), (2, 4, 3), True),
    (nn.Transpose((0, 1), (1, 0)), (3, 4), (3, 4), True),
    (nn.Unsqueeze(0), (3, 4), (1, 3, 4), False),
    (nn.Unsqueeze(-1), (3, 4), (3, 4, 1), True),
    (nn.Unsqueeze(0, 2), (5, 3, 4), (5, 1, 3, 4), True),
    (nn.Unsqueeze(1).set_num_input_dims(1), (3, 4, 5), (3, 4, 5, 1), True),
    (nn.Squeeze(), (1, 3, 1, 2), (3, 2), False),
    (nn.Squeeze(), (1, 1), (1,), False),
    (nn.Squeeze(1), (3, 1, 2), (3, 2), True),
    (nn.Squeeze(1), (3, 2), (3, 2), True),
    (nn.Squeeze(-1), (3, 1), (3,), True),
    (nn.Squeeze(1, 3), (2, 3, 1, 2), (2, 3, 2), True),
    (nn.Squeeze(None, 2), (1, 3, 1), (1, 3), True),
    (nn.Squeeze(num_input_dims=2), (3, 1), (3,), False),
    (nn.Replicate(3), (4,), (3, 4), False),
    (nn.Replicate(3, 1), (2, 4), (2, 3, 4), True),
    (nn.Replicate(2, -1), (2, 4), (2, 4, 2), True),
    (nn.Replicate(3, 0, 1), (2, 4), (2, 3, 4), True),
    (nn.Convert("bchw", "bf"), (2, 3, 2, 2), (2, 12), True),
    (nn.Convert("bchw", "bf"), (3, 2, 2), (12,), False),
    (nn.Convert("chwb", "bf"), (3, 2, 4, 5), (5, 24), False),
    (nn.Convert("chw", "hwc"), (2, 3, 4, 5), (2, 4, 5, 3), True),
    (nn.Convert("bhwc", "hwcb"), (3, 4, 5), (3, 4, 5), False),
    (nn.Convert("b", "bf"), (4,), (4, 1), True),
    (nn.Convert("b", "bt"), (4,), (4, 1), True),
    (nn.Convert("tb", "b"), (2, 4), (4,), False),
    (nn.Convert("bf", "b"), (4, 1), (4,), True),
    (nn.Convert("bf", "b"), (1,), (), False),
    (nn.Convert("fb", "bf"), (3, 4), (4, 3), False),
    (nn.Convert("bf"), (3, 4), (3, 4), True),
    (nn.Convert(), (3, 4), (3, 4), True),
]


@pytest.mark.parametrize(("module", "shape", "output_shape", "rowwise"), SOUND, ids=lambda value: repr(value))
def test_soundness(module, shape, output_shape, rowwise):
    assert_sound(module, shape, output_shape, rowwise)


@pytest.mark.parametrize(
    ("module", "numpy"),
    [
        (nn.Narrow(1, -3, 2), lambda x: x[:, 2:4]),
        (nn.Narrow(1, -1), lambda x: x[:, 4:]),
        (nn.View(40).set_num_input_dims(4), lambda x: x.ravel()),
        (nn.Select(-1, 1), lambda x: x[..., 1]),
        (nn.Transpose((0, 1), (1, 2)), lambda x: x.swapaxes(0, 1).swapaxes(1, 2)),
        (nn.Convert("hwb", "bf"), lambda x: x.transpose(2, 1, 0).reshape(4, -1)),
        (nn.Convert("bhw", "whb"), lambda x: x.transpose(2, 1, 0)),
        (nn.Collapse(2), lambda x: x.reshape(2, 20)),
        (nn.Replicate(2, 1), lambda x: np.stack([x, x], 1)),
    ],
    ids=lambda value: repr(value) if isinstance(value, nn.Module) else "",
)
def test_values(module, numpy):
    x = random_value((2, 5, 4))
    np.testing.assert_array_equal(module.forward(x), numpy(x))


@pytest.mark.parametrize(
    "module",
    [nn.Narrow(1, 1, 2), nn.Select(0, 1), nn.Transpose((0, 1)), nn.View(-1), nn.Unsqueeze(0), nn.Replicate(2)],
    ids=repr,
)
def test_a_view_copies_nothing(module):
    x = np.zeros((3, 4))
    assert np.shares_memory(module.forward(x), x)


@pytest.mark.parametrize("module", [nn.Reshape(12), nn.View(12), nn.Collapse(2), nn.Convert("hw", "f")], ids=repr)
def test_memory_order_makes_no_difference(module):
    x = random_value((4, 3)).T
    g = random_value((12,), seed=1)
    np.testing.assert_array_equal(module.forward(x), x.ravel())
    np.testing.assert_array_equal(module.backward(x, g), g.reshape(3, 4))


def test_contiguous_copies_only_where_it_must():
    x = np.zeros((3, 4))
    assert nn.Contiguous().forward(x) is x
    module = nn.Contiguous()
    assert module.forward(x.T).flags.c_contiguous and module.backward(x.T, x.T).flags.c_contiguous


def test_an_input_stands_for_itself_whatever_came_before():
    module = nn.Unsqueeze(0)
    assert module.forward(np.zeros(3)).shape == (1, 3)
    assert module.forward(np.zeros((2, 3))).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Narrow(1, 2, 3), (3, 4)),
        (nn.Narrow(1, -5, 2), (3, 4)),
        (nn.Narrow(1, 3, -4), (3, 4)),
        (nn.Narrow(2, 0), (3, 4)),
        (nn.Select(1, 4), (3, 4)),
        (nn.Select(1, -5), (3, 4)),
        (nn.Reshape(5), (3, 4)),
        (nn.Reshape(12, batch_mode=True), (3, 4)),
        (nn.Reshape(4, batch_mode=False), (3, 4)),
        (nn.View(5), (3, 4)),
        (nn.View(0, -1), (3, 4)),
        (nn.View(5, -1), (3, 4)),
        (nn.Transpose((0, 2)), (3, 4)),
        (nn.Transpose((0, 1)).set_num_input_dims(3), (3, 4)),
        (nn.Unsqueeze(3), (3, 4)),
        (nn.Unsqueeze(0, 3), (3, 4)),
        (nn.Squeeze(2), (3, 4)),
        (nn.Replicate(2, 3), (3, 4)),
        (nn.Convert("bchw", "bf"), (3, 4)),
        (nn.Convert("bf", "fb"), (3, 4, 5)),
        (nn.Convert("bf", "b"), (3, 4)),
    ],
    ids=repr,
)
def test_wrong_shapes_are_refused(module, shape):
    for attempt in (module.output_shape, lambda shape: module.forward(np.zeros(shape))):
        with pytest.raises(ShapeError, match="expected"):
            attempt(shape)


@pytest.mark.parametrize("module", [module for module, *_ in SOUND if type(module) is not nn.Identity], ids=repr)
def test_a_table_is_no_array(module):
    with pytest.raises(ShapeError, match="not a table"):
        module.forward([np.zeros((3, 4))])


@pytest.mark.parametrize(
    "construct",
    [
        lambda: nn.Narrow(0.5, 0),
        lambda: nn.Narrow(0, 0, "2"),
        lambda: nn.Select(1, None),
        lambda: nn.Reshape(),
        lambda: nn.Reshape(-1),
        lambda: nn.Reshape(2, batch_mode=1),
        lambda: nn.Reshape(np.array("2")),
        lambda: nn.View(np.ones((1, 2), int)),
        lambda: nn.View(-1, -1),
        lambda: nn.View(-2),
        lambda: nn.View(2.0),
        lambda: nn.View(2).set_num_input_dims(-1),
        lambda: nn.View(2).reset_size(),
        lambda: nn.Collapse(-1),
        lambda: nn.Transpose(0, 1),
        lambda: nn.Transpose((0, 1, 2)),
        lambda: nn.Transpose(np.array(1)),
        lambda: nn.Transpose((0, 1.5)),
        lambda: nn.Unsqueeze(None),
        lambda: nn.Squeeze("0"),
        lambda: nn.Replicate(0),
        lambda: nn.Replicate(-1),
        lambda: nn.Replicate(2, n_input_dims=-1),
        lambda: nn.Convert(None, "bf"),
        lambda: nn.Convert("bchw", "fb"),
        lambda: nn.Convert("bchw", "b"),
        lambda: nn.Convert("bf", "bt"),
        lambda: nn.Convert("bhh", "bf"),
        lambda: nn.Convert("b*", "bf"),
        lambda: nn.Convert("*b", "b*"),
        lambda: nn.Convert(3),
        lambda: nn.Copy("torch.FloatTensor"),
        lambda: nn.Copy(output_type="str"),
        lambda: nn.Copy(force_copy="yes"),
        lambda: nn.DontCast(nn.Tanh(), cast_in=1),
    ],
)
def test_wrong_arguments_are_refused(construct):
    with pytest.raises(ArgumentError):
        construct()


def test_whole_numbers():
    assert integer(np.int64(3), "a number") == 3
    for value in (3.0, True, None, "3"):
        with pytest.raises(ArgumentError, match="a number must be a whole number"):
            integer(value, "a number")
    assert sizes_of((np.array([2, 3]),)) == sizes_of(([2, 3],)) == sizes_of((2, 3)) == (2, 3)


def test_a_reshape_takes_its_batch_mode_as_torch_does():
    assert nn.Reshape(3, 4, False).forward(np.zeros((1, 12))).shape == (3, 4)
    assert nn.Reshape(3, 4, True).forward(np.zeros((1, 12))).shape == (1, 3, 4)


class TestTypes:
    """Copy, Convert and DontCast."""

    def test_copy_casts_forth_and_back(self):
        module, x = nn.Copy("float64", "float32"), np.array([1.0, 2.0])
        assert module.forward(x).dtype == np.float32
        assert module.backward(x, np.ones(2, np.float32)).dtype == np.float64

    def test_copy_copies_only_between_types_or_by_force(self):
        x = np.zeros(2)
        assert nn.Copy("float32", "float32").forward(x) is x
        assert nn.Copy(force_copy=True).forward(x) is not x

    def test_a_cast_changes_the_types_of_a_copy_unless_it_is_not_to(self):
        x = np.zeros(2, np.float32)
        assert nn.Copy("float32", "float64").float().forward(x).dtype == np.float32
        assert nn.Copy("float32", "float64", dont_cast=True).float().forward(x).dtype == np.float64

    def test_convert_gives_its_own_type_and_the_gradient_the_inputs(self):
        module, x = nn.Convert("hw", "f"), np.zeros((2, 3), np.float32)
        assert module.forward(x).dtype == np.float64
        assert module.backward(x, np.ones(6)).dtype == np.float32
        assert nn.Sequential(nn.Convert()).float().forward(np.array([1, 2])).dtype == np.float32

    def test_dont_cast_keeps_the_module_as_it_is(self):
        module = nn.DontCast(nn.Linear(3, 2)).float()
        assert module.get(0).weight.dtype == np.float64

    @pytest.mark.parametrize("cast_in", [True, False])
    @pytest.mark.parametrize("cast_out", [True, False])
    def test_dont_cast_casts_on_the_way_in_and_out(self, cast_in, cast_out):
        seen = []

        class Watch(nn.Identity):
            def view(self, input):
                seen.append(input.dtype)
                return input

        module = nn.DontCast(Watch(), cast_in, cast_out).float()
        x = np.zeros(2, np.float32)
        inner = np.float64 if cast_in else np.float32
        assert module.forward(x).dtype == (np.float32 if cast_out else inner)
        assert seen == [inner]
        grad_input = module.backward(x, np.ones(2, np.float32))
        assert grad_input.dtype == (np.float64 if cast_out and not cast_in else np.float32)

    def test_dont_cast_takes_the_type_of_the_first_parameter_and_leaves_indices_alone(self):
        assert nn.DontCast(nn.Linear(3, 2).float(), True).module_type == np.float32
        assert nn.DontCast(nn.Linear(3, 2), True, module_type="float32").module_type == np.float32
        lookup = nn.DontCast(nn.LookupTable(3, 2), True).float()
        assert lookup.forward(np.array([0, 2])).dtype == np.float32

    def test_dont_cast_is_otherwise_its_module(self):
        module = nn.DontCast(nn.Linear(3, 2), True)
        assert check_gradients(module, random_value((4, 3))) < 1e-6
        assert module.output_shape((4, 3)) == (4, 2) and module.rowwise((4, 3)) and not module.rowwise((3,))
        with pytest.raises(ArgumentError, match="holds 1 module"):
            nn.DontCast(nn.Tanh()).add(nn.Tanh())
