"""Coupled gates: one gate decides both what to take and what to forget."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.lesson_6_peepholes import over_time, set_weights
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

VALUES, TAKE = [0.9, -0.4, 0.2, 0.7, -0.8, 0.5], [1, 0, 0, 1, 0, 0]


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


def page() -> Walkthrough:
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
        labels=[f"take {shown(v)}" if take else shown(v) for v, take in zip(VALUES, TAKE)],
        title="Lesson 6, page 2: Coupled gates",
        over_time=["next_c", "in_gate", "forget_gate"],
        introduction=f"""
            To write something new into a memory and to wipe out the old go well together. So let one gate decide
            both: **forget_gate = 1 − in_gate**. One gate less, and its weights with it.

            {code(coupled)}

            This cell gets two inputs: a stream of values, {listed(VALUES)}, and a signal, {listed(TAKE)}, that says
            which to take. The new memory is a *mixture* of old and new, and the gate says in which shares.
        """,
        notes={
            ("forward", "in_gate", 0): f"The signal is 1: the gate opens, {shown(i[0])}.",
            ("forward", "forget_gate", 0): f"""
                What the one lets in the other makes room for: 1 minus the open gate is {shown(f[0])}.
            """,
            ("forward", "forget_gate", held): f"""
                The signal is 0, nothing is let in, and so all is kept: {shown(f[held])}.
            """,
            ("forward", "next_c"): f"""
                Over time: {listed(np.round(c, 3))}. Each value that was taken is held until the next.
            """,
        },
        conclusion=f"""
            The two shares sum to 1, so the memory stays between the least and the largest value it was ever given,
            here within {shown(c.min())} and {shown(c.max())}. It cannot run away as the one of lesson 4 did.

            [On to the third page](lesson_6_page_3.html): the GRU couples its gates like this, and drops one thing
            more.

            ? Can coupled gates count, as the tally counter of lesson 4 does?
            ! Not in this way. To add, a cell has to keep *all* of the old and let in the new at once: both gates
            open. Coupled, the more comes in, the more must go. (The GRU finds a way round; see the next page.)
        """,
    )
