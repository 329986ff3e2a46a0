"""Compiled loops: the same numbers as node by node, with either kind of kernel; nothing of a caller's is written to."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nodegraph.random
from nodegraph import GModule, Recurrent, check_gradients, nn
from nodegraph.engine.numpy_machine import NumpyMachine
from nodegraph.engine.store import KEPT
from nodegraph.errors import ShapeError, StateError
from nodegraph.models import gru, lstm, rnn

from agreement import numba

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def peephole():
    """Gates that look at the cell state, one of them at the new one."""
    x, c, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    sums = nn.CAddTable()([nn.Linear(3, 16)(x), nn.Linear(4, 16)(h)])
    i, f, o, g = (nn.Narrow(1, 4 * k, 4)(sums) for k in range(4))
    i, f = (nn.Sigmoid()(nn.CAddTable()([gate, nn.CMulTable()([c, c])])) for gate in (i, f))
    new_c = nn.CAddTable()([nn.CMulTable()([f, c]), nn.CMulTable()([i, nn.Tanh()(g)])])
    o = nn.Sigmoid()(nn.CAddTable()([o, nn.MulConstant(0.5)(new_c)]))
    return GModule([x, c, h], [new_c, nn.CMulTable()([o, nn.Tanh()(new_c)])])


def chained_products():
    """A product of what was just computed, without bias, and one whose output is also returned."""
    x, h = nn.Identity()(), nn.Identity()()
    inner = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4, False)(h)]))
    shown = nn.Linear(4, 4)(inner)
    return GModule([x, h], [nn.Sigmoid()(nn.CSubTable()([shown, inner])), shown, inner])


def parts_returned():
    """Views of what the loop computes go out, some of them nested in tables and overlapping."""
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)]))
    pieces = nn.Sigmoid()(nn.Narrow(1, 1, 2)(new))
    return GModule([x, h], [new, nn.Narrow(1, 0, 3)(new), pieces, nn.Select(1, 1)(nn.Reshape(2, 2)(new))])


def state_read_outside():
    """The state before the step is read by a node behind the loop."""
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, nn.Linear(4, 4)(h)]))
    return GModule([x, h], [new, nn.Linear(4, 2)(nn.CMulTable()([h, new])), h])


CELLS = {
    "lstm cell": (lambda: lstm.create(3, 4), lambda t, b: [normal(t, b, 3), normal(b, 4), normal(b, 4)]),
    "peephole": (peephole, lambda t, b: [normal(t, b, 3), normal(b, 4), normal(b, 4)]),
    "chained products": (chained_products, lambda t, b: [normal(t, b, 4), normal(b, 4)]),
    "parts returned": (parts_returned, lambda t, b: [normal(t, b, 4), normal(b, 4)]),
    "state read outside": (state_read_outside, lambda t, b: [normal(t, b, 4), normal(b, 4)]),
    "lstm": (lambda: lstm.lstm(5, 4, 2), lambda t, b: [rng.integers(0, 5, (t, b)), *normal(4, b, 4)]),
    "gru": (lambda: gru.gru(5, 4, 2), lambda t, b: [rng.integers(0, 5, (t, b)), *normal(2, b, 4)]),
    "rnn": (lambda: rnn.rnn(5, 4, 1), lambda t, b: [rng.integers(0, 5, (t, b)), *normal(1, b, 4)]),
}


def run(net, input, gradients):
    """Output, gradient of the input and of the parameters."""
    net.zero_grad_parameters()
    output = net.forward(input)
    grad_input = net.backward(input, [None if g is None else g * np.ones_like(y) for g, y in zip(gradients, output)])
    return [*output, *grad_input, *[g.copy() for g in net.parameters()[1]]]


def assert_same(cell, input, gradients, tolerance=1e-11):
    eager, compiled = Recurrent(cell, compiled=False), Recurrent(cell)
    expected = run(eager, input, gradients)
    for _ in range(2):
        for a, b in zip(run(compiled, input, gradients), expected):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return compiled


@pytest.mark.parametrize("name", CELLS)
def test_same_numbers_as_node_by_node(name, kernels):
    make, inputs = CELLS[name]
    for steps, batch in [(5, 3)] if kernels == "numba" else [(1, 1), (5, 3)]:
        compiled = assert_same(make(), inputs(steps, batch), rng.standard_normal(10))
        assert compiled.tape.programs, "nothing was compiled"


@pytest.mark.parametrize("make", [lstm.lstm, gru.gru])
def test_float32_to_its_precision(make, kernels):
    cell = make(5, 4, 1).float()
    input = [rng.integers(0, 5, (6, 3)), *(normal(3, 4).astype(np.float32) for _ in cell.inputs[1:])]
    assert_same(cell, input, [np.float32(1)] * 9, tolerance=2e-5)


def test_gradients_that_are_none(kernels):
    make, inputs = CELLS["lstm cell"]
    assert_same(make(), inputs(4, 2), [None, 1.0, None])
    assert_same(make(), inputs(4, 2), [1.0, None, None])
    assert_same(make(), inputs(4, 2), [None, None, None])


ONE = ["Abs", "Exp", "LogSigmoid", "ReLU", "Sigmoid", "SoftPlus", "SoftSign", "Square", "Tanh", "TanhShrink", "ELU"]
ONE += ["HardTanh", "LeakyReLU", "HardShrink", "SoftShrink", "ReLU6"]
TWO = ["CAddTable", "CMulTable", "CSubTable", "CMaxTable", "CMinTable"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_cells(data):
    """Any pointwise modules, products and views over one input and two states, any of whose nodes feed back."""
    draw = data.draw
    x, h, c = nodes = [nn.Identity()() for _ in range(3)]
    inputs = list(nodes)
    for _ in range(draw(st.integers(2, 10))):
        kind = draw(st.sampled_from([*ONE, *TWO, "Linear", "halves"]))
        a, b = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        if kind in ONE:
            nodes = [*nodes, getattr(nn, kind)()(nn.Tanh()(a))]
        elif kind in TWO:
            nodes = [*nodes, getattr(nn, kind)()([a, b])]
        elif kind == "Linear":
            nodes = [*nodes, nn.Linear(4, 4, draw(st.booleans()))(a)]
        else:
            left, right = nn.SplitTable(1)(nn.Reshape(2, 2)(nn.Sigmoid()(a))).split(2)
            nodes = [*nodes, nn.Linear(2, 4)(nn.CMulTable()([left, right]))]
    loose = [node for node in nodes if not node.children]
    fed = [nn.Tanh()(draw(st.sampled_from(nodes))) for _ in range(2)]
    cell = GModule(inputs, [*fed, *[node for node in loose if not node.children]])
    steps, batch = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    assert_same(cell, [normal(steps, batch, 4), normal(batch, 4), normal(batch, 4)], rng.standard_normal(20), 1e-9)


def test_runs_that_are_alive_together_keep_their_numbers():
    make, inputs = CELLS["lstm cell"]
    cell, first, second = make(), inputs(4, 2), inputs(4, 2)
    net = Recurrent(cell)
    a, b = nn.Call(net, first), nn.Call(net, second)
    expected = run(Recurrent(cell, compiled=False), first, [1.0, 2.0, 3.0])
    grad_input = a.backward([g * np.ones_like(y) for g, y in zip([1.0, 2.0, 3.0], a.output)])
    for x, y in zip([*a.output, *grad_input], expected):
        np.testing.assert_allclose(x, y, atol=1e-12)
    assert not np.array_equal(a.output[0], b.output[0])


def test_what_was_returned_is_not_written_to():
    make, inputs = CELLS["parts returned"]
    net = Recurrent(make())
    kept = run(net, inputs(3, 2), [1.0] * 4)
    before = [array.copy() for array in kept]
    for _ in range(3):
        run(net, inputs(3, 2), [2.0] * 4)
    for now, then in zip(kept, before):
        np.testing.assert_array_equal(now, then)


def test_a_constant_that_changes_is_seen():
    x, h = nn.Identity()(), nn.Identity()()
    scaled = nn.MulConstant(2.0)
    net = Recurrent(GModule([x, h], nn.Tanh()(nn.CAddTable()([x, scaled(h)]))))
    input = [np.zeros((1, 1, 1)), np.ones((1, 1))]
    first = net.forward(input)[0].item()
    scaled.constant_scalar = 0.5
    assert first == np.tanh(2.0) and net.forward(input)[0].item() == np.tanh(0.5)


def test_weights_that_change_are_seen():
    make, inputs = CELLS["lstm cell"]
    cell, input = make(), inputs(3, 2)
    net = Recurrent(cell)
    net.forward(input)
    flat, _ = net.get_parameters()
    flat *= 2
    np.testing.assert_allclose(net.forward(input)[0], Recurrent(cell, compiled=False).forward(input)[0], atol=1e-12)


def test_the_tape_shows_nodes_inside_a_compiled_loop():
    make, inputs = CELLS["lstm cell"]
    cell, input = make(), inputs(4, 2)
    net, eager = Recurrent(cell), Recurrent(cell, compiled=False)
    for one in (net, eager):
        one.forward(input)
        one.backward(input, [np.ones((4, 2, 4)), None, None])
    np.testing.assert_allclose(net.tape["forget_gate"].output, eager.tape["forget_gate"].output)
    np.testing.assert_allclose(net.tape["forget_gate"].grad_output, eager.tape["forget_gate"].grad_output)


def test_mixed_types_run_node_by_node():
    mixed = Recurrent(lstm.create(3, 4))
    mixed.forward([normal(3, 2, 3).astype(np.float32), normal(2, 4), normal(2, 4)])
    assert mixed.tape.programs
    mixed.forward([normal(3, 2, 3), normal(2, 4).astype(np.float32), normal(2, 4)])
    assert not any(stage.loop for stage in mixed.tape.programs)


def test_a_watched_cell_runs_node_by_node():
    net, seen = Recurrent(lstm.create(3, 4)), []
    with net.cell.watch(forward=lambda node, call: seen.append(node.name)):
        net.forward([normal(3, 2, 3), normal(2, 4), normal(2, 4)])
    assert not net.tape.programs


def test_shapes_are_kept_up_to_a_number():
    net = Recurrent(lstm.create(3, 4))
    for batch in range(1, 3 * KEPT):
        net.forward([normal(2, batch, 3), normal(batch, 4), normal(batch, 4)])
    assert len(net.store._entries) == KEPT


def test_wrong_shapes_are_told_as_ever():
    net = Recurrent(lstm.create(3, 4))
    with pytest.raises(ShapeError, match="Linear `h2h`"):
        net.forward([normal(2, 2, 3), normal(2, 4), normal(2, 5)])


def test_copies_and_gradients():
    net = Recurrent(lstm.create(3, 4))
    input = CELLS["lstm cell"][1](3, 2)
    expected = net.forward(input)
    np.testing.assert_array_equal(net.clone().forward(input)[0], expected[0])
    check_gradients(net, input)


def test_saturated_gates_make_no_noise(kernels):
    """exp overflows where a sigmoid is 0, which is as it should be, also without an error state around."""
    net = Recurrent(lstm.create(3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs = net.forward([1e6 * normal(3, 2, 3), normal(2, 4), normal(2, 4)])
    assert all(np.isfinite(y).all() for y in outputs)


def operations(loop):
    """For each kernel of a loop, in order, the functions of its forward pass."""
    return [[function for function, _ in kernel.forward.code.operations] for kernel in loop.kernels.values()]


def run_loop(cell, input):
    net = Recurrent(cell)
    net.forward(input)
    return net.tape.programs[net.stages[-1]].program


@pytest.mark.parametrize("kernels", ["numba"], indirect=True)
def test_with_numba_a_loop_is_one_kernel_that_computes_nothing_twice(kernels):
    loop = run_loop(lstm.create(3, 4), CELLS["lstm cell"][1](2, 2))
    (functions,), (kernel,) = operations(loop), loop.kernels.values()
    assert functions.count("sigmoid") == 3 and functions.count("tanh") == 2 and len(kernel.saved) == 5


def test_without_numba_all_gates_are_one_call():
    loop = run_loop(lstm.create(3, 4), CELLS["lstm cell"][1](2, 2))
    assert isinstance(loop.machine, NumpyMachine)
    sums, gates, rest = operations(loop)
    assert sums.count("add") == 1 and gates.count("sigmoid") == 1 and rest.count("tanh") == 2


@numba
def test_kernels_are_compiled_where_it_is_worth_it(monkeypatch, tmp_path):
    from nodegraph.engine import numba_machine

    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path))
    monkeypatch.setattr(numba_machine, "_loaded", {})
    net = Recurrent(rnn.rnn(5, 64, 1))
    for steps, kind in ((2, NumpyMachine), (80, numba_machine.NumbaMachine)):
        net.forward([rng.integers(0, 5, (steps, 10)), normal(10, 64)])
        loops = [net.tape.programs[stage].program for stage in net.stages if stage.loop]
        assert {type(loop.machine) for loop in loops} == {kind}
    assert list(tmp_path.glob("segment_*.py")) and list(tmp_path.glob("__pycache__/*.nbc"))


def test_the_tape_of_a_run_whose_parameters_have_changed_since_is_refused():
    net, input = Recurrent(lstm.create(3, 4)), CELLS["lstm cell"][1](4, 2)
    net.backward(input, net.forward(input))
    net.update_parameters(0.1)
    with pytest.raises(StateError, match="no longer those of the run"):
        net.tape["forget_gate"]


def test_looking_at_the_tape_changes_neither_averages_nor_random_numbers():
    x, h = nn.Identity()(), nn.Identity()()
    normalised = nn.BatchNormalization(4)
    sums = nn.CAddTable()([nn.Dropout(0.5)(normalised(x)), nn.Linear(4, 4)(h)])
    net = Recurrent(GModule([x, h], nn.Tanh()(sums).annotate(name="new")))
    net.forward([normal(5, 3, 4), normal(3, 4)])
    before, state = normalised.running_mean.copy(), nodegraph.random.get_state()
    assert net.tape.programs and net.tape["new"].output.shape == (5, 3, 4)
    np.testing.assert_array_equal(normalised.running_mean, before)
    assert nodegraph.random.get_state() == state


def test_threads_do_not_share_a_loop():
    net, inputs = Recurrent(lstm.create(3, 4)), [CELLS["lstm cell"][1](4, 2) for _ in range(4)]
    expected = [Recurrent(net.cell, compiled=False).forward(input) for input in inputs]
    wrong = []

    def work(input, output):
        for _ in range(30):
            if not all(np.allclose(a, b) for a, b in zip(nn.Call(net, input).output, output)):
                wrong.append(input)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_after_a_run(copied):
    net, input = Recurrent(lstm.create(3, 4)), CELLS["lstm cell"][1](4, 2)
    output = net.forward(input)
    expected = net.backward(input, output)
    twin = copied(net)
    for a, b in zip([*twin.forward(input), *twin.backward(input, output)], [*output, *expected]):
        np.testing.assert_array_equal(a, b)
