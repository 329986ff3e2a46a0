"""A cell over time as ONNX' Scan: the same numbers for any number of steps and any batch."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn, unroll
from nodegraph.errors import ExportError, ShapeError
from nodegraph.models import gru, lstm, rnn

from module_examples import numbers
from onnx_judge import assert_same, kinds

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nodegraph.export.onnx import onnx_model  # noqa: E402


def bodies(model):
    """The kinds of the operators in each Scan."""
    scans = [operator for operator in model.graph.node if operator.op_type == "Scan"]
    return [[inner.op_type for a in scan.attribute if a.name == "body" for inner in a.g.node] for scan in scans]


def states(batch, size, n):
    return [numbers(batch, size, seed=i) for i in range(n)]


def test_only_the_loop_is_in_the_scan():
    model = onnx_model(Recurrent(lstm.create(3, 2)), [(5, 4, 3), (4, 2), (4, 2)])
    assert kinds(model).count("Gemm") == 1  # input to hidden, once for all steps
    (body,) = bodies(model)
    assert body.count("Gemm") == 1 and body.count("Tanh") == 2
    names = [[value.name for value in values] for values in (model.graph.input, model.graph.output)]
    assert names == [["x", "prev_c", "prev_h"], ["next_h", "last_prev_c", "last_prev_h"]]


@pytest.mark.parametrize("wire, n", [(lstm.lstm, 4), (gru.gru, 2), (rnn.rnn, 2)], ids=["lstm", "gru", "rnn"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_character_models(wire, n, dtype):
    network = Recurrent(wire(7, 4, 2, 0.5).astype(dtype)).evaluate()
    model = onnx_model(network, [(6, 3), *[(3, 4)] * n])
    for steps, batch in (6, 3), (1, 1), (9, 2):
        x = np.arange(steps * batch).reshape(steps, batch) % 7
        value = [x, *(state.astype(dtype) for state in states(batch, 4, n))]
        assert_same(network, model, value, 1e-10 if dtype == np.float64 else 1e-5)


def test_states_that_are_left_out_are_zeros():
    network = Recurrent(lstm.create(3, 2))
    model = onnx_model(network, ("steps", "batch", 3))
    assert_same(network, model, numbers(5, 4, 3))


@pytest.mark.parametrize("batch_first", [False, True])
def test_masks(batch_first):
    network = Recurrent(lstm.create(3, 2), masked=True, batch_first=batch_first)
    x, mask = numbers(4, 3, 3), np.array([[1, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
    lengths = np.array([4, 2, 0])
    if batch_first:
        x, mask = x.swapaxes(0, 1), mask.T
    for given in (mask, lengths):
        model = onnx_model(network, [x.shape, given.shape])
        assert_same(network, model, [x, given])
        value = [x, *states(3, 2, 2), given]
        assert_same(network, onnx_model(network, [part.shape for part in value]), value)


def test_what_is_padding_is_not_read():
    network = Recurrent(lstm.create(3, 2), masked=True)
    x, lengths = numbers(4, 2, 3), np.array([4, 2])
    x[2:, 1] = np.nan
    assert_same(network, onnx_model(network, [x.shape, lengths.shape]), [x, lengths])


class Cumulative(nn.Module):
    """A module of which the rows of a batch are not independent."""

    parameter_names = ()

    def update_output(self, input):
        return np.cumsum(input, 0)

    def output_shape(self, shape):
        return shape


def test_what_is_not_rowwise_runs_step_by_step():
    x, h = nn.Identity()(), nn.Identity()()
    before = Cumulative()(x)
    network = Recurrent(GModule([x, h], nn.Tanh()(nn.CAddTable()([before, h]))))
    model = onnx_model(network, [(5, 4, 3), (4, 3)])
    assert len(bodies(model)) == 2
    assert_same(network, model, [numbers(7, 2, 3), numbers(2, 3)])


def test_a_state_that_is_only_read_a_step_later_needs_no_loop():
    x, before = nn.Identity()(), nn.Identity()()
    network = Recurrent(GModule([x, before], [x - nn.Tanh(), nn.CSubTable()([x, before])]), feedback=[(0, 1)])
    model = onnx_model(network, [(5, 4, 3), (4, 3)])
    assert bodies(model) == []
    assert_same(network, model, [numbers(6, 2, 3), numbers(2, 3)])


def test_several_loops_and_tables_and_a_recurrent_in_a_graph():
    first, second = Recurrent(lstm.create(3, 2)), Recurrent(lstm.create(2, 5))
    x = nn.Identity()()
    ys = nn.SelectTable(0)(first(x))
    network = GModule(x, nn.Mean(0)(nn.SelectTable(0)(second(ys))))
    model = onnx_model(network, ("steps", "batch", 3))
    assert len(bodies(model)) == 2
    assert_same(network, model, numbers(4, 6, 3))


def test_unrolled():
    network = unroll(lstm.create(3, 2), 4)
    model = onnx_model(network, [(4, "batch", 3), ("batch", 2), ("batch", 2)])
    assert "Scan" not in kinds(model)
    assert_same(network, model, [numbers(4, 5, 3), *states(5, 2, 2)])


def test_lengths_for_a_fixed_number_of_steps():
    network = Recurrent(lstm.create(3, 2), masked=True)
    model = onnx_model(network, [(4, "batch", 3), ("batch",)])
    assert_same(network, model, [numbers(4, 3, 3), np.array([4, 2, 0])])


class Doubled(nn.Module):
    parameter_names = ()

    def update_output(self, input):
        return 2 * input


def over_time(wire, **options):
    """A Recurrent whose cell has an input and a state."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    return Recurrent(GModule([x, h], wire(x, h)), **options)


def test_a_class_without_shape_runs_step_by_step():
    network = over_time(lambda x, h: nn.Tanh()(nn.CAddTable()([Doubled()(x), h])))
    model = onnx_model(network, [("steps", 5, 3), (5, 3)])
    assert len(bodies(model)) == 2
    assert_same(network, model, [numbers(4, 5, 3), numbers(5, 3)])


def test_steps_without_a_batch_run_step_by_step():
    network = over_time(lambda x, h: nn.CAddTable()([nn.MulConstant(2)(x), h]))
    assert_same(network, onnx_model(network, [("steps",), ()]), [numbers(4), np.array(1.5)])


def test_what_a_scan_cannot_do_is_refused():
    lonely = over_time(lambda x, h: [nn.Square()(x), nn.Tanh()(h)], feedback=[(1, 1)])
    with pytest.raises(ExportError, match="a loop that reads no sequence"):
        onnx_model(lonely, [(4, 5, 3), (5, 2)])
    growing = over_time(lambda x, h: nn.JoinTable(1)([x, h]))
    with pytest.raises(ExportError, match=r"states that change their shape, \(5, 6\)"):
        onnx_model(growing, [(4, 5, 3), (5, 3)])


def test_an_error_in_a_cell_names_its_node():
    network = over_time(lambda x, h: nn.CAddTable()([nn.Linear(4, 3)(x), h]))
    with pytest.raises(ShapeError, match=r"Linear .*got \(5, 3\) from .*`x`"):
        onnx_model(network, [(4, 5, 3), (5, 3)])
