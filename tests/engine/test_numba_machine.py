"""NumbaMachine: what machine code gets, shares of threads, and what it leaves to NumPy."""

import os
import pathlib
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs the extra nodegraph[fast]")

from nodegraph import nn  # noqa: E402
from nodegraph.engine import numba_machine, threads  # noqa: E402
from nodegraph.engine.machine import PER_OPERATION, REUSED  # noqa: E402
from nodegraph.engine.numba_machine import NumbaMachine, _Segment  # noqa: E402
from nodegraph.engine.outside_call import CallStep  # noqa: E402
from nodegraph.engine.segment_source import ALL  # noqa: E402
from nodegraph.engine.steps import LookUp, Multiply, Ring  # noqa: E402

rng = np.random.default_rng(0)
FLOAT = np.dtype(np.float64)


@pytest.fixture
def functions(monkeypatch):
    """Segments whose functions are not compiled: the sources and types that they would be compiled from."""
    found = []
    monkeypatch.setattr(numba_machine, "_compiled", lambda *arguments: found.append(arguments) or found)
    return found


def product(rows, inner=3, columns=5, bias=True, transposed=True):
    source, into = (("base", 0), 0, inner), (("base", 1), 0, columns)
    return Multiply(rows, inner, columns, source, into, nn.Linear(inner, columns, bias), transposed)


def machine_of(steps, rings=(), times=10, dtype=FLOAT):
    program = SimpleNamespace(
        plan=SimpleNamespace(dtype=dtype), steps=times, rings=dict(rings), forward_steps=steps, backward_steps=[]
    )
    return NumbaMachine(program)


# Threads


@pytest.fixture
def many_threads(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")


def test_threads_share_the_rows_where_each_depends_on_no_other(functions, many_threads):
    assert machine_of([product(9)]).threads == 4
    assert machine_of([product(3)]).threads == 3  # no more than rows
    assert machine_of([product(9), product(9)]).threads == 4
    assert machine_of([product(9), product(8)]).threads == 1  # a step of other rows
    assert machine_of([object.__new__(CallStep), product(9)]).threads == 4  # a call has none of its own


@pytest.mark.parametrize(
    ("elements", "place", "count"),
    [(27, (0, 3), 4), (36, (0, 4), 4), (36, (1, 4), 4), (36, (2, 4), 1), (36, (0, 3), 1), (9, (0, 0), 4)],
)
def test_each_row_has_its_part_of_a_ring(elements, place, count, functions, many_threads):
    """Row r must lie in the r-th part of equally many elements; what is repeated for all rows is nobody's."""
    step = product(9)
    step.source = (("base", 0), *place)
    rings = {("base", 0): Ring(np.zeros((2, elements))), ("base", 1): Ring(np.zeros((2, 45)))}
    assert machine_of([step], rings).threads == count


def test_rows_are_shared_out_evenly(functions, many_threads, monkeypatch):
    monkeypatch.setattr(threads, "run", lambda share, count: [share(i) for i in range(count)])
    made, rings = machine_of([product(10)]), {("base", k): Ring(np.zeros((2, 50))) for k in range(2)}
    segment, calls = made.segment([product(10)]), []
    segment.function = lambda *arguments: calls.append(arguments[:6])
    made.bound(segment, rings)(range(10))
    assert calls == [(0, 10, 1, a, b, i) for i, (a, b) in enumerate([(0, 2), (2, 5), (5, 7), (7, ALL)])]
    del calls[:]
    made.bound(segment, rings)(range(10)[::-1])
    assert [call[:3] for call in calls] == [(9, -1, -1)] * 4


def test_one_thread_runs_all_rows_of_every_step(functions, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made, calls = machine_of([product(10), product(4)]), []
    segment = made.segment([product(10)])
    segment.function = lambda *arguments: calls.append(arguments[:6])
    made.bound(segment, {("base", k): Ring(np.zeros((2, 50))) for k in range(2)})((3,))
    assert calls == [(3, 4, 1, 0, ALL, 0)]


# Weights and rings


@pytest.mark.parametrize("bias", [True, False])
def test_weights_for_many_rows_are_laid_out_anew_for_each_run(bias, functions):
    step = product(REUSED, bias=bias)
    segment, last = _Segment([step], FLOAT, 1), step.module.bias if bias else np.zeros(5)
    for _ in range(2):
        (panels,) = segment.weights(1)
        assert panels.shape == (1, 4, 8)
        np.testing.assert_array_equal(panels[0, :, :5], [*step.module.weight.T, last])
        step.module.weight *= 2


@pytest.mark.parametrize(("count", "parts"), [(1, [(0, 3)]), (2, [(0, 1), (1, 3)]), (3, [(0, 1), (1, 2), (2, 3)])])
def test_threads_lay_out_the_weights_together(count, parts, functions, monkeypatch):
    done, real = [], numba_machine.products.lay_out
    noting = lambda *arguments: done.append(arguments[-2:]) or real(FLOAT)(*arguments)  # noqa: E731
    monkeypatch.setattr(numba_machine.products, "lay_out", lambda dtype: noting)
    weight = rng.standard_normal((20, 3))
    step = product(REUSED, 3, 20)
    step.module.weight[...] = weight
    (panels,) = _Segment([step], FLOAT, 1).weights(count)
    np.testing.assert_array_equal(np.concatenate([*panels[:, :3]], 1)[:, :20], weight.T)
    assert sorted(done) == parts


def test_weights_for_few_rows_are_taken_as_they_are(functions):
    plain, other = product(1), product(1, bias=False)
    segment = _Segment([plain, other], FLOAT, REUSED - 1)
    given = segment.weights(1)
    assert given[0] is plain.module.weight and given[1] is plain.module.bias and given[2] is other.module.weight
    assert given[3].size == 0
    assert all(a is b for a, b in zip(segment.weights(1), given))
    plain.module.bias = np.ones(5)
    assert segment.weights(1)[1] is plain.module.bias


def test_rows_of_all_steps_together_are_many(functions):
    (panels,) = _Segment([product(2)], FLOAT, REUSED // 2).weights(1)
    assert panels.ndim == 3
    weight, bias = _Segment([product(2)], FLOAT, REUSED // 2 - 1).weights(1)
    assert weight.ndim == 2 and bias.ndim == 1


@pytest.mark.parametrize("odd", [lambda a: np.asfortranarray(a), lambda a: np.repeat(a, 2, 1)[:, ::2], None])
def test_weights_that_lie_otherwise_are_copied_and_seen_to_change(odd, functions):
    step = product(1)
    segment, weight = _Segment([step], FLOAT, 1), step.module.weight.copy()
    if odd is None:
        step.module.weight.flags.writeable = False
    else:
        step.module.weight = odd(weight)
    for factor in (1, 2):
        (given, _) = segment.weights(1)
        assert given.flags.c_contiguous and given.flags.writeable
        np.testing.assert_array_equal(given, factor * weight)
        step.module.weight = 2 * step.module.weight if odd is None else odd(2 * weight)


def test_the_arguments_of_rings_are_made_anew_for_new_rings(functions):
    segment = _Segment([product(10)], FLOAT, 1)
    frozen = np.zeros((3, 50))
    frozen.flags.writeable = False
    rings = {("base", 0): Ring(np.zeros((2, 50)), 1), ("base", 1): Ring(frozen)}
    places, turns, first, second = segment.over(rings)
    assert turns.tolist() == [1, 2, 0, 3] and places.tolist() == [10, 0, 3, 0, 5, 5]
    assert first is rings["base", 0].array and second is not frozen and second.flags.writeable
    assert segment.over(rings) is segment.over(rings)
    rings["base", 0] = Ring(np.ones((4, 50)))
    assert segment.over(rings)[1].tolist() == [0, 4, 0, 3] and segment.over(rings)[2] is rings["base", 0].array


def test_the_types_a_segment_is_compiled_for(functions):
    look_up = LookUp(10, 3, 5, (("index", 7), 0, 1), (("base", 1), 0, 5), nn.Linear(3, 5))
    _Segment([look_up, product(10), product(10)], np.dtype(np.float32), 1)
    _Segment([look_up, product(10)], np.dtype(np.float32), 1)
    _Segment([product(1)], FLOAT, 1)
    names = [[str(kind) for kind in kinds] for _, kinds in functions]
    ring, panels = "array(float32, 2d, C)", "array(float32, 3d, C)"
    assert names[0] == ["array(int64, 2d, C)", ring, ring, panels, panels, panels]
    assert names[1] == ["array(int64, 2d, C)", ring, ring, panels, panels]
    assert names[2] == ["array(float64, 2d, C)"] * 3 + ["array(float64, 1d, C)"]


# Gradients of weights


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("columns", [5, 8, 40])
def test_gradients_of_a_weight(columns, count, bias, functions, monkeypatch):
    shared, real = [], threads.run
    monkeypatch.setattr(threads, "worth", lambda work: count)
    monkeypatch.setattr(threads, "run", lambda share, count: shared.append(count) or real(share, count))
    made, linear = machine_of([product(10)]), nn.Linear(3, columns, bias)
    input, gradient = rng.standard_normal((REUSED, 3)), rng.standard_normal((REUSED, columns))
    made.add_gradients(linear, input, gradient, 0.5)
    np.testing.assert_allclose(linear.grad_weight, 0.5 * gradient.T @ input)
    indices = rng.integers(0, 3, REUSED)
    made.add_gradients_of_columns(linear, indices, gradient, 0.5)
    np.testing.assert_allclose(linear.grad_weight, 0.5 * gradient.T @ (input + np.eye(3)[indices]))
    if bias:
        np.testing.assert_allclose(linear.grad_bias, gradient.sum(0))
    assert shared == [count, count]


def test_as_many_threads_as_the_gradients_of_a_weight_are_worth(functions, many_threads, monkeypatch):
    """A product is worth rows x inputs x outputs, a sum of columns so much for each number of the output's gradient."""
    shared, real = [], threads.run
    monkeypatch.setattr(threads, "run", lambda share, count: shared.append(count) or real(share, count))
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1000)
    made, linear, rows = machine_of([product(10)]), nn.Linear(30, 10), 10
    gradient = rng.standard_normal((rows, 10))
    made.add_gradients(linear, rng.standard_normal((rows, 30)), gradient, 1.0)  # 3000
    made.add_gradients_of_columns(linear, rng.integers(0, 30, rows), gradient, 1.0)  # 800
    monkeypatch.setattr(threads, "WORTH_A_THREAD", PER_OPERATION * gradient.size / 2)
    made.add_gradients_of_columns(linear, rng.integers(0, 30, rows), gradient, 1.0)
    assert shared == [3, 1, 2]


@pytest.mark.parametrize("why", ["few rows", "of another type", "laid out otherwise", "the bias laid out otherwise"])
def test_what_machine_code_cannot_take_is_left_to_numpy(why, functions, monkeypatch):
    monkeypatch.setattr(threads, "run", None)  # nothing is shared out
    made, linear, rows = machine_of([product(10)]), nn.Linear(3, 5), REUSED - (why == "few rows")
    if why == "of another type":
        linear.grad_weight = np.zeros((5, 3), np.float32)
    elif why == "laid out otherwise":
        linear.grad_weight = np.zeros((3, 5)).T
    elif why == "the bias laid out otherwise":
        linear.grad_bias = np.zeros(10)[::2]
    indices, gradient = rng.integers(0, 3, rows), rng.standard_normal((rows, 5))
    made.add_gradients_of_columns(linear, indices, gradient, 2.0)
    made.add_gradients(linear, np.eye(3)[indices], gradient, -1.0)
    np.testing.assert_allclose(linear.grad_weight, gradient.T @ np.eye(3)[indices], rtol=1e-6)
    np.testing.assert_allclose(linear.grad_bias, gradient.sum(0))


def test_a_gradient_that_cannot_be_written_is_refused_as_ever(functions):
    made, linear = machine_of([product(10)]), nn.Linear(3, 5)
    linear.grad_weight.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        made.add_gradients(linear, np.ones((REUSED, 3)), np.ones((REUSED, 5)), 1.0)


# Sources on disk


def written(source, monkeypatch, folder):
    monkeypatch.setenv("NODEGRAPH_CACHE", str(folder))
    return numba_machine._written(source)


def test_each_source_has_a_file_of_its_own(monkeypatch, tmp_path):
    first, again, other = (
        written(text, monkeypatch, tmp_path / "kernels") for text in ("x = 1\n", "x = 1\n", "x = 2\n")
    )
    assert first == again != other and first.parent == other.parent == tmp_path / "kernels"
    assert first.read_text() == "x = 1\n" and other.read_text() == "x = 2\n"
    assert sorted(tmp_path.rglob("*.*")) == sorted([first, other])  # and nothing half written


def test_a_file_that_is_right_is_not_written_again_and_a_damaged_one_is(monkeypatch, tmp_path):
    path = written("x = 1\n", monkeypatch, tmp_path)
    os.utime(path, (1, 1))
    written("x = 1\n", monkeypatch, tmp_path)
    assert path.stat().st_mtime == 1
    path.write_text("x = ")
    assert written("x = 1\n", monkeypatch, tmp_path) == path and path.read_text() == "x = 1\n"


def test_what_is_half_written_lies_beside_what_it_becomes(monkeypatch, tmp_path):
    """For only in one file system a file can take another's place at once."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert written("x = 1\n", monkeypatch, tmp_path / "kernels").read_text() == "x = 1\n"


def test_another_version_of_what_is_compiled_in_has_another_file(monkeypatch, tmp_path):
    before = written("x = 1\n", monkeypatch, tmp_path)
    other = tmp_path / "other.py"
    other.write_text("")
    for module in (numba_machine.elementary, numba_machine.products, numba_machine.soft_max):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(other))
            assert written("x = 1\n", patch, tmp_path) != before
    assert written("x = 1\n", monkeypatch, tmp_path) == before


def test_kernels_are_kept_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NODEGRAPH_CACHE", raising=False)
    monkeypatch.setattr(pathlib.Path, "home", lambda: tmp_path)
    assert numba_machine._written("x = 1\n").parent == tmp_path / ".cache" / "nodegraph" / "kernels"


def test_where_there_is_no_home_folder_nothing_is_written(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NODEGRAPH_CACHE", raising=False)
    monkeypatch.setattr(pathlib.Path, "home", nowhere)
    assert numba_machine._written("x = 1\n") is None


def test_the_same_source_is_compiled_once(monkeypatch):
    compiled = []
    monkeypatch.setattr(numba_machine, "_loaded_or_compiled", lambda *arguments: compiled.append(arguments) or object())
    monkeypatch.setattr(numba_machine, "_loaded", type(numba_machine._loaded)())
    functions = [numba_machine._compiled(source, ["types"]) for source in ("a", "a", "b")]
    assert functions[0] is functions[1] is not functions[2] and compiled == [("a", ["types"]), ("b", ["types"])]


# Machine code on disk

SEGMENT = """
from numba import njit
@njit(cache=CACHE)
def segment(first, last, step, r0, r1, thread, P, S, A0):
    return A0[0, 0] / 2 + thread
"""
KINDS = {np.dtype(name): numba.from_dtype(np.dtype(name))[:, ::1] for name in ("float32", "float64")}


def loaded(dtype):
    """The function for an array of this type, and whether it was compiled in an earlier run."""
    function = numba_machine._loaded_or_compiled(SEGMENT, [KINDS[dtype]])
    no_numbers = np.empty(0, np.int64)
    assert function(0, 1, 1, 0, 1, 7, no_numbers, no_numbers, np.array([[3.0]], dtype)) == 8.5
    assert len(function.signatures) == 1  # compiled for these types in the first place
    return sum(function.stats.cache_hits.values()) == 1


@pytest.fixture
def kept_in(monkeypatch, tmp_path):
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("nodegraph_segment_")]:
        monkeypatch.delitem(sys.modules, name)


def test_machine_code_is_kept_for_later_runs(kept_in):
    assert [loaded(FLOAT) for _ in range(3)] == [False, True, True]


def test_damaged_machine_code_does_not_matter(kept_in):
    loaded(FLOAT)
    for file in kept_in.rglob("*.nb?"):
        file.write_bytes(b"damaged")
    assert not loaded(FLOAT)


def test_machine_code_for_other_types_is_not_taken(kept_in):
    """Several processes that compile at the same time may leave files behind that name one thing and hold another."""
    for dtype in KINDS:
        loaded(dtype)
    one, other = sorted(kept_in.rglob("*.nbc"))
    one.rename(kept_in / "kept")
    other.rename(one)
    (kept_in / "kept").rename(other)
    assert [loaded(dtype) for dtype in KINDS] == [False, False]


def test_where_nothing_can_be_written_functions_are_compiled_all_the_same(kept_in, monkeypatch):
    (kept_in / "file").write_text("")
    monkeypatch.setenv("NODEGRAPH_CACHE", str(kept_in / "file" / "folder"))
    assert not loaded(FLOAT)
