"""Why gradients vanish, and the carousel: three memories side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "Why gradients vanish, and the carousel"
ABOUT = "Three memories read one signal. How much of the error finds its way back to it? Then real cells."

STEPS, KEEP, BIAS = 20, 0.6, 4.0


def memories() -> GModule:
    x, prev_rnn = nn.Identity()(), nn.Identity()()
    prev_gated, prev_carousel = nn.Identity()(), nn.Identity()()
    again = nn.Linear(1, 1, bias=False)(prev_rnn)
    rnn = nn.Tanh()(nn.CAddTable()([x, again]))

    forget_gate = nn.Sigmoid()(nn.Linear(1, 1)(x))
    kept = nn.CMulTable()([forget_gate, prev_gated])
    gated = nn.CAddTable()([x, kept])

    carousel = nn.CAddTable()([x, prev_carousel])

    answer = nn.CAddTable()([rnn, gated, carousel])
    annotate_nodes()
    states = [rnn, gated, carousel]
    return GModule([x, prev_rnn, prev_gated, prev_carousel], [*states, answer])


def side_by_side(keep: float, bias: float, signal: float = 1.0) -> tuple[Recurrent, dict[str, np.ndarray]]:
    """The three memories over time, and for each its values, and its gradients as ∂, at each step."""
    cell = memories()
    cell.node("again").module.weight[:] = keep
    linear = cell.node("forget_gate").parents[0].module
    linear.weight[:], linear.bias[:] = 0, bias
    network = Recurrent(cell)
    network.forward(inputs(signal))
    network.backward(inputs(signal), last(STEPS))
    names = ("rnn", "gated", "carousel", "forget_gate", "answer")
    found = {name: network.tape[name].output[:, 0, 0] for name in names}
    return network, found | {f"∂{name}": network.tape[name].grad_output[:, 0, 0] for name in names}


def inputs(signal: float = 1.0) -> list[np.ndarray]:
    xs = np.zeros((STEPS, 1, 1))
    xs[0] = signal
    return [xs, *np.zeros((3, 1, 1))]


def last(steps: int, states: int = 3) -> list[Any]:
    """The gradient of a loss that looks at the last step alone."""
    gradient = np.zeros((steps, 1, 1))
    gradient[-1] = 1
    return [gradient, *[None] * states]


def page() -> Walkthrough:
    network, run = side_by_side(KEEP, BIAS)
    _, strong = side_by_side(3.0, 0.0)
    _, silent = side_by_side(3.0, 0.0, signal=0.0)
    f, h, end = run["forget_gate"][0], run["rnn"], STEPS - 1
    slope = 1 - h[-1] ** 2
    return walkthrough(
        network,
        inputs(),
        last(STEPS),
        title=f"Lesson 5: {TITLE}",
        over_time=["rnn", "gated", "carousel"],
        introduction=f"""
            Something is read at t = 0, and at t = {end} an answer depends on it. To learn that, the error has to find
            its way back over {end} steps. Here are three memories of one number each, in one graph. All read the same
            signal, a 1 and then silence:

            {code(memories)}

            - **rnn** is the memory of a simple RNN: its old state, times {shown(KEEP)}, through a curve.
            - **gated** is the heart of the LSTM: its old state, times a forget gate that is open, {shown(f)}.
            - **carousel** is the heart of the first LSTM, which had no forget gate: its old state, and that is all.

            The `answer` at the end adds them up, so each of the three gets the same first message, a 1. Before you
            walk, look at the chart below the picture, **from the last step alone**: how far back does the error
            reach?
        """,
        notes={
            ("forward", "rnn"): f"After {end} steps of silence the signal 1 has become {shown(h[-1])}.",
            ("forward", "gated"): f"After {end} steps the signal 1 has become {shown(run['gated'][-1])}.",
            ("forward", "carousel"): f"After {end} steps the signal 1 is {shown(run['carousel'][-1])}.",
            "loss": f"The loss is the answer at t = {end}. All three memories are told the same: 1.",
            ("backward", "rnn", end): f"""
                The message 1 arrives. On the way back through this step it is multiplied by the slope of the curve, 1
                − y² = {shown(slope)}, and then by the weight, {shown(KEEP)}: {shown(slope * KEEP)} goes on.
            """,
            ("backward", "rnn", end - 1): f"One step back: {shown(run['∂rnn'][-2])}. And so on, a factor at each step.",
            ("backward", "rnn", 0): f"""
                **{shown(run["∂rnn"][0])}** is all that reaches the signal. A weight that is moved by so little stays
                where it is. The gradient has *vanished*: the RNN cannot learn what lies {end} steps back.
            """,
            ("backward", "gated", end - 1): f"One step back: {shown(run['∂gated'][-2])}, which is the forget gate.",
            ("backward", "gated", 0): f"""
                **{shown(run["∂gated"][0])}**, which is {shown(f)} to the power of {end}. Here a product of {end}
                factors is no harm, for the gate sets each of them near 1.
            """,
            ("backward", "carousel", end - 1): "One step back: a sum hands on what it gets. The slope is 1.",
            ("backward", "carousel", 0): f"""
                **{shown(run["∂carousel"][0])}**, exactly. However long the sequence, the error goes round and round
                unchanged. Hochreiter and Schmidhuber called it the *constant error carousel*.
            """,
        },
        conclusion=f"""
            **The whole of it in three lines.** A step back in time multiplies the message by a factor, and {end}
            steps by {end} of them. What was left of a message of 1:

            - `rnn`: the factor is the curve's slope times {shown(KEEP)}, never more than {shown(KEEP)}. Left:
              **{shown(run["∂rnn"][0])}**.
            - `gated`: the factor is the forget gate, {shown(f)}. Left: **{shown(run["∂gated"][0])}**.
            - `carousel`: the factor is 1. Left: **{shown(run["∂carousel"][0])}**.

            The carousel never loses anything, which lesson 4 showed to be too much of a good thing. The forget gate
            can be near 1 while a thing matters, and shut when it is over.

            [On to the second page](lesson_5_page_2.html): was this cooked up? Look at real cells with random weights.

            ? Would a large weight help the RNN? Put 3 in the place of {shown(KEEP)}.
            ! It does not: {shown(strong["∂rnn"][0])}. The state runs up to {shown(strong["rnn"][-1])}, where the
            curve is flat: its slope is {shown(1 - strong["rnn"][-1] ** 2)}, and 3 times that is still far below 1.
            And where there is no signal and all states are 0, the curve's slope is 1, every factor is 3, and the
            message becomes {shown(silent["∂rnn"][0])}: the gradient *explodes*. To hold it near 1 by a weight, over
            all steps and states, is balancing on a needle. The gate does it by design.

            ? What if the bias of the forget gate were 0 instead of {shown(BIAS)}?
            ! The gate would stand at {shown(strong["forget_gate"][0])}, and {shown(strong["∂gated"][0])} would
            arrive: no better than an RNN. That is why one starts training with a positive bias there.
        """,
    )
