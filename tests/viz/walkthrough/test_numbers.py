"""Arrays as a page holds them: rounded as shown, each stretch once, large ones in blocks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from page_numbers import numbers

from nodegraph.viz.walkthrough.numbers import DETAILS, Store

MOST = DETAILS[0].most
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 5e-324, -9.9996e307, 0.99995, 9.9995e-5, -0.0])


def stored(*values, **how):
    """A store's data and the references for some values."""
    store = Store()
    references = [store.add(value, **how) for value in values]
    return {"arrays": store.entries, "numbers": store.numbers}, references


@given(st.lists(st.floats(-1e308, 1e308) | ODD, min_size=1, max_size=30))
def test_a_number_reads_to_four_digits_as_the_original_does(values):
    data, (reference,) = stored(np.array(values))
    assert [f"{x:.4g}" for x in numbers(data, reference)] == [f"{x + 0.0:.4g}" for x in values]


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_are_exact(values):
    data, (reference,) = stored(np.array(values))
    assert data["arrays"][reference]["whole"] == values and numbers(data, reference).tolist() == values


def test_equal_arrays_are_kept_once_and_tables_are_lists_of_places():
    store = Store()
    assert store.add([np.ones(2), [np.zeros(2), np.ones(2)], None]) == [0, [1, 0], None]
    assert store.add(np.ones((1, 2))) == 2 and len(store.entries) == 3


@given(st.integers(0, 90), st.integers(1, 30))
def test_what_is_a_part_of_another_array_takes_no_room(start, length):
    whole = np.random.default_rng(0).normal(size=(2, 60))
    part = whole.ravel()[start : start + length]
    data, references = stored(whole, whole.reshape(60, 2), part)
    assert len(data["numbers"]) == 4 * 120
    assert [f"{x:.4g}" for x in numbers(data, references[2])] == [f"{x:.4g}" for x in part]
    assert np.array_equal(numbers(data, references[1]).ravel(), numbers(data, references[0]).ravel())


@given(
    st.lists(st.lists(st.sampled_from([0.0, 5e-324, 1e-319, 6.5536e-323, 1.0, -3e5, np.inf]), min_size=1), min_size=1)
)
def test_no_number_is_read_from_between_two(lists):
    """These are written with bytes of which many are alike, so that some lists are found out of step."""
    data, references = stored(*map(np.array, lists))
    for values, reference in zip(lists, references):
        assert [f"{x:.4g}" for x in numbers(data, reference)] == [f"{x:.4g}" for x in values]


def test_a_large_matrix_is_summarised_in_blocks():
    matrix = np.random.default_rng(0).normal(size=(512, 130))
    data, (reference,) = stored(matrix)
    found = data["arrays"][reference]
    assert found["blocks"] == [16, 16] and found["shape"] == [512, 130]
    mean, least, largest = numbers(data, reference)
    for i, j in ((0, 0), (3, 7), (15, 15)):
        block = matrix[i * 512 // 16 : (i + 1) * 512 // 16, j * 130 // 16 : (j + 1) * 130 // 16]
        told = [mean[i, j], least[i, j], largest[i, j]]
        assert [f"{x:.4g}" for x in told] == [f"{x:.4g}" for x in (block.mean(), block.min(), block.max())]
    assert found["stats"] == [
        float(f"{x:.4g}") for x in (matrix.min(), matrix.max(), matrix.mean(), np.linalg.norm(matrix))
    ]


def test_a_long_vector_is_cut_into_pieces():
    data, (reference,) = stored(np.arange(MOST + 76.0)[None])
    _, least, largest = numbers(data, reference)
    assert least[0, 0] == 0 and largest[-1, -1] == MOST + 75 and len(set(least.ravel())) == 256


def test_over_time_only_the_units_are_summarised():
    data, (reference,) = stored(np.arange(128 * 5.0).reshape(128, 5), whole_columns=True)
    assert data["arrays"][reference]["blocks"] == [32, 5]
    assert numbers(data, reference)[0, 0].tolist() == [7.5, 8.5, 9.5, 10.5, 11.5]


def test_less_detail_takes_less_room():
    generator = np.random.default_rng(0)
    row, matrix, sizes = generator.normal(size=(1, 512)), generator.normal(size=(512, 100)), []
    for detail in DETAILS:
        store = Store(detail)
        of_row, of_matrix = store.entries[store.add(row)], store.entries[store.add(matrix)]
        assert of_matrix["blocks"] == [detail.side, detail.side]
        assert of_row.get("blocks") == (None if detail.most > 512 else [detail.side, detail.side])
        sizes.append(store.size)
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0] / 5


def test_nothing_and_what_is_not_finite():
    data, (nothing, odd) = stored(np.zeros((0, 3)), np.array([1.0, np.inf, -np.inf]))
    assert data["arrays"][nothing]["stats"] == []
    assert data["arrays"][odd]["stats"] == ["-Infinity", "Infinity", "NaN", "Infinity"]
