"""The recurrent modules of the packages rnn and torch-rnn: what Torch7 wrote runs to Torch7's numbers."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn, table
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import recorded, translated
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.values import Record, Table
from nodegraph.io.t7.writer import write
from nodegraph.viz import draw

import oracle

FOLDER = oracle.DATA / "recurrent"
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.t7") if "module" in t7.read(path))
CLOSE = dict(rtol=0, atol=1e-12)


def assert_same(ours, theirs):
    assert table.shape(ours) == table.shape(theirs)
    for a, b in zip(table.leaves(ours), table.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


def forget(module):
    for inner in module.list_modules():
        if isinstance(inner, nodegraph.Recurrent):
            inner.reset_states()
    return module


@pytest.mark.parametrize("name", NETWORKS)
def test_it_runs_forward_and_backward_as_in_torch(name):
    case = t7.load(FOLDER / f"{name}.t7")
    module = case["module"]
    assert_same(module.forward(case["input"]), case["output"])
    if "again" in case:  # it goes on from its states
        assert_same(module.forward(case["input"]), case["again"])
    if "gradInput" in case:
        forget(module).training().zero_grad_parameters()
        module.forward(case["input"])
        assert_same(module.backward(case["input"], case["output"]), case["gradInput"])
        sums = [np.abs(gradient).sum() for gradient in module.parameters()[1]]
        np.testing.assert_allclose(sum(sums), sum(case["gradients"]), rtol=1e-12)


def test_the_step_of_an_lstm_becomes_a_graph_of_single_modules():
    recurrent = t7.load(FOLDER / "lstm.t7")["module"][0]
    assert isinstance(recurrent, nodegraph.Recurrent)
    kinds = [type(node.module).__name__ for node in recurrent.cell.nodes]
    assert kinds.count("Linear") == 8 and kinds.count("Sigmoid") == 3 and kinds.count("CMul") == 3
    assert not {"Sequential", "ConcatTable", "ParallelTable", "FlattenTable"} & set(kinds)
    assert "Dropout" not in kinds  # where it would drop nothing
    assert [node.name for node in recurrent.cell.inputs] == ["x", "prev_h_1", "prev_c_1"]
    assert "Sigmoid" in draw(recurrent.cell).dot


def test_states_of_all_layers_are_carried():
    recurrent = t7.load(FOLDER / "deep.t7")["module"][0]
    assert len(recurrent.cell.inputs) == 1 + 2 + 1


def load(name, **fields):
    return translated(read(write(Record(name, Table(hash=fields)))))


def test_outside_a_sequencer_it_is_refused_in_a_sentence():
    for name in ("nn.LSTM", "nn.GRU", "nn.Recursor", "nn.Recurrent"):
        with pytest.raises(T7Error, match=rf"{name}: outside an nn.Sequencer .* .at byte \d+.$"):
            load(name, inputSize=3, outputSize=2)


@pytest.mark.parametrize(
    "step",
    [
        Record("nn.SelectTable", Table(hash={"index": 3})),
        Record("nn.NarrowTable", Table(hash={"offset": 1, "length": 10**9})),
        Record("nn.ConcatTable", Table(hash={"modules": Table()})),
        Record("nn.FlattenTable", Table(hash={})),
        Record("nn.Recurrent", Table(hash={"startModule": recorded(nn.Linear(2, 2))})),
        Record("nn.LSTM", Table(hash={"recurrentModule": Record("nn.ConcatTable", Table(hash={}))})),
        Record("nn.GRU", Table(hash={})),
    ],
    ids=lambda record: record.name,
)
def test_a_step_that_does_not_fit_together_is_refused(step):
    with pytest.raises(T7Error, match=r"\(at byte \d+\)$"):
        load("nn.Sequencer", modules=Table([Record("nn.Recursor", Table(hash={"modules": Table([step])}))]))


def test_a_step_inside_itself_is_refused():
    inside = Record("nn.Sequential", Table(hash={"modules": Table()}))
    inside.fields["modules"].array.append(inside)
    with pytest.raises(T7Error, match="nested more than 100 deep"):
        load("nn.Sequencer", modules=Table([inside]))


def test_modules_that_double_at_each_level_are_refused():
    inner = Record("nn.Identity", Table(hash={}))
    for _ in range(60):
        inner = Record("nn.ConcatTable", Table(hash={"modules": Table([inner, inner])}))
    with pytest.raises(T7Error, match="more than 5000 modules"):
        load("nn.Sequencer", modules=Table([inner]))


def test_over_time_torch_has_no_counterpart_but_to_the_cell(tmp_path):
    recurrent = t7.load(FOLDER / "lstm.t7")["module"][0]
    with pytest.raises(T7Error, match="no counterpart to Recurrent: save its cell, or the graph that nodegraph.unroll"):
        t7.save(recurrent, tmp_path / "file.t7")
    assert isinstance(t7.load(t7.save(recurrent.cell, tmp_path / "file.t7")), nodegraph.GModule)


@pytest.mark.parametrize("name", ["masked_seq_lstm", "masked_seq_gru", "masked_gru", "masked_fast_lstm", "trimmed_gru"])
def test_a_sequence_begins_anew_after_a_step_of_zeros(name):
    case = t7.load(FOLDER / f"{name}.t7")
    x, module = case["input"], case["module"]
    assert not x[2].any() and not case["output"][2].any()
    np.testing.assert_allclose(module.forward(x[3:]), case["output"][3:], **CLOSE)


def test_small_modules_of_these_packages():
    np.testing.assert_array_equal(load("nn.SAdd", addend=-1, negate=True).forward(np.array([3.0])), [-2])
    np.testing.assert_array_equal(load("nn.SAdd", addend=2).forward(np.array([3.0])), [5])
    x = [np.array([1.0]), np.array([2.0])]
    assert [y.item() for y in load("nn.ReverseTable").forward(x)] == [2, 1]
    np.testing.assert_array_equal(load("nn.SeqReverseSequence", dim=1).forward(np.array([[1.0], [2.0]])), [[2], [1]])
    assert load("nn.LinearNoBias", weight=np.ones((2, 3))).bias is None
    assert type(load("nn.Dictionary", weight=np.ones((2, 3)))) is nn.LookupTable
