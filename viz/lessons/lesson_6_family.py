"""The LSTM's family: peepholes that let gates see the memory, coupled gates, and the GRU."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "Peepholes, coupled gates, GRU"
ABOUT = "A clock whose gates look at the memory; one gate in the place of two; the tally counter as a GRU."

TICK, STEPS = 0.25, 12
VALUES, TAKE = [0.9, -0.4, 0.2, 0.7, -0.8, 0.5], [1, 0, 0, 1, 0, 0]
EVENTS, KINDS = "+.++x+.", "+.x"


def clock() -> GModule:
    tick, prev_c = nn.Identity()(), nn.Identity()()
    forget_gate = nn.Sigmoid()(nn.Linear(1, 1)(prev_c))
    kept = nn.CMulTable()([forget_gate, prev_c])
    next_c = nn.CAddTable()([kept, tick])

    out_gate = nn.Sigmoid()(nn.Linear(1, 1)(next_c))
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])

    annotate_nodes()
    return GModule([tick, prev_c], [next_c, next_h])


def coupled() -> GModule:
    value, take = nn.Identity()(), nn.Identity()()
    prev_c = nn.Identity()()
    in_gate = nn.Sigmoid()(nn.Linear(1, 1)(take))
    forget_gate = nn.AddConstant(1)(nn.MulConstant(-1)(in_gate))

    added = nn.CMulTable()([in_gate, value])
    kept = nn.CMulTable()([forget_gate, prev_c])
    next_c = nn.CAddTable()([kept, added])

    annotate_nodes()
    return GModule([value, take, prev_c], next_c)


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


def set_weights(cell: GModule, name: str, weight: list[float], bias: float) -> None:
    """The weights of the Linear in front of a node."""
    linear = cell.node(name).parents[0].module
    linear.weight[:], linear.bias[:] = weight, bias


def over_time(network: Recurrent, name: str) -> np.ndarray:
    return network.tape[name].output[:, 0, 0]


def pages() -> list[Walkthrough]:
    return [peepholes(), coupled_gates(), gated_unit()]


def peepholes() -> Walkthrough:
    cell = clock()
    set_weights(cell, "forget_gate", [-80], 70)
    set_weights(cell, "out_gate", [80], -70)
    network = Recurrent(cell)
    input = [np.full((STEPS, 1, 1), TICK), np.zeros((1, 1))]
    network.forward(input)
    c, h, f = (over_time(network, name) for name in ("next_c", "next_h", "forget_gate"))
    rings = np.flatnonzero(h > 0.5)
    period = int(rings[1] - rings[0])
    return walkthrough(
        network,
        input,
        title=f"Lesson 6: {TITLE}",
        over_time=["next_c", "forget_gate", "out_gate", "next_h"],
        introduction=f"""
            The gates of lesson 4 look at the input and at `h`, what the cell *said*. But while the out gate is shut the
            cell says nothing, `h` is 0, and the gates do not know what the memory holds. **Peepholes** let them look
            straight at `c`. Here is a clock that could not work without:

            {code(clock)}

            The input is always the same, {shown(TICK)}, and tells nothing. The forget gate looks at the memory of the
            step before, through a weight of −80 and a bias of 70. The out gate looks at the new memory, through 80 and
            −70. So both change sides where c is 70 / 80 = {shown(70 / 80)}. See below, **over time**, what comes of it.
        """,
        notes={
            ("forward", "forget_gate"): f"""
                Open while the memory is below {shown(70 / 80)}; shut as soon as it is above.
            """,
            ("forward", "forget_gate", int(rings[0]) + 1): f"""
                The gate sees {shown(c[rings[0]])} in the memory, and shuts: {shown(f[rings[0] + 1])}. A new round
                begins.
            """,
            ("forward", "next_c"): f"The first round: {listed(np.round(c[:period], 3))}.",
            ("forward", "next_h", int(rings[0])): f"""
                The memory is full, the out gate opens: **{shown(h[rings[0]])}**. It rings.
            """,
        },
        conclusion=f"""
            The clock rings at t = {listed(rings)}: every {period} steps, out of an input that never changes. Cells with
            peepholes can learn such timing; Gers and Schmidhuber added them for that.

            [On to the second page](lesson_6_page_2.html): can a cell do with fewer gates?

            ? What would this clock do if its gates saw `h` in the place of `c`?
            ! Nothing, for ever. At the start `h` is 0, so the out gate stays shut, so `h` stays 0. The memory would fill,
            and no gate would notice.
        """,
    )


def coupled_gates() -> Walkthrough:
    cell = coupled()
    set_weights(cell, "in_gate", [20], -10)
    network = Recurrent(cell, feedback=[(0, 2)])
    input = [np.array(VALUES).reshape(-1, 1, 1), np.array(TAKE, float).reshape(-1, 1, 1), np.zeros((1, 1))]
    network.forward(input)
    c, i, f = (over_time(network, name) for name in ("next_c", "in_gate", "forget_gate"))
    held = TAKE.index(0)
    return walkthrough(
        network,
        input,
        labels=[shown(value) for value in VALUES],
        title="Lesson 6, page 2: Coupled gates",
        over_time=["next_c", "in_gate", "forget_gate"],
        introduction=f"""
            To write something new into a memory and to wipe out the old go well together. So let one gate decide both:
            **forget_gate = 1 − in_gate**. One gate less, and its weights with it.

            {code(coupled)}

            This cell gets two inputs: a stream of values, {listed(VALUES)}, and a signal, {listed(TAKE)}, that says which
            to take. The new memory is a *mixture* of old and new, and the gate says in which shares.
        """,
        notes={
            ("forward", "in_gate", 0): f"The signal is 1: the gate opens, {shown(i[0])}.",
            ("forward", "forget_gate", 0): f"""
                What one gate lets in the other one clears: 1 − {shown(i[0])} = {shown(f[0])}.
            """,
            ("forward", "forget_gate", held): f"""
                The signal is 0, nothing is let in, and so all is kept: {shown(f[held])}.
            """,
            ("forward", "next_c"): f"""
                Over time: {listed(np.round(c, 3))}. Each value that was taken is held until the next.
            """,
        },
        conclusion=f"""
            The two shares sum to 1, so the memory stays between the least and the largest value it was ever given, here
            within {shown(c.min())} and {shown(c.max())}. It cannot run away as the one of lesson 4 did.

            [On to the third page](lesson_6_page_3.html): the GRU couples its gates like this, and drops one thing more.

            ? Can coupled gates count, as the tally counter of lesson 4 does?
            ! Not in this way. To add, a cell has to keep *all* of the old and let in the new at once: both gates open.
            Coupled, the more comes in, the more must go. (The GRU finds a way round; see the next page.)
        """,
    )


def gated_unit() -> Walkthrough:
    cell = gru()
    set_weights(cell, "reset_gate", [10, 10, -10, 0], 0)
    set_weights(cell, "update_gate", [10, -10, 10, 0], 0)
    set_weights(cell, "candidate", [0.25, 0, 0, 1], 0)
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
            The **gated recurrent unit** has one state, `h`, which is memory and answer at once: there is no out gate. One
            coupled gate, the *update gate*, mixes the old state with a candidate. And a second one, the *reset gate*,
            says how much of the old state the candidate may look at.

            {code(gru)}

            Again it is a tally counter, for `{EVENTS}`. `+` counts one more, `.` is nothing, `x` starts anew. The
            candidate is tanh(0.25 for a `+`, plus what was recalled).
        """,
        notes={
            ("forward", "reset_gate"): """
                Open at `+`: the candidate builds on the old state. Shut at `x`: it starts from nothing.
            """,
            ("forward", "update_gate"): "Open at `+` and at `x`: take the candidate. Shut at `.`: keep the old state.",
            ("forward", "candidate", third): f"""
                tanh({shown(TICK)} + {shown(h[third - 1])}) = {shown(np.tanh(TICK + h[third - 1]))}: the count so far
                and one more. Here it adds *inside* the candidate, so the coupled gates are no hindrance.
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
            The states: {listed(np.round(h, 3))}. Each `+` goes through the curve once more, so the steps get smaller, and
            so does the gradient: adding in the candidate is what an RNN does. Through the `.` the state goes untouched,
            as in an LSTM. A GRU has three products with weights where the LSTM has four, and is often as good.

            `nodegraph.models.variants` has these cells at full size, and many more of the family.

            ? Which gate of the GRU does what the forget gate does in the LSTM?
            ! The update gate, the other way round: shut, it keeps. One minus it is the factor on the way from the old
            state to the new, and so also the factor for the gradient on its way back.

            ? What can an LSTM do that a GRU cannot?
            ! Hold something and say nothing. The GRU has no out gate: its memory is always seen.
        """,
    )
