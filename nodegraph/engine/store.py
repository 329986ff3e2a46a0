"""ProgramStore: the compiled programs of a graph, one for each part, shape and dtype that came up lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine import compiling
from nodegraph.engine.bases import Key, NotPlannable
from nodegraph.engine.plan import Plan
from nodegraph.engine.program import Program
from nodegraph.engine.settings import Settings
from nodegraph.errors import NodegraphError
from nodegraph.nn.module import Module
from nodegraph.replay import KeptStates, kept_states

KEPT = 32
"""How many different (part, steps, shapes) are kept; the one not used for the longest time goes first."""


class ProgramStore:
    """Lends programs to runs. A program belongs to one run until its loan is forgotten, for its arrays hold the run.

    Several threads may borrow at the same time. A copy starts empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return ProgramStore, ()

    def lend(
        self,
        graph: Any,
        places: Sequence[int],
        inputs: dict[Key, Any],
        fed: dict[int, int],
        returned: list[int],
        steps: int,
        backward: bool,
        allowed: Callable[[], bool] = lambda: True,
    ) -> Loan | None:
        """A program for these nodes of the graph, or None if they must run node by node.

        `inputs` has for each key the value at one step; for the rest see Plan and Program. Whether it may be made is
        asked of `allowed` once for all runs of the same shapes.
        """
        key = (places, steps, backward, tuple([(name, _signature(value)) for name, value in inputs.items()]))
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not entry.settings.hold():
                with compiling.without_collecting():
                    entry = self._entries[key] = _Entry(graph, places, inputs, fed, returned, steps, backward)
                    entry.make_first(allowed)
                while len(self._entries) > KEPT:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
            program = entry.lent()
            kept = kept_states(entry.stateful)
        return None if program is None else Loan(program, entry.free, kept)


class Loan:
    """A program while it is lent. It goes back when nothing holds the loan any more.

    `kept` has the states that the stateful modules among its nodes begin with.
    """

    __slots__ = ("program", "kept", "_free")

    def __init__(self, program: Program, free: list[Program], kept: KeptStates) -> None:
        self.program, self.kept, self._free = program, kept, free

    def __del__(self) -> None:
        self._free.append(self.program)


class _Entry:
    """The programs for some nodes and one set of shapes, while the settings of the modules hold."""

    def __init__(
        self,
        graph: Any,
        places: Sequence[int],
        inputs: dict[Key, Any],
        fed: dict[int, int],
        returned: list[int],
        steps: int,
        backward: bool,
    ) -> None:
        self.settings, self.free, self.plannable = Settings([graph.nodes[place] for place in places]), [], False
        self.stateful = [module for module, _ in kept_states(graph.nodes[place].module for place in places)]
        graph = graph.extended([], list(graph.inputs), list(graph.outputs))  # The graph itself holds its last run.
        dtype = _dtype(inputs, [graph.nodes[place].module for place in places])
        shaped = {key: table.map(_stand_in, value) for key, value in inputs.items()}
        self._make = lambda: Program(Plan(graph, places, shaped, fed, returned, dtype), steps, backward)

    def make_first(self, allowed: Callable[[], bool]) -> None:
        """Make the first program; where it cannot be made, or may not, the nodes run one by one."""
        try:
            if allowed():
                self.free.append(self._make())
                self.settings.note(self.free[0].plan)
                self.plannable = True
        except (NotPlannable, NodegraphError, NotImplementedError):
            pass

    def lent(self) -> Program | None:
        if not self.plannable:
            return None
        return self.free.pop() if self.free else self._make()


def _stand_in(leaf: np.ndarray) -> np.ndarray:
    """An array of the same shape and dtype that takes no memory."""
    return np.broadcast_to(leaf.dtype.type(), leaf.shape)


def _dtype(inputs: dict[Key, Any], modules: list[Module]) -> np.dtype | None:
    """The one dtype of all real numbers; None if there are several, or none."""
    leaves = [leaf for value in inputs.values() for leaf in table.leaves(value)]
    types = {leaf.dtype for leaf in leaves if leaf.dtype.kind == "f"}
    types |= {parameter.dtype for module in modules for parameter in module.parameters()[0]}
    dtype = types.pop() if len(types) == 1 else None
    return dtype if dtype in (np.float32, np.float64) else None


def _signature(value: Any) -> Any:
    if table.is_table(value):
        return tuple(_signature(part) for part in value)
    return value.shape, value.dtype
