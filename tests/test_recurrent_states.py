"""Recurrent as Keras' users know it: the batch first, states that are left out, states that are kept between calls."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, check_gradients, nest, nn
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.models import gru, lstm, rnn
from nodegraph.models.variants import CELLS, dot_product_attention, stacked

from recurrent_cells import CELLS as WIRED
from recurrent_cells import elman, normal


def as_list(output):
    return output if isinstance(output, list) else [output]


def assert_equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


# The batch first


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_batch_first_is_the_same_with_two_axes_exchanged(masked, given):
    cell, x, lengths = lstm.create(3, 2), normal(5, 4, 3), np.array([5, 2, 0, 1])
    states, mask = [*normal(2, 4, 2)] if given else [], np.arange(5)[:, None] < lengths
    time_first, batch_first = Recurrent(cell, masked=masked), Recurrent(cell, masked=masked, batch_first=True)
    ours = [x.swapaxes(0, 1), *states, *([mask.T] if masked else [])]
    theirs = [x, *states, *([mask] if masked else [])]
    ours, theirs = (value if len(value) > 1 else value[0] for value in (ours, theirs))
    ys, *final = batch_first.forward(ours)
    expected, *ends = time_first.forward(theirs)
    assert_equal([ys.swapaxes(0, 1), *final], [expected, *ends])
    g = normal(5, 4, 2)
    grad_x, *rest = as_list(batch_first.backward(ours, [g.swapaxes(0, 1), None, None]))
    expected, *others = as_list(time_first.backward(theirs, [g, None, None]))
    assert_equal([grad_x.swapaxes(0, 1), *rest[: len(states)]], [expected, *others[: len(states)]])
    assert batch_first.output_shape((4, 5, 3) if not isinstance(ours, list) else [v.shape for v in ours])[0] == ys.shape
    check_gradients(batch_first, ours)


@pytest.mark.parametrize("compiled", [False, True])
def test_batch_first_of_outputs_that_are_tables(compiled):
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([x, h]))
    net = Recurrent(GModule([x, h], [new, nn.Identity()([new, nn.Sum(1)(x)])]), compiled=compiled, batch_first=True)
    ys, _ = net.forward(normal(4, 5, 3))
    assert [y.shape for y in ys] == [(4, 5, 3), (4, 5)]
    assert net.output_shape((4, 5, 3))[0] == [(4, 5, 3), (4, 5)]
    assert net.backward(None, [[None, np.ones((4, 5))], None]).shape == (4, 5, 3)


def test_a_sequence_without_its_axes_is_told_them_in_their_order():
    with pytest.raises(ShapeError, match=r"each sequence as one array \(steps, batch, ...\)"):
        Recurrent(elman()).forward(np.ones(()))
    with pytest.raises(ShapeError, match=r"each sequence as one array \(batch, steps, ...\)"):
        Recurrent(elman(), batch_first=True).forward(np.ones(3))


# States that are left out


@pytest.mark.parametrize(
    "cell",
    [
        lstm.create(3, 4), lstm.lstm(5, 4, 2), gru.gru(5, 4, 3), rnn.rnn(5, 4, 1), lstm.stack(3, 4, 2),
        *(make(3, 4) for make in CELLS.values()), *(stacked(make, 3, 4, 2) for make in CELLS.values()),
        *(WIRED[name][0]() for name in ("elman", "delay", "batch_normalised", "containers")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [3, 1, 0])
def test_without_states_they_are_zeros_of_the_cells_own_shapes(cell, batch):
    indices = any(isinstance(node.module, nn.OneHot) for node in cell.nodes)
    x = np.ones((2, batch), int) if indices else normal(2, batch, 3)
    if batch < 2 and any(isinstance(node.module, nn.BatchNormalization) for node in cell.nodes):
        return
    net = Recurrent(cell)
    outputs = as_list(net.forward(x))
    states = [np.zeros(s.shape) for s in outputs[-len(cell.inputs) + 1 :]]
    assert net.output_shape(x.shape) == [y.shape for y in outputs]
    assert_equal(outputs, as_list(Recurrent(cell).forward([x, *states])))
    gradients = [np.ones(y.shape) for y in outputs]
    grad_x = net.backward(x, gradients)
    assert isinstance(grad_x, np.ndarray) and grad_x.shape == x.shape


def test_gates_that_only_the_input_opens():
    """No weight has the size of the state: it is told by what the gates add to it."""
    x, c = nn.Identity()(), nn.Identity()()
    gates = nn.Linear(3, 8)(x)
    forget, new = nn.Sigmoid()(nn.Narrow(1, 0, 4)(gates)), nn.Narrow(1, 4, 4)(gates)
    cell = GModule([x, c], nn.CAddTable()([nn.CMulTable()([forget, c]), new]))
    assert Recurrent(cell).output_shape((5, 2, 3)) == [(5, 2, 4), (2, 4)]


def test_states_take_the_type_of_the_parameters():
    outputs = Recurrent(lstm.create(3, 2)).float().forward(normal(4, 2, 3).astype(np.float32))
    assert {y.dtype for y in outputs} == {np.dtype(np.float32)}


def test_states_that_never_meet_the_input_have_the_type_of_the_parameters_too():
    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], [nn.Tanh()(nn.Linear(2, 2)(h)), nn.Square()(x)])).float()
    assert [output.dtype for output in net.forward(normal(4, 2, 3))] == [np.float64, np.float32]


def test_states_beside_whole_numbers_alone_are_real_numbers():
    x, h = nn.Identity()(), nn.Identity()()
    outputs = Recurrent(GModule([x, h], nn.CAddTable()([x, h]))).forward(np.ones((3, 2, 4), int))
    assert [output.dtype for output in outputs] == [float, float] and outputs[1].tolist() == [[3] * 4] * 2


def test_several_sequences_and_no_states():
    x, y, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    cell = GModule([x, h, y], nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(4, 2)(y), h]))
    net, input = Recurrent(cell, [(0, 1)]), [normal(5, 2, 3), normal(5, 2, 4)]
    assert_equal(net.forward(input), net.forward([input[0], np.zeros((2, 2)), input[1]]))
    check_gradients(net, input)


def test_a_state_whose_shape_nothing_tells_is_named():
    x, memory = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="memory")
    cell = GModule([x, memory], [memory, nn.JoinTable(1)([x, memory])])
    with pytest.raises(ShapeError, match="does not tell the shape of `memory`: give the states"):
        Recurrent(cell).forward(normal(5, 2, 3))
    with pytest.raises(ShapeError, match="does not tell the shape"):
        Recurrent(dot_product_attention(3)).forward(normal(5, 2, 3))
    with pytest.raises(ShapeError, match="expected a table of 3"):
        Recurrent(lstm.create(3, 2)).forward([normal(5, 2, 3)] * 2)


def test_a_state_that_is_a_table_or_beside_one_is_to_be_given():
    x, pair = nn.Identity()(), nn.Identity()()
    a, b = pair.split(2)
    of_pair = Recurrent(GModule([x, pair], nest([nn.CAddTable()([x, a]), nn.CAddTable()([x, b])])))
    with pytest.raises(ShapeError, match="does not tell the shape of Identity at"):
        of_pair.forward(normal(5, 2, 3))
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    both = nn.FlattenTable()([h, nest([x, x])])
    beside = Recurrent(GModule([x, h], [h, nn.JoinTable(1)(both)]))
    with pytest.raises(ShapeError, match="does not tell the shape of `h`"):
        beside.forward(normal(5, 2, 3))
    assert beside.forward([normal(5, 2, 3), normal(2, 4)])[0].shape == (5, 2, 10)


def test_numbers_tell_no_batch():
    x, y, h = nn.Identity()(), nn.Identity()(), nn.Identity()().annotate(name="h")
    net = Recurrent(GModule([x, y, h], nn.CAddTable()([nn.Mul()(x), nn.Sum(0)(y), h])), [(0, 2)])
    with pytest.raises(ShapeError, match="does not tell the shape of `h`"):
        net.forward([normal(5), normal(5, 2)])
    assert net.forward([normal(5), normal(5, 2), np.zeros(())])[0].shape == (5,)


def test_a_wrong_size_of_the_input_is_blamed_on_the_input():
    with pytest.raises(ShapeError, match=r"Linear `i2h` .* from `x`"):
        Recurrent(lstm.create(3, 2)).forward(normal(5, 2, 4))


def test_layers_one_after_the_other_as_in_a_list():
    net = nn.Sequential(
        nn.LookupTable(10, 3, padding_index=0), Recurrent(elman(), batch_first=True), nn.SelectTable(0), nn.Last(1),
        nn.Linear(4, 2), nn.LogSoftMax(),
    )  # fmt: skip
    x = np.array([[1, 2, 3], [4, 5, 6]])
    assert net.forward(x).shape == net.output_shape(x.shape) == (2, 2)
    net.backward(x, np.ones((2, 2)))
    check_gradients(net, x)


# States that are kept


@pytest.mark.parametrize("masked", [False, True])
def test_a_stateful_one_goes_on_where_it_ended(masked):
    cell, x = lstm.create(3, 2), normal(6, 4, 3)
    mask = np.arange(6)[:, None] < np.array([6, 5, 2, 0]) if masked else np.ones((6, 4), bool)
    whole = Recurrent(cell, masked=True).forward([x, mask])
    net = Recurrent(cell, stateful=True, masked=masked)
    pieces = [net.forward([x[part], mask[part]] if masked else x[part]) for part in (slice(0, 4), slice(4, 6))]
    np.testing.assert_allclose(np.concatenate([ys for ys, *_ in pieces]), whole[0], atol=1e-14)
    for end, expected in zip(pieces[1][1:], whole[1:]):
        np.testing.assert_allclose(end, expected, atol=1e-14)
    assert net.reset_states() is net
    assert_equal(net.forward([x[:4], mask[:4]] if masked else x[:4]), pieces[0])


def test_kept_states_are_nobody_elses_and_given_ones_go_before_them():
    net, x = Recurrent(elman(), stateful=True), normal(3, 2, 3)
    _, end = net.forward(x)
    kept = end.copy()
    end[...] = 9
    first = net.forward(x)
    assert_equal(first, net.forward([x, kept]))
    _, begun = net.forward([x, np.zeros((2, 4))])
    np.testing.assert_array_equal(begun, kept)
    net.stateful = False
    np.testing.assert_array_equal(net.forward(x)[1], kept)


def test_nothing_is_kept_unless_it_is_asked_for():
    net = Recurrent(elman())
    net.forward(normal(3, 2, 3))
    assert net.kept_states is None


def test_kept_states_follow_copies_and_types_and_not_another_batch():
    net, x = Recurrent(elman(), stateful=True), normal(3, 2, 3)
    net.forward(x)
    twin = net.clone()
    assert_equal(twin.forward(x), net.forward(x))
    expected, single = twin.forward(x), net.float().forward(x.astype(np.float32))
    assert single[0].dtype == np.float32
    np.testing.assert_allclose(single[0], expected[0], atol=1e-6)
    with pytest.raises(ShapeError, match=r"states \[\(2, 4\)\] are kept .* another batch: see reset_states"):
        net.forward(normal(3, 5, 3))
    net.reset_states().forward(normal(3, 5, 3))


def test_kept_states_tell_their_shapes_where_the_cell_does_not():
    x, h = nn.Identity()(), nn.Identity()()
    net, input = Recurrent(GModule([x, h], [h, nn.JoinTable(1)([x, h])]), stateful=True), normal(5, 2, 3)
    assert net.forward([input, normal(2, 4)])[0].shape == (5, 2, 7)
    assert net.output_shape(input.shape) == [(5, 2, 7), (2, 4)] and net.forward(input)[0].shape == (5, 2, 7)
    for refused in (lambda: net.output_shape((5, 6, 3)), lambda: net.forward(normal(5, 6, 3))):
        with pytest.raises(ShapeError, match="does not tell the shape"):
            refused()
    net.stateful = False
    with pytest.raises(ShapeError, match="does not tell the shape"):
        net.output_shape(input.shape)


@pytest.mark.parametrize("option", ["batch_first", "masked", "stateful", "checkpointed"])
def test_options_are_true_or_false(option):
    with pytest.raises(ArgumentError, match=f"{option} must be True or False"):
        Recurrent(elman(), **{option: 2})
    assert repr(Recurrent(elman(), **{option: True})).endswith(f"), {option}=True)")


# States inside other modules


def kept_in_a_graph():
    """A stateful Recurrent among other modules, in training or evaluation."""
    net, x = Recurrent(elman(), stateful=True), nn.Identity()()
    ys, h = net(nn.Tanh()(x)).split(2)
    return net, GModule(x, [nn.Tanh()(ys), h])


@pytest.mark.parametrize("training", [True, False])
def test_a_compiled_graph_goes_back_and_is_looked_at_from_the_states_of_its_run(training):
    (net, graph), input = kept_in_a_graph(), normal(4, 2, 3)
    twin = graph.clone().compile()
    (its,) = twin.find_modules(Recurrent)
    for each in graph, twin:
        each.apply(lambda module: setattr(module, "train", training))
        each.zero_grad_parameters()
        each.forward(input)
    for _ in range(2):
        expected, output = graph.forward(input), twin.forward(input)
        assert_close(output, expected)
        assert_close([twin.backward(input, output)], [graph.backward(input, expected)])
        assert_close(its.kept_states, net.kept_states)
        assert_close([call.output for _, call in twin.tape][-1:], [call.output for _, call in graph.tape][-1:])
        assert_close(its.kept_states, net.kept_states)
    assert_close(twin.parameters()[1], graph.parameters()[1])


@pytest.mark.parametrize("options", [{"compiled": True}, {"checkpointed": True}])
def test_a_cell_with_states_of_its_own_goes_back_from_those_of_its_run(options):
    x, h = nn.Identity()(), nn.Identity()()
    ys, inner_end = Recurrent(elman(), stateful=True)(x).split(2)
    cell, input = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Last()(ys), inner_end, h]))), [normal(5, 3, 2, 3)]
    found = []
    for net in Recurrent(cell, compiled=False), Recurrent(cell.clone(), **options):
        net.zero_grad_parameters()
        for _ in range(2):
            output = net.forward([*input, np.zeros((2, 4))])
            gradients = net.backward(None, [np.ones((5, 2, 4)), None])
            assert net.tape[h if net.cell is cell else net.cell.inputs[1]].output.shape == (5, 2, 4)
        found.append([*output, *gradients, *net.parameters()[1]])
    assert_close(*found)


def test_states_in_tables_become_single_precision_with_the_rest():
    x, states = nn.Identity()(), nn.Identity()()
    a, b = states.split(2)
    net = Recurrent(
        GModule([x, states], nest([nn.Tanh()(nn.CAddTable()([x, a])), nn.CAddTable()([x, b])])), stateful=True
    )
    net.forward([normal(3, 2, 4), [np.zeros((2, 4)), np.zeros((2, 4))]])
    output = net.float().forward(normal(3, 2, 4).astype(np.float32))
    assert {leaf.dtype for part in output for leaf in part} == {np.dtype(np.float32)}


def test_the_gradients_of_a_stateful_network_are_those_from_the_states_that_it_has():
    net = Recurrent(elman(), stateful=True)
    net.forward(normal(4, 2, 3))
    before = net.kept_states
    assert check_gradients(net, normal(4, 2, 3)) < 1e-6
    assert net.kept_states is before
