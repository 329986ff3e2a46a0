"""History: numbers of a training by iteration, smoothed, and as CSV there and back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import History
from nodegraph.errors import ArgumentError, DataError
from nodegraph.history import out_of_patience, read_table, save_table

numbers = st.floats(allow_nan=False)
columns = st.dictionaries(st.integers(0, 10**6), numbers, min_size=1)


def test_what_was_noted_comes_back_in_the_order_of_iterations():
    history = History()
    history.add(20, loss=1.0)
    history.add(np.int64(10), loss=2, other=np.float32(0.5))
    history.add(20, loss=1.5)
    iterations, losses = history["loss"]
    assert iterations.tolist() == [10, 20] and losses.tolist() == [2.0, 1.5]
    assert history.names == ["loss", "other"] and "other" in history and "missing" not in history


def test_losses_alone_are_those_of_iterations_from_1():
    assert History(iter([3, 2]))["loss"][0].tolist() == [1, 2]


def test_smoothing_a_constant_changes_nothing_and_noise_gets_less():
    assert History([2.0] * 300).smoothed()[1] == pytest.approx([2.0] * 300)
    noise = np.random.default_rng(0).normal(size=3000)
    assert np.std(History(noise).smoothed()[1][1000:]) < 0.15


def test_smoothing_does_not_lag_behind_a_steep_beginning():
    values = 3 * np.exp(-np.arange(400) / 20)
    assert np.abs(History(values).smoothed()[1] - values).max() < 0.5


def test_smoothing_leaves_out_what_is_no_number():
    means = History([math.nan, 2.0, math.inf, 2.0]).smoothed()[1]
    assert math.isnan(means[0]) and means[1:].tolist() == [2.0, 2.0, 2.0]


@given(st.dictionaries(st.sampled_from(["loss", "validation_loss", "seconds"]), columns, min_size=1))
def test_a_table_gives_back_every_bit(tmp_path_factory, measured):
    history = History()
    for name, values in measured.items():
        for iteration, value in values.items():
            history.add(iteration, **{name: value})
    path = tmp_path_factory.mktemp("table") / "history.csv"
    read = read_table(history.save(path))
    assert list(read) == [""]
    for name in measured:
        for ours, theirs in zip(history[name], read[""][name]):
            np.testing.assert_array_equal(ours, theirs)


def test_the_table_is_readable_without_us(tmp_path):
    history = History([4.0, 2.0])
    history.add(2, validation_loss=2.5)
    lines = history.save(tmp_path / "a.csv").read_text().splitlines()
    assert lines == ["iteration,loss,smoothed_loss,validation_loss", "1,4.0,4.0,", f"2,2.0,{4 - 20 / 11},2.5"]


@pytest.mark.parametrize(
    "values, patience, stop",
    [
        ([], 1, False),
        ([3, 2], 1, False),
        ([3, 2, 2], 1, True),
        ([3, 2, 2.5], 2, False),
        ([3, 2, 2.5, 2.2], 2, True),
        ([3, 2, 2.5, 1], 2, False),
        ([3, 2, 2, 2, 2], 0, False),
        ([3, math.nan, math.nan], 2, True),
        ([math.nan, 3], 1, False),
    ],
)
def test_patience_ends_when_the_last_values_bring_nothing_lower(values, patience, stop):
    assert out_of_patience(values, patience) is stop
    history = History()
    history.add(0, loss=1.0, accuracy=0.5)
    for iteration, value in enumerate(values):
        history.add(iteration, validation_loss=value)
    if values:
        assert history.out_of_patience(patience) is stop
    assert not history.out_of_patience(1, "accuracy")


@pytest.mark.parametrize("patience", [-1, 1.5, True, "2"])
def test_a_patience_that_is_none(patience):
    with pytest.raises(ArgumentError, match="patience must be a whole number"):
        out_of_patience([1, 2], patience)


def test_several_histories_in_one_table(tmp_path):
    first, second = History([4.0]), History([3.0])
    second.add(5, learning_rate=0.1)
    path = save_table({"lstm, small": first, "gru": second}, tmp_path / "a.csv")
    read = read_table(path)
    assert list(read) == ["lstm, small", "gru"]
    assert read["gru"]["learning_rate"][0].tolist() == [5] and "learning_rate" not in read["lstm, small"]


@pytest.mark.parametrize(
    "add, words",
    [
        (lambda h: h.add(1.5, loss=1), "whole number, got 1.5"),
        (lambda h: h.add(1, loss="much"), "loss at iteration 1 must be a number, got 'much'"),
        (lambda h: h["loss"], "no 'loss'; it has nothing yet"),
    ],
)
def test_what_a_history_refuses(add, words):
    with pytest.raises(ArgumentError, match=words):
        add(History())


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "no column `iteration`"),
        (b"a,b\n1,2\n", "no column `iteration`"),
        (b"iteration,loss\n1,2\n,3\n", "line 3: there is no iteration"),
        (b"iteration,loss\nx,2\n", "line 2: .*'x'"),
        (b"iteration,loss\n1,high\n", "line 2: loss at iteration 1 must be a number"),
        (b"iteration,loss,loss\n1,2,3\n", "two columns `loss`"),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "a.csv")


def test_a_table_without_a_line_is_an_empty_history(tmp_path):
    assert read_table(History().save(tmp_path / "a.csv"))[""].names == []


def test_a_table_from_a_spreadsheet(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfiteration,loss\r\n3,0.5\r\n")
    assert [part.tolist() for part in read_table(tmp_path / "a.csv")[""]["loss"]] == [[3], [0.5]]


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(DataError, match="cannot write"):
        History([1.0]).save(tmp_path / "folder" / "a.csv")
