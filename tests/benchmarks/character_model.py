"""The model that all contestants run, its weights and its data: char-rnn's network, with one of several cells.

A contestant takes the weights from here and gives its gradients by the same names, so that a test can compare them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VOCABULARY = 65

WRITTEN = 200
"""The characters that a sampler writes in one run."""

GATES = {"lstm": "ifog", "peephole-lstm": "ifoz", "gru": "zrn", "gru-after": "zrn"}
"""Cell -> its gates, in the order in which the rows of its matrices have them.

    lstm            char-rnn's: c' = f c + i g, h' = o tanh(c')
    peephole-lstm   the same, with p_i c and p_f c in the sums of i and f, and p_o c' in that of o; its g is called z
    gru             char-rnn's: n = tanh(W x + U (r h)), h' = z n + (1 - z) h
    gru-after       PyTorch's: n = tanh(W x + r (U h)), h' = z h + (1 - z) n
"""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A cell, its hidden size, the number of layers, of time steps, and the batch size."""

    cell: str
    hidden: int
    layers: int
    steps: int
    batch: int

    def sizes(self) -> list[tuple[int, int]]:
        """The number of each layer, counted from 0, and the size of its input."""
        return [(layer, self.hidden if layer else VOCABULARY) for layer in range(self.layers)]


def weights(case: Case) -> Arrays:
    """For each layer: `W` of the input and `b` beside it, `U` of the state and `c` beside it; then the decoder.

    Each has the rows of all gates. The peephole LSTM has `p_i`, `p_f`, `p_o` and no c, the GRU that is PyTorch's a c
    for n alone.
    """
    hidden, rows = case.hidden, len(GATES[case.cell]) * case.hidden
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, size in case.sizes():
        shapes |= {f"{layer}.W": (rows, size), f"{layer}.b": (rows,), f"{layer}.U": (rows, hidden)}
        if case.cell == "peephole-lstm":
            shapes |= {f"{layer}.p_{gate}": (hidden,) for gate in "ifo"}
        else:
            shapes |= {f"{layer}.c": (hidden if case.cell == "gru-after" else rows,)}
    shapes |= {"decoder.W": (VOCABULARY, hidden), "decoder.b": (VOCABULARY,)}
    rng, spread = np.random.default_rng(0), hidden**-0.5
    return {name: rng.uniform(-spread, spread, shape).astype(np.float32) for name, shape in shapes.items()}


def characters(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, (steps, batch)."""
    return tuple(np.random.default_rng(1).integers(0, VOCABULARY, (2, case.steps, case.batch)))


def reordered(array: np.ndarray, gates: str, into: str) -> np.ndarray:
    """The rows of all gates in another order of the gates."""
    parts = dict(zip(gates, np.split(array, len(gates))))
    return np.concatenate([parts[gate] for gate in into])
