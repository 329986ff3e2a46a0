"""Size: arithmetic with lengths that are open comes to what it comes to for any numbers."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx")

from nodegraph.export.onnx.sizes import Size  # noqa: E402

LENGTHS = {"batch": 11, "steps": 13}
OTHERS = {"batch": 4, "steps": 7}


@st.composite
def expressions(draw, depth=3):
    """A function that works out some expression for two lengths."""
    kind = draw(
        st.sampled_from(["batch", "steps", "number", "+", "-", "*", "negative"] if depth else ["batch", "number"])
    )
    if kind == "number":
        number = draw(st.integers(-5, 5))
        return lambda lengths: number
    if kind in LENGTHS:
        return lambda lengths: lengths[kind]
    a, b = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    if kind == "negative":
        return lambda lengths: -a(lengths)
    operation = {"+": operator.add, "-": operator.sub, "*": operator.mul}[kind]
    return lambda lengths: operation(a(lengths), b(lengths))


OPEN = {name: Size.named(name, n) for name, n in LENGTHS.items()}


@given(expressions())
def test_sums_and_products_hold_for_other_lengths(expression):
    found = expression(OPEN)
    assert int(found) == expression(LENGTHS)
    assert (found.at(OTHERS) if isinstance(found, Size) else found) == expression(OTHERS)


@given(expressions(), st.integers(1, 4))
def test_an_exact_quotient_is_undone_by_the_product(expression, factor):
    whole = expression(OPEN) * factor
    assert whole // factor == expression(OPEN) or int(whole) == 0
    assert whole % factor == 0 and divmod(whole, factor) == (whole // factor, 0)


def test_quotients_by_open_lengths():
    batch, steps = OPEN["batch"], OPEN["steps"]
    assert (3 * batch * steps) // batch == 3 * steps and (batch * steps) // (batch * steps) == 1
    for uneven in (batch // 2, 20 // batch, batch // steps, (batch + 1) // batch, batch // (batch + 1)):
        assert isinstance(uneven, Size) and len(uneven.terms) == 1
    assert int(batch // 2) == 5 and int(20 // batch) == 1 and int(batch % 2) == 1
    with pytest.raises(ZeroDivisionError):
        batch // 0


def test_what_is_no_whole_number_takes_the_example():
    """So a graph in which such a number stands differs between two lengths, and is refused."""
    batch = OPEN["batch"]
    assert [batch + 0.5, batch - 0.5, batch * 0.5, batch // 0.5, batch % 0.5] == [11.5, 10.5, 5.5, 22.0, 0.0]
    assert not isinstance(batch * 0.5, Size)


def test_a_size_is_no_number():
    batch = OPEN["batch"]
    assert batch != 11 and batch == Size.named("batch", 11) and batch - batch == 0
    assert str(2 * batch * OPEN["steps"] - 3) == "2*batch*steps - 3"
