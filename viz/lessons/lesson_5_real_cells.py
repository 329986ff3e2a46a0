"""Gradients in an RNN and an LSTM of random weights: what vanishes, and what is carried."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn, seed
from nodegraph.models import lstm, rnn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.lesson_5_vanishing import last
from nodegraph.viz.lessons.text import code, shown
from nodegraph.viz.walkthrough import Walkthrough

HIDDEN, LONG, FORGET = 8, 40, 3.0


def cells() -> GModule:
    x, prev_rnn = nn.Identity()(), nn.Identity()()
    prev_c, prev_h = nn.Identity()(), nn.Identity()()
    rnn_h = rnn.create(1, HIDDEN)([x, prev_rnn])
    lstm_cell = lstm.create(1, HIDDEN)([x, prev_c, prev_h])
    lstm_c, lstm_h = lstm_cell.split(2)
    from_rnn = nn.Linear(HIDDEN, 1)(rnn_h)
    from_lstm = nn.Linear(HIDDEN, 1)(lstm_h)
    answer = nn.CAddTable()([from_rnn, from_lstm])

    annotate_nodes()
    states = [rnn_h, lstm_c, lstm_h]
    return GModule([x, prev_rnn, prev_c, prev_h], [*states, answer])


def random_cells(forget: float) -> tuple[Recurrent, list[np.ndarray], dict[str, np.ndarray]]:
    """Cells with random weights and this bias at the forget gate, an input, and the norms of gradients over time."""
    seed(5)
    cell = cells()
    layer = cell.node("lstm_cell").module
    layer.node("i2h").module.bias[HIDDEN : 2 * HIDDEN] += forget
    network = Recurrent(cell)
    xs = np.random.default_rng(5).normal(size=(LONG, 1, 1))
    input = [xs, *np.zeros((3, 1, HIDDEN))]
    network.forward(input)
    network.backward(input, last(LONG))
    norms = {name: np.linalg.norm(network.tape[name].grad_output[:, 0], axis=-1) for name in ("rnn_h", "lstm_c")}
    return network, input, norms


def page() -> Walkthrough:
    network, input, norms = random_cells(FORGET)
    shut = random_cells(0.0)[2]
    back = LONG - 2
    share = {name: norm[0] / norm[back] for name, norm in norms.items()}
    factor = {name: share[name] ** (1 / back) for name in share}
    return walkthrough(
        network,
        input,
        last(LONG),
        depth=0,
        over_time=[],
        title="Lesson 5, page 2: Real cells, random weights",
        introduction=f"""
            Here no weight was chosen by hand. An RNN and an LSTM of {HIDDEN} *units* each, which means that their
            states are rows of {HIDDEN} numbers and that each number has gates of its own, read {LONG} random numbers
            with random weights. Only the bias of the LSTM's forget gates was raised by {shown(FORGET)}, as one does
            before training:

            {code(cells)}

            `lstm_cell.split(2)` takes its two outputs apart. Each cell is folded into one box; it is the cells'
            *states* that matter here. Look at the chart **from the last step alone**. A message is now {HIDDEN}
            numbers; its size is the root of the sum of their squares, as for any vector.
        """,
        notes={
            ("backward", "rnn_h", 0): f"The message for the state has the size {shown(norms['rnn_h'][0])} here.",
            ("backward", "lstm_cell", 0): f"""
                The message for the cell state has the size {shown(norms["lstm_c"][0])} here.
            """,
        },
        conclusion=f"""
            **Measured in this run**, from t = {back} to t = 0: of the RNN's gradient the share
            {shown(share["rnn_h"])} is left, which makes a factor of {shown(factor["rnn_h"])} a step. Of the gradient
            of the LSTM's cell state it is {shown(share["lstm_c"])}, a factor of {shown(factor["lstm_c"])} a step.
            (The answer at the end is made of `h` alone, so the message for `c` begins one step earlier.)

            ? What would become of the LSTM without the raised bias?
            ! The same run with the forget gates around a half leaves the share
            {shown(shut["lstm_c"][0] / shut["lstm_c"][back])}. The LSTM is not magic: it *can* carry the error, if its
            gates are open. Starting with open gates is how one lets it find that out.
        """,
    )
