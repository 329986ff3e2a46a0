"""Long runs: no growth in memory, open files or compiled programs.

They are short here, some hundreds of steps and of shapes. NODEGRAPH_LONG in the environment makes them 20 000 steps and
10 000 shapes.
"""

import gc
import os
import tracemalloc

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.engine.store import KEPT
from nodegraph.models import lstm
from nodegraph.models.char_rnn import loop
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import MEASURED, Trainer

LONG = bool(os.environ.get("NODEGRAPH_LONG"))
STEPS, SHAPES = (20_000, 10_000) if LONG else (400, 120)
TEXT = "the quick brown fox jumps over the lazy dog. " * 20


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def memory():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_training_takes_no_more_memory_the_longer_it_goes_on(tmp_path):
    options = dict(rnn_size=4, num_layers=1, seq_length=5, batch_size=4, dropout=0.2, max_epochs=10**6)
    training = Trainer(Options(**options, eval_val_every=max(100, STEPS // 10), sample_every=STEPS // 5), TEXT)
    loop.train(training, tmp_path, iterations=STEPS // 4, say=str)
    tracemalloc.start()
    before, files, objects = memory(), open_files(), len(gc.get_objects())
    loop.train(training, tmp_path, iterations=3 * STEPS // 4, say=str)
    # What was measured is kept, a number for each step; a list may have twice the room that it needs.
    measured = 2 * (8 + 32) * len(MEASURED) * training.iteration
    assert memory() - before < measured + 200_000
    assert open_files() <= files and len(gc.get_objects()) < objects + 500
    tracemalloc.stop()


def gmodule():
    x = nn.Identity()()
    return GModule(x, nn.Tanh()(nn.Linear(3, 2)(x))).compile()


@pytest.mark.parametrize("kind", ["a GModule", "a Recurrent"])
def test_many_shapes_keep_few_programs(kind):
    network = gmodule() if kind == "a GModule" else Recurrent(lstm.create(3, 2))
    for i in range(SHAPES):
        if kind == "a GModule":
            input, grad_output = np.ones((i + 1, 3)), np.ones((i + 1, 2))
        else:
            steps, batch = 1 + i % 7, 1 + i // 7
            input = [np.ones((steps, batch, 3)), np.zeros((batch, 2)), np.zeros((batch, 2))]
            grad_output = [np.ones((steps, batch, 2)), None, None]
        network.forward(input)
        network.backward(input, grad_output)
        assert len(network.store._entries) <= KEPT
    gc.collect()
    assert len(network.store._entries) == KEPT
