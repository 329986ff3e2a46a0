"""Recording: puts a model that has run into a picture, and keeps for each box and edge what went through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodegraph import nn, table
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Call, Module
from nodegraph.over_time import separate, step
from nodegraph.recurrent import Recurrent
from nodegraph.viz.boxes import Place, What, operands
from nodegraph.viz.placing import Placing
from nodegraph.viz.runs import Run
from nodegraph.viz.scene import Box, Edge
from nodegraph.viz.taps import Outlet, Tap, is_tap

MOST = 300
"""More boxes make a walkthrough that nobody walks to its end, and a page too large to send."""

UNFOLDED = (GModule, nn.Sequential, nn.ConcatTable, nn.ParallelTable)
"""Modules whose insides are walked through: those of which each module inside has one call."""


@dataclass
class Record:
    """What is known of a box: its module, the names of its inputs, and its call, or calls over time."""

    module: Module | None
    operands: list[str | None]
    calls: Call | list[Call] | None
    steps: int | None

    def at(self, what: str, t: int) -> Any:
        """The call's `input`, `output`, `grad_output` or `grad_input`, at step t of a run over time."""
        if isinstance(self.calls, list):
            return getattr(self.calls[t], what)
        value = None if self.calls is None else getattr(self.calls, what)
        return value if self.steps is None or value is None else step(separate(value, self.steps), t)


class Recorder(Placing):
    """One walk through a model; `records` has what was kept of each box, `paths` where an edge's value goes.

    A path leads into the table that the box at the edge's head takes.
    """

    def __init__(self, depth: int | None, steps: int | None) -> None:
        super().__init__(What(runs=True, depth=depth))
        self.n_steps = steps
        self.records: dict[Box, Record] = {}
        self.paths: dict[Edge, tuple[int, ...]] = {}

    def put(
        self, box: Box, inlet: Outlet, place: Place, run: Run | None = None, positions: list[str] | None = None
    ) -> Tap:
        module = place.node.module if place.node else None
        self.records[box] = Record(module, [], run.calls if run else None, self.n_steps)
        return super().put(box, inlet, place, run, positions)

    def module_box(self, module: Module, inlet: Outlet, place: Place, run: Run | None) -> Tap:
        tap = super().module_box(module, inlet, place, run)
        record = self.records[tap.box]
        record.module, record.operands = module, operands(module, inlet)
        return tap

    def connect(self, outlet: Outlet, box: Box, positions: list[str] | None = None, feedback: bool = False) -> None:
        before = len(self.scene.edges)
        super().connect(outlet, box, positions, feedback)
        self.paths.update(zip(self.scene.edges[before:], leaf_paths(outlet)))

    def node(self, inlet: Outlet, place: Place, run: Run | None) -> Outlet:
        """A part with a name, of the table that a box gives, is a box, too: so it has a step, and can be chosen."""
        if place.node.part and place.name and is_tap(inlet):
            tap = self.module_box(place.node.module, inlet, place, run)
            tap.box.module = "part {} of split({})".format(*place.node.part)
            return tap
        return super().node(inlet, place, run)

    def module(self, module: Module, inlet: Outlet, place: Place, run: Run | None) -> Outlet:
        if isinstance(module, UNFOLDED):
            return super().module(module, inlet, place, run)
        return self.module_box(module, inlet, place, run)


def record(model: GModule | Recurrent, depth: int | None) -> Recorder:
    """The model, which has run forward and backward, in a picture; folded as far as it takes to be short enough.

    Raises ArgumentError where it is too long even so.
    """
    steps = model.tape.steps if isinstance(model, Recurrent) else None
    recorder = Recorder(depth, steps)
    recorder.model(model, None)
    most = recorder.deepest if depth is None else min(recorder.deepest, depth)
    while len(recorder.scene.boxes) > MOST and most > 0:
        most -= 1
        recorder = Recorder(most, steps)
        recorder.model(model, None)
    if len(recorder.scene.boxes) > MOST:
        n = len(recorder.scene.boxes)
        raise ArgumentError(f"a walkthrough of {n:,} modules is too long to walk: take a part, of at most {MOST}")
    recorder.scene.tag_shared_weights()
    return recorder


def leaf_paths(outlet: Outlet, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The paths of the taps in an outlet, in the order of `taps.taps`."""
    if is_tap(outlet):
        yield path
    else:
        for i, inner in enumerate(outlet):
            yield from leaf_paths(inner, (*path, i))


def follow(value: Any, path: tuple[int, ...]) -> Any:
    """The value at a path in a table; None, for a gradient of zeros, has None everywhere."""
    for i in path:
        if not table.is_table(value):
            return value if value is None else None
        value = value[i]
    return value
