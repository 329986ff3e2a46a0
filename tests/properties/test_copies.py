"""Copies, checkpoints and .t7 files of graphs of all classes run as the graph does; shapes come out as foretold."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import table
from nodegraph.errors import T7Error
from nodegraph.io import checkpoint, t7

from properties.graphs import STATEFUL, graphs
from properties.recipes import RECIPES
from properties.runs import assert_close, assert_same_run, examples, run

COPIES = [lambda net: net.clone(), copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"MaskedSelect"}))
def test_shapes_are_as_foretold(name):
    @examples(2)
    @given(graphs(name, without=["MaskedSelect"], most=2))
    def check(grown):
        input = grown.input()
        if not grown.classes & STATEFUL:
            assert grown.gmodule.output_shape(table.shape(input)) == table.shape(grown.gmodule.forward(input))

    check()


@examples(40)
@given(graphs(), st.booleans(), st.sampled_from(COPIES))
def test_a_copy_runs_as_the_original(grown, compiled, duplicate):
    net = grown.gmodule.compile() if compiled else grown.gmodule
    run(net, grown.input(5), 5)
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert_same_run(run(twin, grown.input(1), 1), run(net, grown.input(1), 1), 0)
    for array in [*twin.parameters()[0], *twin.parameters()[1]]:
        array += 1
    assert_same_run(run(net.clone(), grown.input(2), 2), run(net, grown.input(2), 2), 0)


@examples(30)
@given(graphs())
def test_a_checkpoint_brings_all_numbers_back(tmp_path_factory, grown):
    net, path = grown.gmodule, tmp_path_factory.mktemp("checkpoints") / "net.safetensors"
    run(net, grown.input(5), 5)
    other = net.clone().reset()
    for array in other.named_parameters("buffer").values():
        if array.dtype.kind == "f":
            array += 1
    checkpoint.save(path, checkpoint.state_of(net), {})
    checkpoint.load_state(other, checkpoint.load(path)[0])
    assert_same_run(run(other, grown.input(1), 1), run(net, grown.input(1), 1), 0)


@examples(30)
@given(graphs(most=3))
def test_a_t7_file_holds_what_torch7_knows(tmp_path_factory, grown):
    net, path = grown.gmodule, tmp_path_factory.mktemp("t7") / "net.t7"
    try:
        t7.save(path, net)
    except T7Error:
        return
    expected, found = run(net.clone(), grown.input(1), 1), run(t7.load(path), grown.input(1), 1)
    assert_close([found.output, found.grad_input], [expected.output, expected.grad_input], "from the file", 1e-12)
