"""Training that starts from the parameters of another model."""

import numpy as np
import pytest

from nodegraph.errors import CheckpointError
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

OPTIONS = Options(rnn_size=4, num_layers=1, seq_length=5, batch_size=3)
TEXT = "the quick brown fox jumps over the lazy dog. " * 12


def test_it_takes_over_parameters_and_vocabulary():
    start = Trainer(OPTIONS, TEXT).model
    trainer = Trainer(OPTIONS, TEXT[:200].replace("q", "k"), start=start)
    assert trainer.model.vocabulary.characters == start.vocabulary.characters
    pairs = zip(trainer.model.network.parameters()[0], start.network.parameters()[0], strict=True)
    assert all(a is not b and np.array_equal(a, b) for a, b in pairs)


def test_a_parameter_that_is_nan_is_named_before_anything_is_trained():
    start = Trainer(OPTIONS, TEXT).model
    start.network.parameters()[0][0][0, 0] = np.nan
    with pytest.raises(CheckpointError, match="weight.* NaN"):
        Trainer(OPTIONS, TEXT, start=start)
