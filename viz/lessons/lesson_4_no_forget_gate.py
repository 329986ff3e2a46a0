"""The tally counter without its forget gate: what was once in the memory stays in it."""

from __future__ import annotations

from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.lesson_4_lstm import EVENTS, KINDS, OPEN, RESET, SHOWN, events, last_answer, run, tally
from nodegraph.viz.lessons.text import listed, shown
from nodegraph.viz.walkthrough import Walkthrough


def page() -> Walkthrough:
    network = tally(forget_gate=[OPEN] * len(KINDS))
    with_gate, without = run(tally()), run(network)
    c, h, grad_c = without["next_c"], without["next_h"], without["∂next_c"]
    return walkthrough(
        network,
        events(),
        last_answer(),
        labels=list(EVENTS),
        over_time=SHOWN,
        title="Lesson 4, page 2: Without a forget gate",
        introduction=f"""
            The same counter, the same events, `{EVENTS}`, but now the forget gate stands open whatever comes. The
            LSTM of 1997 was like this: it had no forget gate, which is as good as one that is always open.

            Look at the band of the cell state, **over time**: what is in it never leaves.
        """,
        notes={
            ("forward", "forget_gate", RESET): f"""
                The `x` asks to start anew. But the gate stays at {shown(without["forget_gate"][RESET])}.
            """,
            ("forward", "next_c", RESET): f"""
                {shown(c[RESET])} instead of {shown(with_gate["next_c"][RESET])}: what was counted is still there.
                There is nothing in this cell that could make it smaller, but adding a negative offer of exactly the
                right size.
            """,
            ("forward", "next_h", len(EVENTS) - 1): f"""
                **{shown(h[-1])}**: the answer counts all {EVENTS.count("+")} `+`. Right would be
                {shown(with_gate["next_h"][-1])}.
            """,
            ("backward", "added", 0): f"""
                The very first `+` gets the message {shown(without["∂added"][0])}, as large as any other. It is blamed
                for an answer with which it should have nothing to do.
            """,
        },
        conclusion=f"""
            **With and without, at the end:** the memory holds {shown(with_gate["next_c"][-1])} and {shown(c[-1])};
            the first `+` is told {shown(with_gate["∂added"][0])} and {shown(without["∂added"][0])}. Run for a whole
            book, this memory would fill until tanh(c) is always 1, and the cell would have nothing to say any more.

            And yet there is something good in it: the message kept its size, {listed([grad_c[-1], grad_c[0]])}, from
            the last step to the first. Lesson 5 shows what that is worth. The forget gate, open, has the same virtue,
            and can shut.

            ? When would a cell without forget gate do as well?
            ! When nothing that it holds ever ends: one short sequence, one thing to remember, and a fresh start with
            a state of 0 for the next sequence. Long texts are not like that.
        """,
    )
