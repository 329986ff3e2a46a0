"""Graphs of all classes as a strategy of hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from properties.growth import Grown, Growth
from properties.recipes import RECIPES

FRACTIONAL = {"SpatialFractionalMaxPooling", "VolumetricFractionalMaxPooling"}
"""Classes that draw random numbers in evaluation, too."""

RANDOM = {"Dropout", "SpatialDropout", "VolumetricDropout", "WhiteNoise", "RReLU"} | FRACTIONAL

STATEFUL = {"SpatialMaxUnpooling", "VolumetricMaxUnpooling"}
"""Classes that use what another module's last run left, whichever run that was."""


def graph(
    integer: Callable[[int, int], int],
    name: str | None = None,
    without: Iterable[str] = (),
    most: int = 5,
    largest: int = 4,
) -> Grown:
    """A graph of some nodes, one of them of the class `name`, in training or in evaluation."""
    growth = Growth(integer, {key: recipe for key, recipe in RECIPES.items() if key not in without}, largest)
    before, after = integer(0, most // 2), integer(0, most - most // 2)
    for _ in range(before):
        growth.grow()
    growth.grow(name)
    for _ in range(after):
        growth.grow()
    grown = growth.close()
    if integer(0, 1):
        grown.gmodule.evaluate()
    return grown


@st.composite
def graphs(draw: Callable, name: str | None = None, **arguments: Any) -> Grown:
    """The same, drawn by hypothesis."""
    return graph(lambda low, high: draw(st.integers(low, high)), name, **arguments)


@st.composite
def two_graphs(draw: Callable, without: Iterable[str] = ()) -> tuple[Grown, Grown]:
    """Two graphs, the second of which has modules of the first, in training."""
    recipes = {key: recipe for key, recipe in RECIPES.items() if key not in without}
    first, second = [Growth(lambda low, high: draw(st.integers(low, high)), recipes) for _ in range(2)]
    for _ in range(draw(st.integers(1, 4))):
        first.grow()
    second.placed = list(first.placed)
    for _ in range(draw(st.integers(1, 4))):
        second.grow_again() if second.placed else second.grow()
    return first.close(), second.close()
