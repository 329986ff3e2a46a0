"""Steps and rings: where in turns arrays are written and read."""

import numpy as np
import pytest

from nodegraph.engine.code import Place
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, SoftMaxRows, sum_of
from nodegraph.nn import Linear

A, B, C = ("a",), ("b",), ("c",)


@pytest.mark.parametrize("places", [1, 2, 3])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_ring_gives_its_places_in_turns(places, shift):
    array = np.arange(6.0 * places).reshape(places, 6)
    ring = Ring(array, shift)
    for t, grid in enumerate(ring.grids(5, 2, 3, 0, 3)):
        np.testing.assert_array_equal(ring.at(t), array[(t + shift) % places])
        np.testing.assert_array_equal(grid, array[(t + shift) % places].reshape(2, 3))
        assert np.shares_memory(grid, ring.at(t))


def test_a_grid_is_a_part_of_each_place():
    ring = Ring(np.arange(24.0).reshape(2, 12))
    np.testing.assert_array_equal(ring.grids(2, 3, 2, 1, 4)[1], [[13, 14], [17, 18], [21, 22]])
    np.testing.assert_array_equal(ring.grids(2, 3, 2, 1, 0)[0], [[1, 2]])  # A row that all rows read is there once.
    assert len(ring.grids(5, 3, 2, 1, 4)) == 5 and len(ring.grids(1, 3, 2, 1, 4)) == 1


def test_a_pass_loads_nothing_twice():
    made = Pass(2, 3)
    a, again, b, other = made.load(A, 0, 3), made.load(A, 0, 3), made.load(A, 3, 3), made.load(B, 0, 3)
    assert a is again and len({a, b, other}) == 3
    assert made.loads == [(A, 0, 3), (A, 3, 3), (B, 0, 3)]


def test_what_steps_touch():
    """Each (slot, offset, stride, columns): by these threads tell whose rows are whose."""
    made = Pass(2, 3)
    made.store(B, 1, 4, made.load(A, 0, 3))
    made.sums.append((C, 2, 0, Place(0)))
    assert made.places == [(A, 0, 3), (B, 1, 4), (C, 2, 0)]
    assert made.reach == [(A, 0, 3, 3), (B, 1, 4, 3), (C, 2, 0, 3)]
    module = Linear(5, 3)
    product = Multiply(2, 5, 3, (A, 1, 6), (B, 0, 3), module, True)
    assert product.reach == [(A, 1, 6, 5), (B, 0, 3, 3)] and product.bias is module.bias
    assert Multiply(2, 3, 5, (B, 0, 3), (A, 1, 6), module, False).bias is None
    looked_up = LookUp(2, 5, 3, (A, 0, 1), (B, 0, 3), module)
    assert looked_up.reach == [(A, 0, 1, 1), (B, 0, 3, 3)] and looked_up.bias is module.bias
    normalised = SoftMaxRows(2, 3, [(A, 1, 4), (B, 0, 3)], log=True)
    assert normalised.reach == [(A, 1, 4, 3), (B, 0, 3, 3)] and not normalised.backward


def test_a_sum_of_arrays_and_of_none():
    made = sum_of(C, [A, B], 2, 3)
    assert made.loads == [(A, 0, 3), (B, 0, 3)] and made.stores == [(C, 0, 3, Place(2))]
    assert made.code.operations[-1] == ("add", (Place(0), Place(1)))
    assert (made.rows, made.columns) == (2, 3)
    nothing = sum_of(C, [], 2, 3)
    assert nothing.code.operations == [] and nothing.stores == [(C, 0, 3, 0.0)]
