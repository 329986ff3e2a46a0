"""Allocation: the rings of arrays that a program needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.engine.step_lists import StepLists
from nodegraph.engine.steps import Ring, Slot


def allocated(lists: StepLists) -> dict[Slot, Ring]:
    """The rings of all that the steps read and write, but for what comes from outside and for weights' gradients."""
    rings = _values(lists)
    if lists.differentiable:
        for kernel in lists.kernels.values():
            for slot in kernel.saved:
                rings[slot] = _ring(lists, lists.steps, kernel.forward.rows * kernel.forward.columns)
        _add_gradients(lists, rings)
    return rings


def _ring(lists: StepLists, places: int, size: int) -> Ring:
    return Ring(np.zeros((places, size), lists.plan.dtype))


def _values(lists: StepLists) -> dict[Slot, Ring]:
    """What is stored of the bases: all steps for backward or for who asked for them, else the last."""
    steps, returned, rings = lists.steps, lists.returned_bases(), {}
    read = {access.base for access in lists.plan.row_sources.values()}
    read = read.union(*[kernel.reads for kernel in lists.kernels.values()])
    for index, base in enumerate(lists.plan.bases):
        size = base.rows * base.columns
        if index in lists.states:
            array = np.zeros((steps + 1, size), lists.plan.dtype)
            rings["base", index] = Ring(array)
            rings["base", lists.states[index]] = Ring(array, 1)
        elif index in lists.state_fed or base.place is not None or base.kind in ("source", "parameter"):
            continue
        elif index in lists.giver and lists.giver[index].index_ring is not None:
            rings[lists.giver[index].index_ring] = Ring(np.zeros((steps, base.rows), np.int64))
        elif base.kind == "called" and index not in read:
            continue
        elif base.kept or base.kind in ("noise", "called"):
            whole = lists.differentiable or index in returned or base.kind == "noise"
            rings["base", index] = _ring(lists, steps if whole else 1, size)
        elif base.kind == "product":
            rings["base", index] = _ring(lists, 1, size)
    return rings


def _add_gradients(lists: StepLists, rings: dict[Slot, Ring]) -> None:
    """Where gradients are stored: all steps where they are needed after the loop, else one or two."""
    stored: dict[Any, Ring] = {}
    for base, slots in lists.contributions.items():
        found = lists.plan.bases[base]
        size = found.rows * found.columns
        for slot in slots:
            if found.kind == "parameter":
                continue  # Each thread needs a place of its own.
            if base in lists.states:
                rings[slot] = _ring(lists, 2, size)
                rings["carried", slot] = Ring(rings[slot].array, 1)
            elif found.kind in ("product", "source"):
                same = _stored_values(lists, slot, size)
                if same in stored:
                    kernel = lists.kernels[slot[1]].backward
                    kernel.stores = [store for store in kernel.stores if store[0] != slot]
                else:
                    stored[same] = _ring(lists, lists.steps, size)
                rings[slot] = stored[same]
            else:
                rings[slot] = _ring(lists, 1, size)
    for base, found in enumerate(lists.plan.bases):
        if found.kind in ("product", "soft-max", "called") and lists.is_summed(base):
            places = lists.steps if found.kind == "product" else 1
            rings["gradient", base] = _ring(lists, places, found.rows * found.columns)


def _stored_values(lists: StepLists, slot: Slot, size: int) -> Any:
    """What a kernel stores in a ring: two rings that get the same values can be one."""
    if slot[0] != "into":
        return slot
    stores = lists.kernels[slot[1]].backward.stores
    return slot[1], size, frozenset((offset, stride, value) for s, offset, stride, value in stores if s == slot)
