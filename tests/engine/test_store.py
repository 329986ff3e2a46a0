"""ProgramStore: one program for each shape that came up lately, lent to one run at a time."""

import copy
import gc
import pickle

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.engine import store
from nodegraph.engine.program import Program
from nodegraph.engine.store import KEPT, ProgramStore

pytestmark = pytest.mark.usefixtures("numpy_kernels")


@pytest.fixture
def made(monkeypatch):
    """What was compiled: (whether the collector ran, steps, differentiable) of each program."""
    found, real = [], Program.__init__

    def note(program, plan, steps, differentiable):
        found.append((gc.isenabled(), steps, differentiable))
        real(program, plan, steps, differentiable)

    monkeypatch.setattr(Program, "__init__", note)
    return found


def graph(size=4):
    x = nn.Identity()()
    return GModule(x, nn.Tanh()(nn.Linear(size, size)(x))).compile()


def test_a_program_is_made_once_for_each_shape(made):
    net = graph()
    for rows in (3, 2, 3, 2):
        net.forward(np.ones((rows, 4)))
    assert made == [(False, 1, True)] * 2 and gc.isenabled()


def test_one_for_training_and_one_for_evaluation(made):
    net = graph()
    net.forward(np.ones((3, 4)))
    net.evaluate().forward(np.ones((3, 4)))
    assert made == [(False, 1, True), (False, 1, False)]


def test_runs_that_are_alive_together_have_programs_of_their_own(made):
    net = graph()
    runs = [nn.Call(net, np.full((3, 4), float(k))) for k in range(3)]
    assert len(made) == 3 and len({id(run._frame.saved._loan.program) for run in runs}) == 3
    del runs
    nn.Call(net, np.ones((3, 4)))
    assert len(made) == 3
    net.saved = net._last = None
    assert sum(len(entry.free) for entry in net.store._entries.values()) == 3


def test_the_one_not_used_for_the_longest_time_goes(made):
    net = graph()
    for rows in range(1, KEPT + 1):
        net.forward(np.ones((rows, 4)))
    net.forward(np.ones((1, 4)))
    net.forward(np.ones((KEPT + 1, 4)))  # in the place of that for 2 rows
    assert len(made) == KEPT + 1
    net.forward(np.ones((1, 4)))
    assert len(made) == KEPT + 1 and len(net.store._entries) == KEPT
    net.forward(np.ones((2, 4)))
    assert len(made) == KEPT + 2


def test_a_change_of_a_module_makes_a_program_anew_in_its_place(made):
    net, x = graph(), np.ones((3, 4))
    net.forward(x)
    net.nodes[1].module.no_bias()
    net.forward(x)
    net.forward(x)
    assert len(made) == 2 and len(net.store._entries) == 1


def test_what_cannot_be_compiled_is_found_out_once(monkeypatch):
    planned, real = [], store.Plan
    monkeypatch.setattr(store, "Plan", lambda *arguments: planned.append(1) or real(*arguments))
    x = nn.Identity()()
    net = GModule(x, nn.Sum(0)(x)).compile()
    for _ in range(3):
        assert net.forward(np.ones((3, 4))).tolist() == [3, 3, 3, 3]
    assert planned == [1] and not net.tape.__class__.__name__.startswith("Compiled")


@pytest.mark.parametrize("plannable", [True, False])
def test_whether_it_may_be_compiled_is_asked_once(plannable):
    net, x, asked = graph(), {("input", 0): np.ones((3, 4))}, []
    for _ in range(3):
        loan = net.store.lend(net, range(3), x, {}, [2], 1, True, lambda: asked.append(1) or plannable)
        assert (loan is not None) == plannable
    assert asked == [1]


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_starts_empty(copied):
    net = graph()
    net.forward(np.ones((3, 4)))
    twin = copied(net.store)
    assert len(net.store._entries) == 1 and type(twin) is ProgramStore and not twin._entries
    assert twin._lock is not net.store._lock


@pytest.mark.parametrize(
    ("inputs", "parameters", "compiled"),
    [("f8", "f8", "f8"), ("f4", "f4", "f4"), ("i8", "f4", "f4"), ("f4", "f8", None), ("f2", None, None)],
)
def test_all_real_numbers_are_of_one_type_that_there_are_kernels_for(inputs, parameters, compiled):
    modules = [nn.Tanh(), *([nn.Linear(4, 4).astype(np.dtype(parameters))] if parameters else [])]
    found = store._dtype({("input", 0): [np.ones((3, 4), inputs)]}, modules)
    assert found == (compiled and np.dtype(compiled))


def test_of_which_type_the_gradients_are_does_not_matter():
    linear = nn.Linear(4, 4)
    linear.grad_weight = linear.grad_weight.astype(np.float32)
    assert store._dtype({("input", 0): np.ones((3, 4))}, [linear]) == np.float64


def test_without_real_numbers_nothing_is_compiled():
    assert store._dtype({("input", 0): np.ones(3, int)}, [nn.Tanh()]) is None


def test_a_program_does_not_keep_the_first_values():
    """Plans are made for stand-ins that take no memory."""
    leaf = np.ones((1000, 1000))
    assert store._stand_in(leaf).shape == leaf.shape and store._stand_in(leaf).strides == (0, 0)
    assert store._stand_in(leaf.astype(np.float32)).dtype == np.float32


def test_tables_of_other_structure_are_told_apart(made):
    x = nn.Identity()()
    net, one = GModule(x, nn.Tanh()(nn.SelectTable(0)(x))).compile(), np.ones((3, 4))
    for input in ([one, one], [one, [one, one]], [one, [one[:, :2], one]], [one, one]):
        net.forward(input)
    assert len(made) == 3
