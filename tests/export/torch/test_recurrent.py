"""Cells over time in PyTorch, with every option of a Recurrent."""

import copy

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn, unroll
from nodegraph.errors import ShapeError
from nodegraph.models import gru, lstm

from torch_judge import arrays, assert_close, assert_same, call, tensors, to_torch, torch  # isort: skip


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def simple(inner=None):
    """A cell h' = tanh(W x + U h) that gives h' and, once for all steps, a function of it."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)])
    following = nn.Tanh()(inner(total) if inner else total)
    return GModule([x, h], [following, nn.LogSoftMax()(nn.Linear(4, 5)(following))])


@pytest.mark.parametrize("wire, states", [(lstm.lstm, 4), (gru.gru, 2)])
def test_char_rnns_networks(wire, states):
    module = Recurrent(wire(7, 5, 2))
    x = np.random.default_rng(0).integers(0, 7, (6, 3))
    assert_same(module, to_torch(module), [x, *(numbers(3, 5, seed=i) for i in range(states))])


@pytest.mark.parametrize("inner", [None, nn.BatchNormalization(4), nn.Add(4), nn.LayerNormalization(4)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_cell(inner, batch_first):
    module = Recurrent(simple(inner), batch_first=batch_first)
    theirs = to_torch(module)
    assert_same(module, theirs, [numbers(5, 6, 3), numbers(5 if batch_first else 6, 4)])
    assert_same(module, theirs, numbers(5, 6, 3))


def test_a_normalisation_outside_the_loop_still_steps():
    x, h = nn.Identity()(), nn.Identity()()
    normalised = nn.BatchNormalization(4)(nn.Linear(3, 4)(x))
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([normalised, nn.Linear(4, 4)(h)])))
    module = Recurrent(cell)
    assert_same(module, to_torch(module), [numbers(5, 6, 3), numbers(6, 4)])


@pytest.mark.parametrize("given", [np.array([5, 2, 0, 3]), np.array([[1, 0, 0, 1]] * 3 + [[0, 1, 0, 0]] * 2)])
@pytest.mark.parametrize("states", [True, False])
def test_masked_sequences(given, states):
    module = Recurrent(simple(), masked=True)
    x = numbers(5, 4, 3)
    x[1:, 2] = np.nan
    assert_same(module, to_torch(module), [x, *[numbers(4, 4)] * states, given])


def test_a_stateful_one_goes_on_from_its_states():
    module = Recurrent(simple(), stateful=True)
    theirs = to_torch(module)
    for seed in range(3):
        assert_same(module, theirs, numbers(5, 6, 3, seed=seed))
    module.reset_states(), theirs.reset_states()
    assert_same(module, theirs, numbers(5, 2, 3))


def test_kept_states_go_where_the_parameters_go():
    theirs = to_torch(Recurrent(simple(), stateful=True))
    theirs(*tensors([numbers(5, 6, 3)]))
    for dtype in (torch.float32, torch.bfloat16):
        outputs = theirs.to(dtype)(torch.zeros(5, 6, 3, dtype=dtype))
        assert all(output.dtype == dtype for output in outputs)
    assert theirs.to("meta")(torch.zeros(5, 6, 3, dtype=dtype, device="meta"))[0].device.type == "meta"


def test_states_that_nobody_reads_until_the_end_and_states_outside_loops():
    x, before = nn.Identity()(), nn.Identity()()
    cell = GModule([x, before], [nn.Square()(x), nn.CAddTable()([x, nn.MulConstant(0.5)(before)])])
    module = Recurrent(cell, feedback=[(0, 1)], sequences=[1])
    assert_same(module, to_torch(module), [numbers(5, 2, 3), numbers(2, 3)])


def test_inside_another_module_it_takes_a_table():
    module = nn.Sequential(Recurrent(simple()), nn.SelectTable(0))
    assert_same(module, to_torch(module), [numbers(5, 6, 3), numbers(6, 4)])


def test_it_is_what_the_unrolled_graph_is():
    cell = simple()
    input = [numbers(4, 2, 3), numbers(2, 4)]
    unrolled = unroll(cell, 4)
    assert_same(unrolled, to_torch(unrolled), input)
    assert_close(*(arrays(list(call(to_torch(m), m, tensors(input)))) for m in (Recurrent(cell), unrolled)))


def test_products_outside_the_loop_run_once():
    theirs = to_torch(Recurrent(simple()))
    calls = []
    for name, layer in theirs.named_modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(lambda layer, given, output, name=name: calls.append((name, len(output))))
    theirs(*tensors([numbers(5, 6, 3), numbers(6, 4)]))
    assert sorted(calls) == [("0.1", 30)] + [("0.3", 6)] * 5 + [("0.6", 30)]


def test_a_copy_trains_on_its_own():
    theirs = to_torch(Recurrent(simple()))
    other = copy.deepcopy(theirs)
    input = tensors([numbers(5, 6, 3), numbers(6, 4)])
    for parameter in other.parameters():
        parameter.data.zero_()
    assert other(*input)[1].abs().max() == 0 and theirs(*input)[1].abs().max() > 0


def adding():
    """A cell that does not tell the size of its state."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return GModule([x, h], nn.CAddTable()([x, h]))


def test_what_is_given_wrongly_is_told():
    given = tensors([numbers(3, 2, 2)] * 4)
    with pytest.raises(ShapeError, match="expected 1 sequences and 1 states, or the sequences alone; got 3 values"):
        to_torch(Recurrent(adding()))(*given[:3])
    with pytest.raises(ShapeError, match="or the sequences alone, and lengths or a mask; got 4 values"):
        to_torch(Recurrent(adding(), masked=True))(*given)
    with pytest.raises(ShapeError, match="the cell alone does not tell the shapes of its states"):
        to_torch(Recurrent(adding()))(given[0])


def test_a_cell_without_states_gives_its_sequence_alone():
    x = nn.Identity()()
    module = Recurrent(GModule(x, nn.Tanh()(x)))
    assert_same(module, to_torch(module), numbers(3, 2, 2))


def test_it_shows_its_options():
    shown = repr(to_torch(Recurrent(simple(), batch_first=True, masked=True)))
    assert shown.startswith("Recurrent(\n  batch_first=True, masked=True\n  (0): GModule(")
