"""The LSTM, gate by gate: a tally counter, wired line by line."""

from __future__ import annotations

from typing import Any

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

    forget_gate = nn.Sigmoid()(nn.Linear(5, 1)(seen))
    kept = nn.CMulTable()([forget_gate, prev_c])

    in_gate = nn.Sigmoid()(nn.Linear(5, 1)(seen))
    candidate = nn.Tanh()(nn.Linear(5, 1)(seen))
    added = nn.CMulTable()([in_gate, candidate])
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


def last_answer() -> list[Any]:
    gradient = np.zeros((len(EVENTS), 1, 1))
    gradient[-1] = 1
    return [gradient, None, None]


def page() -> Walkthrough:
    story = run(tally())
    without, half = (run(tally(forget_gate=[weight] * len(KINDS))) for weight in (OPEN, 0.0))
    c, h, f, grad_c = (story[name] for name in ("next_c", "next_h", "forget_gate", "∂next_c"))
    asked = EVENTS.index("?")
    return walkthrough(
        tally(),
        events(),
        last_answer(),
        labels=list(EVENTS),
        over_time=SHOWN,
        title=f"Lesson 4: {TITLE}",
        introduction=f"""
            An RNN rewrites its whole memory at every step. An LSTM, a *long short-term memory*, has a memory, the
            *cell state* `c`, that stays as it is, and three **gates** that decide what may happen to it. A gate is a
            number between 0, shut, and 1, open, by which something is multiplied. In three lines the LSTM says:

                next_c = forget_gate · prev_c + in_gate · candidate
                next_h = out_gate · tanh(next_c)
                each gate = sigmoid(W [x, prev_h] + b)

            Each gate has weights `W` and a bias `b` of its own, and looks at the input and at what the cell last said.
            So has the candidate, with a tanh in the place of the sigmoid.

            This one is a tally counter, as you would hold in a hand. Its weights were chosen by hand, so that each
            gate listens to one event:

            - `+` counts one more: the **in** gate opens. The cell always offers {shown(OFFER)}; now it is let in.
            - `x` starts anew: the **forget** gate shuts, and what was counted is gone.
            - `?` asks for the count: the **out** gate opens. At all other times the counter is silent.
            - `.` nothing happens, and nothing may be lost.

            {code(lstm)}

            It reads `{EVENTS}`. Walk with **next**, or begin below, **over time**, where the whole story is one
            picture: the band on top is the cell state, and it only changes where a gate lets it.
        """,
        notes={
            ("forward", "x"): """
                One event, written as four numbers, with a 1 in the place of the event: `+`, `.`, `?`, `x`.
            """,
            ("forward", "prev_h"): "What the cell said a step ago. The dashed arrow brings it here.",
            (
                "forward",
                "prev_c",
            ): "The memory, as the step before left it. This dashed arrow is the heart of the LSTM.",
            ("forward", "seen"): """
                What the gates look at: the event and, as fifth number, what the cell last said. (Our counter needs no
                look at that: the fifth weight of each gate is 0.)
            """,
            ("forward", "candidate"): f"""
                What the cell would add to its memory: here always {shown(OFFER)}. An offer, no more.
            """,
            ("forward", "in_gate"): f"""
                Open at `+`, {shown(story["in_gate"][0])}; shut otherwise, {shown(story["in_gate"][1])}.
            """,
            ("forward", "added"): "Gate times candidate: the offer if the gate is open, next to nothing if it is shut.",
            ("forward", "forget_gate"): f"""
                The name misleads: at 1 it *keeps*, at 0 it forgets. Open for everything but `x`: look at the weights
                of the box in front of it. The one for `x` is {shown(SHUT)}, and the sigmoid of that is
                {shown(f[RESET])}; the others are {shown(OPEN)}, and give {shown(f[0])}.
            """,
            ("forward", "forget_gate", RESET): f"""
                This is the one `x`. The gate shuts: {shown(f[RESET])}.
            """,
            ("forward", "kept"): """
                What is left of the old memory. A product with 1 changes nothing, with 0 it leaves nothing.
            """,
            ("forward", "kept", RESET): f"""
                {shown(c[RESET - 1])} was counted; {shown(story["kept"][RESET])} of it is kept.
            """,
            ("forward", "next_c"): f"""
                The memory: what is kept plus what is added. Over time: {listed(np.round(c, 3))}. No curve and no
                weight stands between one step's memory and the next one's; that is the point of the LSTM.
            """,
            ("forward", "out_gate"): "Open at `?` alone. The memory can be full while the cell is silent.",
            ("forward", "squashed"): "tanh bends large numbers down, so that an answer lies between −1 and 1.",
            ("forward", "next_h"): """
                What the rest of a network gets to see: the memory, squashed, as far as it may be told. It is called
                the *hidden state*, for it is inside the network.
            """,
            ("forward", "next_h", asked): f"""
                Asked after {EVENTS[:asked].count("+")} `+`: tanh({shown(c[asked])}) = **{shown(h[asked])}**.
            """,
            ("forward", "next_h", len(EVENTS) - 1): f"""
                Asked again: tanh({shown(c[-1])}) = **{shown(h[-1])}**, with {EVENTS[RESET:].count("+")} `+` since the
                `x`. Those before it are forgotten, as they should be.
            """,
            "loss": "The loss is the last answer. Backward asks: who had a part in it?",
            ("backward", "next_c"): f"""
                At the last step {shown(grad_c[-1])} arrives: the first message, 1, through the open out gate and the
                slope of tanh. Each step back in time multiplies it by the forget gate, which was {shown(f[-1])}. So it
                stays as it is, back to the `x`: {listed(np.round(grad_c[: RESET - 1 : -1], 3))} from the last step on.
            """,
            ("backward", "kept", RESET): f"""
                Here the message meets the shut gate. {shown(story["∂kept"][RESET])} · {shown(f[RESET])} =
                {shown(story["∂kept"][RESET] * f[RESET])}: that is all that gets further back. The gate that cut off
                the old memory cuts off the blame for it, too.
            """,
            ("backward", "next_c", RESET - 1): f"""
                Before the `x`: {shown(grad_c[RESET - 1])}. What was counted then had no part in the last answer, and
                backward knows.
            """,
            ("backward", "added", 0): f"This `+` came before the `x`: its message is {shown(story['∂added'][0])}.",
            ("backward", "added", RESET + 1): f"""
                This `+` came after the `x`: its message is {shown(story["∂added"][RESET + 1])}. It made the answer.
            """,
        },
        conclusion=f"""
            **Look once more** at [the memory at the x](#forward/next_c/{RESET}), at [the
            answer](#forward/next_h/{len(EVENTS) - 1}), and at [where the message ends](#backward/kept/{RESET}). The
            chart above shows that end as a cliff: after the `x` the line of `next_c` is level at
            {shown(grad_c[RESET])}, before it is down at {shown(grad_c[RESET - 1])}. Then take the forget gate away:
            [the second page](lesson_4_page_2.html) is the same counter with that gate held open. Guess first what it
            will answer.

            ? Why does the forget gate help? Say it in your own words, then compare.
            ! A memory that can only be added to fills up: what was true once stays in it for ever and mixes with what
            is true now. The forget gate lets the cell keep its memory as long as it is of use, at 1 and without any
            loss, and clear it when it no longer is. Forward, the count starts anew at `x`: the answer was
            {shown(h[-1])}; without the gate it is {shown(without["next_h"][-1])}. Backward, the gate stops the
            message where the memory was cleared, so that only what had a part in the answer is told to change. And it
            decides anew at each step, from what it sees, with weights that can be learnt.

            ? What would the counter answer if its forget gate always stood half open, at
            {shown(half["forget_gate"][0])}?
            ! {shown(half["next_h"][asked])} and {shown(half["next_h"][-1])} instead of {shown(h[asked])} and
            {shown(h[-1])}. At each step half of the memory would go, whether anything happened or not. A gate that
            neither keeps nor clears is a leak.

            ? Which gate would you change to have a counter that ignores every `+`?
            ! The in gate: keep it shut. The offer would still be made, and never be taken.
        """,
    )
