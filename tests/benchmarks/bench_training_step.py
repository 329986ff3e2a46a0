"""One training step of char-rnn's LSTM, forward, loss and backward, float32, vocabulary 65, beside PyTorch.

    python tests/benchmarks/bench_training_step.py

The cases are (hidden size, layers, steps, batch). "composed" is the same cell written out of PyTorch's own operations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import race

VOCABULARY = 65
CASES = [(128, 2, 50, 50), (256, 2, 50, 50), (512, 2, 50, 50), (64, 1, 50, 10)]


def characters(steps: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, (steps, batch)."""
    return tuple(np.random.default_rng(0).integers(0, VOCABULARY, (2, steps, batch)))


def nodegraph_step(hidden: int, layers: int, steps: int, batch: int) -> Callable[[], None]:
    from nodegraph import Recurrent, nn
    from nodegraph.models.lstm import lstm

    network, criterion = Recurrent(lstm(VOCABULARY, hidden, layers)).float(), nn.ClassNLLCriterion()
    _, gradient = network.get_parameters()
    x, y = characters(steps, batch)
    states = [np.zeros((batch, hidden), np.float32) for _ in range(2 * layers)]
    nothing = [None] * len(states)

    def step() -> None:
        gradient.fill(0)
        rows = network.forward([x, *states])[0].reshape(-1, VOCABULARY)
        criterion.forward(rows, y.reshape(-1))
        grad_rows = criterion.backward(rows, y.reshape(-1))
        network.backward([x, *states], [grad_rows.reshape(steps, batch, -1), *nothing])

    return step


def composed_step(hidden: int, layers: int, steps: int, batch: int) -> Callable[[], None]:
    import torch

    sizes = [VOCABULARY] + [hidden] * (layers - 1)
    i2h = [torch.nn.Linear(size, 4 * hidden) for size in sizes]
    h2h = [torch.nn.Linear(hidden, 4 * hidden) for _ in sizes]
    decoder = torch.nn.Linear(hidden, VOCABULARY)
    modules = torch.nn.ModuleList([*i2h, *h2h, decoder])
    x, y = map(torch.from_numpy, characters(steps, batch))

    def step() -> None:
        modules.zero_grad()
        c = [torch.zeros(batch, hidden) for _ in sizes]
        h = [torch.zeros(batch, hidden) for _ in sizes]
        loss = 0
        for t in range(steps):
            value = torch.nn.functional.one_hot(x[t], VOCABULARY).float()
            for layer in range(layers):
                i, f, o, g = (i2h[layer](value) + h2h[layer](h[layer])).chunk(4, 1)
                c[layer] = torch.sigmoid(f) * c[layer] + torch.sigmoid(i) * torch.tanh(g)
                value = h[layer] = torch.sigmoid(o) * torch.tanh(c[layer])
            loss = loss + torch.nn.functional.nll_loss(torch.log_softmax(decoder(value), 1), y[t])
        (loss / steps).backward()

    return step


def built_in_step(hidden: int, layers: int, steps: int, batch: int) -> Callable[[], None]:
    import torch

    lstm, decoder = torch.nn.LSTM(VOCABULARY, hidden, layers), torch.nn.Linear(hidden, VOCABULARY)
    modules = torch.nn.ModuleList([lstm, decoder])
    x, y = map(torch.from_numpy, characters(steps, batch))

    def step() -> None:
        modules.zero_grad()
        hidden_states, _ = lstm(torch.nn.functional.one_hot(x, VOCABULARY).float())
        log_probabilities = torch.log_softmax(decoder(hidden_states).reshape(-1, VOCABULARY), 1)
        torch.nn.functional.nll_loss(log_probabilities, y.reshape(-1)).backward()

    return step


CONTESTANTS: race.Contestants = {
    "nodegraph": ("nodegraph", nodegraph_step),
    "torch composed": ("torch", composed_step),
    "torch nn.LSTM": ("torch", built_in_step),
}

if __name__ == "__main__":
    race.main(__file__, CONTESTANTS, CASES)
