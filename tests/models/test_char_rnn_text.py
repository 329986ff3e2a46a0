"""Batches of a text: how many are for training, for validation and for testing."""

import numpy as np
import pytest

from nodegraph.models.char_rnn.text import Batches


@pytest.mark.parametrize(
    "n, fractions, expected",
    [
        (30, {}, (28, 2, 0)),
        (30, {"train_frac": 0.9, "val_frac": 0.1}, (27, 3, 0)),
        (30, {"train_frac": 0.5, "val_frac": 0.25}, (15, 7, 8)),
        (30, {"train_frac": 1.0, "val_frac": 0.0}, (30, 0, 0)),
        (3, {"train_frac": 0.34, "val_frac": 0.66}, (1, 2, 0)),
    ],
)
def test_what_the_fractions_do_not_name_is_for_testing_and_else_no_batch_is_lost(n, fractions, expected):
    batches = Batches(np.arange(6 * n + 5), batch_size=2, seq_length=3, **fractions)
    assert (batches.train, batches.validation, batches.test) == expected and len(batches) == n
