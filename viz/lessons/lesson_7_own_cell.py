"""Write your own cell: a module of one's own, checked, in a cell that waits for its key."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import GModule, NodegraphError, Recurrent, annotate_nodes, check_gradients, nn
from nodegraph.optim import Adam
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "Write your own cell"
ABOUT = "A module of your own in four lines, a cell around it that waits for its key, and how to know that it is right."

KEYS, VALUES = [1.0, 3.0, 5.0, 2.0, 4.0], [0.9, -0.4, 0.5, 0.8, 0.3]
START, WANTED, FAR, SHARPNESS = 2.2, 3.0, 12.0, 2.0


class Bump(nn.Pointwise):
    """y = exp(−x²): 1 at 0, and next to nothing far from it."""

    def formula(self, x: Any) -> Any:
        return np.exp(-np.square(x))

    def derivative(self, x: Any, y: Any) -> Any:
        return -2 * x * y


class Slip(Bump):
    """Bump with a slip in its derivative."""

    def derivative(self, x: Any, y: Any) -> Any:
        return 2 * x * y


def locker() -> GModule:
    key, value = nn.Identity()(), nn.Identity()()
    prev_memory = nn.Identity()()
    distance = nn.Linear(1, 1)(key)
    gate = Bump()(distance)
    rest = nn.AddConstant(1)(nn.MulConstant(-1)(gate))

    taken = nn.CMulTable()([gate, value])
    kept = nn.CMulTable()([rest, prev_memory])
    memory = nn.CAddTable()([taken, kept])

    annotate_nodes()
    return GModule([key, value, prev_memory], memory)


def waiting_for(wanted: float) -> Recurrent:
    """The cell over time, its gate open where the key is the wanted one."""
    cell = locker()
    linear = cell.node("distance").module
    linear.weight[:], linear.bias[:] = SHARPNESS, -SHARPNESS * wanted
    return Recurrent(cell, feedback=[(0, 2)])


def key_of(network: Recurrent) -> float:
    linear = network.cell.node("distance").module
    return float(-linear.bias[0] / linear.weight[0, 0])


def learn(network: Recurrent, steps: int = 200) -> list[float]:
    """Show it rows of keys and values, and want the value that came with the key WANTED; the losses."""
    generator, criterion, losses = np.random.default_rng(0), nn.MSECriterion(), []
    optimizer = Adam(network.get_parameters(), learning_rate=0.03)
    for _ in range(steps):
        keys = np.array([generator.permutation([1.0, 2.0, 3.0, 4.0, 5.0]) for _ in range(16)]).T[..., None]
        values = generator.uniform(-1, 1, keys.shape)
        wanted = (values * (keys == WANTED)).sum(0)
        input = [keys, values, np.zeros((16, 1))]
        memories, last = network.forward(input)
        losses.append(criterion.forward(last, wanted))
        network.zero_grad_parameters()
        network.backward(input, [None, criterion.backward(last, wanted)])
        optimizer.step()
    return losses


def page() -> Walkthrough:
    network = waiting_for(WANTED)
    keys, values = (np.array(numbers).reshape(-1, 1, 1) for numbers in (KEYS, VALUES))
    input = [keys, values, np.zeros((1, 1))]
    network.forward(input)
    gate, memory = (network.tape[name].output[:, 0, 0] for name in ("gate", "memory"))
    hit, near = KEYS.index(WANTED), KEYS.index(WANTED - 1)

    error = check_gradients(Bump(), np.array([-1.0, 0.5, 2.0]))
    whole = check_gradients(network, input)
    try:
        check_gradients(Slip(), np.array([-1.0, 0.5, 2.0]))
        refusal = ""
    except NodegraphError as found:
        refusal = str(found)
    student = waiting_for(START)
    losses = learn(student)
    lost = waiting_for(FAR)
    learn(lost)

    deaf = Bump().forward(np.array(SHARPNESS * (FAR - max(KEYS)))).item()

    last = np.zeros((len(KEYS), 1, 1))
    last[-1] = 1
    return walkthrough(
        network,
        input,
        [last, None],
        labels=[f"key {shown(key)}" for key in KEYS],
        title=f"Lesson 7: {TITLE}",
        over_time=["memory", "gate"],
        introduction=f"""
            Nobody has to stop at the cells that have names. Let us build one that waits: keys come by, each with a
            value, and only the value with the *right* key is to be kept. It wants a gate that opens near one number
            and is shut on both sides of it. A sigmoid cannot do that, so we write a module of our own, a formula and
            its derivative:

            {code(Bump)}

            That is all of it. Out of these lines the library gets forward, backward, the equation that you see in the
            picture, and the fast compiled form in which long trainings run. The cell is wired as ever; the two modules
            that make `rest` compute 1 − gate:

            {code(locker)}

            `distance` is {shown(SHARPNESS)} · key − {shown(SHARPNESS * WANTED)}, which is 0 at key {shown(WANTED)}.
            The keys are {listed(KEYS)}, the values {listed(VALUES)}.
        """,
        notes={
            ("forward", "gate", hit): f"The right key: the distance is 0, the gate opens, {shown(gate[hit])}.",
            ("forward", "gate", near): f"""
                A wrong key, but a near one: {shown(gate[near])}. The gate lets a trace of its value in. A larger
                weight in front of it would make the cell pickier.
            """,
            ("forward", "gate", 0): f"A wrong key: {shown(gate[0])}, as good as shut.",
            ("forward", "memory", hit): f"The value {shown(VALUES[hit])} is taken: **{shown(memory[hit])}**.",
            ("forward", "memory", len(KEYS) - 1): f"""
                At the end the memory is **{shown(memory[-1])}**: the value {shown(VALUES[hit])}, and traces of those
                with the keys next to it.
            """,
            ("backward", "gate"): """
                Two messages meet here: one by way of `taken`, multiplied by the value, and one by way of `rest`,
                multiplied by the old memory, with a minus. So the gate is told to open where the value serves the
                loss better than what the memory holds.
            """,
            ("backward", "distance", near): """
                The slope of the bump is −2xy: not 0 here, on its flank. It is from keys that are *nearly* right that
                the cell learns where its key is.
            """,
        },
        conclusion=f"""
            **Is it right?** Never trust a derivative that nobody checked. `check_gradients(Bump(), x)` compares it
            with small nudges, as you did by hand in lesson 2. The largest error is {shown(error)}; that of the whole
            cell over time is {shown(whole)}. Write `2 * x * y`, without the minus, and it says: `{refusal}`.

            **Can it learn?** The key was set by hand above. Start a second cell with the key {shown(START)}, show it
            rows of keys and values, and tell it only which value it should have kept. After {len(losses)} steps like
            those of lesson 1 (with *Adam*, which gives every weight a step size that suits it) the loss has fallen from
            {shown(losses[0])} to {shown(losses[-1])}, and its key stands at **{shown(key_of(student))}**.

            ? What happens if the learner starts with the key far off, say at {shown(FAR)}?
            ! Then every distance is large, the gate {shown(deaf)} even for the nearest key, and the slope as small.
            No message comes through, and it learns nothing: after the same training its key is still
            {shown(key_of(lost))}. A gate that is shut for all it sees is deaf: the trouble of lesson 5 in another
            dress.

            ? You want the bump wider. Which line do you change?
            ! None. The weight of `distance` is the width, and it is learnt like any other: {shown(SHARPNESS)} at the
            start, {shown(float(student.cell.node("distance").module.weight[0, 0]))} after the training above.
        """,
    )
