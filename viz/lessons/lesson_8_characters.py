"""From a cell to a character model: wired, trained in a second on brackets, and what its memory holds."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, Recurrent, annotate_nodes, nn, seed
from nodegraph.optim import Adam
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "From a cell to a character model"
ABOUT = "An LSTM of three units reads brackets, guesses what comes next, and learns to remember which one to close."

VOCABULARY, PAIRS, LAST_DOT = "()[].", ["()", "[]"], 0.25
HIDDEN, STEPS, BATCH, ITERATIONS, RATE, SEED = 3, 16, 16, 200, 0.1, 16
READ = "[.....](...)[.]"


def character_model(n: int, hidden: int) -> GModule:
    character = nn.Identity()()
    prev_c, prev_h = nn.Identity()(), nn.Identity()()
    x = nn.OneHot(n)(character)
    seen = nn.JoinTable(1)([x, prev_h])

    candidate = nn.Tanh()(nn.Linear(n + hidden, hidden)(seen))
    in_gate = nn.Sigmoid()(nn.Linear(n + hidden, hidden)(seen))
    forget_gate = nn.Sigmoid()(nn.Linear(n + hidden, hidden)(seen))
    out_gate = nn.Sigmoid()(nn.Linear(n + hidden, hidden)(seen))

    kept = nn.CMulTable()([forget_gate, prev_c])
    added = nn.CMulTable()([in_gate, candidate])
    next_c = nn.CAddTable()([kept, added])
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])

    scores = nn.Linear(hidden, n)(next_h)
    log_probabilities = nn.LogSoftMax()(scores)
    annotate_nodes()
    outputs = [next_c, next_h, log_probabilities]
    return GModule([character, prev_c, prev_h], outputs)


def brackets(length: int, generator: np.random.Generator) -> str:
    """Round and square brackets in random order with dots inside; a dot is the last one with probability LAST_DOT."""
    text = ""
    while len(text) < length:
        left, right = PAIRS[generator.integers(2)]
        text += left + "." * generator.geometric(LAST_DOT) + right
    return text[:length]


def encoded(text: str) -> np.ndarray:
    return np.array([VOCABULARY.index(character) for character in text])


def states(batch: int) -> list[np.ndarray]:
    return [np.zeros((batch, HIDDEN)), np.zeros((batch, HIDDEN))]


def loss_on(network: Recurrent, texts: np.ndarray, criterion: nn.ClassNLLCriterion) -> float:
    """The loss of guessing in rows of texts (steps + 1, batch) each next character, and its gradients."""
    log_probabilities, *_ = network.forward([texts[:-1], *states(texts.shape[1])])
    rows, targets = log_probabilities.reshape(-1, len(VOCABULARY)), texts[1:].ravel()
    loss = criterion.forward(rows, targets)
    network.zero_grad_parameters()
    gradient = criterion.backward(rows, targets).reshape(log_probabilities.shape)
    network.backward([texts[:-1], *states(texts.shape[1])], [gradient, None, None])
    return loss


def train(network: Recurrent, generator: np.random.Generator) -> list[float]:
    """Adam on fresh brackets; gives the losses."""
    optimizer, criterion, losses = Adam(network.get_parameters(), learning_rate=RATE), nn.ClassNLLCriterion(), []
    for _ in range(ITERATIONS):
        texts = np.array([encoded(brackets(STEPS + 1, generator)) for _ in range(BATCH)]).T
        losses.append(loss_on(network, texts, criterion))
        optimizer.step()
    return losses


def write(cell: GModule, length: int, generator: np.random.Generator) -> str:
    """Text that the model writes: each character drawn with the probability that it was given, and read again."""
    text, state = "(", states(1)
    while len(text) < length:
        *state, log_probabilities = cell.forward([encoded(text[-1]), *state])
        text += VOCABULARY[generator.choice(len(VOCABULARY), p=np.exp(log_probabilities[0]))]
    return text


def with_forget_gate_shut(network: Recurrent) -> Recurrent:
    other = network.clone()
    linear = other.cell.node("forget_gate").parents[0].module
    linear.weight[:], linear.bias[:] = 0, -10
    return other


def surprise() -> float:
    """What it costs on average that nobody knows which dot is the last."""
    return -(LAST_DOT * np.log(LAST_DOT) + (1 - LAST_DOT) * np.log(1 - LAST_DOT))


def least_losses() -> tuple[float, float]:
    """The least loss that is possible, with memory and without."""
    dots = 1 / LAST_DOT
    pair = np.log(2) + dots * surprise()  # Which one opens, and after each dot whether it was the last.
    return pair / (dots + 2), (pair + np.log(2)) / (dots + 2)


def page() -> Walkthrough:
    seed(SEED)
    network = Recurrent(character_model(len(VOCABULARY), HIDDEN), compiled=False)
    before = write(network.cell, 36, np.random.default_rng(1))
    losses = train(network, np.random.default_rng(SEED))
    after = write(network.cell, 36, np.random.default_rng(1))
    generator = np.random.default_rng(0)
    fresh = np.array([encoded(brackets(501, generator)) for _ in range(40)]).T
    tested = [loss_on(n, fresh, nn.ClassNLLCriterion()) for n in (network, with_forget_gate_shut(network))]
    best, forgetful = least_losses()

    input, target = [encoded(READ[:-1])[:, None], *states(1)], encoded(READ[1:])[:, None]
    network.forward(input)
    c, f = (network.tape[name].output[:, 0] for name in ("next_c", "forget_gate"))
    chances = np.exp(network.tape["log_probabilities"].output[:, 0])
    square, round_ = READ.index("[") + 4, READ.index("(") + 2  # Some dots after each was opened.
    closing = VOCABULARY.index("]"), VOCABULARY.index(")")
    inside = [t for t in range(len(c)) if READ[t] == "."]
    in_square = np.array([READ[:t].rfind("[") > READ[:t].rfind("(") for t in inside])
    unit = int(np.argmax([tells_apart(of_unit, in_square) for of_unit in c[inside].T]))
    row, opening = ("first", "second", "third")[unit], READ.index("(")

    return walkthrough(
        network,
        input,
        criterion=nn.ClassNLLCriterion(),
        target=target,
        labels=list(READ[:-1]),
        over_time=["next_c", "in_gate", "forget_gate", "out_gate", "next_h"],
        title=f"Lesson 8: {TITLE}",
        introduction=f"""
            A character model reads a text and says, after each character, how probable every other one is to come
            next. This one reads brackets:

                {brackets(48, np.random.default_rng(3))}

            After each dot there may be one more, or the bracket closes; nobody can know. But *which* bracket it will
            be, round or square, can be known: one has to remember what was opened, however many dots ago. That is a
            task for a memory.

            {code(character_model)}

            In the middle is the LSTM of lesson 4, with {HIDDEN} units instead of one. New are the ends. `OneHot`
            makes numbers of a character: a 1 in its place, 0 elsewhere. `scores` is one number for each character
            that may come next, and `LogSoftMax` turns the scores into logarithms of probabilities: it raises e to the
            power of each, divides by their sum, and takes the logarithm.

            Nothing here was set by hand. The weights were random, and were trained while this page was made, by
            {ITERATIONS} steps like those of lesson 1: run forward on fresh brackets, take the loss, run backward, move
            every weight a little, by Adam as in lesson 7.
        """,
        notes={
            ("forward", "character"): f"""
                A character as its place, counted from 0, among
                {", ".join(f"`{character}`" for character in VOCABULARY)}.
            """,
            ("forward", "next_c", square): f"""
                The {row} number is {shown(c[square, unit])}. That is how this network says to itself: *the bracket is
                square*. It will say so until the bracket closes.
            """,
            ("forward", "next_c", round_): f"""
                The {row} number is {shown(c[round_, unit])} now: *the bracket is round*.
            """,
            ("forward", "forget_gate", square): f"""
                The {row} gate is open, {shown(f[square, unit])}: as long as there are dots, what was opened must not
                be forgotten.
            """,
            ("forward", "forget_gate", opening): f"""
                A new bracket opens, and the {row} gate shuts: {shown(f[opening, unit])}. What was remembered of the
                last one is wiped out. In lesson 4 we set such a gate by hand; this one was *learnt*.
            """,
            ("forward", "log_probabilities", square): f"""
                The chances of `]` and `)` are {listed(chances[square, closing])}. It does not know *when* the bracket
                closes, but it knows which.
            """,
            ("forward", "log_probabilities", round_): f"""
                Here the chances of `]` and `)` are {listed(chances[round_, closing])}: the other way round.
            """,
            "loss": """
                For each step: minus the logarithm of the chance that was given to the character that came. Who was
                sure, and right, pays next to nothing. The loss is the mean of that.
            """,
        },
        conclusion=f"""
            **What training did.** The first line is what the network wrote before, the second after, drawing each
            character with the chance that it gave it:

                {before}
                {after}

            The loss fell from {shown(losses[0])} to {shown(tested[0])}, measured on {fresh.size:,} characters that it
            never saw. Whoever guesses as well as one can, but does not remember what was opened, cannot come below
            {shown(forgetful)} in the long run. With a memory the limit is {shown(best)}.

            **And the forget gate?** Look at the bands of `forget_gate` [over time](#forward/forget_gate/{opening}):
            in the {row} row it shuts where a new bracket opens, and is open while the dots go on. Shut it everywhere,
            in the trained network, and the loss is {shown(tested[1])}: what was opened is forgotten with the next
            dot.

            **From here to a real one** there is nothing new, only more: a vocabulary of all characters, {HIDDEN}
            units become hundreds, one layer becomes two or three. `nodegraph train --data FILE` trains one on your
            own text, `nodegraph sample` lets it write, and `nodegraph walk CHECKPOINT --text "to be"` shows it as you
            saw this one.

            ? Why can no training bring the loss to 0? Where do the two limits come from?
            ! The text itself is partly chance, and the best that one can do is to give each possibility its true
            chance. Which bracket opens costs log 2 = {shown(np.log(2))}. Each dot may be the last one, with chance
            {shown(LAST_DOT)}, which costs −{shown(LAST_DOT)} log {shown(LAST_DOT)} − {shown(1 - LAST_DOT)} log
            {shown(1 - LAST_DOT)} = {shown(surprise())} on average. A pair of brackets has {shown(1 / LAST_DOT)} dots on
            average, so {shown(1 / LAST_DOT + 2)} characters, for which one pays {shown(np.log(2))} +
            {shown(1 / LAST_DOT)} · {shown(surprise())}: {shown(best)} for each. Who forgets what was opened pays log 2
            once more, at the close: {shown(forgetful)}.

            ? After a dot the chances of `]` and `)` together should be {shown(LAST_DOT)}. What are they here?
            ! {shown(chances[square, closing].sum())} inside the square bracket,
            {shown(chances[round_, closing].sum())} inside the round one: learnt from examples, so near, not exact.
        """,
    )


def tells_apart(values: np.ndarray, in_square: np.ndarray) -> float:
    """How well a unit tells inside which bracket the dots are: the gap between both kinds, over its spread within."""
    kinds = values[in_square], values[~in_square]
    gap = max(kinds[0].min() - kinds[1].max(), kinds[1].min() - kinds[0].max())
    return gap / (sum(np.ptp(kind) for kind in kinds) + 1e-3)
