"""Sampling from the character model, one character after the other: characters in a second, beside PyTorch.

    python tests/benchmarks/bench_sampling.py

A case is cell, hidden size, layers, and one step of a batch of one. The first is the library's own `sample`; "torch nn"
calls nn.LSTM or nn.GRU for one step, "torch composed" is the same cell written out.
"""

from __future__ import annotations

import race
from character_model import WRITTEN

CASES = [("lstm", 128, 2, 1, 1), ("lstm", 512, 2, 1, 1), ("gru", 128, 2, 1, 1), ("peephole-lstm", 128, 2, 1, 1)]

CONTESTANTS: race.Contestants = {
    "nodegraph": race.Contestant("nodegraph", "nodegraph_peer:Sampler"),
    "torch nn": race.Contestant(
        "torch", "torch_peer:BuiltInSampler", enters=lambda cell, *sizes: cell != "peephole-lstm"
    ),
    "torch composed": race.Contestant("torch", "torch_peer:ComposedSampler"),
    "without numba": race.Contestant("nodegraph", "nodegraph_peer:Sampler", without="numba"),
}

if __name__ == "__main__":
    race.main(__file__, CONTESTANTS, CASES, things=lambda *case: WRITTEN, unit="characters/s")
