"""Arrays as a page holds them: rounded as shown, each once, large ones in blocks."""

import base64

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodegraph.viz.walkthrough.numbers import MOST, Store, entry


def numbers(found):
    return np.frombuffer(base64.b64decode(found["data"]), "<f8" if found.get("double") else "<f4").astype(float)


@given(st.lists(st.floats(-1e300, 1e300) | st.sampled_from([np.nan, np.inf, -np.inf]), min_size=1, max_size=30))
def test_a_number_reads_to_four_digits_as_the_original_does(values):
    found = numbers(entry(np.array(values)))
    assert [f"{x:.4g}" for x in found] == [f"{x:.4g}" for x in values]


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_are_exact(values):
    found = entry(np.array(values))
    assert found["whole"] and numbers(found).tolist() == values


def test_equal_arrays_are_kept_once_and_tables_are_lists_of_places():
    store = Store()
    assert store.add([np.ones(2), [np.zeros(2), np.ones(2)], None]) == [0, [1, 0], None]
    assert store.add(np.ones((1, 2))) == 2 and len(store.entries) == 3


def test_a_large_matrix_is_summarised_in_blocks():
    matrix = np.random.default_rng(0).normal(size=(512, 130))
    found = entry(matrix)
    rows, columns = found["blocks"]
    assert (rows, columns) == (16, 16) and found["shape"] == [512, 130]
    mean, least, largest = numbers(found).reshape(3, rows, columns)
    for i, j in ((0, 0), (3, 7), (15, 15)):
        block = matrix[i * 512 // 16 : (i + 1) * 512 // 16, j * 130 // 16 : (j + 1) * 130 // 16]
        told = [mean[i, j], least[i, j], largest[i, j]]
        assert [f"{x:.4g}" for x in told] == [f"{x:.4g}" for x in (block.mean(), block.min(), block.max())]
    assert found["stats"] == [
        float(f"{x:.4g}") for x in (matrix.min(), matrix.max(), matrix.mean(), np.linalg.norm(matrix))
    ]


def test_a_long_vector_is_cut_into_pieces():
    vector = np.arange(MOST + 76.0)[None]
    found = entry(vector)
    mean, least, largest = numbers(found).reshape(3, *found["blocks"])
    assert least[0, 0] == 0 and largest[-1, -1] == MOST + 75 and len(set(least.ravel())) == 256


def test_over_time_only_the_units_are_summarised():
    found = entry(np.arange(128 * 5.0).reshape(128, 5), whole_columns=True)
    assert found["blocks"] == [32, 5]
    assert numbers(found).reshape(3, 32, 5)[0, 0].tolist() == [7.5, 8.5, 9.5, 10.5, 11.5]


def test_nothing_and_what_is_not_finite():
    assert entry(np.zeros((0, 3)))["stats"] == []
    assert entry(np.array([1.0, np.inf, -np.inf]))["stats"] == ["-Infinity", "Infinity", "NaN", "Infinity"]
