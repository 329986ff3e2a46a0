"""walkthrough: runs a model forward and backward, and makes the page on which one walks through the run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import nodegraph.random
from nodegraph import nn, table
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.criterion import Criterion
from nodegraph.nn.module import Module
from nodegraph.recurrent import Recurrent
from nodegraph.viz.walkthrough import prose
from nodegraph.viz.walkthrough.content import content
from nodegraph.viz.walkthrough.loss import loss_of
from nodegraph.viz.walkthrough.notes import Notes
from nodegraph.viz.walkthrough.page import Walkthrough
from nodegraph.viz.walkthrough.picture import Picture
from nodegraph.viz.walkthrough.plain_recurrent import PlainRun
from nodegraph.viz.walkthrough.recording import record

NOWHERE = ("", 0)
"""The place of a node that no line of the user's made."""


def walkthrough(
    model: Module,
    input: Any,
    grad_output: Any = None,
    *,
    criterion: Criterion | None = None,
    target: Any = None,
    title: str | None = None,
    introduction: str | None = None,
    conclusion: str | None = None,
    notes: dict[Any, str] | None = None,
    labels: Sequence[str] | None = None,
    over_time: Sequence[str] | None = None,
    depth: int | None = None,
) -> Walkthrough:
    """A page on which one goes step by step through a run of a model, forward, loss and backward.

    `model` is a GModule, a Recurrent, or any other module; a copy of it runs, so that nothing in it changes, and not
    the random numbers either. Backward starts from `grad_output`, or from the loss that `criterion` gives for `target`;
    it takes the last output of a graph, or the first sequence of a Recurrent, its steps' rows one after the other
    (steps, batch, ...) -> (steps x batch, ...). With neither, the loss is the sum of all outputs. Of a masked Recurrent
    each state has a box more, which chooses the new state where a step counts and the old one elsewhere.

    `title`, `introduction` and `conclusion` frame the page. `notes` puts texts to steps: a key is a node's name or the
    node, for both its steps; ("forward", name) or ("backward", name) for one of them; "loss"; for a Recurrent
    ("forward", name, t) for one step in time. Texts are paragraphs with `code`, *emphasis*, **strong** and lists, see
    `prose.blocks`. `labels` names the steps in time of a Recurrent, such as the characters that it reads, and
    `over_time` the nodes that are shown over time, by default the states and the gates. Modules nested deeper than
    `depth` are folded.

    >>> x = nn.Identity()().annotate(name="x")
    >>> y = nn.Tanh()(nn.Linear(3, 2)(x).annotate(name="h")).annotate(name="y")
    >>> page = walkthrough(GModule(x, y), np.ones((1, 3)), title="A layer", notes={"y": "Where it *bends*."})
    >>> page.save("layer.html")  # doctest: +SKIP

    Raises ArgumentError for arguments that make no sense, and whatever the run raises.
    """
    if not isinstance(model, Module):
        raise ArgumentError(f"walkthrough takes a module, such as a GModule, got {model!r}")
    for name, text in (("title", title), ("introduction", introduction), ("conclusion", conclusion)):
        if text is not None and not isinstance(text, str):
            raise ArgumentError(f"{name} must be a string, got {text!r}")
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
        raise ArgumentError(f"depth must be a whole number from 0 on, or None for no limit, got {depth!r}")
    walked = as_graph(model)
    random = nodegraph.random.get_state()
    try:
        if isinstance(walked, Recurrent) and (walked.masked or walked.batch_first):
            copy.deepcopy(walked).forward(input)  # It refuses what it cannot take in its own words.
            nodegraph.random.set_state(random)
            run = PlainRun.of(walked, table.as_value(input))
            walked, input, output = run.model, run.input, run.forward()
            loss = loss_of(walked, output, run.given(grad_output), copy.deepcopy(criterion), run.steps_first(target))
            loss.grad_output = run.counted(loss.grad_output)
        else:
            output = walked.forward(input)
            loss = loss_of(walked, output, grad_output, copy.deepcopy(criterion), target)
        walked.backward(table.as_value(input), loss.grad_output)
    finally:
        nodegraph.random.set_state(random)
    if not isinstance(model, (GModule, Recurrent)):
        for node in walked.nodes:
            node.where = NOWHERE
    recorder = record(walked, depth)
    steps = walked.tape.steps if isinstance(walked, Recurrent) else None
    if labels is not None and (steps is None or len(labels) != steps or not all(isinstance(x, str) for x in labels)):
        wanted = f"{steps} strings, one for each step" if steps else "for a Recurrent only"
        raise ArgumentError(f"labels must be {wanted}, got {labels!r}")
    picture = Picture(recorder.scene)
    data = content(walked, recorder, picture, loss, Notes(notes or {}, model, walked, recorder, steps), over_time)
    data |= {
        "title": title or _title(model, steps),
        "introduction": prose.blocks(introduction),
        "conclusion": prose.blocks(conclusion),
        "labels": list(labels) if labels is not None else None,
    }
    return Walkthrough(data, picture)


def _title(model: Module, steps: int | None) -> str:
    if steps is not None:
        return f"A walk through a cell over {steps} step{'s' * (steps > 1)}"
    return f"A walk through a {f'graph of {len(model.nodes)} nodes' if isinstance(model, GModule) else model.kind}"


def as_graph(model: Module) -> GModule | Recurrent:
    """A copy that runs node by node; a module that is neither a graph nor a Recurrent becomes a graph of one node."""
    walked = copy.deepcopy(model)
    if isinstance(walked, Recurrent):
        walked.compiled = False
    if isinstance(walked, GModule):
        walked.hooks = []
    if isinstance(walked, (GModule, Recurrent)):
        return walked
    x = nn.Identity()()
    return GModule(x, walked(x))
