"""CompiledStage: one stage of a cell over time, run as a program of the engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.over_time import Series, merge, separate

if TYPE_CHECKING:
    from nodegraph.engine.store import Loan
    from nodegraph.recurrent_tape import RecurrentTape
    from nodegraph.schedule import Stage


class CompiledStage:
    """A loop runs step by step, any other stage once for the rows of all steps."""

    def __init__(self, stage: Stage, loan: Loan) -> None:
        self.stage, self._loan, self.program, self.kept = stage, loan, loan.program, loan.kept

    @classmethod
    def run(cls, tape: RecurrentTape, stage: Stage) -> CompiledStage | None:
        """Run a stage, from and to the tape's values; None if it must run node by node."""
        wiring, links = tape.wiring, tape.wiring.links(stage)
        if links.feeds_itself and not stage.loop:
            return None
        sources = {("outside", place): tape.values[place] for place in links.read}
        sources |= {("input", place): tape.source(place) for place in links.given if place not in links.fed}
        if stage.loop:
            states = {("input", place): tape.states[wiring.state_of[place]] for place in links.fed}
            first = {**{key: series.at(0) for key, series in sources.items()}, **states}
            steps, allowed = tape.steps, _always
        elif not all(np.ndim(leaf) for series in sources.values() for leaf in table.leaves(series.at(0))):
            return None
        else:
            first, steps = {key: merge(series.stacked) for key, series in sources.items()}, 1
            allowed = partial(_all_merge, tape, stage, sources)
        lend = tape.store.lend
        backward = tape.differentiable
        loan = lend(tape.cell, stage.places, first, links.fed, links.returned, steps, backward, allowed)
        if loan is None:
            return None
        program = loan.program
        if stage.loop:
            values = program.forward(
                {**{key: series.stacked for key, series in sources.items()}, **states}, tape.at_step
            )
        else:
            values = program.forward(first, _as_it_is)
            values = {place: separate(table.map(_step, value), tape.steps) for place, value in values.items()}
        for place, value in values.items():
            tape.values[place] = Series(stacked=value)
        return cls(stage, loan)

    def backward(self, tape: RecurrentTape) -> None:
        """Run it backward, from and to the tape's gradients."""
        wiring, links, loop = tape.wiring, tape.wiring.links(self.stage), self.stage.loop
        wanted = {place: tape.gradients[place] for place in links.returned}
        given = {place: g.stacked(tape.values[place]) for place, g in wanted.items() if not g.empty}
        if not loop:
            given = {place: table.map(lambda leaf: leaf[None], merge(gradient)) for place, gradient in given.items()}
        found = self.program.backward(given, tape.at_step if loop else _as_it_is)
        for (kind, place), gradient in found.items():
            if not loop:
                gradient = separate(table.map(_step, gradient), tape.steps)
            if kind == "outside":
                tape.gradients[place].add(gradient)
            elif place in links.fed:
                tape.grad_states[wiring.state_of[place]] = gradient
            else:
                tape.pass_on(place, gradient)

    def accumulate(self, scale: float) -> None:
        """Add to the gradients of the parameters."""
        self.program.accumulate(scale)


def _always() -> bool:
    return True


def _as_it_is(error: Exception, t: int) -> Exception:
    return error


def _step(leaf: Any) -> Any:
    return None if leaf is None else leaf[0]


def _all_merge(tape: RecurrentTape, stage: Stage, sources: dict[tuple[str, int], Series]) -> bool:
    """Whether every node of a stage may run once for the rows of all steps."""
    shapes = {place: table.shape(series.at(0)) for (_, place), series in sources.items()}
    for place in stage.places:
        parents, module = [shapes[parent] for parent in tape.parents[place]], tape.nodes[place].module
        shape = shapes[place] if place in shapes else parents[0] if len(parents) == 1 else parents
        if not tape.merges(module, shape):
            return False
        shapes[place] = module.output_shape(shape)
    return True
