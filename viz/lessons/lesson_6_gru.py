"""The gated recurrent unit: a tally counter with one state and two gates."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.lesson_6_peepholes import over_time, set_weights
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

EVENTS, KINDS, COUNT = "+.++x+.", "+.x", 0.25


def gru() -> GModule:
    x, prev_h = nn.Identity()(), nn.Identity()()
    seen = nn.JoinTable(1)([x, prev_h])
    reset_gate = nn.Sigmoid()(nn.Linear(4, 1)(seen))
    update_gate = nn.Sigmoid()(nn.Linear(4, 1)(seen))

    recalled = nn.CMulTable()([reset_gate, prev_h])
    looked_at = nn.JoinTable(1)([x, recalled])
    candidate = nn.Tanh()(nn.Linear(4, 1)(looked_at))

    keep_gate = nn.AddConstant(1)(nn.MulConstant(-1)(update_gate))
    taken = nn.CMulTable()([update_gate, candidate])
    kept = nn.CMulTable()([keep_gate, prev_h])
    next_h = nn.CAddTable()([taken, kept])

    annotate_nodes()
    return GModule([x, prev_h], next_h)


def page() -> Walkthrough:
    cell = gru()
    set_weights(cell, "reset_gate", [10, 10, -10, 0], 0)
    set_weights(cell, "update_gate", [10, -10, 10, 0], 0)
    set_weights(cell, "candidate", [COUNT, 0, 0, 1], 0)
    network = Recurrent(cell)
    input = [np.array([[[float(e == kind) for kind in KINDS]] for e in EVENTS]), np.zeros((1, 1))]
    network.forward(input)
    h, z, r = (over_time(network, name) for name in ("next_h", "update_gate", "reset_gate"))
    reset, idle = EVENTS.index("x"), EVENTS.index(".")
    third = [i for i, event in enumerate(EVENTS) if event == "+"][2]
    return walkthrough(
        network,
        input,
        labels=list(EVENTS),
        title="Lesson 6, page 3: The GRU",
        over_time=["next_h", "update_gate", "reset_gate", "candidate"],
        introduction=f"""
            The **gated recurrent unit** has one state, `h`, which is memory and answer at once: there is no out gate.
            One coupled gate, the *update gate*, mixes the old state with a candidate. And a second one, the *reset
            gate*, says how much of the old state the candidate may look at.

            {code(gru)}

            Again it is a tally counter, for `{EVENTS}`. `+` counts one more, `.` is nothing, `x` starts anew. The
            candidate is tanh({shown(COUNT)} for a `+`, plus what was recalled).
        """,
        notes={
            ("forward", "reset_gate"): """
                Open at `+`: the candidate builds on the old state. Shut at `x`: it starts from nothing.
            """,
            ("forward", "update_gate"): "Open at `+` and at `x`: take the candidate. Shut at `.`: keep the old state.",
            ("forward", "candidate", third): f"""
                tanh({shown(COUNT)} + {shown(h[third - 1])}) = {shown(np.tanh(COUNT + h[third - 1]))}: the count so
                far and one more. Here it adds *inside* the candidate, so the coupled gates are no hindrance.
            """,
            ("forward", "next_h", idle): f"""
                The update gate is shut, {shown(z[idle])}: {shown(h[idle - 1])} stays {shown(h[idle])}.
            """,
            ("forward", "candidate", reset): f"""
                The reset gate is shut, {shown(r[reset])}: the old {shown(h[reset - 1])} is not looked at.
            """,
            ("forward", "next_h", reset): f"""
                The candidate, next to 0, is taken: {shown(h[reset])}. The count starts anew.
            """,
        },
        conclusion=f"""
            The states: {listed(np.round(h, 3))}. Each `+` goes through the curve once more, so the steps get smaller,
            and so does the gradient: adding in the candidate is what an RNN does. Through the `.` the state goes
            untouched, as in an LSTM. A GRU has three products with weights where the LSTM has four; those who compared
            the two, such as Chung and others in 2014, found it about as good.

            `nodegraph.models.variants` has these cells at full size, and many more of the family.

            ? Which gate of the GRU does what the forget gate does in the LSTM?
            ! The update gate, the other way round: shut, it keeps. One minus it is the factor on the way from the old
            state to the new, and so also the factor for the gradient on its way back.

            ? What can an LSTM do that a GRU cannot?
            ! Hold something and say nothing. The GRU has no out gate: its memory is always seen.
        """,
    )
