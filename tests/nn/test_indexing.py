"""Selection by numbers that come as input."""

import numpy as np
import pytest
from soundness import random_value

from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, InputError, ShapeError


def torch_gradient(function, x, g):
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    x = torch.tensor(x, requires_grad=True)
    output = function(torch, x)
    output.backward(torch.tensor(g))
    return output.detach().numpy(), x.grad.numpy()


class TestAgainstPyTorch:
    def test_index(self):
        x, index, g = random_value((4, 3)), np.array([1, 1, 2, 0]), random_value((4, 4), 1)
        module, pair = nn.Index(1), [x, index]
        output, grad = torch_gradient(lambda torch, x: x.index_select(1, torch.tensor(index)), x, g)
        np.testing.assert_array_equal(module.forward(pair), output)
        np.testing.assert_allclose(module.backward(pair, g)[0], grad, 1e-14)

    def test_masked_select(self):
        x, mask, g = random_value((3, 4)), np.arange(12).reshape(3, 4) % 3 == 0, random_value((4,), 1)
        module = nn.MaskedSelect()
        output, grad = torch_gradient(lambda torch, x: x.masked_select(torch.tensor(mask)), x, g)
        np.testing.assert_array_equal(module.forward([x, mask]), output)
        np.testing.assert_array_equal(module.backward([x, mask], g)[0], grad)


class TestIndex:
    @pytest.mark.parametrize(("axis", "shape"), [(0, (4, 3)), (1, (4, 3)), (-1, (2, 4)), (1, (2, 4, 3)), (0, (4,))])
    def test_named_slices_come_in_the_order_of_the_index_and_add_up_backward(self, axis, shape):
        x, index = random_value(shape), np.array([2, 0, 2, 1])
        module = nn.Index(axis)
        np.testing.assert_array_equal(module.forward([x, index]), np.take(x, index, axis))
        assert module.output_shape([shape, (4,)]) == module.output.shape
        assert check_gradients(module, [x, index]) < 1e-6
        assert module.backward([x, index], np.ones(module.output.shape))[1].tolist() == [0] * 4

    def test_whole_numbers_of_any_type_are_indices(self):
        x = np.array([10.0, 20, 30])
        for dtype in (np.uint8, np.int64, np.float32):
            assert nn.Index(0).forward([x, np.array([2, 0], dtype)]).tolist() == [30, 10]

    def test_no_index_no_slice(self):
        module, x = nn.Index(0), np.ones((3, 2))
        assert module.forward([x, np.zeros(0, int)]).shape == (0, 2)
        assert not module.backward([x, np.zeros(0, int)], np.zeros((0, 2)))[0].any()

    @pytest.mark.parametrize("index", [[3], [-1], [0.5], [np.nan], [np.inf]])
    def test_other_numbers_are_refused(self, index):
        with pytest.raises(InputError, match="0 to 2"):
            nn.Index(0).forward([np.zeros(3), np.array(index)])

    @pytest.mark.parametrize("shape", [[(3,), (2, 1)], [(3,), ()], [(3,)], (3,), [[(3,)], (3,)], [(), (1,)]])
    def test_wrong_shapes_are_refused(self, shape):
        with pytest.raises(ShapeError, match="expected"):
            nn.Index(0).output_shape(shape)

    def test_the_axis_is_a_whole_number(self):
        with pytest.raises(ArgumentError):
            nn.Index("0")

    def test_single_precision_stays(self):
        module, input = nn.Index(0), [np.zeros(3, np.float32), np.array([1])]
        assert module.forward(input).dtype == np.float32
        assert module.backward(input, np.ones(1, np.float32))[0].dtype == np.float32


class TestMaskedSelect:
    @pytest.mark.parametrize("dtype", [bool, np.uint8, float])
    def test_the_elements_under_the_mask_in_order(self, dtype):
        x, mask = np.arange(6.0).reshape(2, 3), np.array([[1, 0, 1], [0, 0, 1]], dtype)
        module = nn.MaskedSelect()
        assert module.forward([x, mask]).tolist() == [0, 2, 5]
        grad_x, grad_mask = module.backward([x, mask], np.array([7.0, 8, 9]))
        assert grad_x.tolist() == [[7, 0, 8], [0, 0, 9]]
        assert grad_mask.shape == mask.shape and not grad_mask.any()

    def test_gradients(self):
        assert check_gradients(nn.MaskedSelect(), [random_value((3, 4)), np.arange(12).reshape(3, 4) % 3 == 0]) < 1e-6

    def test_an_empty_mask_selects_nothing(self):
        module, input = nn.MaskedSelect(), [np.ones(3), np.zeros(3, bool)]
        assert module.forward(input).shape == (0,)
        assert not module.backward(input, np.zeros(0))[0].any()

    @pytest.mark.parametrize("value", [2, -1, 0.5, np.nan])
    def test_other_values_are_refused(self, value):
        with pytest.raises(InputError, match="zeros and ones"):
            nn.MaskedSelect().forward([np.zeros(2), np.array([1, value])])

    @pytest.mark.parametrize("shape", [[(2, 3), (6,)], [(3,), (1,)], [(3,)], (3,), [(3,), [(3,)]]])
    def test_wrong_shapes_are_refused(self, shape):
        with pytest.raises(ShapeError, match="expected"):
            nn.MaskedSelect().forward(random_value(shape))

    def test_its_output_shape_cannot_be_told(self):
        with pytest.raises(NotImplementedError):
            nn.MaskedSelect().output_shape([(3,), (3,)])
        with pytest.raises(NotImplementedError):
            nn.Sequential(nn.MaskedSelect(), nn.Tanh()).output_shape([(3,), (3,)])
