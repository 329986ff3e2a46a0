"""Labels beside the ends of curves, moved apart so that each can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph.viz.themes import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 12.0
"""Height of a line of text, in points."""

BEND, TEXT = 1.055, 1.1
"""Where the lines turn level and where the text starts, in widths of the axes."""


@dataclass(frozen=True)
class Label:
    """A curve's name, with its last point in the axes' data, its colour and its dashes."""

    x: float
    y: float
    text: str
    colour: str
    dashes: Any = "solid"


def put_labels(axes: Axes, labels: list[Label], theme: Theme) -> None:
    """Write each label and its value to the right of the axes, joined to the end of its curve by a thin line.

    The limits of the axes must be set, for the places depend on them.
    """
    low, high = axes.get_ylim()
    height = axes.figure.get_size_inches()[1] * 72 * axes.get_position().height
    ends = [min(max((label.y - low) / (high - low), 0.0), 1.0) for label in labels]
    (left, right), transform = axes.get_xlim(), axes.transAxes
    for label, end, place in zip(labels, ends, spread(ends, LINE / height)):
        last = (label.x - left) / (right - left)
        for xs, ys, look in (
            ([last, BEND], [end, place], {"linewidth": 0.8, "alpha": 0.6}),
            ([BEND, TEXT - 0.008], [place, place], {"linewidth": 1.6, "linestyle": label.dashes}),
        ):
            axes.plot(xs, ys, transform=transform, color=label.colour, clip_on=False, **look)
        axes.text(
            TEXT,
            place,
            f"{label.text}  {label.y:{'.3f' if abs(label.y) >= 0.1 else '.3g'}}".strip(),
            transform=transform,
            color=theme.text,
            fontsize=9,
            verticalalignment="center",
            parse_math=False,
        )


def spread(places: list[float], gap: float) -> list[float]:
    """Places in the same order, `gap` apart or more, between 0 and 1 as long as there is room, near where they were.

    >>> spread([0.5, 0.5, 0.9], 0.25)
    [0.375, 0.625, 0.9]
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        groups.append([i])
        while len(groups) > 1 and _start(groups[-1], places, gap) < _end(groups[-2], places, gap) + gap - 1e-12:
            above = groups.pop()
            groups[-1] += above
    moved = list(places)
    for group in groups:
        for k, i in enumerate(group):
            moved[i] = _start(group, places, gap) + k * gap
    return moved


def _start(group: list[int], places: list[float], gap: float) -> float:
    """Where the lowest of a group goes: its middle is the mean of the members' places, if that leaves all in sight."""
    length = gap * (len(group) - 1)
    return max(0.0, min(float(np.mean([places[i] for i in group])) - length / 2, 1 - length))


def _end(group: list[int], places: list[float], gap: float) -> float:
    return _start(group, places, gap) + gap * (len(group) - 1)
