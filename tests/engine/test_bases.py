"""Bases: where the elements of a view lie in the array that it is a view of."""

import numpy as np
import pytest

from nodegraph.engine.bases import Access, Base, Bases, NotPlannable, Unfit


def based(*shapes, rows=3, kind="source"):
    """Bases of these shapes, and their stand-ins."""
    bases = Bases(rows)
    return bases, [bases.add(Base(kind, shape, (7, i))) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("kind", "shape", "grid"),
    [
        ("source", (3, 4), (3, 4)),
        ("source", (2, 3, 5), (2, 15)),
        ("source", (3,), (3, 1)),  # A number for each row of the batch,
        ("product", (3,), (1, 3)),  # but a product without a batch is one row,
        ("source", (4,), (1, 4)),  # and so is any other single axis.
        ("source", (), (1, 1)),
    ],
)
def test_a_base_is_seen_as_rows_and_columns(kind, shape, grid):
    bases, _ = based(shape, kind=kind)
    assert (bases[0].rows, bases[0].columns) == grid


def test_nothing_without_elements_is_planned():
    with pytest.raises(NotPlannable):
        based((3, 0))


VIEWS = {
    "itself": lambda x: x,
    "columns": lambda x: x[:, 1:3],
    "rows": lambda x: x[1:],
    "an element": lambda x: x[2:, 3:],
    "turned": lambda x: x.T,
    "backwards": lambda x: x[:, ::-1],
    "every second": lambda x: x[::2, ::2],
    "another shape": lambda x: x.reshape(2, 6)[1],
    "repeated": lambda x: np.broadcast_to(x[:1], (5, 4)),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1)[:, 1:],
    "a view of windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1).transpose(1, 0, 2)[2],
}


@pytest.mark.parametrize("name", VIEWS)
def test_where_the_elements_of_a_view_lie(name):
    """Numbers laid out as the elements of the base, taken from offset and strides, are those that the view has."""
    bases, (before, x, after) = based((3, 4), (3, 4), (3, 4))
    view, numbers = VIEWS[name](x), np.arange(12).reshape(3, 4)
    base, offset, strides = bases.part(view)
    assert base == bases.of(view) == 1 and bases.hold(view)
    taken = np.lib.stride_tricks.as_strided(
        numbers.reshape(-1)[offset:], view.shape, [8 * stride for stride in strides]
    )
    np.testing.assert_array_equal(taken, VIEWS[name](numbers))


def test_a_copy_is_held_by_no_base():
    bases, (x,) = based((3, 4))
    assert not bases.hold(x.copy()) and not bases.hold(x.copy()[:, 1:]) and not bases.hold(x.T.reshape(-1))
    assert not bases.hold(x[:, :0])
    assert not Bases(3).hold(x)


def test_the_whole_is_all_elements_in_order():
    bases, (_, x) = based((2, 2), (3, 4))
    assert bases.whole(x) == bases.whole(x.reshape(2, 6)) == bases.whole(x[None]) == 1
    assert bases.whole(x.T) is bases.whole(x[:, ::-1]) is bases.whole(x[1:]) is None


def test_an_access_is_rows_that_are_runs():
    bases, (_, x) = based((2, 2), (3, 8))
    assert bases.access(x, 3, 8, ()) == Access(1, 0, 8)
    assert bases.access(x[:, 2:5], 3, 3, ()) == Access(1, 2, 8)
    assert bases.access(x[::2, :1], 2, 1, ()) == Access(1, 0, 16)
    assert bases.access(x[:, ::2], 12, 1, ()) == Access(1, 0, 2)  # As a column any even steps are rows.
    assert bases.access(x[::-1], 3, 8, ()) == Access(1, 16, -8)
    assert bases.access(np.broadcast_to(x[1], (3, 8)), 3, 8, ()) == Access(1, 8, 0)


def test_a_single_row_has_the_stride_of_its_base_however_the_view_is_made():
    bases, (x,) = based((1, 4))
    turned = x.reshape(1, 4, 1).transpose(0, 2, 1)[:, 0]
    for view in (x, x.reshape(4, 1).T, turned, x[:, 1:]):
        assert bases.access(view, 1, view.size, ()).stride == 4


@pytest.mark.parametrize("view", ["backwards", "every second", "turned"])
def test_what_is_no_run_is_told_with_its_place(view):
    bases, (x,) = based((3, 4))
    elements = VIEWS[view](x)
    with pytest.raises(Unfit) as unfit:
        bases.access(elements, *elements.shape, (5, 2))
    assert unfit.value.path == (5, 2)


def test_what_numpy_must_copy_to_make_rows_of_it_is_no_access():
    bases, (x,) = based((3, 4))
    with pytest.raises(Unfit):
        bases.access(x[:, :3], 1, 9, ())


def pointwise(*operands, shape=(3, 4)):
    """Bases with one more, computed from the operands, and its number."""
    bases, (x,) = based((3, 8))
    base = Base("pointwise", shape, (9,), operands=[operand(x) for operand in operands])
    bases.add(base)
    return bases, 1


def test_the_operands_of_a_part_are_parts():
    bases, y = pointwise(lambda x: x[:, 4:], lambda x: x[:, :4], lambda x: np.broadcast_to(x[1, 2:6], (3, 4)))
    assert bases.operands(Access(y, 0, 4), 3, 4) == [Access(0, 4, 8), Access(0, 0, 8), Access(0, 10, 0)]
    assert bases.operands(Access(y, 1, 4), 3, 2) == [Access(0, 5, 8), Access(0, 1, 8), Access(0, 11, 0)]


@pytest.mark.parametrize(
    ("access", "rows", "columns"),
    [
        ((0, 4), 2, 4),  # some rows only
        ((0, 8), 3, 4),  # every second row
        ((0, 0), 3, 4),  # one row again and again
        ((2, 4), 3, 3),  # the end of a row and the start of the next
    ],
)
def test_a_part_that_is_not_some_columns_of_all_rows_is_unfit(access, rows, columns):
    bases, y = pointwise(lambda x: x[:, 4:])
    with pytest.raises(Unfit) as unfit:
        bases.operands(Access(y, *access), rows, columns)
    assert unfit.value.path == (9,)


@pytest.mark.parametrize("operand", [lambda x: x[:, ::2], lambda x: x[:, 3::-1], lambda x: x[:2, :6]])
def test_an_operand_that_a_kernel_cannot_read_is_unfit(operand):
    bases, y = pointwise(operand)
    with pytest.raises(Unfit) as unfit:
        bases.operands(Access(y, 0, 4), 3, 4)
    assert unfit.value.path == (9,)
