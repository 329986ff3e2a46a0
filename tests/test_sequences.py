"""pad_sequences and what tells sequences from padding: as Keras has it, for numbers and for rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import pad_sequences, sequence_lengths, sequence_mask
from nodegraph.errors import ArgumentError, DataError, InputError

LISTS = st.lists(st.lists(st.integers(1, 99), max_size=6), min_size=1, max_size=5)
SIDES = st.sampled_from(["pre", "post"])


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
        ({"maxlen": 4, "padding": "post", "value": -1}, [[1, -1, -1, -1], [2, 3, -1, -1], [4, 5, 6, -1]]),
        ({"maxlen": 0}, np.zeros((3, 0))),
    ],
)
def test_what_keras_gives(arguments, expected):
    np.testing.assert_array_equal(pad_sequences([[1], [2, 3], [4, 5, 6]], **arguments), expected)


@given(LISTS, st.none() | st.integers(0, 8), SIDES, SIDES)
def test_the_mask_tells_where_the_elements_are(sequences, maxlen, padding, truncating):
    padded = pad_sequences(sequences, maxlen, padding=padding, truncating=truncating)
    lengths = sequence_lengths(sequences, maxlen)
    mask = sequence_mask(lengths, padded.shape[1], padding)
    np.testing.assert_array_equal(mask, padded != 0)
    for row, counts, sequence, n in zip(padded, mask, sequences, lengths):
        expected = sequence[len(sequence) - n :] if truncating == "pre" else sequence[:n]
        assert row[counts].tolist() == expected and n == min(len(sequence), padded.shape[1])


def test_sequences_of_rows_and_time_first():
    sequences = [np.ones((2, 3)), np.full((1, 3), 2.0), np.zeros((0, 3))]
    padded = pad_sequences(sequences, padding="post", value=np.nan)
    assert padded.shape == (3, 2, 3) and np.isnan(padded[1, 1]).all() and np.isnan(padded[2]).all()
    turned = pad_sequences(sequences, padding="post", value=np.nan, time_first=True)
    np.testing.assert_array_equal(turned, padded.swapaxes(0, 1))
    mask = sequence_mask(sequence_lengths(sequences), padding="post", time_first=True)
    np.testing.assert_array_equal(mask, ~np.isnan(turned[..., 0]))
    assert pad_sequences([[], [[1, 2]]]).tolist() == [[[0, 0]], [[1, 2]]]


@pytest.mark.parametrize(
    "sequences, arguments, dtype",
    [
        ([[1, 2], []], {}, np.int64),
        ([[1, 2], [3]], {"value": 0.0}, np.int64),
        ([[1, 2], [3]], {"value": 3.0}, np.int64),
        ([[1, 2], [3]], {"value": 0.5}, np.float64),
        ([[1, 2], [3.5]], {}, np.float64),
        ([np.ones(2, np.float32), np.ones(1, np.float32)], {}, np.float32),
        ([[1, 2], [3]], {"dtype": "int32"}, np.int32),
        ([[], []], {}, np.float64),
    ],
)
def test_the_type_is_that_of_the_elements_unless_it_is_given(sequences, arguments, dtype):
    assert pad_sequences(sequences, **arguments).dtype == dtype


def test_a_generator_and_no_sequences_at_all():
    np.testing.assert_array_equal(pad_sequences(range(1, n) for n in (2, 3)), [[0, 1], [1, 2]])
    assert pad_sequences([]).shape == (0, 0) and sequence_mask([]).shape == (0, 0)
    assert sequence_lengths([]).shape == (0,) and sequence_lengths([]).dtype == sequence_lengths([[1]]).dtype == np.intp


@pytest.mark.parametrize(
    "sequences", [[1, 2], ["ab"], [["a", "b"]], [[[1, 2], [3]]], [[1], [[1, 2]]], [np.ones((1, 2)), np.ones((1, 3))]]
)
def test_sequences_that_do_not_fit_together(sequences):
    with pytest.raises(DataError, match="sequence [01]"):
        pad_sequences(sequences)


@pytest.mark.parametrize(
    "arguments",
    [
        {"padding": "left"}, {"truncating": None}, {"maxlen": -1}, {"maxlen": 2.5}, {"value": "x"}, {"value": None},
        {"value": np.nan, "dtype": int}, {"dtype": "nonsense"}, {"dtype": "U5"}, {"dtype": object}, {"dtype": complex},
        {"value": 1e9, "dtype": np.float16},
    ],
)  # fmt: skip
def test_senseless_arguments(arguments):
    with pytest.raises(ArgumentError):
        pad_sequences([[1], [2, 3]], **arguments)


@pytest.mark.parametrize(
    "number, dtype",
    [(300, "int8"), (-1, "uint8"), (2.0**70, int), (np.nan, int), (-np.inf, "int32"), (1e9, np.float16)],
)
def test_a_number_that_the_type_does_not_hold_is_named_and_not_turned_into_another(number, dtype):
    with pytest.raises(DataError, match="sequence 1 has .*" + np.dtype(dtype).name):
        pad_sequences([[1], [2, number]], dtype=dtype)
    assert pad_sequences([[1.0], [2.0, 100.75]], dtype="int8").tolist() == [[0, 1], [2, 100]]
    assert np.isinf(pad_sequences([[1.0, np.inf]], dtype=np.float16)).tolist() == [[False, True]]


@pytest.mark.parametrize("sequences", [None, 3])
def test_something_that_is_no_list_of_sequences(sequences):
    for function in pad_sequences, sequence_lengths:
        with pytest.raises(DataError, match=f"expected a list of sequences, got {sequences}"):
            function(sequences)


def test_senseless_lengths():
    for lengths in ([1.5], 3, np.ones((2, 2), int)):
        with pytest.raises(ArgumentError, match="lengths must be"):
            sequence_mask(lengths)
    with pytest.raises(ArgumentError, match='padding must be "pre" or "post", got'):
        sequence_mask([1], padding="left")
    with pytest.raises(InputError, match="up to 2, found 3"):
        sequence_mask([1, 3], steps=2)
