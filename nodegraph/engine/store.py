"""LoopStore: the compiled loops of a Recurrent, one for each stage, shape and dtype that came up lately."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

from nodegraph.engine.loop import CompiledLoop
from nodegraph.engine.plan import NotPlannable, Plan
from nodegraph.errors import NodegraphError
from nodegraph.nn.component import RUN_STATE
from nodegraph.nn.module import Module
from nodegraph.schedule import Stage

KEPT = 8
"""How many different (stage, shapes, dtype) are kept; the one not used for the longest time goes first."""


class LoopStore:
    """Lends compiled loops to runs. A loop belongs to one run until that is forgotten, for its arrays hold the run.

    Several threads may borrow at the same time. A copy starts empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: OrderedDict[tuple, list[CompiledLoop] | None] = OrderedDict()

    def __reduce__(self) -> tuple:
        return LoopStore, ()

    def lend(self, tape: Any, stage: Stage) -> CompiledLoop | None:
        """A loop for this stage of the run, or None if it must run node by node."""
        wiring = tape.wiring
        inside = set(stage.places)
        read = sorted({parent for place in stage.places for parent in wiring.cell.parent_places[place]} - inside)
        arrays = {place: tape.values[place].at(0) for place in read}
        arrays |= {place: tape.states[k] for place, k in wiring.state_of.items() if place in inside}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            return None
        modules = [wiring.cell.nodes[place].module for place in stage.places]
        types = {array.dtype for array in arrays.values()} | {p.dtype for m in modules for p in m.parameters()[0]}
        if len(types) != 1 or next(iter(types)) not in (np.float32, np.float64):
            return None
        shapes = {place: array.shape for place, array in arrays.items()}
        key = (stage, tape.steps, next(iter(types)), tuple(shapes.items()), tuple(map(_fingerprint, modules)))
        with self._lock:
            if key not in self._free:
                self._make(key, wiring, stage, shapes)
            self._free.move_to_end(key)
            free = self._free[key]
            if free is None:
                return None
            loop = free.pop() if free else CompiledLoop(Plan(wiring, stage.places, shapes), tape.steps, key[2])
        weakref.finalize(tape, free.append, loop)
        return loop

    def _make(self, key: tuple, wiring: Any, stage: Stage, shapes: dict[int, tuple[int, ...]]) -> None:
        try:
            self._free[key] = [CompiledLoop(Plan(wiring, stage.places, shapes), key[1], key[2])]
        except (NotPlannable, NodegraphError):
            self._free[key] = None
        while len(self._free) > KEPT:
            self._free.popitem(last=False)


def _fingerprint(module: Module) -> tuple:
    """What a module's compiled form depends on: itself, and the numbers in it, such as a constant."""
    numbers = (int, float, bool, str, tuple, type(None))
    ignored = {"arguments", *RUN_STATE}
    settings = [(name, v) for name, v in vars(module).items() if isinstance(v, numbers) and name not in ignored]
    return (id(module), *settings)
