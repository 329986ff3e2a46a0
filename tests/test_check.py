"""check_gradients: it names what is wrong, and leaves alone what it checks."""

import numpy as np
import pytest

from nodegraph import check_gradients, nn
from nodegraph.errors import ArgumentError, GradientError


class Wrong(nn.Linear):
    """A Linear one of whose gradients is off by a factor, or NaN."""

    def __init__(self, of_input=1.0, of_weight=1.0):
        super().__init__(2, 1)
        self.of_input, self.of_weight = of_input, of_weight

    def update_grad_input(self, input, grad_output):
        return super().update_grad_input(input, grad_output) * np.array([1.0, self.of_input])

    def acc_grad_parameters(self, input, grad_output, scale=1.0):
        super().acc_grad_parameters(input, grad_output, self.of_weight * scale)


def test_a_right_module_passes_with_the_error_and_is_left_as_it_was():
    module, x = nn.Linear(2, 1).float(), np.ones((3, 2), np.float32)
    weight, gradient = module.weight.copy(), module.grad_weight.copy()
    found = check_gradients(module, x)
    assert 0 < found < 1e-6 and type(found) is float
    assert module.weight.dtype == np.float32 and (module.weight == weight).all() and (x == 1).all()
    assert (module.grad_weight == gradient).all() and module.output is None


@pytest.mark.parametrize("factor", [1.001, np.nan])
def test_a_wrong_gradient_is_named_with_its_place_and_both_numbers(factor):
    with pytest.raises(GradientError, match=r"gradient of input 0 at \([01], 1\) is .*, central differences give "):
        check_gradients(Wrong(of_input=factor), np.ones((2, 2)))
    with pytest.raises(GradientError, match=r"gradient of parameter 0 at \(0, [01]\) is "):
        check_gradients(Wrong(of_weight=factor), np.ones((2, 2)))


def test_the_tolerance_is_relative_to_the_largest_gradient():
    module = Wrong(of_input=1 + 1e-5)
    module.weight[...] = 1000.0
    with pytest.raises(GradientError):
        check_gradients(module, np.ones((1, 2)), tolerance=1e-6)
    assert 1e-6 < check_gradients(module, np.ones((1, 2)), tolerance=1e-4) < 2e-5


def test_errors_of_gradients_below_one_are_not_magnified():
    module = Wrong(of_input=1.001)
    module.weight[...] = 0.01
    weighting = np.random.default_rng(0).standard_normal()
    found = check_gradients(module, np.ones((1, 2)), tolerance=1)
    np.testing.assert_allclose(found, 0.001 * 0.01 * abs(weighting), rtol=1e-3)


def test_indices_are_left_out():
    assert check_gradients(nn.LookupTable(4, 3), np.array([[0, 3]])) < 1e-6


def test_an_error_of_just_the_tolerance_passes():
    assert check_gradients(nn.MulConstant(0), np.ones(3), tolerance=0) == 0


def test_whoever_wants_other_weights_of_the_outputs_gives_a_seed():
    errors = {check_gradients(nn.Linear(3, 2), np.ones((4, 3)), seed=seed) for seed in range(4)}
    assert len(errors) > 1 and max(errors) < 1e-6


def test_an_input_of_no_rows_has_no_errors():
    assert check_gradients(nn.Tanh(), np.zeros((0, 3))) == 0


def test_what_is_no_module():
    with pytest.raises(ArgumentError, match="takes a module"):
        check_gradients(np.tanh, np.ones(2))
