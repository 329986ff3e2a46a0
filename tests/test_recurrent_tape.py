"""Runs of a cell over time by the stages of its schedule: modules of a user's own, which tell little or the wrong."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn, unroll
from nodegraph.errors import ModuleError, ShapeError, StateError
from nodegraph.models import lstm

from recurrent_cells import normal


class Leaving(nn.Module):
    """Adds 1; takes None for a gradient of zeros, and gives it."""

    passes_none = True

    def update_output(self, input):
        return input + 1

    def update_grad_input(self, input, grad_output):
        return grad_output


class Products(nn.Module):
    """Of each row with each other, so that rows are no samples of their own, although the module says so."""

    def rowwise(self, shape):
        return True

    def output_shape(self, shape):
        return (shape[0], shape[0])

    def update_output(self, input):
        return input @ input.T

    def update_grad_input(self, input, grad_output):
        return (grad_output + grad_output.T) @ input


class Beside(nn.Module):
    """Adds the one row of its second input to all rows of the first, and calls them independent."""

    def rowwise(self, shape):
        return True

    def output_shape(self, shape):
        return shape[0]

    def update_output(self, input):
        return input[0] + input[1]

    def update_grad_input(self, input, grad_output):
        return [grad_output, grad_output.sum(0, keepdims=True)]


class OfTwo(nn.Tanh):
    """Takes two rows at most, although it calls them independent."""

    def output_shape(self, shape):
        if shape[0] > 2:
            raise ShapeError("expected two rows at most")
        return shape


class Twice(nn.Module):
    """Gives all rows and then all rows once more, and calls them independent."""

    def rowwise(self, shape):
        return True

    def output_shape(self, shape):
        return (2 * shape[0], *shape[1:])

    def update_output(self, input):
        return np.concatenate([input, input])

    def update_grad_input(self, input, grad_output):
        return sum(np.split(grad_output, 2))


class OneByOne(nn.LookupTable):
    """Does not call rows independent, although they are."""

    def rowwise(self, shape):
        return False


class Ones(nn.Module):
    """Takes nothing, and calls the rows of it independent."""

    source = True

    def rowwise(self, shape):
        return True

    def output_shape(self, shape):
        return (2, 3)

    def update_output(self, input):
        return np.ones((2, 3))

    def update_grad_input(self, input, grad_output):
        return []


def assert_as_unrolled(cell, input, gradients):
    found = []
    for net in Recurrent(cell), Recurrent(cell, compiled=False), unroll(cell, len(input[0])):
        outputs = net.forward(input)
        found.append([*outputs, *net.backward(input, gradients(outputs))])
    for ours in found[:2]:
        for a, b in zip(ours, found[2], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    return found[0]


@pytest.mark.parametrize("at_the_input", [True, False])
def test_a_module_that_gives_no_gradient_where_none_came(at_the_input):
    """Only the last step has a gradient: by way of the state, which nothing but it feeds."""
    x = Leaving()() if at_the_input else nn.Identity()()
    before, left = Leaving()(), x if at_the_input else Leaving()(x)
    cell = GModule([x, before], [left, Leaving()(before)])
    input, last = [normal(4, 2, 3), normal(2, 3)], np.ones((2, 3))
    expected = np.concatenate([np.zeros((3, 2, 3)), last[None]])
    found = assert_as_unrolled(cell, input, lambda outputs: [None, last])
    np.testing.assert_array_equal(found[2], expected)
    for compiled in (True, False):
        net = Recurrent(cell, compiled=compiled)
        net.forward(input)
        assert net.tape[left].grad_output is None
        net.backward(input, [None, last])
        np.testing.assert_array_equal(net.tape[left].grad_output, expected)


def test_a_module_that_calls_rows_independent_against_its_own_shapes_runs_step_by_step():
    x, before = nn.Identity()(), nn.Identity()()
    cell = GModule([x, before], [Products()(x), nn.CAddTable()([before, x])])
    assert_as_unrolled(cell, [normal(4, 3, 3), normal(3, 3)], lambda outputs: [np.ones((4, 3, 3)), np.ones((3, 3))])


@pytest.mark.parametrize("module", [OfTwo(), Twice()], ids=repr)
def test_a_module_that_takes_no_more_rows_or_gives_more_runs_step_by_step(module):
    x, before = nn.Identity()(), nn.Identity()()
    cell = GModule([x, before], [nn.Tanh()(nn.CAddTable()([before, x])), module(x)])
    assert_as_unrolled(cell, [normal(4, 2, 3), normal(2, 3)], lambda outputs: outputs)


def test_indices_that_are_looked_up_step_by_step():
    x, before = nn.Identity()(), nn.Identity()()
    cell = GModule([x, before], nn.CAddTable()([OneByOne(5, 3)(x), before]))
    indices = np.array([[0, 4], [1, 1], [2, 0]])
    gradient, *others = assert_as_unrolled(cell, [indices, normal(2, 3)], lambda outputs: outputs)[2:]
    assert not gradient.any() and len(others) == 1


def test_a_module_that_takes_tables_of_batches_that_differ_runs_step_by_step():
    x, y, before = nn.Identity()(), nn.Identity()(), nn.Identity()()
    cell, input = GModule([x, y, before], [before, Beside()([x, y])]), [normal(4, 2, 3), normal(4, 1, 3), normal(2, 3)]
    found = []
    for net in Recurrent(cell, [(0, 2)], [1]), unroll(cell, 4, [(0, 2)], [1]):
        outputs = net.forward(input)
        found.append([*outputs, *net.backward(input, outputs)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_module_that_takes_nothing_runs_step_by_step():
    x, before = nn.Identity()(), nn.Identity()()
    cell = GModule([x, before], nn.CAddTable()([before, x, Ones()()]))
    assert_as_unrolled(cell, [normal(4, 2, 3), normal(2, 3)], lambda outputs: outputs)


def test_loops_run_compiled_and_so_does_what_runs_once_for_all_steps():
    net = Recurrent(lstm.create(3, 2))
    net.forward(normal(4, 2, 3))
    assert {stage.loop for stage in net.stages} == {True, False} and net.tape.programs.keys() == set(net.stages)


def test_what_reads_a_state_that_another_loop_feeds_runs_compiled_too():
    x, h, late = nn.Identity()(), nn.Identity()(), nn.Identity()()
    cell = GModule([x, h, late], [nn.Tanh()(nn.CAddTable()([x, h])), nn.Linear(3, 3)(late)])
    net = Recurrent(cell, [(0, 1), (0, 2)])
    net.forward([normal(4, 2, 3), *normal(2, 2, 3)])
    assert not net.stages[-1].loop and net.stages[-1] in net.tape.programs


def test_a_single_step_runs_compiled_as_a_whole():
    net = Recurrent(lstm.create(3, 2))
    net.forward(normal(1, 2, 3))
    assert len(net.stages) > 1 and [len(stage.places) for stage in net.tape.programs] == [len(net.cell.nodes)]


def test_a_single_step_that_cannot_be_compiled_runs_node_by_node():
    x, h = nn.Identity()(), nn.Identity()()
    cell = GModule([x, h], Leaving()(nn.CAddTable()([x, h])))
    assert_as_unrolled(cell, [normal(1, 2, 3), normal(2, 3)], lambda outputs: outputs)


def test_a_backward_that_is_looked_at_goes_step_by_step_also_after_a_compiled_forward():
    cell, input = lstm.create(3, 2), normal(4, 2, 3)
    net, seen = Recurrent(cell), []
    outputs = net.forward(input)
    expected, steps = net.backward(input, outputs), [node.name for node in reversed(cell.nodes)]
    net.forward(input)
    assert net.saved.programs
    with cell.watch(backward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.backward(input, outputs), expected, rtol=1e-12)
    assert set(seen) == set(steps) and seen.count("next_c") == 4


def test_a_forward_that_is_looked_at_goes_step_by_step_and_what_all_steps_share_once():
    cell, input = lstm.create(3, 2), normal(4, 2, 3)
    net, seen = Recurrent(cell), []
    expected = net.forward(input)
    with cell.watch(forward=lambda node, call: seen.append((node.name, len(call.output)))):
        for a, b in zip(net.forward(input), expected):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        net.backward(input, expected)
    assert seen.count(("next_c", 2)) == 4 and seen.count(("i2h", 8)) == 1


@pytest.mark.parametrize("options", [{}, {"compiled": False}, {"checkpointed": True}], ids=str)
def test_the_three_parts_of_backward_can_be_called_one_by_one(options):
    net, input = Recurrent(lstm.create(3, 2), **options), [normal(4, 2, 3), *normal(2, 2, 2)]
    net.zero_grad_parameters()
    outputs = net.forward(input)
    expected = net.backward(input, outputs)
    gradients = [g.copy() for g in net.parameters()[1]]
    net.zero_grad_parameters()
    net.update_output(input)
    assert net.update_grad_input(input, outputs) is net.grad_input
    for a, b in zip(net.grad_input, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert not any(g.any() for g in net.parameters()[1])
    net.acc_grad_parameters(input, outputs)
    for a, b in zip(net.parameters()[1], gradients):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("steps, place", [(3, "\n  inside step 2 of a Recurrent"), (1, "")])
def test_a_gradient_that_fails_is_told_with_its_step_where_there_are_several(steps, place):
    class Failing(nn.Tanh):
        def update_grad_input(self, input, grad_output):
            raise RuntimeError("no room")

    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], Failing()(nn.CAddTable()([x, h])).annotate(name="y")), compiled=False)
    outputs = net.forward([normal(steps, 2, 3), normal(2, 3)])
    with pytest.raises(ModuleError, match="no room") as caught:
        net.backward(None, outputs)
    assert (
        caught.value.node.name == "y" and (place in str(caught.value)) and ("step" in str(caught.value)) == bool(place)
    )


def test_what_fails_once_for_all_steps_is_told_without_one():
    class Failing(nn.Tanh):
        def update_output(self, input):
            raise RuntimeError("no room")

    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], nn.CAddTable()([Failing()(x).annotate(name="y"), h])))
    with pytest.raises(ModuleError, match="no room") as caught:
        net.forward([normal(4, 2, 3), normal(2, 3)])
    assert caught.value.node.name == "y" and "step" not in str(caught.value)


def test_a_compiled_run_cannot_be_looked_into_once_the_parameters_are_others():
    net = Recurrent(lstm.create(3, 2))
    net.forward(normal(4, 2, 3))
    net.parameters()[0][0][...] += 1
    with pytest.raises(StateError, match="no longer those of the run"):
        net.tape["next_c"]
