"""The digit reader: what it is given and gives, and that it learns to read."""

import numpy as np
import pytest

from nodegraph import check_gradients, nn
from nodegraph.errors import ArgumentError, TrainingStopped
from nodegraph.models.digits.classifier import CELLS, DigitReader, Options, digit_reader, moved
from nodegraph.models.digits.data import Digits, scikit_learn_digits


def bars(n, seed=0):
    """Images of 6 x 10 with a vertical bar at the place of the digit, among noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, n)
    images = 0.3 * generator.random((n, 6, 10)) + np.eye(10)[labels][:, None]
    return images.astype(np.float32), labels


def some_digits():
    return Digits(*bars(800), *bars(100, seed=1))


@pytest.mark.parametrize("model", CELLS)
def test_it_gives_log_probabilities_of_ten_digits_and_right_gradients(model):
    network = digit_reader(columns=4, hidden=3, model=model, dropout=0)
    images = np.random.default_rng(0).normal(size=(2, 5, 4))
    np.testing.assert_allclose(np.exp(network.forward(images)).sum(1), 1)
    check_gradients(network, images)


def test_it_reads_the_rows_from_top_to_bottom_as_the_cell_would():
    network = digit_reader(columns=4, hidden=3).evaluate()
    images = np.random.default_rng(0).normal(size=(2, 5, 4))
    (recurrent,) = network.find_modules("Recurrent")
    c = h = np.zeros((2, 3))
    for row in range(5):
        c, h = recurrent.cell.forward([images[:, row], c, h])
    expected = nn.LogSoftMax().forward(network.find_modules("Linear")[-1].forward(h))
    np.testing.assert_allclose(network.forward(images), expected, atol=1e-12)


@pytest.mark.parametrize("model", CELLS)
def test_it_learns_simple_digits_with_each_kind_of_cell(model):
    epochs = list(DigitReader(some_digits(), Options(model=model, hidden=20, epochs=10, batch_size=100)).train())
    assert [epoch.number for epoch in epochs] == list(range(1, 11))
    assert epochs[-1].loss < epochs[0].loss / 3 and epochs[-1].test_accuracy > 0.95


@pytest.mark.parametrize("seed", [1, 2])
def test_it_reads_more_than_97_percent_of_real_digits(seed):
    pytest.importorskip("sklearn", reason="needs the extra nodegraph[examples]")
    *_, last = DigitReader(scikit_learn_digits(), Options(epochs=20, seed=seed)).train()
    assert last.test_accuracy > 0.97


def test_the_same_seed_gives_the_same_reader():
    losses = []
    for seed in (3, 3, 4):
        (epoch,) = DigitReader(some_digits(), Options(hidden=8, epochs=1, batch_size=100, seed=seed)).train()
        losses.append(epoch.loss)
    assert losses[0] == losses[1] != losses[2]


def test_probabilities_do_not_depend_on_how_many_images_are_read_at_once():
    reader = DigitReader(some_digits(), Options(hidden=8))
    images, _ = bars(1100)
    whole = reader.probabilities(images)
    np.testing.assert_allclose(whole[600:605], reader.probabilities(images[600:605]), atol=1e-6)


def test_images_are_moved_by_whole_pixels_up_to_a_part_of_their_size_and_paper_comes_in():
    images = np.zeros((400, 10, 20))
    images[:, 5, 8] = 1
    _, rows, columns = moved(images, 0.1, np.random.default_rng(0)).nonzero()
    assert set(zip(rows, columns)) == {(5 + down, 8 + right) for down in (-1, 0, 1) for right in (-2, -1, 0, 1, 2)}
    gone = moved(np.ones((50, 2, 2)), 1, np.random.default_rng(0)).sum((1, 2))
    assert gone.min() == 0 and gone.max() == 4
    np.testing.assert_array_equal(moved(images, 0.09, np.random.default_rng(0)).sum(2).argmax(1), 5)


def test_by_default_the_epochs_depend_on_how_many_images_there_are():
    few, many = some_digits(), some_digits()
    many.labels = np.zeros(60_000)
    assert Options().epochs_for(few) == 40 and Options().epochs_for(many) == 3
    assert Options(epochs=5).epochs_for(many) == 5


def test_a_training_that_explodes_says_so():
    reader = DigitReader(some_digits(), Options(hidden=8, batch_size=100, learning_rate=1e38))
    with pytest.raises(TrainingStopped, match="smaller learning rate"):
        list(reader.train())


@pytest.mark.parametrize("wrong", [dict(hidden=0), dict(epochs=-1), dict(dropout=1), dict(model="cnn"), dict(seed=-1)])
def test_options_that_make_no_sense(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Options(**wrong)
