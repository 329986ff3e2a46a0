"""An RNN is a feed-forward network with inputs in the middle: three layers that share their weights."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "An RNN is a feed-forward network with inputs in the middle"
ABOUT = "Three layers with the same weights, each with an input of its own; then the same as one cell, run three times."

XS, STATE = [1.0, 0.0, 0.0], 0.0
READ, KEEP = 1.0, 0.8


def unrolled(read: nn.Linear, keep: nn.Linear) -> GModule:
    h0 = nn.Identity()()
    x1, x2, x3 = nn.Identity()(), nn.Identity()(), nn.Identity()()

    kept1, seen1 = keep(h0), read(x1)
    h1 = nn.Tanh()(nn.CAddTable()([kept1, seen1]))

    kept2, seen2 = keep(h1), read(x2)
    h2 = nn.Tanh()(nn.CAddTable()([kept2, seen2]))

    kept3, seen3 = keep(h2), read(x3)
    h3 = nn.Tanh()(nn.CAddTable()([kept3, seen3]))

    annotate_nodes()
    return GModule([h0, x1, x2, x3], h3)


def weights() -> list[nn.Linear]:
    """The two modules that are used again and again."""
    read, keep = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    read.weight[:], keep.weight[:] = READ, KEEP
    return [read, keep]


def page() -> Walkthrough:
    read, keep = weights()
    network = unrolled(read, keep)
    input = [np.array([[number]]) for number in (STATE, *XS)]
    network.forward(input)
    network.zero_grad_parameters()
    _, *grad_xs = (gradient.item() for gradient in network.backward(input, np.ones((1, 1))))
    h = {name: network.tape[name].output.item() for name in ("h0", "h1", "h2", "h3")}
    message = {n: network.tape[f"kept{n}"].grad_output.item() for n in (1, 2, 3)}
    shares = [message[n] * h[f"h{n - 1}"] for n in (1, 2, 3)]
    arrives = network.tape["h2"].grad_output.item()
    return walkthrough(
        network,
        input,
        title=f"Lesson 3: {TITLE}",
        introduction=f"""
            Words, tunes and prices come one after the other. How does a network read a sequence? Take an ordinary
            network of three *layers*, `h1`, `h2`, `h3`: each a weighted sum and a curve, like the neuron of lesson 1,
            that feeds the next one. It is called feed-forward, for values only go on. Give each layer one input more,
            the next number of the sequence. And let all layers use *the same weights*. That is a recurrent neural
            network, an RNN:

            {code(unrolled)}

            `read` and `keep` are each made once and called three times; the picture marks the boxes that share their
            weights. `read` multiplies by {shown(READ)}, `keep` by {shown(KEEP)}. The sequence is {listed(XS)}: one
            signal, then silence. What will be left of it at the end?
        """,
        notes={
            ("forward", "h0"): "Before anything was read, the state is 0: the network knows nothing.",
            ("forward", "h1"): f"""
                tanh({shown(KEEP)} · {shown(STATE)} + {shown(READ)} · {shown(XS[0])}) = **{shown(h["h1"])}**. The
                curve of this network is tanh, which is shaped like the sigmoid but goes from −1 to 1. The state now
                tells of the first input.
            """,
            ("forward", "h2"): f"""
                Nothing new was read; what is here is memory: tanh({shown(KEEP)} · {shown(h["h1"])}) =
                **{shown(h["h2"])}**.
            """,
            ("forward", "h3"): f"""
                The signal is two layers deep now and still there, but weaker: **{shown(h["h3"])}**. The memory of an
                RNN is nothing but this: a number that is passed on, and squeezed at every step.
            """,
            "loss": "Let the loss be `h3` itself. So backward asks: what did each input do for the last state?",
            ("backward", "h3"): f"""
                The message 1 is multiplied by the slope of the curve, 1 − h3² = {shown(1 - h["h3"] ** 2)}.
            """,
            ("backward", "h2"): f"""
                Count what happened to the message since `h3`: the curve's slope, times the weight of `keep`:
                {shown(message[3])} · {shown(KEEP)} = **{shown(arrives)}**. The same will happen again on the way to
                `h1`. Every step back in time multiplies once more.
            """,
            ("backward", "x3"): f"The last input is near: its message is {shown(grad_xs[2])}.",
            ("backward", "x2"): f"One step further back: {shown(grad_xs[1])}.",
            ("backward", "x1"): f"""
                Two steps back: **{shown(grad_xs[0])}**. Near inputs are heard well, far ones faintly:
                {listed(reversed(grad_xs))}. With a hundred steps nothing would be left; lesson 5 is about that.
            """,
        },
        conclusion=f"""
            **Where the weights learn.** `keep` was used three times, at `kept1`, `kept2` and `kept3`. Each time its
            weight gets the message times its input, as in lesson 1, and the three shares add up, as in lesson 2:
            {" + ".join(map(shown, shares))} = {shown(keep.grad_weight.item())}. Nothing new had to be invented. What
            is called *backpropagation through time* is this walk back through the picture.

            [On to the second page](lesson_3_page_2.html): a sequence of a thousand numbers would need a picture a
            thousand layers deep. So the cell is wired once, and run a thousand times.

            ? In which way is this more than a feed-forward network of three layers?
            ! In two: each layer has an input of its own, and all layers have the same weights. So it can be made as
            long as the sequence is, without a single weight more.
        """,
    )
