"""Recurrent: a cell over time equals the same cell unrolled, whatever is wired; states, truncation, refusals."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodegraph import GModule, Recurrent, annotate_nodes, check_gradients, nest, nn, table, unroll
from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.models import lstm

from recurrent_cells import CELLS, delay, elman, normal, random_cell, rng


def run(module, cell, input, gradients):
    """Output, gradient of the input, and gradients of the cell's parameters, each as one list of arrays."""
    cell.zero_grad_parameters()
    output = module.forward(input)
    output = output if isinstance(output, list) else [output]
    given = [g * np.ones(y.shape) for g, y in zip(gradients, output)]
    grad_input = module.backward(input, given if len(given) > 1 else given[0])
    return output, grad_input, [g.copy() for g in cell.parameters()[1]]


def assert_equals_unrolled(cell, steps, input, gradients):
    ours = run(Recurrent(cell), cell, input, gradients)
    theirs = run(unroll(cell, steps), cell, input, gradients)
    for mine, reference in zip(ours, theirs):
        for a, b in zip(mine, reference):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("steps, batch", [(1, 1), (1, 3), (4, 1), (5, 3)])
def test_equals_the_unrolled_graph(name, steps, batch):
    make, inputs = CELLS[name]
    cell, input = make(), inputs(steps, batch)
    gradients = rng.standard_normal(20)
    assert_equals_unrolled(cell, steps, input, gradients)


@pytest.mark.parametrize("name", [name for name in CELLS if name != "batch_normalised"])
def test_gradients(name):
    make, inputs = CELLS[name]
    check_gradients(Recurrent(make()), inputs(3, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LayerNormalization(4),
        lambda: nn.WeightNorm(nn.Linear(4, 4)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()),
    ],
)
def test_modules_whose_gradients_need_what_each_step_kept(make):
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([nn.Linear(3, 4)(x), make()(h)])))
    check_gradients(Recurrent(cell, compiled=False), [normal(4, 2, 3), normal(2, 4)])
    assert_equals_unrolled(cell, 4, [normal(4, 2, 3), normal(2, 4)], [1.0, 2.0])


def test_a_container_that_takes_indices_learns():
    """Nobody asks for the gradient of what it takes, but the modules inside give each other theirs."""
    x, h = nn.Identity()(), nn.Identity()()
    layers = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4))
    cell = GModule([x, h], nn.Tanh()(nn.CAddTable()([layers(nn.OneHot(5)(x)), h])))
    input = [rng.integers(0, 5, (4, 3)), normal(3, 4)]
    check_gradients(Recurrent(cell, compiled=False), input)
    assert_equals_unrolled(cell, 4, input, [1.0, 2.0])


def test_the_unbatched_cell_runs_too():
    assert_equals_unrolled(elman(), 4, [normal(4, 3), normal(4)], [1, 2])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_cells_equal_their_unrolled_graph(data):
    cell, steps, batch = random_cell(data.draw), data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    input = [normal(steps, batch, 4), normal(batch, 4), normal(batch, 4)]
    gradients = rng.standard_normal(20)
    assert_equals_unrolled(cell, steps, input, gradients)


def test_pieces_of_a_sequence_give_what_the_whole_gives():
    net = Recurrent(lstm.create(3, 2))
    x, c, h = normal(6, 2, 3), normal(2, 2), normal(2, 2)
    whole, *final = net.forward([x, c, h])
    first, *states = net.forward([x[:4], c, h])
    second, *ends = net.forward([x[4:], *states])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-14)
    for a, b in zip(ends, final):
        np.testing.assert_allclose(a, b, atol=1e-14)


def test_states_that_are_carried_belong_to_the_caller():
    net = Recurrent(lstm.create(3, 2))
    _, c, h = net.forward([normal(4, 2, 3), normal(2, 2), normal(2, 2)])
    before = c.copy(), h.copy()
    net.forward([normal(4, 2, 3), c, h])
    np.testing.assert_array_equal((c, h), before)


def test_a_cell_of_its_own_feedback_and_sequences():
    h, x = nn.Identity()(), nn.Identity()()
    total = nn.CAddTable()([h, x])
    cell = GModule([h, x], [nn.MulConstant(10)(total), total])
    net = Recurrent(cell, feedback=[(1, 0)], sequences=[0, 1])
    scaled, sums, final = net.forward([np.zeros((1, 1)), np.ones((3, 1, 1))])
    assert scaled.ravel().tolist() == [10, 20, 30] and sums.ravel().tolist() == [1, 2, 3] and final.item() == 3


def test_without_feedback_a_module_runs_over_time():
    x = nn.Identity()()
    net = Recurrent(GModule(x, nn.Linear(3, 2)(x)), feedback=[])
    assert net.forward(normal(5, 4, 3)).shape == (5, 4, 2)
    assert [stage.loop for stage in net.stages] == [False]


def test_what_is_not_fed_back_is_returned_for_every_step():
    x, h = nn.Identity()(), nn.Identity()()
    new = nn.CAddTable()([x, h])
    net = Recurrent(GModule([x, h], [new, nn.Sum(1)(x), nn.Narrow(1, 0, 1)(new)]))
    assert [y.shape for y in net.forward([normal(5, 2, 3), normal(2, 3)])] == [(5, 2), (5, 2, 1), (2, 3)]


def test_a_sequence_of_numbers():
    x, total = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, total], nn.CAddTable()([nn.MulConstant(2)(x), total])))
    totals, last = net.forward([np.array([1.0, 2.0, 3.0]), np.zeros(())])
    assert totals.tolist() == [2, 6, 12] and last == 12
    assert net.backward(None, [np.ones(3), None])[0].tolist() == [6, 4, 2]


class Counting(nn.Linear):
    """Notes each of its calls, forward and backward, with the shape."""

    def __init__(self, input_size, output_size):
        super().__init__(input_size, output_size)
        self.calls = []

    def update_output(self, input):
        self.calls.append(("forward", input.shape))
        return super().update_output(input)

    def update_grad_input(self, input, grad_output):
        self.calls.append(("backward", grad_output.shape))
        return super().update_grad_input(input, grad_output)


@pytest.mark.parametrize("compiled", [False, True])
def test_what_depends_on_no_step_runs_once_for_all_and_not_backward_to_indices(compiled):
    of_input, of_indices, of_state = Counting(3, 4), Counting(5, 4), Counting(4, 4)
    x, i, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    total = nn.CAddTable()([of_input(x), of_indices(nn.OneHot(5)(i)), of_state(h)])
    net = Recurrent(GModule([x, i, h], nn.Tanh()(total)), [(0, 2)], compiled=compiled)
    input = [normal(6, 2, 3), rng.integers(0, 5, (6, 2)), normal(2, 4)]
    net.backward(input, net.forward(input))
    assert of_input.calls == [("forward", (12, 3)), ("backward", (12, 4))]
    assert of_indices.calls == [("forward", (12, 5))]
    assert of_state.calls == [("forward", (2, 4))] * 6 + [("backward", (2, 4))] * 6
    check_gradients(net, input)


def test_indices_beside_real_numbers():
    """What takes both has a gradient."""
    x, i, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([nn.OneHot(4)(i), nn.Linear(3, 4)(x)]))
    net = Recurrent(GModule([x, i, h], nn.CAddTable()([new, h])), [(0, 2)], compiled=False)
    check_gradients(net, [normal(5, 2, 3), rng.integers(0, 4, (5, 2)), normal(2, 4)])


def test_only_cycles_step():
    net = Recurrent(lstm.lstm(5, 3, 2))
    nodes = net.cell.nodes
    loops = [{nodes[place].name for place in stage.places} for stage in net.stages if stage.loop]
    once = {nodes[place].name for stage in net.stages if not stage.loop for place in stage.places}
    assert {"h2h_1", "next_c_1"} <= loops[0] and {"h2h_2", "next_c_2"} <= loops[1] and len(loops) == 2
    assert {"i2h_1", "i2h_2", "decoder", "log_probabilities"} <= once


def test_dropout_masks_are_drawn_and_used_again_in_backward():
    net = Recurrent(lstm.lstm(5, 8, 2, dropout=0.5))
    input = [rng.integers(0, 5, (4, 3))] + [normal(3, 8) for _ in range(4)]
    different = net.forward(input)[0], net.forward(input)[0]
    assert not np.array_equal(*different)
    net.evaluate()
    np.testing.assert_array_equal(net.forward(input)[0], net.forward(input)[0])


def test_the_tape_shows_every_node_over_time():
    x, h = nn.Identity()(), nn.Identity()()
    hidden = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)]))
    annotate_nodes()
    net = Recurrent(GModule([x, h], hidden))
    ys, _ = net.forward([normal(5, 2, 3), normal(2, 4)])
    net.backward(None, [np.ones((5, 2, 4)), None])
    np.testing.assert_array_equal(net.tape["hidden"].output, ys)
    assert net.tape["hidden"].grad_output.shape == (5, 2, 4) and net.tape["x"].output.shape == (5, 2, 3)
    net.compiled = False
    ys, _ = net.forward([normal(5, 2, 3), normal(2, 4)])
    net.zero_grad_parameters()
    net.parameters()[0][0].fill(0)
    np.testing.assert_array_equal(net.tape["hidden"].output, ys)
    with pytest.raises(ArgumentError):
        net.tape["nobody"]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_tape_has_gradients_of_zero_where_only_some_steps_have_one_and_none_where_no_step_has(compiled):
    block = nn.Identity()()
    x, before = nn.Identity()(), nn.Identity()()
    mixed = GModule(block, nn.BatchNormalization(3)(block))(x).annotate(name="mixed")
    cell = GModule([x, before], [mixed, nn.CAddTable()([before, x])])
    net, input = Recurrent(cell, compiled=compiled), [normal(4, 5, 3), normal(5, 3)]
    ys, last = net.forward(input)
    assert net.tape["mixed"].grad_output is None
    net.backward(input, [None, last])
    grad_output = net.tape["mixed"].grad_output
    np.testing.assert_array_equal(grad_output[-1], last)
    assert grad_output.shape == (4, 5, 3) and not grad_output[:-1].any()


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_parts_of_a_state_that_is_a_table(compiled):
    x, pair = nn.Identity()(), nn.Identity()()
    a, b = pair.split(2)
    cell = GModule([x, pair], nest([nn.Tanh()(nn.CAddTable()([x, a])), nn.CMulTable()([x, b])]))
    net, input = Recurrent(cell, compiled=compiled), [normal(4, 2, 3), [*normal(2, 2, 3)]]
    (ys, zs), ends = net.forward(input)
    left_out = net.backward(input, [[ys, None], [None, ends[1]]])
    zeros = net.backward(input, [[ys, np.zeros_like(zs)], [np.zeros_like(ends[0]), ends[1]]])
    for one, other in zip(table.leaves(left_out), table.leaves(zeros), strict=True):
        np.testing.assert_array_equal(one, other)
    check_gradients(net, input)


def test_output_shape():
    net = Recurrent(lstm.create(3, 2))
    assert net.output_shape([(5, 4, 3), (4, 2), (4, 2)]) == [(5, 4, 2), (4, 2), (4, 2)]


@pytest.mark.parametrize(
    "input, words",
    [
        ([np.zeros((4, 2, 3)), np.zeros((2, 2))], "expected a table of 3"),
        ([np.zeros((0, 2, 3)), np.zeros((2, 2)), np.zeros((2, 2))], "at least 1"),
        ([[np.zeros(3)], np.zeros((2, 2)), np.zeros((2, 2))], "as one array"),
        ([np.zeros((4, 2, 5)), np.zeros((2, 2)), np.zeros((2, 2))], r"Linear `i2h` .* got \(.*5\) from `x`"),
        ([np.zeros((4, 2, 3)), np.zeros((2, 2)), np.zeros((2, 9))], r"Linear `h2h` .*\n.*step 0"),
    ],
)
def test_refusals(input, words):
    with pytest.raises(ShapeError, match=words):
        Recurrent(lstm.create(3, 2)).forward(input)


def test_a_state_that_changes_its_shape_is_refused():
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], nn.CAddTable()([nn.Linear(3, 5)(x), nn.Linear(4, 5)(h)]))
    with pytest.raises(ShapeError, match="Linear at .* got"):
        Recurrent(cell).forward([np.zeros((2, 1, 3)), np.zeros((1, 4))])


def test_a_state_that_grows_cannot_be_stacked():
    x, memory = nn.Identity()(), nn.Identity()()
    cell = GModule([x, memory], nn.JoinTable(1)([memory, x]))
    with pytest.raises(ShapeError, match=r"one shape at all steps, found \(1, 5\) and \(1, 8\)"):
        Recurrent(cell).forward([np.zeros((2, 1, 3)), np.zeros((1, 2))])


def test_a_missing_state_is_named():
    with pytest.raises(ShapeError, match="for `x` a sequence .*, for `prev_c` and `prev_h` the state at the start"):
        Recurrent(lstm.create(3, 2)).forward([np.zeros((4, 2, 3)), np.zeros((2, 2))])


@pytest.mark.parametrize("batch_first, axes", [(False, "steps, batch"), (True, "batch, steps")])
def test_what_a_recurrent_takes_in_words(batch_first, axes):
    x = nn.Identity()().annotate(name="x")
    one = Recurrent(GModule(x, x), feedback=[], batch_first=batch_first)
    several = Recurrent(lstm.create(3, 2), batch_first=batch_first)
    for net, words in [
        (one, f"expected a sequence ({axes}, ...) for `x`"),
        (several, f"expected a table of 3: for `x` a sequence ({axes}, ...), for `prev_c` and `prev_h` the state"),
    ]:
        with pytest.raises(ShapeError, match=re.escape(words)):
            net.forward([normal(4, 2, 3)] * 4)


def test_an_empty_batch():
    outputs = Recurrent(lstm.create(3, 2)).forward([np.zeros((4, 0, 3)), np.zeros((0, 2)), np.zeros((0, 2))])
    assert [y.shape for y in outputs] == [(4, 0, 2), (0, 2), (0, 2)]


def test_an_index_out_of_range_is_named_with_its_node():
    net = Recurrent(lstm.lstm(5, 3, 1))
    with pytest.raises(InputError, match="OneHot `one_hot` at layers.py"):
        net.forward([np.array([[1], [5]]), np.zeros((1, 3)), np.zeros((1, 3))])


@pytest.mark.parametrize(
    "feedback, sequences",
    [
        ([(0, 9)], None), ([(9, 1)], None), ([(0, 1), (1, 1)], None), (None, [7]), ("ab", None), ([1, 2], None),
        ([(0.0, 1)], None), ({0: 1}, None), (None, 1), (None, ["h"]), ([(-1, 1)], None), ([(0, -1)], None),
        ([(2, 1)], None), ([(0, 3)], None), (None, [2]), (None, [-1]), (None, [0, 2]), ([(0, 0), (0, 1), (1, 2)], None),
    ],
)  # fmt: skip
def test_wirings_that_do_not_fit(feedback, sequences):
    with pytest.raises(ArgumentError):
        Recurrent(lstm.create(3, 2), feedback, sequences)


@pytest.mark.parametrize("cell", [nn.Linear(3, 2), None])
def test_the_cell_is_a_graph(cell):
    for made in (Recurrent, lambda cell: unroll(cell, 3)):
        with pytest.raises(ArgumentError, match="must be a GModule, got"):
            made(cell)


def test_too_few_outputs_for_the_states():
    x, c, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    with pytest.raises(ArgumentError, match=r"each input but the first is a state.* 3 inputs and 1 outputs.*feedback="):
        Recurrent(GModule([x, c, h], nn.CAddTable()([x, c, h])))


def test_unrolled_nodes_are_called_as_in_the_cell_and_stand_where_it_was_wired():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([x, h]).annotate(name="total", description="what came so far")
    network = unroll(GModule([x, h], total), 3)
    assert [node.name for node in network.inputs] == ["x", "h"]
    last = network.node("total 2")
    assert last.place == total.place and last.module is total.module
    assert last.annotations == {"name": "total 2", "description": "what came so far", "step": 2}
    assert total.annotations == {"name": "total", "description": "what came so far"}


def test_unroll_with_outputs_that_nobody_asked_for():
    """Also where an input counts for nothing else."""
    x, y, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    new = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 3)(x), h]))
    cell = GModule([x, y, h], [new, nn.Tanh()(new), nn.Linear(3, 2)(y)])
    input = [normal(4, 2, 3), normal(4, 2, 3), normal(2, 3)]
    ours, theirs = Recurrent(cell, [(0, 2)], [1]), unroll(cell, 4, [(0, 2)], [1])
    for mine, reference in zip(run(ours, cell, input, [1.0, 2.0]), run(theirs, cell, input, [1.0, 2.0])):
        for a, b in zip(mine, reference):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_one_recurrent_at_two_nodes():
    net = Recurrent(lstm.create(3, 2))
    x, c, h, later = (nn.Identity()() for _ in range(4))
    first, *states = net([x, c, h]).split(3)
    second, *final = net([later, *states]).split(3)
    both = GModule([x, c, h, later], [nn.JoinTable(0)([first, second]), *final])
    input = [normal(2, 4, 3), normal(4, 2), normal(4, 2), normal(3, 4, 3)]
    whole = net.forward([np.concatenate([input[0], input[3]]), *input[1:3]])
    for a, b in zip(both.forward(input), whole):
        np.testing.assert_allclose(a, b, atol=1e-14)
    check_gradients(both, input)


def test_a_recurrent_inside_a_cell():
    x, h = nn.Identity()(), nn.Identity()()
    ys, end = Recurrent(elman())([x, h]).split(2)
    cell = GModule([x, h], [nn.Tanh()(nn.Linear(4, 4)(end)), nn.Sum(0)(ys)])
    input = [normal(3, 5, 2, 3), normal(2, 4)]
    assert_equals_unrolled(cell, 3, input, [1.0, 2.0])
    check_gradients(Recurrent(cell), input)


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_unroll_needs_a_number_of_steps(steps):
    with pytest.raises(ArgumentError, match="positive whole number"):
        unroll(elman(), steps)


def test_a_cell_can_be_replaced_by_a_graph_alone():
    network = Recurrent(elman())
    cell = network.cell
    with pytest.raises(ArgumentError, match="must give a GModule for its cell, gave Identity"):
        network.replace(lambda module: nn.Identity() if module is cell else module)
    assert network.cell is cell and network.replace(lambda module: module) is network
    other = delay()
    assert network.replace(lambda module: other if module is cell else module) is network and network.cell is other
    assert [y.shape for y in network.forward([normal(5, 2, 3), normal(2, 3)])] == [(5, 2, 3), (2, 3)]


@pytest.mark.parametrize("gradient", [1.0, None])
def test_inputs_that_must_step_because_they_normalise_each_step(gradient):
    """The input and a state that is outside of all loops stand at modules that are not rowwise."""
    x, prev = nn.BatchNormalization(4)(), nn.BatchNormalization(4)()
    state = nn.Tanh()(x)
    cell = GModule([x, prev], [nn.CAddTable()([nn.Square()(x), prev]), state])
    input, weights = [normal(5, 3, 4), normal(3, 4)], [normal(5, 3, 4), normal(3, 4)]
    found = []
    for network in (Recurrent(cell), unroll(cell, 5)):
        cell.zero_grad_parameters()
        network.forward(input)
        grad_input = network.backward(input, [gradient and weights[0], weights[1]])
        found.append([*grad_input, *[g.copy() for g in cell.parameters()[1]]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert np.abs(found[0][0]).max() > 0
