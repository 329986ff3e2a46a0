"""Boxes: one for each module or end of a graph, filled with all that there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nodegraph import nn
from nodegraph import parameters as flat
from nodegraph.gmodule import GModule
from nodegraph.nn.container import Container
from nodegraph.nn.module import Module
from nodegraph.nn.view import ViewModule
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.equations import equation, generic_names, gradient_equations, tells_inputs_apart
from nodegraph.viz.runs import Run, is_bad, summary
from nodegraph.viz.scene import Box, Edge, Frame, Scene
from nodegraph.viz.taps import Outlet, Tap, came_in, failure, is_tap, shape_of, taps

MOST_TOLD_APART = 12
"""Of more inputs the places are not written at the edges, where they would hide each other."""


@dataclass
class What:
    """What of a model to show; with `runs` by what its last run left."""

    backward: bool = False
    shapes: bool = False
    values: bool = False
    runs: bool = False
    schedule: bool = False
    depth: int | None = None
    failed: Node | None = None


@dataclass(frozen=True)
class Place:
    """Where in the picture something is put, and for which node of a graph, if for one."""

    frame: Frame | None = None
    level: int = 0
    step: int | None = None
    node: Node | None = None

    @property
    def name(self) -> str | None:
        """The node's name, in a time step without the number of the step."""
        name = self.node.name if self.node else None
        step = time_step(self.node) if self.node else None
        return name if name is None or step is None else name.removesuffix(f" {step}")

    def inside(self, frame: Frame) -> Place:
        """The place within a frame that takes the node's place."""
        return replace(self, frame=frame, level=self.level + 1, node=None)


class Boxes:
    """Puts boxes and edges into a scene."""

    def __init__(self, what: What) -> None:
        self.what, self.scene = what, Scene()

    def module_box(self, module: Module, inlet: Outlet, place: Place, run: Run | None) -> Tap:
        """A module as one box, with the edges that lead to it."""
        box = Box(kind(module), module=call_text(module))
        names = operands(module, inlet)
        if names and self.what.backward:
            box.equation = gradient_equations(module, len(names))
        elif names:
            box.equation = [line for line in [equation(module, names)] if line]
        box.parameters = {flat.key(array): array for array in module.parameters()[0]}
        box.shape = self.output_shape(module, inlet, run, box)
        if self.has_failed(module, place) and not box.problem:
            box.problem.append(failure(inlet))
        return self.put(box, inlet, place, run, self.positions(module, inlet, names, box))

    def positions(self, module: Module, inlet: Outlet, names: list[str | None], box: Box) -> list[str]:
        """What to call the places of the inputs at their edges, where nothing else tells them apart."""
        if not isinstance(inlet, list) or not 2 <= len(inlet) <= MOST_TOLD_APART or not tells_inputs_apart(module):
            return []
        told_by_name = all(names) and box.equation and box.equation != [equation(module, [None] * len(names))]
        return [] if told_by_name and not self.what.backward else generic_names(len(inlet))

    def input_box(self, note: str, shape: Any, place: Place, run: Run | None = None, inlet: Outlet = ()) -> Tap:
        """An input of the whole, or, with an inlet, of a graph inside."""
        return self.put(Box("input", note=note, shape=run.shape if run and shape is None else shape), inlet, place, run)

    def put(
        self, box: Box, inlet: Outlet, place: Place, run: Run | None = None, positions: list[str] | None = None
    ) -> Tap:
        """Add a box with what its place and its run tell, and the edges to it; returns where its value comes out."""
        self.scene.boxes.append(box)
        box.frame, box.step, box.name = place.frame, place.step, place.name
        if place.node:
            notes = place.node.annotations
            box.node, box.where = place.node, place.node.place
            box.description = notes.get("description") or ""
            box.attributes = dict(notes.get("graph_attributes") or {})
        value = None if run is None else run.grad_output if self.what.backward else run.output
        if self.what.values and run:
            box.values = [("no gradient", False)] if value is None else summary(value)
        if not self.what.shapes and not box.problem:
            shape, box.shape = box.shape, None
        else:
            shape = box.shape
        self.connect(inlet, box, positions)
        return Tap(box, place.name, "", shape, self.what.values and value is not None and is_bad(value))

    def connect(self, outlet: Outlet, box: Box, positions: list[str] | None = None, feedback: bool = False) -> None:
        """Edges from where a value comes out to a box."""
        for tap, position in taps(outlet, positions or []):
            shape = tap.shape if self.what.shapes or box.problem else None
            self.scene.edges.append(Edge(tap.box, box, tap.part, shape, position, feedback, tap.bad))

    def output_shape(self, module: Module, inlet: Outlet, run: Run | None, box: Box | None = None) -> Any:
        """The shape of a module's output, None where it is not known; a refusal is written on the box."""
        if run:
            return run.shape
        shape = shape_of(inlet)
        if shape is None:
            return None
        try:
            return module.output_shape(shape)
        except Exception as error:
            unknown = isinstance(error, NotImplementedError) or isinstance(error.__cause__, NotImplementedError)
            if box is not None and not unknown:
                box.problem += [f"got {came_in(inlet)}", *str(error).splitlines()[:1]]
            return None

    def has_failed(self, module: Module, place: Place) -> bool:
        """Whether the node at fault is here, or in a graph within the module."""
        graphs = [inner for inner in module.list_modules() if isinstance(inner, GModule)]
        failed = self.what.failed
        return failed is not None and (place.node is failed or any(failed in graph.nodes for graph in graphs))


def operands(module: Module, inlet: Outlet) -> list[str | None]:
    """What the inputs of a module are called, None for those without a name; empty if their number is unknown."""
    if isinstance(inlet, list):
        return [tap.name if is_tap(tap) else None for tap in inlet]
    arity = module.arity if isinstance(module, nn.Pointwise) else None if isinstance(module, nn.JoinTable) else 1
    if arity == 1:
        return [inlet.name]
    n = len(inlet.shape) if isinstance(inlet.shape, list) else arity
    return [f"{inlet.name}[{i}]" if inlet.name else None for i in range(n or 0)]


def time_step(node: Node) -> int | None:
    """The step that a node of an unrolled graph is in; None for others, whatever a file calls their step."""
    step = node.annotations.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) and step >= 0 else None


def kind(module: Module) -> str:
    if isinstance(module, (GModule, Recurrent, Container)):
        return "folded"
    if module.parameters()[0]:
        return "parametrised"
    if isinstance(module, ViewModule):
        return "view"
    return "pointwise" if isinstance(module, nn.Pointwise) else "general"


def call_text(module: Module) -> str:
    """A module's class and arguments in a line."""
    if isinstance(module, GModule):
        return f"GModule of {len(module.nodes)} nodes"
    if isinstance(module, Recurrent):
        return "Recurrent"
    if isinstance(module, Container):
        args, kwargs = module.arguments
        plain = not any(isinstance(value, Module) for value in (*args, *kwargs.values()))
        return Module.__repr__(module).removesuffix("()") if plain else type(module).__name__
    return repr(module).removesuffix("()")
