"""One training step of the character model, forward, loss and backward, float32, vocabulary 65, beside its peers.

    python tests/benchmarks/bench_training_step.py
    python tests/benchmarks/bench_training_step.py --case lstm,128,2,50,50 --only nodegraph jax "torch nn" --rounds 3

A case is cell, hidden size, layers, steps, batch; `character_model.GATES` lists the cells. All contestants compute the
same numbers, as test_peers.py shows, but for one: PyTorch has no GRU like char-rnn's, whose reset gate comes before the
product, and enters its own, of as much arithmetic. The case `gru-after` has that same GRU for all.

"torch composed", "autograd" and "jax" are the cell written out in the operations of PyTorch, run as they are called, of
HIPS autograd, and of JAX, compiled with jit and scan. "torch nn" is nn.LSTM or nn.GRU. "eager" is nodegraph node by
node, "without numba" nodegraph where only NumPy is installed. The peers come with `pip install 'nodegraph[benchmark]'`.
"""

from __future__ import annotations

import race

CASES = [
    ("lstm", 128, 2, 50, 50),
    ("lstm", 256, 2, 50, 50),
    ("lstm", 512, 2, 50, 50),
    ("lstm", 64, 1, 50, 10),
    ("gru", 128, 2, 50, 50),
    ("peephole-lstm", 128, 2, 50, 50),
]


CONTESTANTS: race.Contestants = {
    "nodegraph": race.Contestant("nodegraph", "nodegraph_peer:TrainingStep"),
    "torch nn": race.Contestant("torch", "torch_peer:BuiltIn", enters=lambda cell, *sizes: cell != "peephole-lstm"),
    "torch composed": race.Contestant("torch", "torch_peer:Composed"),
    "jax": race.Contestant("jax", "jax_peer:TrainingStep"),
    "autograd": race.Contestant("autograd", "autograd_peer:TrainingStep"),
    "eager": race.Contestant("nodegraph", "nodegraph_peer:EagerStep"),
    "without numba": race.Contestant("nodegraph", "nodegraph_peer:TrainingStep", without="numba"),
}

if __name__ == "__main__":
    race.main(__file__, CONTESTANTS, CASES, ours=("nodegraph", "without numba"))
