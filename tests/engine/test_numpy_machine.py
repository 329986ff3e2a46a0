"""NumpyMachine: passes and products as NumPy calls over arrays that are shared where they can be."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.engine import threads
from nodegraph.engine.machine import REUSED
from nodegraph.engine.numpy_machine import _LookUp, _Pass, _Product, _Segment
from nodegraph.engine.steps import LookUp, Multiply, Pass, Ring
from nodegraph.symbols import Symbol

from agreement import assert_agrees, loops

rng = np.random.default_rng(0)
A, B, INTO, SUMS = (("base", k) for k in range(4))


def a_pass(formula, rows=3, columns=4, store=True, sums=None):
    """A pass over two arrays that stores what a formula gives, or adds it up."""
    found = Pass(rows, columns)
    loaded = [Symbol(found.load(slot, 0, columns)) for slot in (A, B)]
    value = found.code.record(formula(*loaded))
    if store:
        found.store(INTO, 0, columns, value)
    if sums is not None:
        found.sums.append((SUMS, 0, sums, value))
    return found


def rings(times=1, rows=3, columns=4, dtype=float):
    made = {slot: Ring(rng.standard_normal((times, rows * columns)).astype(dtype)) for slot in (A, B)}
    return {
        **made,
        INTO: Ring(np.zeros((times, rows * columns), dtype)),
        SUMS: Ring(np.zeros((1, rows * columns), dtype)),
    }


def ran(formula, **options):
    kernel, arrays = a_pass(formula, **options), rings()
    for function, arguments in _Pass(kernel).calls(arrays, 1)[0]:
        function(*arguments)
    a, b = (arrays[slot].array.reshape(3, 4) for slot in (A, B))
    return arrays, formula(a, b)


FORMULAS = {
    "one operation": lambda a, b: a + b,
    "several, some used twice": lambda a, b: np.tanh(a + b) * (a + b) - np.exp(a * b),
    "a choice": lambda a, b: np.where(a > b, a, 2.0 * b),
    "conditions": lambda a, b: np.where((a > 0) & (b < 1) | (a == b), np.abs(a), np.sign(b)),
    "a condition": lambda a, b: a > b,
    "the larger and the smaller": lambda a, b: np.maximum(a, b) - np.minimum(a, 0.5),
    "a sigmoid": lambda a, b: 1 / (1 + np.exp(-(a * b))),
    "a copy": lambda a, b: a,
    "a number": lambda a, b: 0 * 3.0,
    "a number divided": lambda a, b: 2.0 / (b * b + 1.0),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_pass_computes_its_formula(name):
    arrays, expected = ran(FORMULAS[name])
    np.testing.assert_allclose(arrays[INTO].array.reshape(3, 4), np.broadcast_to(expected, (3, 4)))


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("repeated", [False, True])
def test_sums_are_added_to_what_is_there(name, repeated):
    """For each element, or, where one row stands for all rows, over the rows."""
    arrays, expected = ran(FORMULAS[name], store=False, sums=0 if repeated else 4)
    expected = np.broadcast_to(expected, (3, 4))
    np.testing.assert_allclose(arrays[SUMS].array[0, :4], (expected.sum(0) if repeated else expected[0]) * 1.0)
    assert (arrays[SUMS].array[0, 4:] == 0).all() == (repeated or not expected[1:].any())


def scratch_of(kernel):
    return [place for place in _Pass(kernel)._places(np.dtype(float)) if isinstance(place, np.ndarray)]


def test_results_in_between_share_arrays_that_are_free():
    """However long a chain of operations is, two arrays are enough, and the last result goes where it is stored."""

    def chain(a, b):
        for _ in range(10):
            a = np.tanh(a)
        return a

    assert len({id(place) for place in scratch_of(a_pass(chain))}) <= 2
    assert scratch_of(a_pass(lambda a, b: a * b)) == []


def test_what_is_still_needed_is_not_written_over():
    kernel = a_pass(lambda a, b: np.exp(a) * np.exp(b) * np.tanh(np.exp(a)))
    assert len({id(place) for place in scratch_of(kernel)}) >= 2
    arrays, expected = ran(lambda a, b: np.exp(a) * np.exp(b) * np.tanh(np.exp(a)))
    np.testing.assert_allclose(arrays[INTO].array.reshape(3, 4), expected)


def test_what_is_added_up_is_not_written_over():
    """Though the operations no longer need it, and a later one needs an array."""
    kernel, arrays = Pass(3, 4), rings()
    a, b = (kernel.load(slot, 0, 4) for slot in (A, B))
    summed = kernel.code.add("exp", a)
    kernel.store(INTO, 0, 4, kernel.code.add("add", kernel.code.add("tanh", summed), kernel.code.add("exp", b)))
    kernel.sums.append((SUMS, 0, 4, summed))
    for function, arguments in _Pass(kernel).calls(arrays, 1)[0]:
        function(*arguments)
    x, y = arrays[A].array, arrays[B].array
    np.testing.assert_allclose(arrays[SUMS].array, np.exp(x))
    np.testing.assert_allclose(arrays[INTO].array, np.tanh(np.exp(x)) + np.exp(y))


def test_conditions_and_numbers_have_arrays_of_their_own_types():
    kinds = {place.dtype for place in scratch_of(a_pass(lambda a, b: np.where(a > b, np.exp(a), np.exp(b))))}
    assert kinds == {np.dtype(bool), np.dtype(float)}


def test_one_value_stored_in_two_places():
    kernel, arrays = a_pass(lambda a, b: a * b), rings()
    kernel.store(SUMS, 0, 4, kernel.stores[0][-1])
    for function, arguments in _Pass(kernel).calls(arrays, 1)[0]:
        function(*arguments)
    np.testing.assert_array_equal(arrays[INTO].array, arrays[SUMS].array)
    assert arrays[INTO].array.any()


def test_a_pass_that_stores_nothing_does_nothing():
    """Backward, where nothing that it reads has a gradient."""
    assert _Pass(Pass(3, 4)).calls({}, 5) == [[]] * 5
    x, h = nn.Identity()(), nn.Identity()()
    rows = nn.Tanh()(nn.OneHot(4)(x))
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(4, 4)(rows), h])))
    assert_agrees(cell, [rng.integers(0, 4, (5, 3)), rng.standard_normal((3, 4))], [1.0, 0.5])


def test_calls_are_made_anew_only_for_new_rings(monkeypatch):
    made, real = [], _Pass.calls
    monkeypatch.setattr(_Pass, "calls", lambda self, *arguments: made.append(1) or real(self, *arguments))
    segment, arrays = _Segment([a_pass(lambda a, b: a + b), a_pass(lambda a, b: a * b)], 2), rings(2)
    segment.prepare({A: arrays[A]})
    assert made == []  # some of their rings are not there yet
    for _ in range(2):
        segment.over(arrays)(range(2))
    assert len(made) == 2
    np.testing.assert_array_equal(arrays[INTO].array, arrays[A].array * arrays[B].array)
    arrays[A] = Ring(np.ones((2, 12)))
    segment.over(arrays)(range(2))
    assert len(made) == 4
    np.testing.assert_array_equal(arrays[INTO].array, arrays[B].array)
    arrays = rings(2)
    segment.over(arrays)(range(2))
    assert len(made) == 6
    np.testing.assert_array_equal(arrays[INTO].array, arrays[A].array * arrays[B].array)


def test_steps_that_a_new_ring_is_nothing_to_keep_their_calls(monkeypatch):
    made, real = [], _Pass.calls
    monkeypatch.setattr(_Pass, "calls", lambda self, *arguments: made.append(self.kernel) or real(self, *arguments))
    first, second, arrays = a_pass(lambda a, b: a + b), Pass(3, 4), rings(2)
    second.store(SUMS, 0, 4, second.load(B, 0, 4))
    segment = _Segment([first, second], 2)
    segment.over(arrays)
    arrays[A] = Ring(np.ones((2, 12)))
    segment.over(arrays)(range(2))
    assert list(map(id, made)) == list(map(id, [first, second, first]))
    np.testing.assert_array_equal(arrays[INTO].array, arrays[B].array + 1)
    np.testing.assert_array_equal(arrays[SUMS].array[0], arrays[B].array[1])


def test_only_the_steps_that_are_asked_for_run():
    segment, arrays = _Segment([a_pass(lambda a, b: a + b)], 3), rings(3)
    segment.over(arrays)((1,))
    assert [row.any() for row in arrays[INTO].array] == [False, True, False]


@pytest.mark.parametrize("rows", [1, REUSED])
@pytest.mark.parametrize("transposed", [True, False])
def test_a_product_takes_the_weight_as_it_is_when_a_run_begins(transposed, rows):
    linear = nn.Linear(4, 4)
    product = _Product(Multiply(rows, 4, 4, (A, 0, 4), (INTO, 0, 4), linear, transposed))
    source, into = rng.standard_normal((rows, 4)), np.zeros((rows, 4))
    for _ in range(2):
        linear.weight *= 2
        product.begin(1)
        product.run(source, into)
        np.testing.assert_allclose(
            into, source @ linear.weight.T + linear.bias if transposed else source @ linear.weight
        )


@pytest.mark.parametrize("bias", [True, False])
def test_rows_that_are_looked_up(bias):
    linear, indices, into = nn.Linear(4, 5, bias), np.array([[3], [0], [3]]), np.zeros((3, 5))
    look_up = _LookUp(LookUp(3, 4, 5, (("index", 0), 0, 1), (INTO, 0, 5), linear))
    look_up.begin(1)
    look_up.run(indices, into)
    np.testing.assert_allclose(into, linear.forward(np.eye(4)[indices[:, 0]]))


@pytest.mark.parametrize(("times", "rows", "copied"), [(1, REUSED - 1, False), (1, REUSED, True), (REUSED, 1, True)])
def test_a_weight_is_turned_round_once_for_many_rows(times, rows, copied):
    linear = nn.Linear(3, 5)
    product = _Product(Multiply(rows, 3, 5, (A, 0, 3), (INTO, 0, 5), linear, True))
    product.begin(times)
    assert np.shares_memory(product._weight, linear.weight) != copied


def test_blas_has_one_thread_in_loops_only(monkeypatch, numpy_kernels):
    """A graph that runs once may have all threads for its large products."""
    limited, real = [], threads.one_for_blas
    monkeypatch.setattr(threads, "one_for_blas", lambda: limited.append(1) or real())
    x, h = nn.Identity()(), nn.Identity()()
    graph = GModule([x, h], nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)])))
    nn.Call(graph.compile(), [np.ones((2, 4)), np.ones((2, 4))]).backward(np.ones((2, 4)))
    assert limited == []
    net = Recurrent(graph)
    net.forward([np.ones((3, 2, 4)), np.ones((2, 4))])
    assert loops(net) and len(limited) == 1
