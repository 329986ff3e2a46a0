"""Grouping: what is done with a model of too many modules for one picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from nodegraph.nn.module import Module
from nodegraph.viz.boxes import What
from nodegraph.viz.placing import Placing
from nodegraph.viz.scene import Box, Edge, Scene

MOST, LONGEST = 1000, 15_000
"""More boxes, or longer edges all together, are folded: nobody can read them, and Graphviz takes minutes."""

LONGEST_AMONG_GROUPS = 3000
"""Groups are made larger while the edges among them are longer than this."""

GROUPS, STEPS = 100, 24
"""Into about so many boxes, or boxes of time steps, where the model has no parts of its own to fold."""


def fits(scene: Scene, longest: int = LONGEST) -> bool:
    return len(scene.boxes) <= MOST and scene.length() <= longest


def fitting(model: Module, shapes: Any, what: What) -> Scene:
    """The scene of a model, folded as far as it takes to have no more than `MOST` boxes.

    A note under the picture tells of it.
    """
    placing = Placing(what)
    scene = placing.model(model, shapes)
    count = len(scene.boxes)
    for depth in reversed(range(placing.deepest if what.depth is None else min(placing.deepest, what.depth))):
        if fits(scene):
            break
        scene = Placing(replace(what, depth=depth)).model(model, shapes)
        scene.notes = [f"{count:,} modules, folded at depth {depth}"]
    scene.mark_first_bad(what.backward)
    groups, folded, longest = GROUPS, scene, LONGEST
    while not fits(folded, longest) and groups:
        folded, groups, longest = grouped(scene, groups), groups // 2, LONGEST_AMONG_GROUPS
    folded.tag_shared_weights()
    return folded


def grouped(scene: Scene, n: int) -> Scene:
    """The scene with its boxes in about n groups: of time steps, else of boxes that follow one another.

    Values flow from earlier boxes to later ones, so there are no cycles among such groups. Inputs, outputs, and what
    went wrong first stay boxes of their own, unless there are more than n of them.
    """
    size = -(-len(scene.boxes) // n)
    steps = {step: place for place, step in enumerate(sorted({box.step for box in scene.boxes} - {None}))}
    together = -(-len(steps) // min(STEPS, n))
    of_steps: dict[int, list[Box]] = {}
    groups: list[list[Box]] = []
    going_on = False
    wrong = {box for box in scene.boxes if box.problem or box.bad_first}
    ends = {box for box in scene.boxes if box.kind in ("input", "output")}
    few = next((boxes for boxes in (wrong | ends, wrong) if len(boxes) <= n), set())
    for box in scene.boxes:
        alone = box in few
        if box.step is not None and not alone:
            number = steps[box.step] // together
            if number not in of_steps:
                groups.append(of_steps.setdefault(number, []))
            of_steps[number].append(box)
        elif alone or not going_on or len(groups[-1]) >= size:
            groups.append([box])
        else:
            groups[-1].append(box)
        going_on = box.step is None and not alone
    note = f"{len(scene.boxes):,} modules, drawn as {len(groups)} boxes"
    found = Scene(notes=[*scene.notes, note], sideways=len(steps) > 1)
    into: dict[Box, Box] = {}
    for group in groups:
        box = group[0] if len(group) == 1 else _together(group)
        found.boxes.append(box)
        into.update(dict.fromkeys(group, box))
    seen: set[tuple[Box, Box]] = set()
    for edge in scene.edges:
        ends = into[edge.tail], into[edge.head]
        if ends[0] is not ends[1] and ends not in seen:
            seen.add(ends)
            found.edges.append(Edge(*ends, shape=edge.shape, feedback=edge.feedback, bad=edge.bad))
    for box in found.boxes:
        box.frame = box.step = None
    return found


def _together(group: list[Box]) -> Box:
    """One box that tells what is in the group: its first and last name, and how many of which modules."""
    counts = Counter(box.module.split("(")[0] or box.kind for box in group)
    names = [box.name for box in group if box.name]
    steps = sorted({box.step for box in group} - {None})
    if steps:
        title = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
    else:
        title = " … ".join(dict.fromkeys([names[0], names[-1]])) if names else ""
    parameters = {key: array for box in group for key, array in box.parameters.items()}
    what = ", ".join(f"{n} {module}" for module, n in counts.most_common(3))
    more = "" if len(counts) <= 3 else ", …"
    wrong = sum(box.is_bad for box in group)
    values = [(f"NaN or infinity in {wrong} of them", True)] if wrong else []
    module = f"{len(group)} modules: {what}{more}"
    return Box("group", name=title or None, module=module, parameters=parameters, values=values)
