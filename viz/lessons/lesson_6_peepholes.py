"""Peepholes, which let gates see the memory: a clock that rings by itself."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "Peepholes, coupled gates, GRU"
ABOUT = "A clock whose gates look at the memory; one gate in the place of two; the tally counter as a GRU."

TICK, STEPS, WEIGHT, BIAS = 0.25, 12, 80, 70


def clock() -> GModule:
    tick, prev_c = nn.Identity()(), nn.Identity()()
    forget_gate = nn.Sigmoid()(nn.Linear(1, 1)(prev_c))
    kept = nn.CMulTable()([forget_gate, prev_c])
    next_c = nn.CAddTable()([kept, tick])

    out_gate = nn.Sigmoid()(nn.Linear(1, 1)(next_c))
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])

    annotate_nodes()
    return GModule([tick, prev_c], [next_c, next_h])


def set_weights(cell: GModule, name: str, weight: list[float], bias: float) -> None:
    """The weights of the Linear in front of a node."""
    linear = cell.node(name).parents[0].module
    linear.weight[:], linear.bias[:] = weight, bias


def over_time(network: Recurrent, name: str) -> np.ndarray:
    return network.tape[name].output[:, 0, 0]


def page() -> Walkthrough:
    cell = clock()
    set_weights(cell, "forget_gate", [-WEIGHT], BIAS)
    set_weights(cell, "out_gate", [WEIGHT], -BIAS)
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
            The gates of lesson 4 look at the input and at `h`, what the cell *said*. But while the out gate is shut
            the cell says nothing, `h` is 0, and the gates do not know what the memory holds. **Peepholes** let them
            look straight at `c`. Here is a clock that could not work without:

            {code(clock)}

            The input is always the same, {shown(TICK)}, and tells nothing. The forget gate looks at the memory of the
            step before, through a weight of {shown(-WEIGHT)} and a bias of {BIAS}. The out gate looks at the new
            memory, through {WEIGHT} and {shown(-BIAS)}. So both change sides where c is {BIAS} / {WEIGHT} =
            {shown(BIAS / WEIGHT)}. See below, **over time**, what comes of it.
        """,
        notes={
            ("forward", "forget_gate"): f"""
                Open while the memory is below {shown(BIAS / WEIGHT)}; shut as soon as it is above.
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
            The clock rings at t = {listed(rings)}: every {period} steps, out of an input that never changes. Cells
            with peepholes can learn such timing; Gers and Schmidhuber added them for that.

            [On to the second page](lesson_6_page_2.html): can a cell do with fewer gates?

            ? What would this clock do if its gates saw `h` in the place of `c`?
            ! Nothing, for ever. At the start `h` is 0, so the out gate stays shut, so `h` stays 0. The memory would
            fill, and no gate would notice.
        """,
    )
