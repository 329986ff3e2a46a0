"""The forecaster: its curves, its two ways of predicting, and how near it comes to the noise floor."""

import numpy as np
import pytest

from nodegraph import check_gradients, nn
from nodegraph.errors import ArgumentError, TrainingStopped
from nodegraph.models.sine.forecaster import (
    NOISE_FLOOR,
    SEEN,
    Options,
    curves,
    forecaster,
    measure,
    new_forecaster,
    predict,
    run_free,
    train,
)


class Doubled(nn.Module):
    """A network that predicts twice the last sample, so that one sees what it was given."""

    def update_output(self, input):
        assert input.shape[1:] == (SEEN, 1)
        return 2 * input[:, -1]


def test_the_noise_is_uniform_of_width_a_tenth():
    true, noisy = curves(2000, 50, Options(), np.random.default_rng(0))
    noise = noisy - true
    assert true.shape == noisy.shape == (2000, 50, 1)
    assert abs(noise).max() <= 0.05 + 1e-6 and noise.std() == pytest.approx(NOISE_FLOOR, rel=0.01)
    assert abs(noise.mean()) < 1e-3 and NOISE_FLOOR == pytest.approx(0.0288675, abs=1e-7)


def test_the_curves_have_the_period_that_was_asked_for_and_all_phases():
    true, _ = curves(500, 60, Options(shortest_period=20, longest_period=20), np.random.default_rng(0))
    np.testing.assert_allclose(true[:, :40], true[:, 20:], atol=1e-5)
    assert true[:, 0].min() < -0.99 and true[:, 0].max() > 0.99
    varied, _ = curves(500, 60, Options(shortest_period=20, longest_period=30), np.random.default_rng(0))
    assert abs(varied[:, :40] - varied[:, 20:]).max() > 0.5


def test_the_gradients_are_right():
    check_gradients(forecaster(hidden=3), np.random.default_rng(0).normal(size=(2, 5, 1)))


def test_one_step_predictions_see_the_samples_and_the_free_run_its_own_predictions():
    noisy = np.arange(1.0, 34.0).reshape(1, 33, 1)
    np.testing.assert_array_equal(predict(Doubled(), noisy)[0, :, 0], [60, 62, 64])
    np.testing.assert_array_equal(run_free(Doubled(), noisy[:, :SEEN], 4)[0, :, 0], [60, 120, 240, 480])


def test_it_comes_near_the_noise_floor():
    options = Options(iterations=1500)
    network = new_forecaster(options)
    losses = list(train(network, options))
    errors = measure(network, options)
    assert len(losses) == 1500 and errors.one_step <= 1.1 * NOISE_FLOOR
    assert errors.one_step >= 0.99 * NOISE_FLOOR, "nobody can foresee the noise"
    assert errors.one_step**2 == pytest.approx(errors.one_step_true**2 + NOISE_FLOOR**2, rel=0.02)
    assert errors.free.shape == (30,) and errors.free.max() < 0.03


def test_the_same_seed_gives_the_same_numbers():
    losses = [list(train(new_forecaster(o), o)) for o in (Options(iterations=3, seed=seed) for seed in (1, 1, 2))]
    assert losses[0] == losses[1] != losses[2]


def test_a_training_that_explodes_says_so():
    options = Options(learning_rate=1e38, iterations=20)
    with pytest.raises(TrainingStopped, match="smaller learning rate"):
        list(train(new_forecaster(options), options))


@pytest.mark.parametrize("wrong", [dict(hidden=0), dict(iterations=0), dict(ahead=0), dict(shortest_period=2)])
def test_options_that_make_no_sense(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Options(**wrong)


def test_periods_in_the_wrong_order():
    with pytest.raises(ArgumentError, match="shortest period, 50, is above 40"):
        Options(shortest_period=50)
