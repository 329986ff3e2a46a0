"""A cell whose states stay as they are at steps that do not count, and the values of such steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.view import Identity
from nodegraph.nn.where import Where

if TYPE_CHECKING:
    from nodegraph.recurrent_wiring import Wiring


def masked_wiring(wiring: Wiring) -> Wiring:
    """The wiring of the cell with one more input for each state, a mask of the state's shape, after all others.

    The state of the next step is `where(mask, new, old)`. The nodes of the cell itself stay where they are.
    """
    cell, outputs = wiring.cell, list(wiring.cell.outputs)
    feedback: list[tuple[int, int]] = []
    masks, choices = [], []
    for source, to in zip(wiring.fed_from, wiring.fed_to):
        state = cell.inputs[to]
        if type(state.module) is not Identity:
            raise ArgumentError(f"a masked Recurrent keeps states as they come in, but one is {state.describe()}")
        mask, choice = Identity()().annotate(name="mask"), Where()()
        choice.parents = (mask, cell.outputs[source], state)  # without a child to the cell's own nodes
        masks.append(mask)
        choices.append(choice)
        if source in [i for i, _ in feedback]:
            source = len(outputs)  # It gives another state already: this choice becomes an output of its own.
        outputs[source : source + 1] = [choice]
        feedback.append((source, to))
    graph = cell.extended([*masks, *choices], [*cell.inputs, *masks], outputs)
    return type(wiring)(graph, feedback, wiring.sequences)


def masks_like(valid: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
    """For each state which steps count, (steps, *shape of the state), 1 or 0 of the state's type."""
    made: dict[tuple[Any, ...], np.ndarray] = {}
    masks = []
    for state in states:
        if isinstance(state, list) or state.shape[:1] != valid.shape[1:]:
            raise ShapeError(f"expected states as arrays with a batch of {valid.shape[1]} where there is a mask")
        key = state.shape, state.dtype
        if key not in made:
            made[key] = np.empty((len(valid), *state.shape), state.dtype)
            made[key][...] = as_axes(valid, made[key].ndim)
        masks.append(made[key])
    return masks


def held(valid: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A sequence whose steps that do not count repeat the last one that does, or the first: (steps, batch, ...).

    So a cell computes there what it computes elsewhere, whatever the padding is, and a NaN or an index that is none
    does not come into the run. Zeros where no step counts.
    """
    steps = np.arange(len(valid))[:, None]
    last = np.maximum.accumulate(np.where(valid, steps, -1))
    source = np.where(last < 0, valid.argmax(0), last)
    values = x[source, np.arange(valid.shape[1])]
    values[:, ~valid.any(0)] = 0
    return values


def check_batch(shape: Any, steps: int, batch: int) -> None:
    """ShapeError unless what a masked Recurrent gives for every step, of this shape, has the batch's axis."""
    if isinstance(shape, list):
        for part in shape:
            check_batch(part, steps, batch)
    elif shape[:2] != (steps, batch):
        found = table.describe_shape(shape[1:])
        raise ShapeError(f"expected outputs with a batch of {batch} where there is a mask, found {found} at a step")


def selected(valid: np.ndarray, x: np.ndarray | None) -> np.ndarray | None:
    """A sequence, or a gradient of one, with zeros where a step does not count; None stays None."""
    return None if x is None else np.where(as_axes(valid, x.ndim), x, np.zeros((), x.dtype))


def as_axes(valid: np.ndarray, ndim: int) -> np.ndarray:
    """The mask with axes of length 1 after its own two."""
    return valid.reshape(valid.shape + (1,) * (ndim - 2))
