"""Machines: how much work there is, which machine it is worth, and in which order steps and calls run."""

from types import SimpleNamespace

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.engine import machine
from nodegraph.engine.machine import LARGE, MOST_STEPS, WORTH_COMPILING, Machine, work, worth_numba
from nodegraph.engine.numpy_machine import NumpyMachine
from nodegraph.engine.steps import LookUp, Multiply, Pass, SoftMaxRows

from agreement import assert_agrees, loops, numba

rng = np.random.default_rng(0)
SLOT = (("base", 0), 0, 1)


def product(rows, inner, columns):
    return Multiply(rows, inner, columns, SLOT, SLOT, nn.Linear(inner, columns), True)


def two_operations(rows, columns):
    kernel = Pass(rows, columns)
    kernel.code.add("tanh", kernel.load(("base", 0), 0, columns))
    return kernel


def test_work_counts_what_takes_as_long_as_multiplications():
    look_up, soft_max = LookUp(5, 9, 7, SLOT, SLOT, None), SoftMaxRows(5, 7, [SLOT, SLOT], True)
    assert work([product(5, 3, 7)], 1) == 5 * 3 * 7
    assert work([look_up], 1) == work([soft_max], 1) == 8 * 5 * 7
    assert work([two_operations(5, 7)], 1) == 2 * 8 * 5 * 7
    assert work([product(5, 3, 7), look_up, two_operations(5, 7)], 10) == 10 * 35 * (3 + 8 + 16)
    assert work([SimpleNamespace()], 3) == 0  # what is called is no work of the machine's


@numba
def test_numba_is_for_much_work_in_few_steps():
    exactly = product(1, 1, int(WORTH_COMPILING))
    assert worth_numba([exactly], 1) and not worth_numba([product(1, 1, int(WORTH_COMPILING) - 1)], 1)
    assert worth_numba([product(1, 1, int(WORTH_COMPILING) // 10)], 10)
    assert worth_numba([exactly] * MOST_STEPS, 1) and not worth_numba([exactly] * (MOST_STEPS + 1), 1)


@numba
def test_a_single_row_by_a_large_weight_is_for_blas():
    large = product(1, 512, LARGE // 512)
    assert not worth_numba([large], 1) and not worth_numba([product(1, 1, 1), large], 1)
    assert worth_numba([product(1, 512, LARGE // 512 - 1)], 1)
    assert worth_numba([large], 2) and worth_numba([product(2, 512, LARGE // 512)], 1)


def test_without_numba_there_is_numpy(monkeypatch):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    assert not worth_numba([product(1000, 1000, 1000)], 1)
    net = Recurrent(recurrent_cell())
    net.forward([rng.standard_normal((400, 40, 4)), np.zeros((40, 4))])
    assert {type(loop.machine) for loop in loops(net)} == {NumpyMachine}


def test_a_machine_must_say_how_it_runs_segments():
    with pytest.raises(TypeError, match="abstract"):
        Machine(SimpleNamespace(steps=1, forward_steps=[], backward_steps=[]))


class Noted(nn.Module):
    """A module that the engine does not know; it notes in which order it runs."""

    def __init__(self, name, order):
        self.name, self.order = name, order

    def update_output(self, input):
        self.order.append(f"{self.name} forward")
        return 1.0 * input

    def update_grad_input(self, input, grad_output):
        self.order.append(f"{self.name} backward")
        return 1.0 * grad_output

    def output_shape(self, shape):
        return shape


def recurrent_cell(*modules):
    """A cell with these modules one after the other, something that is compiled between them."""
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.CAddTable()([x, nn.Linear(4, 4)(h)])
    for module in modules:
        new = nn.Tanh()(module(new))
    return GModule([x, h], nn.Sigmoid()(new))


@pytest.mark.parametrize("steps", [1, 3])
def test_calls_run_in_order_and_backward_in_the_opposite_order(steps, numpy_kernels):
    order = []
    net = Recurrent(recurrent_cell(Noted("a", order), Noted("b", order)))
    input = [rng.standard_normal((steps, 2, 4)), np.zeros((2, 4))]
    net.forward(input)
    assert order == ["a forward", "b forward"] * steps
    del order[:]
    net.backward(input, [np.ones((steps, 2, 4)), None])
    assert order == ["b backward", "a backward"] * steps


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_with_calls_and_without_the_numbers_are_those_node_by_node(steps, kernels):
    for cell in (recurrent_cell(), recurrent_cell(Noted("a", []))):
        net = assert_agrees(cell, [rng.standard_normal((steps, 2, 4)), rng.standard_normal((2, 4))], [1.0, 0.5])
        assert loops(net)
