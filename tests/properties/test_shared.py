"""Graphs that share modules, runs in several threads at once, and runs within runs."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

import nodegraph.random
from nodegraph import nn, table

from properties.graphs import RANDOM, STATEFUL, graphs, two_graphs
from properties.runs import assert_close, assert_same_run, examples, gradient_for, run


@examples(40)
@given(two_graphs(without=STATEFUL), st.booleans())
def test_runs_of_two_graphs_that_share_modules_do_not_mix(two, compiled):
    """Both forwards and then both backwards give what one graph after the other does."""
    one_by_one = nn.ParallelTable(*[grown.gmodule for grown in two])  # for a copy in which they still share
    mixed = one_by_one.clone()
    expected, found = [], []
    for k, (net, grown) in enumerate(zip(one_by_one.modules, two)):
        expected += [output := forward(net, grown, k), backward(net, grown, k, output)]
    if compiled:
        mixed.apply(lambda module: module.compile() if module in mixed.modules else None)
    outputs = [forward(net, grown, k) for k, (net, grown) in enumerate(zip(mixed.modules, two))]
    for k, (net, grown) in enumerate(zip(mixed.modules, two)):
        found += [outputs[k], backward(net, grown, k, outputs[k])]
    assert_close(found, expected, "output or gradient")
    assert_close(mixed.parameters()[1], one_by_one.parameters()[1], "gradients of the parameters")


def forward(net, grown, seed):
    nodegraph.random.seed(seed)
    return net.forward(grown.input(seed))


def backward(net, grown, seed, output):
    gradient = net.backward(grown.input(seed), gradient_for(output, seed))
    return table.fill(gradient, table.as_value(grown.input(seed)))


@examples(30)
@given(graphs(without=RANDOM | STATEFUL), st.booleans())
def test_a_graph_may_run_in_several_threads_at_once(grown, compiled):
    """Each run is a call with a tape of its own; only adding to the parameters' gradients is for one at a time."""
    net = grown.gmodule.compile() if compiled else grown.gmodule
    inputs = [table.as_value(grown.input(seed)) for seed in range(4)]

    def both_ways(input):
        call = nn.Call(net, input)
        return call.output, table.fill(call.update_grad_input(gradient_for(call.output)), input)

    expected = [both_ways(input) for input in inputs]
    with ThreadPoolExecutor(4) as pool:
        found, plain = list(pool.map(both_ways, inputs * 5)), list(pool.map(net.forward, inputs * 5))
    for i, (output, grad_input) in enumerate(found):
        assert_close([output, grad_input], list(expected[i % 4]), "in a thread")
        assert_close(plain[i], expected[i % 4][0], "forward in a thread")


@examples(30)
@given(graphs(without=RANDOM | STATEFUL))
def test_a_hook_may_run_the_graph_that_it_watches(grown):
    net, busy = grown.gmodule, []
    expected = run(net.clone(), grown.input(1), 1)

    def run_again(node, call):
        if not busy:
            busy.append(node)
            net.forward(grown.input(2))
            busy.pop()

    with net.watch(forward=run_again, backward=run_again):
        found = run(net, grown.input(1), 1)
    found.buffers = expected.buffers  # Averages over batches count every run.
    assert_same_run(found, expected)
