"""Steps of every kind: as NumPy calls and as one compiled function they give what NumPy gives."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from nodegraph.engine.code import FUNCTIONS
from nodegraph.engine.numpy_machine import NumpyMachine
from nodegraph.engine.segment_source import source_of
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring, SoftMaxRows
from nodegraph.nn import Linear

from agreement import numba

A = np.array([-2.0, -0.5, 0.0, 0.25, 1.0, 3.0, np.nan, np.inf, -np.inf, 2.0])
B = np.array([1.0, -0.5, 2.0, -1.0, np.nan, 0.5, 1.0, 2.0, 3.0, 0.0])
OF_TWO = "add subtract multiply divide power maximum minimum".split()
COMPARISONS = "greater greater_equal less less_equal equal not_equal".split()
OF_CONDITIONS = "logical_and logical_or bitwise_and bitwise_or".split()
OF_ONE = "exp expm1 log log1p sqrt tanh absolute square sign negative".split()


def expected(a, b):
    """What NumPy gives for each function."""
    found = {name: getattr(np, name)(a) for name in OF_ONE}
    found |= {name: getattr(np, name)(a, b) for name in [*OF_TWO, *COMPARISONS]}
    found |= {name: getattr(np, name)(a > 0, b > 0) for name in OF_CONDITIONS}
    return {**found, "sigmoid": 1 / (1 + np.exp(-a)), "where": np.where(a > 0, a, b)}


def everything():
    """A pass that computes each function of a and b, into an array of its own."""
    made = Pass(2, len(A) // 2)
    code = made.code
    a, b = (made.load((name,), 0, made.columns) for name in "ab")
    above = [code.add("greater", x, 0.0) for x in (a, b)]
    places = {name: code.add(name, a) for name in [*OF_ONE, "sigmoid"]}
    places |= {name: code.add(name, a, b) for name in [*OF_TWO, *COMPARISONS]}
    places |= {name: code.add(name, *above) for name in OF_CONDITIONS}
    places["where"] = code.add("where", above[0], a, b)
    for name, place in places.items():
        made.store((name,), 0, made.columns, code.number(place))
    return made


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_there_is_no_function_but_these():
    assert {*expected(A, B), "load"} == FUNCTIONS


MACHINES = ["NumpyMachine", pytest.param("NumbaMachine", marks=numba)]


@pytest.fixture(params=MACHINES)
def run(request, monkeypatch, tmp_path_factory):
    """A function that runs steps over rings, by either machine."""
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path_factory.getbasetemp() / "kernels"))

    def run(steps, rings, times=1):
        plan = SimpleNamespace(dtype=np.dtype(float))
        program = SimpleNamespace(plan=plan, steps=times, forward_steps=steps, backward_steps=[], rings=rings)
        if request.param == "NumpyMachine":
            NumpyMachine(program).run(program, False)
        else:
            from nodegraph.engine.numba_machine import NumbaMachine

            NumbaMachine(program).run(program, False)

    return run


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_function_of_a_kernel(run):
    made, wanted = everything(), expected(A, B)
    rings = {("a",): Ring(A[None]), ("b",): Ring(B[None]), **{(name,): Ring(np.zeros((1, len(A)))) for name in wanted}}
    run([made], rings)
    for name, numbers in wanted.items():
        np.testing.assert_allclose(rings[(name,)].array[0], numbers, rtol=1e-14, err_msg=name)


def test_what_a_pass_adds_up_over_rows_and_steps(run):
    """Beside what it stores; where each step has its place, and where each row has."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    made = Pass(3, 4)
    place = made.load(("x",), 0, 4)
    square = made.code.add("multiply", place, place)
    made.store(("y",), 0, 4, square)
    made.store(("z",), 0, 4, place)
    made.sums += [(("row",), 1, 0, place), (("all",), 0, 4, square), (("ones",), 0, 0, 1.0)]
    sums = {("row",): np.ones((1, 5)), ("all",): np.ones((1, 12)), ("ones",): np.zeros((1, 4))}
    stored = {(name,): np.zeros((2, 12)) for name in "yz"}
    arrays = {("x",): x.reshape(2, 12).copy(), **stored, **sums}
    run([made], {slot: Ring(array) for slot, array in arrays.items()}, times=2)
    np.testing.assert_allclose(stored["y",], x.reshape(2, 12) ** 2, rtol=1e-14)
    np.testing.assert_array_equal(stored["z",], x.reshape(2, 12))
    np.testing.assert_allclose(sums["row",], [[1, *(1 + x.sum((0, 1)))]], rtol=1e-14)
    np.testing.assert_allclose(sums["all",], 1 + (x**2).sum(0).reshape(1, 12), rtol=1e-14)
    np.testing.assert_array_equal(sums["ones",], [[6] * 4])


def test_products_of_few_rows_and_of_many(run):
    """Forward, backward and of one-hot rows, from parts of arrays into parts, with weights of their own."""
    rng = np.random.default_rng(0)
    steps, rings, wanted = [], {}, {}

    def ring(name, rows, columns):
        """An array of rows that are longer than what is used of them."""
        rings[name] = Ring(rng.standard_normal((1, 2 + rows * (columns + 3))))
        return np.lib.stride_tricks.as_strided(rings[name].array[0, 2:], (rows, columns), ((columns + 3) * 8, 8))

    for rows, bias in itertools.product((3, 20), (False, True)):
        linear = Linear(4, 5, bias)
        names = [(name, rows, bias) for name in ("x", "y", "gradient", "grad input", "index", "row")]
        x, _, gradient, _ = (ring(name, rows, n) for name, n in zip(names, (4, 5, 5, 4)))
        index = rng.integers(0, 4, rows)
        rings[names[4]], _ = Ring(index[None]), ring(names[5], rows, 5)
        here = [(name, 2, n + 3) for name, n in zip(names, (4, 5, 5, 4))]
        steps.append(Multiply(rows, 4, 5, here[0], here[1], linear, True))
        steps.append(LookUp(rows, 4, 5, (names[4], 0, 1), (names[5], 2, 8), linear))
        steps.append(Multiply(rows, 5, 4, here[2], here[3], linear, False))
        for name, numbers in zip(
            (names[1], names[3], names[5]),
            (linear.forward(x), gradient @ linear.weight, linear.forward(np.eye(4)[index])),
        ):
            wanted[name] = rings[name].array.copy()
            columns = numbers.shape[1]
            part = np.lib.stride_tricks.as_strided(wanted[name][0, 2:], numbers.shape, ((columns + 3) * 8, 8))
            part[...] = numbers
    run(steps, rings)
    for name, numbers in wanted.items():
        np.testing.assert_allclose(rings[name].array, numbers, rtol=1e-13, atol=1e-13, err_msg=str(name))


def test_the_source_depends_on_no_size():
    """So passes of one kind over other shapes, and elsewhere in their arrays, are compiled once."""

    def text(rows, columns, offset):
        made = Pass(rows, columns)
        made.store(("y",), offset, columns, made.code.add("tanh", made.load(("x",), offset, columns)))
        twice = [made, made]
        return source_of(twice, [("x",), ("y",)], np.dtype(np.float32), [], [])

    assert text(2, 3, 0) == text(5, 4, 7)
    assert text(2, 3, 0).count("def kernel") == 1  # One function for passes that are the same.


def test_the_source_is_the_same_in_every_process():
    """Whatever order sets are in there, for machine code is kept by it."""
    names = ["tanh", "exp", "log", "sigmoid", "sqrt", "expm1", "log1p"]
    made = Pass(2, 3)
    for name in names:
        made.store((name,), 0, 3, made.code.add(name, made.load(("x",), 0, 3)))
    places = [("x",), *[(name,) for name in names]]
    soft_maxes = [SoftMaxRows(2, 3, [(("x",), 0, 3)] * (2 + back), False, back) for back in (True, False)]
    lines = source_of([made, *soft_maxes], places, np.dtype(float), [], []).splitlines()
    assert [line.split()[0] for line in lines if "= function(" in line] == sorted(names)
    assert [line.split()[0] for line in lines if "= soft_maxes." in line] == ["soft_max", "soft_max_backward"]


@pytest.mark.parametrize(
    ("constant", "text"),
    [(1 / 3, "0.3333333333333333"), (2, "2.0"), (np.float32(0.1), "0.10000000149011612"), (float("inf"), "inf")],
)
def test_a_constant_is_of_the_type_of_the_rest_to_the_last_digit(constant, text):
    made = Pass(1, 1)
    made.store(("y",), 0, 1, made.code.add("power", made.load(("x",), 0, 1), constant))
    source = source_of([made], [("x",), ("y",)], np.dtype(np.float32), [], [])
    assert f"C0 = np.float32(float('{text}'))" in source and "x1 = x0 ** C0" in source


def test_what_is_added_up_has_a_place_for_each_thread_and_the_rest_for_each_step():
    made = Pass(2, 3)
    place = made.load(("x",), 0, 3)
    made.store(("y",), 0, 3, place)
    made.sums.append((("sum",), 0, 0, place))
    lines = source_of([made], [("x",), ("sum",), ("y",)], np.dtype(float), [], []).splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("a") and " = A" in line] == [
        "a0 = A0[(t + S[0]) % S[1]]", "a1 = A1[thread]", "a2 = A2[(t + S[4]) % S[5]]"
    ]  # fmt: skip
