"""Penalties, reversed and stopped gradients, noise."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.errors import ArgumentError, ShapeError

X, G = np.array([[1.0, -2.0, 0.0]]), np.array([[10.0, 20.0, 30.0]])


def run(module, input=X, grad_output=G):
    return module.forward(input), module.backward(input, grad_output)


class TestGradientReversal:
    def test_reverses(self):
        output, gradient = run(nn.GradientReversal())
        np.testing.assert_array_equal(output, X)
        np.testing.assert_array_equal(gradient, -G)

    def test_set_lambda(self):
        np.testing.assert_array_equal(run(nn.GradientReversal().set_lambda(0.5))[1], -0.5 * G)

    def test_takes_tables(self):
        np.testing.assert_array_equal(run(nn.GradientReversal(2), [X, [X]], [G, [G]])[1][1][0], -2 * G)

    def test_lambda_is_a_number(self):
        with pytest.raises(ArgumentError, match="lam must be a number"):
            nn.GradientReversal("1")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_grad(dtype):
    output, gradient = run(nn.ZeroGrad(), [X.astype(dtype), [X.astype(dtype)]], [G, [None]])
    np.testing.assert_array_equal(output[1][0], X)
    assert gradient[0].dtype == dtype
    np.testing.assert_array_equal([gradient[0], gradient[1][0]], np.zeros((2, 1, 3)))


class TestL1Penalty:
    @pytest.mark.parametrize("average, weight", [(False, 0.3), (True, 0.1)])
    def test_adds_to_the_gradient(self, average, weight):
        module = nn.L1Penalty(0.3, average)
        output, gradient = run(module)
        np.testing.assert_array_equal(output, X)
        np.testing.assert_allclose(gradient, G + weight * np.array([[1, -1, 0]]))
        np.testing.assert_allclose(module.loss, 3 * weight)

    def test_without_output_the_penalty_is_all(self):
        np.testing.assert_allclose(run(nn.L1Penalty(0.3, False, False))[1], [[0.3, -0.3, 0]])

    def test_gradient_is_that_of_the_loss(self):
        module, step = nn.L1Penalty(0.7, True, False), 1e-6
        x = np.array([0.5, -1.5])
        gradient = run(module, x, np.zeros(2))[1]
        for i in range(2):
            losses = []
            for change in (step, -step):
                module.forward(x + change * np.eye(2)[i])
                losses.append(module.loss)
            np.testing.assert_allclose(gradient[i], (losses[0] - losses[1]) / (2 * step), rtol=1e-6)

    def test_an_average_is_over_all_rows(self):
        assert nn.L1Penalty(1).rowwise((4, 3)) and not nn.L1Penalty(1, True).rowwise((4, 3))

    def test_float32(self):
        assert run(nn.L1Penalty(0.1, True), X.astype("f"), G.astype("f"))[1].dtype == np.float32

    def test_refuses(self):
        with pytest.raises(ShapeError):
            nn.L1Penalty(1).forward([X])
        with pytest.raises(ArgumentError):
            nn.L1Penalty(None)
        with pytest.raises(ArgumentError):
            nn.L1Penalty(1, 0.5)


class TestWhiteNoise:
    def test_training_adds_noise_of_the_given_mean_and_deviation(self):
        nodegraph.random.seed(0)
        module, x = nn.WhiteNoise(0.5, 0.2), np.arange(20000.0)
        noise = module.forward(x) - x
        np.testing.assert_allclose(noise, module.noise, atol=1e-10)
        assert abs(noise.mean() - 0.5) < 0.01 and abs(noise.std() - 0.2) < 0.01

    def test_evaluation_adds_the_mean_and_has_a_backward(self):
        module = nn.WhiteNoise(0.5, 0.2).evaluate()
        output, gradient = run(module)
        np.testing.assert_array_equal(output, X + 0.5)
        np.testing.assert_array_equal(gradient, G)
        assert module.noise is None

    def test_gradient_passes_in_training(self):
        np.testing.assert_array_equal(run(nn.WhiteNoise())[1], G)

    def test_float32(self):
        x = X.astype("f")
        assert nn.WhiteNoise().forward(x).dtype == nn.WhiteNoise(1).evaluate().forward(x).dtype == np.float32

    def test_refuses(self):
        with pytest.raises(ArgumentError):
            nn.WhiteNoise(0, -1)
        with pytest.raises(ShapeError):
            nn.WhiteNoise().forward([X])
