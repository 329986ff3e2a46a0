"""What a Recurrent takes: one array over time for each sequence, states or none, and lengths if it is masked."""

import pickle

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ShapeError
from nodegraph.models import lstm

from recurrent_cells import normal


def over_time(**options):
    """A cell without states."""
    x = nn.Identity()()
    return Recurrent(GModule(x, nn.Tanh()(x)), feedback=[], **options)


def two_sequences():
    x, y, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    return Recurrent(GModule([x, y, h], nn.CAddTable()([x, y, h])), feedback=[(0, 2)])


@pytest.mark.parametrize("second", [[normal(4, 2, 3)], np.array(1.0)], ids=["a table", "a number"])
def test_one_of_several_sequences_that_is_none(second):
    with pytest.raises(ShapeError, match=r"expected each sequence as one array \(steps, batch, ...\)"):
        two_sequences().forward([normal(4, 2, 3), second])


def test_sequences_of_different_lengths():
    with pytest.raises(ShapeError, match="sequences of one number of steps, at least 1"):
        two_sequences().forward([normal(4, 2, 3), normal(3, 2, 3)])


def test_a_masked_one_needs_its_mask_also_where_there_are_no_states():
    x = normal(4, 2, 3)
    net, lengths = over_time(masked=True), np.array([4, 1])
    assert net.forward([x, lengths]).shape == net.backward([x, lengths], x)[0].shape == x.shape
    for input in (x, [x]):
        with pytest.raises(ShapeError, match=r"at last the lengths \(batch,\) or a mask \(steps, batch\)"):
            over_time(masked=True).forward(input)


def test_a_cell_of_one_input_gives_and_takes_arrays():
    net, x = over_time(), normal(4, 2, 3)
    np.testing.assert_allclose(net.backward(x, net.forward(x)), np.tanh(x) / np.cosh(x) ** 2)


def test_one_that_is_not_masked_takes_no_mask():
    with pytest.raises(ShapeError, match=r"expected a sequence \(steps, batch, ...\) for Identity"):
        over_time().forward([normal(4, 2, 3), np.array([4, 1])])


def test_sequences_of_a_masked_one_have_one_batch_but_features_of_their_own():
    x, y, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    cell = GModule([x, y, h], nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(5, 2)(y), h]))
    net, lengths = Recurrent(cell, feedback=[(0, 2)], masked=True), np.array([4, 1])
    assert net.forward([normal(4, 2, 3), normal(4, 2, 5), lengths])[0].shape == (4, 2, 2)
    with pytest.raises(ShapeError, match="expected sequences of one batch where there is a mask"):
        net.forward([normal(4, 2, 3), normal(4, 3, 5), lengths])
    with pytest.raises(ShapeError, match=r"lengths \(batch,\), here \(2,\), .* found \(3,\)"):
        net.output_shape([(4, 2, 3), (4, 2, 5), (3,)])


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2, 3, 5)])
def test_an_array_has_no_mask_in_it_however_many_axes_it_has(shape):
    with pytest.raises(ShapeError, match="expected a table of 4"):
        Recurrent(lstm.create(3, 2), masked=True).forward(normal(*shape))


def test_only_what_is_taken_is_asked_for():
    for net, unsaid in (over_time(masked=True), "state"), (two_sequences(), "mask"):
        with pytest.raises(ShapeError, match="expected a table of") as caught:
            net.forward(normal(4, 2, 3))
        assert unsaid not in str(caught.value)


def test_without_a_mask_outputs_need_no_batch():
    x = nn.Identity()()
    net = Recurrent(GModule(x, nn.Sum(0)(x)), feedback=[])
    assert net.output_shape((4, 2, 3)) == net.forward(normal(4, 2, 3)).shape == (4, 3)


def test_a_copy_takes_nothing_along_from_the_runs_before_it():
    net = Recurrent(lstm.create(3, 2))
    before = len(pickle.dumps(net))
    net.backward(None, net.forward(normal(4, 2, 3)))
    assert net.tape.programs and len(pickle.dumps(net)) == before


@pytest.mark.parametrize("compiled", [False, True])
def test_a_state_that_comes_back_in_another_shape_is_refused(compiled):
    x, h = nn.Identity()(), nn.Identity()()
    net = Recurrent(GModule([x, h], nn.JoinTable(1)([x, h])), compiled=compiled)
    words = r"expected states of the shapes \[\(2, 7\)\] that come back"
    with pytest.raises(ShapeError, match=words):
        net.output_shape([(1, 2, 3), (2, 4)])
    with pytest.raises(ShapeError, match=words):
        net.forward([normal(1, 2, 3), normal(2, 4)])
