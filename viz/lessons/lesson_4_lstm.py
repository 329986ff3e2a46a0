"""The LSTM, gate by gate: a tally counter, wired line by line, and what it does without its forget gate."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "The LSTM, gate by gate"
ABOUT = "A tally counter of one number and three gates, wired line by line. Then the same without its forget gate."

EVENTS, KINDS = "+.++?x+.?", "+.?x"
RESET = EVENTS.index("x")
SHOWN = ["next_c", "in_gate", "forget_gate", "out_gate", "next_h"]

OPEN, SHUT, OFFER = 10.0, -10.0, 0.25
GATES = {  # What each gate gets for the events + . ? x.
    "in_gate": [OPEN, SHUT, SHUT, SHUT],
    "forget_gate": [OPEN, OPEN, OPEN, SHUT],
    "out_gate": [SHUT, SHUT, OPEN, SHUT],
}


def lstm() -> GModule:
    x = nn.Identity()()
    prev_c, prev_h = nn.Identity()(), nn.Identity()()
    seen = nn.JoinTable(1)([x, prev_h])

    candidate = nn.Tanh()(nn.Linear(5, 1)(seen))
    in_gate = nn.Sigmoid()(nn.Linear(5, 1)(seen))
    added = nn.CMulTable()([in_gate, candidate])

    forget_gate = nn.Sigmoid()(nn.Linear(5, 1)(seen))
    kept = nn.CMulTable()([forget_gate, prev_c])
    next_c = nn.CAddTable()([kept, added])

    out_gate = nn.Sigmoid()(nn.Linear(5, 1)(seen))
    squashed = nn.Tanh()(next_c)
    next_h = nn.CMulTable()([out_gate, squashed])

    annotate_nodes()
    return GModule([x, prev_c, prev_h], [next_c, next_h])


def tally(**gates: list[float]) -> Recurrent:
    """The LSTM that counts, over time, with the weights of GATES or, for some gates, others."""
    cell = lstm()
    for name, weights in (GATES | gates).items():
        linear = cell.node(name).parents[0].module
        linear.weight[:], linear.bias[:] = [[*weights, 0]], 0
    linear = cell.node("candidate").parents[0].module
    linear.weight[:], linear.bias[:] = 0, np.arctanh(OFFER)
    return Recurrent(cell)


def run(network: Recurrent) -> dict[str, np.ndarray]:
    """Every node's value at each step; and, as ∂, the gradient for it of the last answer."""
    network.forward(events())
    network.backward(events(), last_answer())
    named = [node.name for node in network.cell.nodes if node.name]
    values = {name: network.tape[name].output[:, 0, 0] for name in named}
    return values | {f"∂{name}": network.tape[name].grad_output[:, 0, 0] for name in named}


def events() -> list[np.ndarray]:
    one_hot = np.array([[[float(event == kind) for kind in KINDS]] for event in EVENTS])
    return [one_hot, np.zeros((1, 1)), np.zeros((1, 1))]


def last_answer() -> list:
    gradient = np.zeros((len(EVENTS), 1, 1))
    gradient[-1] = 1
    return [gradient, None, None]


def pages() -> list[Walkthrough]:
    without = [OPEN] * len(KINDS)
    runs = [run(tally()), run(tally(forget_gate=without)), run(tally(forget_gate=[0.0] * len(KINDS)))]
    return [with_forget_gate(*runs), without_forget_gate(tally(forget_gate=without), *runs[:2])]


def with_forget_gate(run: dict, without: dict, half: dict) -> Walkthrough:
    c, h, f, grad_c = run["next_c"], run["next_h"], run["forget_gate"], run["∂next_c"]
    asked = EVENTS.index("?")
    return walkthrough(
        tally(),
        events(),
        last_answer(),
        labels=list(EVENTS),
        over_time=SHOWN,
        title=f"Lesson 4: {TITLE}",
        introduction=f"""
            An RNN rewrites its whole memory at every step. An LSTM has a memory, the *cell state* `c`, that stays as it
            is, and three **gates** that decide what may happen to it. A gate is a number between 0, shut, and 1, open,
            by which something is multiplied. In its three lines the LSTM says:

                next_c = forget_gate · prev_c + in_gate · candidate
                next_h = out_gate · tanh(next_c)
                each gate = sigmoid(W [x, prev_h] + b)

            This one is a tally counter, as you would hold in a hand. Its weights were chosen by hand, so that each gate
            listens to one event:

            - `+` counts one more: the **in** gate opens. The cell always offers {shown(OFFER)}; now it is let in.
            - `x` starts anew: the **forget** gate shuts, and what was counted is lost.
            - `?` asks for the count: the **out** gate opens. At all other times the counter is silent.
            - `.` nothing happens, and nothing may be lost.

            {code(lstm)}

            It reads `{EVENTS}`. Walk with **next**, or begin below, **over time**, where the whole story is one picture:
            the band on top is the cell state, and it only changes where a gate lets it.
        """,
        notes={
            ("forward", "x"): """
                One event, written as four numbers, with a 1 in the place of the event: `+`, `.`, `?`, `x`.
            """,
            ("forward", "seen"): """
                What the gates look at: the event and, as fifth number, what the cell last said. (Our counter needs no
                look at that: the fifth weight of each gate is 0.)
            """,
            ("forward", "candidate"): f"""
                What the cell would add to its memory: here always {shown(OFFER)}. An offer, no more.
            """,
            ("forward", "in_gate"): f"""
                Open at `+`, {shown(run["in_gate"][0])}; shut otherwise, {shown(run["in_gate"][1])}.
            """,
            ("forward", "added"): "Gate times candidate: the offer if the gate is open, next to nothing if it is shut.",
            ("forward", "forget_gate"): """
                The name misleads: at 1 it *keeps*, at 0 it forgets. Open for everything but `x`.
            """,
            ("forward", "forget_gate", RESET): f"""
                This is the one `x`. The gate shuts: {shown(f[RESET])}.
            """,
            ("forward", "kept"): """
                What is left of the old memory. A product with 1 changes nothing, with 0 it leaves nothing.
            """,
            ("forward", "kept", RESET): f"""
                {shown(c[RESET - 1])} was counted; {shown(run["kept"][RESET])} of it is kept.
            """,
            ("forward", "next_c"): f"""
                The memory: what is kept plus what is added. Over time: {listed(np.round(c, 3))}. No curve and no
                weight stands between one step's memory and the next one's; that is the point of the LSTM.
            """,
            ("forward", "out_gate"): "Open at `?` alone. The memory can be full while the cell is silent.",
            ("forward", "next_h"): """
                What the rest of a network gets to see: the memory, squashed, as far as it may be told.
            """,
            ("forward", "next_h", asked): f"""
                Asked after three `+`: tanh({shown(c[asked])}) = **{shown(h[asked])}**.
            """,
            ("forward", "next_h", len(EVENTS) - 1): f"""
                Asked again: tanh({shown(c[-1])}) = **{shown(h[-1])}**, the one `+` since the `x`. The three before it
                are forgotten, as they should be.
            """,
            "loss": "The loss is the last answer. Backward asks: who had a part in it?",
            ("backward", "next_c"): f"""
                Going back in time the message is multiplied by the forget gate: {shown(f[-1])} at the last step. So
                it stays as it is, back to the `x`: {listed(np.round(grad_c[: RESET - 1 : -1], 3))} from the last step
                on.
            """,
            ("backward", "kept", RESET): f"""
                Here the message meets the shut gate. {shown(run["∂kept"][RESET])} · {shown(f[RESET])} =
                {shown(run["∂kept"][RESET] * f[RESET])}: that is all that gets further back. The gate that cut off the
                old memory cuts off the blame for it, too.
            """,
            ("backward", "next_c", RESET - 1): f"""
                Before the `x`: {shown(grad_c[RESET - 1])}. What was counted then had no part in the last answer, and
                backward knows.
            """,
            ("backward", "added", 0): f"This `+` came before the `x`: its message is {shown(run['∂added'][0])}.",
            ("backward", "added", RESET + 1): f"""
                This `+` came after the `x`: its message is {shown(run["∂added"][RESET + 1])}. It made the answer.
            """,
        },
        conclusion=f"""
            **Look once more** at [the memory at the x](#forward/next_c/{RESET}), at
            [the answer](#forward/next_h/{len(EVENTS) - 1}), and at [where the message ends](#backward/kept/{RESET}).
            Then take the forget gate away: [the second page](lesson_4_page_2.html) is the same counter with that gate
            held open. Guess first what it will answer.

            ? Why does the forget gate help? Say it in your own words, then compare.
            ! A memory that can only be added to fills up: what was true once stays in it for ever and mixes with what is
            true now. The forget gate lets the cell keep its memory as long as it is of use, at 1 and without any loss,
            and clear it when it no longer is. Forward, the count starts anew at `x`: the answer was {shown(h[-1])};
            without the gate it is {shown(without["next_h"][-1])}. Backward, the gate stops the message where the memory
            was cleared, so that only what had a part in the answer is told to change. And it decides anew at each step,
            from what it sees, with weights that can be learnt.

            ? What would the counter answer if its forget gate always stood half open, at {shown(half["forget_gate"][0])}?
            ! {shown(half["next_h"][asked])} and {shown(half["next_h"][-1])} instead of {shown(h[asked])} and
            {shown(h[-1])}. At each step half of the memory would go, whether anything happened or not. A gate that
            neither keeps nor clears is a leak.

            ? Which gate would you change to have a counter that ignores every `+`?
            ! The in gate: keep it shut. The offer would still be made, and never be taken.
        """,
    )


def without_forget_gate(network: Recurrent, run: dict, without: dict) -> Walkthrough:
    c, h, grad_c = without["next_c"], without["next_h"], without["∂next_c"]
    return walkthrough(
        network,
        events(),
        last_answer(),
        labels=list(EVENTS),
        over_time=SHOWN,
        title="Lesson 4, page 2: Without a forget gate",
        introduction=f"""
            The same counter, the same events, `{EVENTS}`, but now the forget gate stands open whatever comes. The LSTM
            of 1997 was like this: it had no forget gate, which is as good as one that is always open.

            Look at the band of the cell state, **over time**: it only ever grows.
        """,
        notes={
            ("forward", "forget_gate", RESET): f"""
                The `x` asks to start anew. But the gate stays at {shown(without["forget_gate"][RESET])}.
            """,
            ("forward", "next_c", RESET): f"""
                {shown(c[RESET])} instead of {shown(run["next_c"][RESET])}: what was counted is still there. There is
                nothing in this cell that could make it smaller, but adding a negative offer of exactly the right
                size.
            """,
            ("forward", "next_h", len(EVENTS) - 1): f"""
                **{shown(h[-1])}**: the answer counts all four `+`. Right would be {shown(run["next_h"][-1])}.
            """,
            ("backward", "added", 0): f"""
                The very first `+` gets the message {shown(without["∂added"][0])}, as large as any other. It is blamed
                for an answer with which it should have nothing to do.
            """,
        },
        conclusion=f"""
            **With and without, at the end:** the memory holds {shown(run["next_c"][-1])} and {shown(c[-1])}; the first
            `+` is told {shown(run["∂added"][0])} and {shown(without["∂added"][0])}. Run for a whole book, this memory
            would fill until tanh(c) is always 1, and the cell would have nothing to say any more.

            And yet there is something good in it: the message kept its size,
            {listed([grad_c[-1], grad_c[0]])}, from the last step to the first. Lesson 5 shows what that is worth. The
            forget gate, open, has the same virtue, and can shut.

            ? When would a cell without forget gate do as well?
            ! When nothing that it holds ever ends: one short sequence, one thing to remember, and a fresh start with a
            state of 0 for the next sequence. Long texts are not like that.
        """,
    )
