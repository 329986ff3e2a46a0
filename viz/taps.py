"""Taps: where in a picture a value comes out, what is known of it, and how tables of values are taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nodegraph import table
from nodegraph.viz.scene import Box


@dataclass(frozen=True)
class Tap:
    """Where a value comes out: a box and the part of its output, and the value's name, shape and state."""

    box: Box
    name: str | None = None
    part: str = ""
    shape: Any = None
    bad: bool = False


Outlet = Any
"""A Tap, or a list of outlets where the values of a table come out of different boxes."""


def taps(outlet: Outlet, positions: list[str]) -> Iterator[tuple[Tap, str]]:
    """The taps of an outlet, each with the name of its place among the inputs, as far as they have names."""
    if isinstance(outlet, Tap):
        yield outlet, positions[0] if positions else ""
    else:
        for i, part in enumerate(outlet):
            own = positions[i : i + 1]
            yield from taps(part, own if is_tap(part) else [f"{name}[{j}]" for name in own for j in range(len(part))])


def part(outlet: Outlet, i: int, name: str | None = None) -> Outlet:
    """Where value i of a table comes out, under the name that it is given there."""
    if isinstance(outlet, list):
        inner = outlet[i]
        return replace(inner, name=name, part=f"{inner.part} {name}".strip()) if name and is_tap(inner) else inner
    shape = outlet.shape[i] if isinstance(outlet.shape, list) else None
    index = f"{outlet.part}[{i}]"
    known = name or (f"{outlet.name}[{i}]" if outlet.name else None)
    return replace(outlet, name=known, part=f"{index} {name}" if name else index, shape=shape)


def distributed(outlet: Outlet, n: int) -> list[Outlet]:
    """The values of a table of n, one for each of several takers; for a single taker the whole."""
    if n == 1:
        return [outlet]
    if isinstance(outlet, list) and len(outlet) == n:
        return outlet
    if is_tap(outlet) and (not isinstance(outlet.shape, list) or len(outlet.shape) == n):
        return [part(outlet, i) for i in range(n)]
    return [with_shape(outlet, None)] * n


def is_tap(outlet: Outlet) -> bool:
    return isinstance(outlet, Tap)


def shape_of(outlet: Outlet) -> Any:
    """The shape of a value, None unless all of it is known."""
    if isinstance(outlet, Tap):
        return outlet.shape
    shapes = [shape_of(inner) for inner in outlet]
    return None if any(shape is None for shape in shapes) else shapes


def with_shape(outlet: Outlet, shape: Any) -> Outlet:
    """The same outlet for another shape of the value."""
    if isinstance(outlet, Tap):
        return replace(outlet, shape=shape)
    shapes = shape if isinstance(shape, list) and len(shape) == len(outlet) else [None] * len(outlet)
    return [with_shape(inner, own) for inner, own in zip(outlet, shapes)]


def came_in(outlet: Outlet) -> str:
    """The shapes that came in, and from which nodes, as in the library's messages."""
    if isinstance(outlet, list):
        return " and ".join(came_in(inner) for inner in outlet)
    shape = "a value" if outlet.shape is None else table.describe_shape(outlet.shape)
    return shape + (f" from {outlet.name}" if outlet.name else "")


def failure(outlet: Outlet, who: str = "") -> str:
    """What came in where something failed, as far as it is known."""
    known = any(tap.shape is not None for tap, _ in taps(outlet, []))
    return f"{who} got {came_in(outlet)}".strip() if known else f"{who} failed".strip()
