"""Placing: goes through a model as its values do, and puts a box for each module and an edge for each value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nodegraph import nn
from nodegraph.errors import NodegraphError
from nodegraph.gmodule import GModule
from nodegraph.nn.container import Container
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.module import Module
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.boxes import Boxes, Place, What, call_text, time_step
from nodegraph.viz.runs import Run, runs_inside
from nodegraph.viz.scene import Box, Frame, Scene
from nodegraph.viz.taps import Outlet, distributed, failure, is_tap, part, shape_of, with_shape

UNFOLDED = (GModule, Recurrent, nn.Sequential, nn.ConcatTable, nn.ParallelTable, nn.Parallel, Decorator)
"""Modules whose insides a picture can show."""


class Placing(Boxes):
    """One walk through a model; what it puts is in `scene`, and `deepest` is how far modules lie in modules."""

    def __init__(self, what: What) -> None:
        super().__init__(what)
        self.deepest = 0
        self.steps: dict[int, Frame] = {}

    def model(self, model: Module, shape: Any) -> Scene:
        """The whole model, for inputs of this shape where it is known."""
        note, kept = "", model.saved if self.what.runs else None
        if isinstance(model, Recurrent):
            outlets = self.recurrent(model, None, shape, Place(), kept)[: len(model.wiring.sequences)]
            note = ", one a step"
        elif isinstance(model, GModule):
            n = len(model.inputs)
            shapes = [None] * n if shape is None else [shape] if n == 1 else shape
            outlets = self.graph(model, [None] * n, shapes, Place(), kept)
        else:
            call = model._last if self.what.runs else None
            inlet = self.input_box("input", shape, Place(), Run.of_input(call))
            outlets = [self.unfolded(model, inlet, Place(), Run.of_call(call))]
        for i, outlet in enumerate(outlets):
            text = "output" if len(outlets) == 1 else f"output {i}"
            self.put(Box("output", note=text + note), outlet, Place())
        return self.scene

    # Graphs

    def graph(
        self,
        graph: GModule,
        inlets: list[Outlet],
        shapes: list[Any],
        place: Place,
        kept: Any,
        frame_of: Callable[[int], Frame | None] | None = None,
        notes: list[str] | None = None,
    ) -> list[Outlet]:
        """The nodes of a graph; an inlet of None makes an input of the whole. Returns where its outputs come out."""
        outlets: dict[Node, Outlet] = {}
        notes = notes or (["input"] if len(graph.inputs) == 1 else [f"input {k}" for k in range(len(graph.inputs))])
        for i, (node, run) in enumerate(zip(graph.nodes, runs_inside(kept, len(graph.nodes)))):
            frame = frame_of(i) if frame_of else place.frame
            here = self.in_its_step(replace(place, node=node, frame=frame))
            if node in graph.inputs:
                k = graph.inputs.index(node)
                outlets[node] = self.graph_input(inlets[k], shapes[k], notes[k], here, run)
            else:
                parents = [outlets[parent] for parent in node.parents]
                outlets[node] = self.node(parents[0] if len(parents) == 1 else parents, here, run)
        return [outlets[node] for node in graph.outputs]

    def graph_input(self, inlet: Outlet, shape: Any, note: str, place: Place, run: Run | None) -> Outlet:
        identity = type(place.node.module) is nn.Identity
        if identity and inlet is None:
            return self.input_box(note, shape, place, run)
        if identity:
            return self.input_box("", shape_of(inlet) if shape is None else shape, place, run, inlet)
        return self.node(self.input_box(note, shape, replace(place, node=None)) if inlet is None else inlet, place, run)

    def node(self, inlet: Outlet, place: Place, run: Run | None) -> Outlet:
        """A node; the parts of a split become labels on edges, unless there is more to say about them."""
        node = place.node
        if node.part and node is not self.what.failed and not set(node.annotations) - {"name", "step"}:
            i, n = node.part
            parts = inlet if isinstance(inlet, list) else shape_of(inlet)
            if parts is None or (isinstance(parts, list) and len(parts) == n):
                return part(inlet, i, place.name)
        if self.repeats_state(place):
            return replace(inlet, name=place.name or inlet.name) if is_tap(inlet) else inlet
        return self.module(node.module, inlet, place, run)

    @staticmethod
    def repeats_state(place: Place) -> bool:
        """Whether the node only passes the state before on to its time step, and not the step's part of a sequence."""
        node = place.node
        if time_step(node) is None or type(node.module) is not nn.Identity or len(node.parents) != 1:
            return False
        return not node.parents[0].part or time_step(node.parents[0]) is not None

    def in_its_step(self, place: Place) -> Place:
        step = time_step(place.node)
        if step is None:
            return place
        frame = self.steps.setdefault(step, Frame("step", f"step {step}", parent=place.frame))
        return replace(place, frame=frame, step=step)

    def recurrent(self, model: Recurrent, inlet: Outlet, shape: Any, place: Place, kept: Any) -> list[Outlet]:
        """The cell, with its loops in frames and the feedback as edges back."""
        wiring, cell = model.wiring, model.cell
        n = len(cell.inputs)
        try:
            shapes = [None] * n if shape is None else distributed_shapes(model.at_a_step(shape)[1], n)
        except NodegraphError:
            shapes = [None] * n
        inlets, mask = ([None] * n, None) if inlet is None else self.inlets(model, inlet)
        left_out = inlet is not None and all(inlets[k] is None for k in wiring.fed_to)
        notes = [f"input {k}, one a step" for k in range(n)]
        for k in wiring.fed_to:
            start = ("kept" if model.stateful else "zeros") if left_out else f"input {k}"
            notes[k] = f"{start}, then fed back"
        frames = self.stage_frames(model, place.frame)
        first_boxes: dict[int, int] = {}

        def frame_of(i: int) -> Frame | None:
            first_boxes[i] = len(self.scene.boxes)
            return frames.get(i, place.frame)

        outlets = self.graph(cell, inlets, shapes, place, kept, frame_of, notes)
        if model.masked and inlet is None:
            given = shape[-1] if isinstance(shape, list) else None
            mask = self.input_box("lengths or mask", given, replace(place, node=None))
        for source, k in zip(wiring.fed_from, wiring.fed_to):
            state = self.scene.boxes[first_boxes[cell.input_places[k]]]
            self.connect(outlets[source], state, feedback=True)
            if mask is not None:
                self.connect(mask, state)
        return [outlets[i] for i in wiring.sequences + wiring.fed_from]

    @staticmethod
    def inlets(model: Recurrent, inlet: Outlet) -> tuple[list[Outlet | None], Outlet | None]:
        """Where the inputs of the cell come from, None for states that are left out; and the mask, if there is one."""
        n = len(model.cell.inputs)
        values = distributed(inlet, len(inlet.shape)) if is_tap(inlet) and isinstance(inlet.shape, list) else inlet
        try:
            xs, states, mask = model.wiring.given(values, model.masked)
        except NodegraphError:
            return distributed(inlet, n), None
        whole = model.wiring.cell_input(xs, [None] * (n - len(xs)) if states is None else states)
        return whole if n > 1 else [whole], mask

    def stage_frames(self, model: Recurrent, around: Frame | None) -> dict[int, Frame]:
        """The frame of each place in the cell: that of its loop, or where the schedule is shown of its stage."""
        frames: dict[int, Frame] = {}
        for number, stage in enumerate(model.stages, 1):
            if stage.loop or self.what.schedule:
                when = "step by step" if stage.loop else "once for all steps"
                title = f"{number}: {when}" if self.what.schedule else when
                frame = Frame("loop" if stage.loop else "stage", title, parent=around)
                frames.update(dict.fromkeys(stage.places, frame))
        return frames

    # Modules

    def module(self, module: Module, inlet: Outlet, place: Place, run: Run | None) -> Outlet:
        """A module: unfolded in a frame where it has modules inside and they are to be shown, else as a box."""
        if not has_inside(module):
            return self.module_box(module, inlet, place, run)
        self.deepest = max(self.deepest, place.level + 1)
        if self.what.depth is not None and place.level >= self.what.depth:
            return self.module_box(module, inlet, place, run)
        title = place.name or call_text(module)
        frame = Frame("module", title, call_text(module) if place.name else "", place.frame)
        start = len(self.scene.boxes)
        outlet = self.unfolded(module, inlet, place.inside(frame), run)
        boxes = self.scene.boxes[start:]
        if place.node is not None and place.node is self.what.failed and not any(box.problem for box in boxes):
            boxes[0].problem.append(failure(inlet, title))
        return outlet

    def unfolded(self, module: Module, inlet: Outlet, place: Place, run: Run | None) -> Outlet:
        """The modules inside a module, wired as it wires them."""
        if not has_inside(module):
            return self.module_box(module, inlet, place, run)
        kept = run.inside if run else None
        if isinstance(module, GModule):
            inlets = distributed(inlet, len(module.inputs))
            return one_or_all(self.graph(module, inlets, [None] * len(inlets), place, kept))
        if isinstance(module, Recurrent):
            outlet = one_or_all(self.recurrent(module, inlet, shape_of(inlet), place, kept))
            return with_shape(outlet, self.output_shape(module, inlet, run))
        children, runs = module.modules, runs_inside(kept, len(module))
        if isinstance(module, nn.Sequential):
            for child, child_run in zip(children, runs):
                inlet = self.module(child, inlet, place, child_run)
            return inlet
        if isinstance(module, (Decorator, nn.MapTable)):
            same = type(module).output_shape is Decorator.output_shape
            outlet = self.module(children[0], inlet if same else with_shape(inlet, None), place, runs[0])
            return outlet if same else with_shape(outlet, self.output_shape(module, inlet, run))
        return self.branches(module, inlet, place, run, runs)

    def branches(self, module: Container, inlet: Outlet, place: Place, run: Run | None, runs: list[Any]) -> Outlet:
        """Modules side by side, and what joins their outputs where they are joined."""
        n = len(module)
        if isinstance(module, nn.Parallel):
            inlets = [with_shape(each, None) for each in distributed(with_shape(inlet, None), n)]
        elif isinstance(module, nn.ParallelTable):
            inlets = distributed(inlet, n)
        else:
            inlets = [inlet] * n
        outlets = [self.module(module.modules[i], inlets[i], place, runs[i]) for i in range(n)]
        if not isinstance(module, (nn.Concat, nn.Parallel)):
            return outlets
        join = Box("general", module="join", shape=self.output_shape(module, inlet, run))
        return self.put(join, outlets, place, None)


def has_inside(module: Module) -> bool:
    """Whether a picture can show what is inside the module, and there is something."""
    if not isinstance(module, UNFOLDED) or module.own_parameter_names():
        return False
    return not isinstance(module, Container) or len(module) > 0


def one_or_all(outlets: list[Outlet]) -> Outlet:
    return outlets[0] if len(outlets) == 1 else outlets


def distributed_shapes(shape: Any, n: int) -> list[Any]:
    return [shape] if n == 1 else shape
