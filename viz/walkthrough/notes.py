"""Notes: an author's texts, found for each step of a walkthrough."""

from __future__ import annotations

from typing import Any

from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Module
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.scene import Box
from nodegraph.viz.walkthrough import prose
from nodegraph.viz.walkthrough.recording import Recorder

PHASES = ("forward", "backward")
FORMS = 'a name, a node, "loss", (phase, name) or (phase, name, t) with "forward" or "backward" as the phase'


class Notes:
    """The notes, each a triple of box, phase and step in time; None stands for all of them, a box of None for the loss.

    Raises ArgumentError for a key that leads nowhere.
    """

    def __init__(
        self, notes: dict[Any, str], model: Module, walked: GModule | Recurrent, recorder: Recorder, steps: int | None
    ) -> None:
        if not isinstance(notes, dict):
            raise ArgumentError(f"notes must be a dictionary from {FORMS} to a text, got {notes!r}")
        self.steps, self.twins = steps, _twins(model, walked)
        self.named: dict[str, list[Box]] = {}
        self.of_node: dict[Node, list[Box]] = {}
        for box in recorder.scene.boxes:
            if box.kind != "output" or box.name:
                self.named.setdefault(box.name or box.module, []).append(box)
            if box.node is not None:
                self.of_node.setdefault(box.node, []).append(box)
                if box.node.name:
                    self.named.setdefault(box.node.name, []).append(box)
        self.found: list[tuple[Box | None, str | None, int | None, list[Any]]] = []
        for key, text in notes.items():
            blocks = prose.blocks(text, f"the note for {key!r}")
            self.found += [(*place, blocks) for place in self._places(key)]

    def of(self, box: Box | None, phase: str) -> list[dict[str, Any]]:
        """The notes for a box in a phase, as JSON: each text, with its step in time where it is for one alone."""
        chosen = [(t, blocks) for at, of, t, blocks in self.found if at is box and of in (None, phase)]
        return [{"text": blocks, **({} if t is None else {"t": t})} for t, blocks in chosen]

    def _places(self, key: Any) -> list[tuple[Box | None, str | None, int | None]]:
        if key == "loss" and "loss" not in self.named:
            return [(None, None, None)]
        phase, who, t = None, key, None
        if isinstance(key, tuple) and len(key) in (2, 3):
            phase, who, t = (*key, None)[:3]
            if phase not in PHASES or (len(key) == 3 and not self._is_step(t)):
                raise ArgumentError(f"the note for {key!r} leads nowhere: a key is {FORMS}")
        if isinstance(who, Node):
            boxes = self.of_node.get(self.twins.get(who, who))
        else:
            boxes = self.named.get(who) if isinstance(who, str) else None
        if not boxes:
            names = ", ".join(sorted(self.named))
            raise ArgumentError(f"the note for {key!r} leads nowhere: a key is {FORMS}; the names are {names}")
        return [(box, phase, t) for box in dict.fromkeys(boxes)]

    def _is_step(self, t: Any) -> bool:
        return self.steps is not None and isinstance(t, int) and 0 <= t < self.steps


def _twins(model: Module, walked: Module) -> dict[Node, Node]:
    """Each node of the user's model, and of the graphs inside it, with the one in the copy that is walked."""
    graphs = [[m for m in whole.list_modules() if isinstance(m, GModule)] for whole in (model, walked)]
    if len(graphs[0]) < len(graphs[1]):
        graphs[1] = graphs[1][1:]
    return {mine: twin for one, other in zip(*graphs) for mine, twin in zip(one.nodes, other.nodes)}
