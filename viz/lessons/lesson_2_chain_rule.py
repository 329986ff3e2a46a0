"""The chain rule as message passing: multiply along a path, add up where paths meet."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "The chain rule as message passing"
ABOUT = "Every box knows its own slope and nothing else. Messages run back, and each input learns its derivative."

A, B, FLAT_B, NUDGE = 2.0, 3.0, -1.0, 0.001


def graph() -> GModule:
    a, b = nn.Identity()(), nn.Identity()()
    product = nn.CMulTable()([a, b])
    total = nn.CAddTable()([product, a])
    y = nn.Square()(total)

    annotate_nodes()
    return GModule([a, b], y)


def run(network: GModule, a: float, b: float) -> float:
    return network.forward([np.array([a]), np.array([b])]).item()


def gradients(network: GModule, a: float, b: float) -> list[float]:
    run(network, a, b)
    return [gradient.item() for gradient in network.backward([np.array([a]), np.array([b])], np.ones(1))]


def page() -> Walkthrough:
    network = graph()
    y, nudged = run(network, A, B), run(network, A + NUDGE, B)
    at_flat, (grad_a, grad_b) = gradients(network, A, FLAT_B), gradients(network, A, B)
    tape = network.tape
    product, total = tape["product"].output.item(), tape["total"].output.item()
    message = tape["total"].grad_output.item()
    by_sum, by_product = message, tape["product"].grad_input[0].item()

    return walkthrough(
        network,
        [np.array([A]), np.array([B])],
        title=f"Lesson 2: {TITLE}",
        introduction=f"""
            You know the chain rule: the slope of f(g(x)) is the slope of f times the slope of g. A network is a
            function of functions of functions, and nobody wants to write its derivative out. A graph does it by
            sending messages. Here is one that computes y = (a b + a)², with `a` used twice:

            {code(graph)}

            Walk forward with **next** and keep an eye on the numbers; they fit into a head: a = {shown(A)}, b =
            {shown(B)}. Then walk backward. At each box ask three things: which message comes in? By what is it
            multiplied? Who gets it?
        """,
        notes={
            ("forward", "a"): "Two arrows leave `a`. Remember them: on the way back, two messages will arrive.",
            ("forward", "product"): f"{shown(A)} · {shown(B)} = {shown(product)}.",
            ("forward", "total"): f"{shown(product)} + {shown(A)} = {shown(total)}.",
            ("forward", "y"): f"{shown(total)}² = {shown(y)}.",
            "loss": "Here `y` itself is the loss. It grows exactly as fast as `y` does, so the first message is 1.",
            ("backward", "y"): f"""
                The message 1 comes in. A square has the slope 2 · {shown(total)} = {shown(2 * total)} here. What goes
                on is 1 · {shown(2 * total)} = **{shown(message)}**. The box need not know what comes before it or
                after it: its own slope is enough.
            """,
            ("backward", "total"): f"""
                A sum grows as fast as each of its parts: its slopes are 1. So it copies the message,
                {shown(message)}, to both.
            """,
            ("backward", "product"): f"""
                Let `a` grow by a little: the product grows {shown(B)} times as much, for it is multiplied by `b`. So
                `a` gets {shown(message)} · {shown(B)} = **{shown(by_product)}**, and `b`, the other way round,
                {shown(message)} · {shown(A)} = **{shown(grad_b)}**. Each is multiplied by *the other one*. Keep this
                in mind for the gates of lesson 4.
            """,
            ("backward", "b"): f"One path leads here, so this is its derivative: {shown(grad_b)}.",
            ("backward", "a"): f"""
                Two messages arrive: {shown(by_sum)} along the short path, from `total`, and {shown(by_product)} along
                the long one, from `product`. They add up: **{shown(grad_a)}**. That is the whole rule. *Multiply
                along a path, add up where paths meet.*
            """,
        },
        conclusion=f"""
            **Is it true?** Ask the function itself. At a = {A + NUDGE} it gives {nudged:.6f} instead of {y:g}. That
            is {nudged - y:.6f} more for {NUDGE} more of `a`: a slope of {shown((nudged - y) / NUDGE)}, and backward
            said {shown(grad_a)}. `check_gradients` does this with every module of nodegraph.

            **Why it pays.** One walk back gave the derivatives for *all* inputs, and it visited each box once.
            Nudging would need a whole run for every input, and a network has millions.

            ? Let b be {shown(FLAT_B)}. What do `a` and `b` get?
            ! Both {shown(at_flat[0])}. The product is {shown(A * FLAT_B)}, the total 0, and there a square is flat:
            its slope is 0. A message that is multiplied by 0 is gone, and nobody behind that box hears anything. A
            slope that is merely small does it more slowly. That is the trouble of lesson 5.

            ? What if the last box were `nn.Tanh()` instead of `nn.Square()`? Which boxes would have to change?
            ! None but that one. The others would get another message, and do the same with it.
        """,
    )
