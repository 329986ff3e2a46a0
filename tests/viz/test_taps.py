"""Where values come out in a picture, and what is known of those in tables."""

import pytest

from nodegraph.viz.scene import Box
from nodegraph.viz.taps import Tap, came_in, distributed, failure, part, shape_of, with_shape

BOX = Box("general", module="box")


def tap(shape, name=None):
    return Tap(BOX, shape=shape, name=name)


def test_a_part_has_its_place_its_name_and_its_shape():
    table = tap([(2,), (3,)], "both")
    assert (part(table, 1).name, part(table, 1).part, part(table, 1).shape) == ("both[1]", "[1]", (3,))
    assert (part(table, 1, "second").name, part(table, 1, "second").part) == ("second", "[1] second")
    assert part([tap((2,)), tap((3,))], 1, "c").name == "c"
    inner = [tap((2,)), [tap((3,))]]
    assert part(inner, 1, "c") is inner[1]


@pytest.mark.parametrize(
    ("outlet", "n", "shapes"),
    [
        (tap((4, 2)), 1, [(4, 2)]),
        (tap([(4, 2), (4, 3)]), 2, [(4, 2), (4, 3)]),
        (tap(None), 2, [None, None]),
        ([tap((1,)), tap((2,))], 2, [(1,), (2,)]),
        (tap([(4, 2), (4, 3)]), 3, [None] * 3),
    ],
    ids=["a single taker", "a table", "of an unknown shape", "of several outlets", "of another length"],
)
def test_a_table_is_given_out_value_by_value(outlet, n, shapes):
    assert [shape_of(each) for each in distributed(outlet, n)] == shapes


def test_values_of_several_outlets_that_do_not_fit_their_takers_are_of_unknown_shape():
    found = distributed([tap((1,)), tap((2,))], 3)
    assert len(found) == 3 and [shape_of(each) for each in found] == [None] * 3
    assert shape_of(with_shape([tap((1,)), tap((2,))], [(5,), (6,)])) == [(5,), (6,)]


def test_what_came_in_is_told_as_in_the_librarys_messages():
    assert came_in([tap((4, 2), "x"), tap(None, "h"), tap((3,))]) == "(4, 2) from x and a value from h and (3,)"
    assert failure([tap((4, 2), "x"), tap(None)], "cell") == "cell got (4, 2) from x and a value"
    assert failure(tap(None, "x"), "cell") == "cell failed" and failure(tap(None)) == "failed"
