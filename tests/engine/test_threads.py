"""Threads share out the rows of a batch: the same numbers with any number of them, whatever the sizes."""

import _thread
import os
import signal
import threading
import time

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.engine import machine as engine_machine
from nodegraph.engine import threads

from agreement import assert_agrees, loops, numba, run

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def peephole(inputs, size):
    """Products, views, weights for each element, dropout: all that compiled kernels are made of."""
    x, h, c = (nn.Identity()() for _ in range(3))
    sums = nn.CAddTable()([nn.Linear(inputs, 3 * size)(x), nn.Linear(size, 3 * size, False)(h)])
    i, f, g = (nn.Narrow(1, k * size, size)(sums) for k in range(3))
    i, f = (nn.Sigmoid()(nn.CAddTable()([gate, nn.CMul(1, size)(c)])) for gate in (i, f))
    new = nn.CAddTable()([nn.CMulTable()([f, c]), nn.CMulTable()([i, nn.Dropout(0.3)(nn.Tanh()(g))])])
    return GModule([x, h, c], [nn.CMaxTable()([nn.Tanh()(new), nn.CAdd(size)(new)]), new])


@pytest.fixture
def three(monkeypatch, tmp_path_factory):
    """Three threads, however little there is to do."""
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path_factory.getbasetemp() / "kernels"))
    monkeypatch.setattr(engine_machine, "WORTH_COMPILING", 0)
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


@numba
@pytest.mark.parametrize("batch", [1, 2, 3, 13, 61])
@pytest.mark.parametrize("size", [1, 7, 17])
def test_any_batch_and_size(batch, size, three):
    """Neither need be a multiple of the threads, of the rows of a tile or of the columns of a panel."""
    input = [normal(3, batch, 5), normal(batch, size), normal(batch, size)]
    net = assert_agrees(peephole(5, size), input, [1.0, 0.5, 0.25])
    (loop,) = loops(net)
    assert loop.machine.threads == min(batch, 3)


@numba
def test_the_same_bits_every_time_and_for_outputs_with_any_number_of_threads(three, monkeypatch):
    cell, input = peephole(5, 7), [normal(3, 13, 5), normal(13, 7), normal(13, 7)]
    nets = []
    for count in ("3", "3", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        nets.append(run(Recurrent(cell), input, [1.0, 0.5, 0.25]))
    for a, b in zip(nets[0], nets[1]):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(nets[0][:6], nets[2][:6]):
        np.testing.assert_array_equal(a, b)


@numba
def test_a_nan_stays_in_its_row(three):
    cell, input = peephole(5, 7), [normal(3, 13, 5), normal(13, 7), normal(13, 7)]
    cell.evaluate()
    input[0][1, 4] = np.nan
    net = assert_agrees(cell, input, [1.0, 0.5, 0.25])
    lost = np.isnan(net.forward(input)[0])
    assert lost[1:, 4].all() and lost.sum() == 2 * 7


def test_shares_run_at_the_same_time():
    together = threading.Barrier(3, timeout=20)
    done = []

    def share(i):
        together.wait()
        done.append(i)

    threads.run(share, 3)
    assert sorted(done) == [0, 1, 2]


def test_an_error_in_a_share_comes_out():
    def share(i):
        if i == 1:
            raise ValueError("of share 1")

    with pytest.raises(ValueError, match="of share 1"):
        threads.run(share, 2)


@pytest.fixture
def ctrl_c():
    """SIGINT as Python itself takes it, whatever another test has left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("while_it_waits", [False, True])
def test_an_interrupt_comes_out_when_all_shares_have_ended(while_it_waits, ctrl_c):
    """Else they would go on to write into arrays that the next run has by then."""
    begun, done = threading.Barrier(3, timeout=20), []

    def share(i):
        begun.wait()
        if i == 0:
            if not while_it_waits:
                raise KeyboardInterrupt
            return
        if while_it_waits:
            _thread.interrupt_main()
        time.sleep(0.2)
        done.append(i)

    with pytest.raises(KeyboardInterrupt):
        threads.run(share, 3)
    assert sorted(done) == [1, 2]


@pytest.mark.parametrize(("processors", "expected"), [(5, 5), (None, 1)])
def test_where_a_process_may_use_all_processors(processors, expected, monkeypatch):
    """Not every system tells which of them a process may use, and some do not tell how many there are."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert threads.available() == expected


def test_only_the_processors_that_this_process_may_use_count(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0: {1, 4, 7}}[process], raising=False)
    assert threads.available() == 3


@pytest.mark.parametrize("given, expected", [("1", 1), ("3", 3), ("", None), ("0", None), ("many", None)])
def test_the_number_of_threads(given, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads.available() == (expected or len(os.sched_getaffinity(0)))


def test_blas_has_one_thread_for_as_long_as_it_is_told():
    def counts():
        return [library["num_threads"] for library in threads._blas().info() if library["user_api"] == "blas"]

    with threads._blas().limit(limits=2, user_api="blas"):
        before = counts()
        with threads.one_for_blas():
            assert set(counts()) <= {1}
        assert counts() == before


def test_a_thread_must_be_worth_it(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    each = threads.WORTH_A_THREAD
    counts = [threads.worth(work) for work in (0, 1.9 * each, 2 * each, 100 * each)]
    assert counts == [1, 1, 2, 4] and {type(count) for count in counts} == {int}
