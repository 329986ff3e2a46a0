"""Tables: what may be a value, and in which type it is computed."""

import numpy as np
import pytest

from nodegraph import nn, table
from nodegraph.errors import InputError


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("module", [nn.SoftMax(), nn.LogSoftMax(), nn.Tanh(), nn.CReLU(1), nn.Square(), nn.Sum(0)])
def test_integers_of_any_width_are_computed_as_the_numbers_they_are(module, dtype):
    x = np.array([[100, 90, 0], [120, 1, 7]], dtype)
    np.testing.assert_allclose(module.forward(x), module.forward(x.astype(float)), rtol=1e-12)


def test_sums_of_narrow_integers_do_not_overflow():
    assert nn.CAddTable().forward([np.array([200], np.uint8), np.array([100], np.uint8)]).item() == 300
    assert nn.MulConstant(2).forward(np.uint8(200)) == 400


def test_floats_long_integers_and_booleans_stay_the_arrays_they_are():
    for dtype in (np.float32, float, np.int64, bool):
        array = np.ones(3, dtype)
        assert table.as_value([array])[0] is array


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
def test_an_array_of_a_subclass_becomes_a_plain_one(dtype):
    class Tagged(np.ndarray):
        pass

    assert type(table.as_value(np.ones(2, dtype).view(Tagged))) is np.ndarray


def test_whole_numbers_beyond_int64_are_refused():
    top = np.iinfo(np.int64).max
    assert table.as_value(np.array([top], np.uint64)).tolist() == [top]
    with pytest.raises(InputError, match=rf"whole numbers below 2\*\*63, found {top + 1}"):
        table.as_value(np.array([1, top + 1], np.uint64))


@pytest.mark.parametrize(
    "given, kept", [(np.float16, np.float32), (">f4", np.float32), (np.float64, np.float64), (np.longdouble, float)]
)
def test_a_float_becomes_the_type_that_holds_it(given, kept):
    assert table.as_value(np.ones(2, given)).dtype == kept


def test_a_gradient_comes_in_the_floating_point_types_of_the_value():
    value = [np.ones(2, np.float32), [np.ones(1), np.ones(3, int)], np.ones(1)]
    gradient = [np.array([0.5, 0.25]), [np.ones(1, np.float32), np.ones(3, int)], None]
    (single, (double, of_integers), none) = table.in_types_of(value, table.as_gradient(gradient))
    assert (single.dtype, double.dtype, of_integers.dtype, none) == (np.float32, float, float, None)
    assert single.tolist() == [0.5, 0.25] and table.in_types_of(value[1][0], double) is double


def test_map_refuses_tables_of_different_lengths():
    assert table.map(np.add, [1, [2]], [3, [4]]) == [4, [6]] and table.shape([4.0, []]) == [(), []]
    with pytest.raises(ValueError):
        table.map(np.add, [1, 2], [3])


def test_shapes_in_words():
    value = [np.zeros((2, 3)), [np.zeros(4), None], 5.0]
    assert table.describe(value) == "[(2, 3), [(4,), None], a number]"
    assert table.describe([]) == "[]" and table.describe(None) == "None"
    assert table.describe_shape([(2, 3), [(4,)], ()]) == "[(2, 3), [(4,)], a number]"


def test_the_shapes_in_a_shape_come_from_left_to_right():
    assert [*table.shapes([(2, 3), [[], (4,)], ()])] == [(2, 3), (4,), ()] and [*table.shapes((5,))] == [(5,)]


def test_copy_writes_into_the_arrays_at_the_same_places():
    into = [np.zeros(2), [np.zeros((1, 2))]]
    held = into[0], into[1][0]
    table.copy(into, [np.array([1.0, 2.0]), [np.array([[3.0, 4.0]])]])
    assert held[0].tolist() == [1, 2] and held[1].tolist() == [[3, 4]]
    table.copy(held[0], 7.0)
    assert held[0].tolist() == [7, 7]
    with pytest.raises(ValueError):
        table.copy(into, [np.zeros(2)])


def test_gradients_add_up_and_none_is_zero():
    a = np.ones(2)
    assert table.add(None, a) is a and table.add(a, None) is a and table.add(None, None) is None
    total = table.add([a, [None]], [a, [a]])
    assert total[0].tolist() == [2, 2] and total[1][0] is a and a.tolist() == [1, 1]
    with pytest.raises(ValueError):
        table.add([a, a], [a])


def test_fill_puts_zeros_for_none_and_leaves_what_does_not_fit_to_the_checks():
    like = [np.ones(2, np.float32), [np.ones(1), np.ones(3, int)]]
    filled = table.fill([None, [np.ones(1), None]], like)
    assert filled[0].dtype == np.float32 and filled[0].tolist() == [0, 0]
    assert filled[1][0].tolist() == [1] and filled[1][1].dtype == float and filled[1][1].tolist() == [0, 0, 0]
    whole, single = np.ones((2, 3)), table.fill(None, 5.0)
    assert table.fill(whole, like) is whole and single.shape == () and single.dtype == float
    assert table.fill([None], like) == [None] and table.fill([None], np.ones(1)) == [None]


@pytest.mark.parametrize(
    "a, b, same",
    [
        (np.ones(2), np.zeros(2), True),
        (np.ones(2), np.ones(3), False),
        ([np.ones(2)], [np.ones(2)], True),
        ([np.ones(2)], [np.ones(2), np.ones(2)], False),
        ([np.ones(2)], [np.ones(3)], False),
        ([np.ones(2), np.ones(3)], [np.ones(2), np.ones(2)], False),
        ([np.ones(2)], np.ones(2), False),
        ([np.ones(2)], np.ones((1, 2)), False),
        (np.ones((1, 2)), [np.ones(2)], False),
        (1.0, np.ones(()), True),
        (None, 1.0, False),
        (1.0, None, False),
    ],
)
def test_same_structure(a, b, same):
    assert table.same_structure(a, b) is same
    assert table.fits(a, b) is (same or a is None)


@pytest.mark.parametrize(
    "a, b, equal",
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0]), False),
        (np.array([True]), np.array([True]), True),
        ([np.ones(2), [np.ones(1)]], (np.ones(2), (np.ones(1),)), True),
        ([np.ones(2)], np.ones((1, 2)), False),
        (np.ones((1, 2)), [np.ones(2)], False),
        ([np.ones(2)], [np.ones(2), np.ones(2)], False),
        ([np.ones(2), np.ones(1)], [np.ones(2), np.zeros(1)], False),
        (np.ones(2), np.ones((1, 2)), False),
    ],
)
def test_equal(a, b, equal):
    assert table.equal(a, b) is equal


def test_a_gradient_that_is_none_has_no_type_also_for_a_table_of_arrays_of_different_axes():
    value = [np.ones(2), [np.ones((2, 3)), np.ones((2, 3, 4))]]
    assert table.in_types_of(value, [None, None]) == [None, None] and table.in_types_of(value, None) is None


@pytest.mark.parametrize(
    "value, words", [({}, "a dict"), ("abc", "a str"), (np.float32(1), "a number"), (True, "a number")]
)
def test_what_a_value_is_in_words(value, words):
    assert table.describe(value) == words


def test_a_gradient_may_have_none_anywhere_but_no_other_length():
    assert table.fits([None, [None]], [np.ones(2), [np.ones(1)]])
    assert not table.fits([None], [np.ones(2), np.ones(2)]) and not table.fits([[np.ones(3)]], [[np.ones(2)]])


@pytest.mark.parametrize("dtype, rounding", [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_about_equal_allows_for_rounding_beside_the_largest_number(dtype, rounding):
    b = [np.array([100.0, 0.0, np.nan, -np.inf], dtype), [np.zeros(0, dtype)]]
    within = [b[0] + np.array([0, 50 * rounding, 0, 0], dtype), b[1]]
    beyond = [b[0] + np.array([0, 200 * rounding, 0, 0], dtype), b[1]]
    assert table.about_equal(within, b) and not table.about_equal(beyond, b)
    assert not table.about_equal([np.ones(2), np.ones(2)], [np.ones(2), np.zeros(2)])
    assert not table.about_equal(np.full(2, 1 + 5 * rounding, dtype), np.ones(2, dtype))
    assert not table.about_equal(np.full(2, 2 * rounding**2, dtype), np.full(2, rounding**2, dtype))


def test_a_mask_of_numpy_is_not_lost_in_silence():
    with pytest.raises(InputError, match="without a mask: fill it, or give the mask as an input"):
        nn.Tanh().forward(np.ma.masked_array([1.0, 2.0], [True, False]))


def test_of_a_long_list_the_first_parts_are_described():
    """A list of lists in the place of an array makes no message of a thousand words."""
    assert (
        table.describe([[1.0] * 200] * 2)
        == "[" + ", ".join(["[a number, a number, a number, ... 200 in all]"] * 2) + "]"
    )
    assert table.describe_shape([(2, 3)] * 17) == "[(2, 3), (2, 3), (2, 3), ... 17 in all]"
    assert table.describe_shape([(2,)] * 16).count("(2,)") == 16
