"""In evaluation a program runs forward alone; a run that is wanted backward after all runs once more."""

import pickle
import threading
import tracemalloc

import numpy as np
import pytest

import nodegraph
import nodegraph.random
from nodegraph import GModule, Recurrent, nn
from nodegraph.engine.program import Program
from nodegraph.errors import NodegraphError, NonFiniteError, StateError
from nodegraph.models.networks import MODELS

from agreement import assert_close, run

rng = np.random.default_rng(0)
VOCABULARY, HIDDEN = 9, 6


def network(name="lstm", dropout=0.0):
    return MODELS[name][0](VOCABULARY, HIDDEN, 2, dropout).double()


def inputs(net, *rows):
    """Characters, of so many steps and of a batch or of a batch alone, and states."""
    states = [rng.standard_normal((rows[-1], HIDDEN)) for _ in net.inputs[1:]]
    return [rng.integers(0, VOCABULARY, rows), *states]


def in_time(net, **options):
    return Recurrent(net, **options).evaluate()


def programs(run):
    return [run._loan.program] if hasattr(run, "_loan") else [stage.program for stage in run.programs.values()]


# Forward alone


@pytest.mark.parametrize("make", [GModule.compile, in_time])
def test_nothing_is_kept_for_backward(make, numpy_kernels):
    net = make(network()).evaluate()
    rows = (3,) if isinstance(net, GModule) else (5, 3)
    net.forward(inputs(network(), *rows))
    for program in programs(net.saved):
        assert not program.differentiable and program.backward_steps == []
        assert {kind for kind, *_ in program.rings} <= {"base", "index"}


def test_the_values_inside_a_loop_are_kept_for_one_step_only(numpy_kernels):
    net, many = in_time(network("gru")), 50
    net.forward(inputs(net.cell, many, 3))
    (first, *_) = [stage.program for stage in net.tape.programs.values() if stage.stage.loop]
    returned = first.returned_bases()
    computed = [i for i, base in enumerate(first.plan.bases) if base.kind in ("pointwise", "product")]
    inside = [first.rings["base", i] for i in computed if ("base", i) in first.rings and i not in returned]
    assert inside and all(len(ring.array) == 1 for ring in inside)


def test_evaluation_takes_less_memory_than_training(numpy_kernels):
    taken = {}
    for mode in ("training", "evaluate"):
        net = getattr(Recurrent(MODELS["lstm"][0](VOCABULARY, 32, 2)), mode)()
        x = rng.integers(0, VOCABULARY, (60, 20))
        tracemalloc.start()
        net.forward(x)
        taken[mode] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken["evaluate"] < 0.6 * taken["training"]


def test_changing_between_training_and_evaluation_compiles_once_for_each(monkeypatch, numpy_kernels):
    made, real = [], Program.__init__
    monkeypatch.setattr(Program, "__init__", lambda *arguments: made.append(1) or real(*arguments))
    net = network().compile()
    input = inputs(net, 3)
    for _ in range(3):
        net.training().forward(input)
        net.evaluate().forward(input)
    assert len(made) <= 6  # Settings that do not hold any more are those of another mode.


# Backward after all


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_backward_in_evaluation(name, numpy_kernels):
    for rows in ((3,), (1, 3), (4, 3)):
        net = network(name, dropout=0.4).evaluate()
        eager = net if len(rows) == 1 else Recurrent(net, compiled=False).evaluate()
        compiled = pickle.loads(pickle.dumps(net)).compile() if len(rows) == 1 else in_time(net)
        input, sizes = inputs(net, *rows), [1.0] * len(net.outputs)
        assert_close(run(compiled, input, sizes, 0.5, 2), run(eager, input, sizes, 0.5, 2))


@pytest.mark.parametrize("make", [GModule.compile, in_time])
def test_backward_after_a_step_of_the_optimiser_is_refused(make, numpy_kernels):
    net = make(network().evaluate())
    rows = (3,) if isinstance(net, GModule) else (2, 3)
    input = inputs(network(), *rows)
    output = net.forward(input)
    net.parameters()[0][0][...] += 0.1
    with pytest.raises(StateError, match="no longer those of the run"):
        net.backward(input, output)


def test_random_numbers_of_evaluation_are_drawn_again_as_they_were(numpy_kernels):
    x = nn.Identity()()
    noise = nn.Dropout(0.5, stochastic_inference=True)
    net = GModule(x, nn.Tanh()(noise(nn.Linear(4, 40)(x)))).compile().evaluate()
    input = rng.standard_normal((3, 4))
    output = net.forward(input)
    before = nodegraph.random.get_state()
    gradient = net.backward(input, np.ones_like(output))
    assert nodegraph.random.get_state() == before
    linear = net.nodes[1].module
    scale = np.where(output == 0, 0, 2.0)  # Of what was kept; a NaN would show that another mask was drawn.
    np.testing.assert_allclose(gradient, (scale * (1 - output**2)) @ linear.weight)


# What may change between two steps


def changing_both(net):
    """A function that makes a change to the network and to one that runs node by node, which then must agree."""
    eager, input = pickle.loads(pickle.dumps(net)), inputs(net, 1)
    net.compile()

    def both(change, tolerance=1e-12):
        change(net), change(eager)
        given = [input[0], *(state.astype(net.parameters()[0][0].dtype) for state in input[1:])]
        assert_close(net.forward(given), eager.forward(given), tolerance)

    both(lambda each: None)
    return both


def test_weights_that_change_between_two_steps_are_seen_at_once(kernels):
    both = changing_both(network().evaluate())
    both(lambda each: [parameter.__imul__(1.5) for parameter in each.parameters()[0]])
    both(lambda each: setattr(each.node("decoder").module, "weight", np.ones((VOCABULARY, HIDDEN))))
    both(lambda each: setattr(each.node("decoder").module, "weight", np.eye(VOCABULARY)[:, ::-1][:, 1:7]))
    both(lambda each: each.node("decoder").module.weight.__iadd__(0.5))
    both(lambda each: each.get_parameters()[0].fill(0.25))


def test_another_mode_and_other_types_of_numbers(numpy_kernels):
    net = network(dropout=0.5).evaluate()
    both = changing_both(net)
    both(lambda each: (nodegraph.random.seed(0), each.training(), [m.setp(0) for m in each.find_modules("Dropout")]))
    both(lambda each: each.evaluate())
    both(lambda each: each.float(), 1e-5)
    assert net.saved.output[-1].dtype == np.float32


def test_a_large_read_only_input_whose_memory_changes(kernels):
    x = nn.Identity()()
    net, memory = GModule(x, nn.Tanh()(nn.Linear(4, 3)(x))).compile().evaluate(), rng.standard_normal((4000, 4))
    shown = memory.view()
    shown.flags.writeable = False
    for _ in range(3):
        memory[...] = rng.standard_normal(memory.shape)
        np.testing.assert_allclose(net.forward(shown), np.tanh(net.nodes[1].module.forward(memory)), atol=1e-12)


def test_threads_may_step_through_the_same_network(kernels):
    net = network().evaluate().compile()

    def written(seed, into):
        own = np.random.default_rng(seed)
        states = [own.standard_normal((1, HIDDEN)) for _ in net.inputs[1:]]
        for _ in range(40):
            *states, output = net.forward([own.integers(0, VOCABULARY, 1), *states])
            into.append(output)

    expected, found = [[[] for _ in range(3)] for _ in range(2)]
    for seed in range(3):
        written(seed, expected[seed])
    workers = [threading.Thread(target=written, args=(seed, found[seed])) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(found, expected)


# Looking inside


def test_the_tape_hooks_and_the_stop_at_nan(tmp_path, numpy_kernels):
    net = network().evaluate().compile()
    input, seen = inputs(net, 2), []
    output = net.forward(input)
    scores = net.tape["decoder"].output
    assert_close([output[-1] - output[-1].max(1, keepdims=True)], [scores - scores.max(1, keepdims=True)])
    with net.watch(lambda node, call: seen.append(node)):
        assert_close(net.forward(input), output)
    assert seen == net.nodes
    net.node("decoder").module.weight[3, 2] = np.nan
    assert np.isnan(net.forward(input)[-1]).all()
    with nodegraph.debug(folder=tmp_path, stop_at_nan=True), pytest.raises(NonFiniteError, match="decoder"):
        net.forward(input)


# One step of a Recurrent


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_one_step_is_one_program(name, numpy_kernels):
    net, cell = in_time(network(name), stateful=True), network(name)
    eager = Recurrent(net.cell, compiled=False, stateful=True).evaluate()
    for x in rng.integers(0, VOCABULARY, (4, 1, 2)):
        assert_close(net.forward(x), eager.forward(x))
        assert len(net.tape.programs) == 1
    x = rng.integers(0, VOCABULARY, (5, 2))
    assert_close(net.forward(x), eager.forward(x))
    assert_close([net.tape["decoder"].output], [eager.tape["decoder"].output])
    assert len(net.tape.programs) > 1 and len(cell.inputs) == len(net.cell.inputs)


def test_errors_of_one_step_are_those_of_the_run_node_by_node():
    cell, texts = network(), []
    for compiled in (False, True):
        with pytest.raises(NodegraphError, match="found 9") as caught:
            Recurrent(cell, compiled=compiled).forward(np.array([[VOCABULARY]]))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
