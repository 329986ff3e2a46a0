"""Arithmetic on tables and with constants."""

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.errors import ArgumentError, ShapeError

A, B, C = np.array([1.0, -2.0, 3.0]), np.array([4.0, 5.0, -6.0]), np.array([0.5, 7.0, 3.0])


@pytest.mark.parametrize(
    "module, inputs, output, gradients",
    [
        (nn.CAddTable(), [A, B, C], A + B + C, [1, 1, 1]),
        (nn.CAddTable(True), [A, B], A + B, [1, 1]),
        (nn.CAddTable(), [A], A, [1]),
        (nn.CSubTable(), [A, B], A - B, [1, -1]),
        (nn.CMulTable(), [A, B, C], A * B * C, [B * C, A * C, A * B]),
        (nn.CMulTable(), [A], A, [1]),
        (nn.CDivTable(), [A, B], A / B, [1 / B, -A / B**2]),
        (nn.CMaxTable(), [A, B, C], [4, 7, 3], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        (nn.CMinTable(), [A, B, C], [0.5, -2, -6], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
        (nn.CMaxTable(), [A, A, A], A, [1, 0, 0]),
        (nn.CMinTable(), [B, A, A], [1, -2, -6], [[0, 0, 1], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_tables(module, inputs, output, gradients):
    grad_output = np.array([1.0, 10.0, -100.0])
    np.testing.assert_allclose(module.forward(inputs), output, rtol=1e-14)
    for actual, expected in zip(module.backward(inputs, grad_output), gradients, strict=True):
        np.testing.assert_allclose(actual, grad_output * expected, rtol=1e-14)


@pytest.mark.parametrize("kind", [nn.CAddTable, nn.CMulTable, nn.CSubTable, nn.CDivTable, nn.CMaxTable, nn.CMinTable])
class TestEveryTable:
    def test_equal_numbers_of_elements_are_enough(self, kind):
        module, inputs = kind(), [np.arange(1.0, 7).reshape(2, 3), np.arange(2.0, 8).reshape(3, 2)]
        output = module.forward(inputs)
        assert output.shape == (2, 3)
        np.testing.assert_array_equal(output, kind().forward([inputs[0], inputs[1].reshape(2, 3)]))
        assert [gradient.shape for gradient in module.backward(inputs, np.ones((2, 3)))] == [(2, 3), (3, 2)]
        assert not module.rowwise([(2, 3), (3, 2)]) and module.rowwise([(2, 3), (2, 3)])

    @pytest.mark.parametrize("inputs", [[np.zeros((2, 3)), np.zeros(3)], [np.zeros((2, 3)), np.zeros((2, 1))]])
    def test_nothing_is_broadcast(self, kind, inputs):
        with pytest.raises(ShapeError, match="expected arrays of equally many elements"):
            kind().forward(inputs)

    @pytest.mark.parametrize("input", [np.zeros(3), [], [np.zeros(3), [np.zeros(3)]]])
    def test_other_inputs(self, kind, input):
        with pytest.raises(ShapeError, match="expected a table of"):
            kind().forward(input)


@pytest.mark.parametrize("kind", [nn.CSubTable, nn.CDivTable])
@pytest.mark.parametrize("n", [1, 3])
def test_difference_and_quotient_are_of_two(kind, n):
    with pytest.raises(ShapeError, match="expected a table of 2 arrays"):
        kind().forward([A] * n)


class TestConstants:
    @pytest.mark.parametrize("inplace", [False, True])
    def test_numbers(self, inplace):
        sum, product = nn.AddConstant(2, inplace), nn.MulConstant(-3, inplace)
        for module, output, derivative in [(sum, A + 2, 1), (product, -3 * A, -3)]:
            x = A.copy()
            np.testing.assert_array_equal(module.forward(x), output)
            np.testing.assert_array_equal(module.backward(x, B), derivative * B)
            np.testing.assert_array_equal(x, A)

    def test_an_array_is_added_to_each_row(self):
        module = nn.AddConstant(np.array([1, 2, 3]))
        np.testing.assert_array_equal(module.forward(np.zeros((2, 3))), [[1, 2, 3], [1, 2, 3]])
        np.testing.assert_array_equal(module.forward(np.zeros(3)), [1, 2, 3])
        assert module.rowwise((2, 3)) and not module.rowwise((3,))

    def test_the_array_is_a_copy(self):
        constant = A.copy()
        module = nn.AddConstant(constant)
        constant[...] = 0
        np.testing.assert_array_equal(module.forward(np.zeros(3)), A)

    @pytest.mark.parametrize("shape", [(2,), (3, 1), (2, 2, 3), (), (1,)])
    def test_an_array_fits_the_last_axis(self, shape):
        with pytest.raises(ShapeError, match=r"expected an array of shape \(batch, 3\) or \(3,\)"):
            nn.AddConstant(A).forward(np.zeros(shape))

    @pytest.mark.parametrize("constant", ["1", None, True, [1, 2], np.zeros((2, 2)), np.array(["1"])])
    def test_other_constants(self, constant):
        with pytest.raises(ArgumentError, match="constant must be a number"):
            nn.AddConstant(constant)

    def test_multiplies_by_numbers_only(self):
        with pytest.raises(ArgumentError, match="the constant must be a number"):
            nn.MulConstant(A)
        with pytest.raises(ArgumentError, match="inplace must be True or False"):
            nn.MulConstant(1, 2)
