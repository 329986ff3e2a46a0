"""A training step of the character model against the number of time steps: the time grows with it, and no faster.

    python tests/benchmarks/bench_steps.py

The figures are milliseconds for each time step, which stay the same where time is linear. A case is cell, hidden size,
layers, steps, batch.
"""

from __future__ import annotations

import race
from bench_training_step import CONTESTANTS

CASES = [("lstm", 128, 2, steps, 50) for steps in (25, 50, 100, 200, 400, 800)]

if __name__ == "__main__":
    contestants = {name: CONTESTANTS[name] for name in ("nodegraph", "torch nn")}
    race.main(__file__, contestants, CASES, things=lambda cell, hidden, layers, steps, batch: steps)
