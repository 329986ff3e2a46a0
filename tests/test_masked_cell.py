"""What stands in a sequence, and in the masks of the states, where a step does not count."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ShapeError
from nodegraph.masked_cell import held, masks_like, selected
from nodegraph.models import lstm

from recurrent_cells import delay, elman, normal

VALID = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]], bool)


def test_a_step_that_does_not_count_repeats_the_last_that_does_or_the_first_and_is_zero_where_none_does():
    x = np.arange(1.0, 13.0).reshape(4, 3)
    before = x.copy()
    assert held(VALID, x).T.tolist() == [[4, 4, 4, 10], [2, 2, 2, 11], [0, 0, 0, 0]]
    np.testing.assert_array_equal(x, before)


def test_indices_stay_indices_and_rows_stay_together():
    x = np.arange(24).reshape(4, 3, 2)
    found = held(VALID, x)
    assert found.dtype == x.dtype and found[:, 0].tolist() == [[6, 7], [6, 7], [6, 7], [18, 19]]


def test_a_mask_has_the_shape_and_the_type_of_its_state():
    states = [np.zeros((3, 2), np.float32), np.zeros((3, 1, 4))]
    for mask, state in zip(masks_like(VALID, states), states, strict=True):
        assert mask.shape == (4, *state.shape) and mask.dtype == state.dtype
        for t in range(4):
            for b in range(3):
                assert (mask[t, b] == VALID[t, b]).all()


def test_what_is_selected_is_zero_elsewhere_also_where_it_was_nan():
    x = np.where(VALID, 5.0, np.nan).astype(np.float32)
    found = selected(VALID, x)
    assert found.dtype == np.float32 and found.tolist() == (5 * VALID).tolist() and selected(VALID, None) is None


def test_the_tape_shows_what_the_cell_read():
    rnn, x = Recurrent(elman(), masked=True), normal(4, 3, 3)
    rnn.forward([x, VALID])
    read = rnn.tape[rnn.cell.inputs[0]].output
    np.testing.assert_array_equal(read[:, 0], x[[1, 1, 1, 3], 0])
    assert not read[:, 2].any()


def test_a_state_that_changes_its_shape_is_told_beside_its_mask():
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    rnn = Recurrent(GModule([x, h], nn.JoinTable(1)([x, h])), masked=True)
    with pytest.raises(ShapeError, match=r"\(3, 2\) from `mask` and \(3, 5\) from JoinTable .* and \(3, 2\) from `h`"):
        rnn.forward([normal(4, 3, 3), normal(3, 2), VALID])


def two_loops():
    x, a, b = nn.Identity()(), nn.Identity()(), nn.Identity()()
    return GModule([x, a, b], [nn.Tanh()(nn.CAddTable()([x, state])) for state in (a, b)])


def test_what_steps_in_a_cell_is_the_same_with_a_mask():
    for cell in elman(), lstm.create(3, 2), delay(), two_loops():
        assert {stage.places for stage in Recurrent(cell, masked=True).stages if stage.loop} >= {
            stage.places for stage in Recurrent(cell).stages if stage.loop
        }
        places = [stage.places for stage in Recurrent(cell, masked=True).stages]
        assert all(places) and sorted(sum(places, ())) == list(range(len(cell.nodes)))
