"""The RNN once more: one cell, wired once and run three times."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.lesson_3_recurrence import READ, STATE, XS, weights
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough


def cell(read: nn.Linear, keep: nn.Linear) -> GModule:
    x, prev_h = nn.Identity()(), nn.Identity()()
    kept, seen = keep(prev_h), read(x)
    h = nn.Tanh()(nn.CAddTable()([kept, seen]))

    annotate_nodes()
    return GModule([x, prev_h], h)


def page() -> Walkthrough:
    network = Recurrent(cell(*weights()))
    input = [np.array(XS).reshape(3, 1, 1), np.array([[STATE]])]
    grad_output = [np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1), None]
    network.forward(input)
    network.zero_grad_parameters()
    grad_xs = network.backward(input, grad_output)[0].ravel()
    states, messages = network.tape["h"].output.ravel(), network.tape["h"].grad_output.ravel()
    return walkthrough(
        network,
        input,
        grad_output,
        title="Lesson 3, page 2: One cell, run three times",
        introduction=f"""
            The same network once more. Each of the three layers was the same lines with the same weights, so write
            them once, as a *cell*, and let it run over time:

            {code(cell)}

            `Recurrent(cell)` does the rest: what leaves the cell as `h` comes back, one step later, as `prev_h`. So
            there are two time lines now, at the foot of the page: above, the steps in time, t = 0, 1 and 2; below,
            the steps through the boxes.
        """,
        notes={
            ("forward", "prev_h", 0): """
                The first step has no step before it. It begins with the state that was given, 0.
            """,
            ("forward", "prev_h", 1): f"""
                {shown(states[0])} is what `h` was a step ago: the dashed arrow brought it here.
            """,
            ("forward", "h"): f"The states over time: {listed(states)}, the numbers of the first page.",
            ("backward", "h", 2): "The loss looks at the last state alone, so the first message, 1, arrives here.",
            ("backward", "h", 1): f"""
                No loss looks at this step. Its message, {shown(messages[1])}, comes out of the future: from `prev_h`
                of the step after it.
            """,
            ("backward", "x", 0): f"""
                The message for the first input, {shown(grad_xs[0])}, and again it is the number of the first page.
            """,
        },
        conclusion=f"""
            Above, **over time**, the states are drawn, one column for each step, and below them how large the message
            for `h` is at each step. From the last step to the first it is {listed(reversed(messages))}: it falls to
            the left. Through one more curve and `read`, the inputs get {listed(reversed(grad_xs))}, as on the first
            page.

            ? What would the states be with `keep` at 0?
            ! Each state would depend on its own input alone: {listed([np.tanh(READ * x) for x in XS])}. Without
            `keep` there is no memory, only three separate neurons.

            ? The weights are the same at every step. Is their gradient?
            ! No. Each step gives a share of its own, out of its own message and its own state. They are added up.
        """,
    )
