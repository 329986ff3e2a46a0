"""A neuron and its graph: a weighted sum, a curve, a loss, and what each weight is told."""

from __future__ import annotations

import numpy as np

from nodegraph import GModule, annotate_nodes, nn
from nodegraph.viz import walkthrough
from nodegraph.viz.lessons.text import code, listed, shown
from nodegraph.viz.walkthrough import Walkthrough

TITLE = "A neuron and its graph"
ABOUT = "A weighted sum and a curve. What forward computes, what a loss is, and how the weights learn from it."

X, TARGET, RATE = np.array([[3.0, 2.0]]), np.array([[1.0]]), 0.5


def neuron() -> GModule:
    x = nn.Identity()()
    total = nn.Linear(2, 1)(x)
    y = nn.Sigmoid()(total)

    annotate_nodes()
    return GModule(x, y)


def page() -> Walkthrough:
    network, criterion = neuron(), nn.MSECriterion()
    linear = network.node("total").module
    linear.weight[:], linear.bias[:] = [[1, -2]], [0.5]

    y = network.forward(X).item()
    loss = criterion.forward(network.output, TARGET)
    network.zero_grad_parameters()
    network.backward(X, criterion.backward(network.output, TARGET))
    ((w_sun, w_wind),), (b,) = linear.weight, linear.bias
    total, grad_y, grad_total = (
        network.tape["total"].output.item(),
        network.tape["y"].grad_output.item(),
        network.tape["total"].grad_output.item(),
    )
    calm = neuron().node("y").module.forward(np.array(w_sun * X[0, 0] + b)).item()

    learner = network.clone()
    after = []
    for _ in range(10):
        learner.forward(X)
        learner.zero_grad_parameters()
        learner.backward(X, criterion.backward(learner.output, TARGET))
        learner.update_parameters(RATE)
        after.append((learner.node("total").module.weight[0, 0], learner.forward(X).item()))

    return walkthrough(
        network,
        X,
        criterion=criterion,
        target=TARGET,
        title=f"Lesson 1: {TITLE}",
        introduction=f"""
            A neuron is a weighted sum and a curve. This one guesses whether we go swimming today. Its input `x` is
            two numbers: {shown(X[0, 0])} hours of sun, and wind of strength {shown(X[0, 1])}.

            {code(neuron)}

            `nn.Identity()()` is an input. Every other line makes a *module*, such as `nn.Linear(2, 1)`, and calls it
            on what feeds it. Such a call computes nothing yet: it draws a box and an arrow. `annotate_nodes()` writes
            the names of the variables on the boxes, and `GModule` closes the graph. Now it can run.

            Press **next**. Values run forward, from the input to the answer. Then the *loss* says how wrong the
            answer is. Then *gradients* run backward. A gradient is a slope: by how much the loss grows when a number
            grows by a little. It tells each weight which way to move.
        """,
        notes={
            ("forward", "x"): """
                The shape (1, 2) reads: one example, two numbers. Many examples would be many rows, and all that
                follows would be done for each row.
            """,
            ("forward", "total"): f"""
                One weight for each input, and a bias: {shown(w_sun)} · {shown(X[0, 0])} + ({shown(w_wind)}) ·
                {shown(X[0, 1])} + {shown(b)} = {shown(total)}. Sun speaks for going, wind against it. The weights `W`
                and the bias `b` are what a network learns; nothing else in it ever changes. Here they were set by
                hand, so there is something left to learn.
            """,
            ("forward", "y"): f"""
                The curve turns any number into one between 0 and 1, here {shown(total)} into **{shown(y)}**. It is
                the *sigmoid*, σ(x) = 1 / (1 + exp(−x)): a large number gives nearly 1, a very negative one nearly 0.
                Read it as a probability: we probably stay at home.
            """,
            "loss": f"""
                But we did go: the target is {shown(TARGET[0, 0])}. The loss is the squared distance, ({shown(y)} −
                {shown(TARGET[0, 0])})² = **{shown(loss)}**. To learn is to make this number small.

                Backward starts here with the loss's slope, 2 (y − {shown(TARGET[0, 0])}) = {shown(grad_y)}: let `y`
                grow by a little, and the loss *falls* by {shown(-grad_y)} times as much. This is the first *message*;
                so we call a gradient on its way back.
            """,
            ("backward", "y"): f"""
                The slope of the curve at this place is y (1 − y) = {shown(y * (1 - y))}. (Take the derivative of the
                sigmoid, and write y for it again.) The message that came in is multiplied by it, as the chain rule
                says: {shown(grad_y)} · {shown(y * (1 - y))} = **{shown(grad_total)}**.
            """,
            ("backward", "total"): f"""
                Here the weights hear what they are to do. Each gets the message times *its own input*:
                {shown(grad_total)} · {shown(X[0, 0])} = {shown(linear.grad_weight[0, 0])} for the sun,
                {shown(grad_total)} · {shown(X[0, 1])} = {shown(linear.grad_weight[0, 1])} for the wind. Both are
                negative: larger weights, smaller loss. The sun's is larger because its input had more part in it.
            """,
            ("backward", "x"): f"""
                The message goes through the weights to the inputs: {shown(grad_total)} · {shown(w_sun)} and
                {shown(grad_total)} · ({shown(w_wind)}). Nobody can change the weather. But if another neuron stood
                here, this is what it would be told, and so networks of many layers learn.
            """,
        },
        conclusion=f"""
            **Learning is one more line.** `network.update_parameters({RATE})` moves every weight against its
            gradient, by {RATE} times as much: the sun's to {shown(w_sun)} − {RATE} ·
            ({shown(linear.grad_weight[0, 0])}) = {shown(after[0][0])}. The same neuron now answers
            {shown(after[0][1])} instead of {shown(y)}. After {len(after)} such steps, forward, backward, update, it
            answers {shown(after[-1][1])}:

                {listed(answer for _, answer in after)}

            ? What would the neuron say on a day without wind?
            ! {shown(w_sun)} · {shown(X[0, 0])} + {shown(b)} = {shown(w_sun * X[0, 0] + b)}, and the curve makes
            {shown(calm)} of it. We go.

            ? Suppose the wind had been 0. What would its weight learn from this day?
            ! Nothing. Its gradient is the message times its input, and that is 0. A weight whose input is silent has
            no part in the answer, so it gets no blame and no praise.
        """,
    )
