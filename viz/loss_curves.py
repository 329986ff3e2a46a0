"""loss_curves: how the losses of one or more trainings fell, as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.history import History
from nodegraph.viz.chart import Chart
from nodegraph.viz.curve_labels import Label, put_labels

Runs = History | Iterable[float] | Mapping[str, Any]
Style = tuple[str, Any]
AXES = {"iteration": "iteration", "epoch": "epoch", "seconds": "training time"}
FEW = 3
"""So many runs show their training losses beside their validation losses."""

POINTS = 500
"""Curves are thinned to about so many points, which is more than one can see."""


def loss_curves(
    runs: Runs,
    against: str = "iteration",
    also: Iterable[str] = (),
    unit: str = "",
    title: str = "",
    theme: str = "light",
) -> Chart:
    """Draw the losses of trainings, each curve with its name and its last value beside it.

    `runs` is a History, or the losses of iterations 1, 2, 3, ..., or a dictionary of such by name. A list of histories
    under one name, such as those of several seeds, gives their mean and, as a band, the range that they span. Training
    losses are smoothed (see `History.smoothed`); beside validation losses they are thin, and left out where there are
    many runs. The losses of a single run are there as a faint band, too. `against` is what goes to the right:
    "iteration", "epoch" or "seconds". `also` names other quantities of the histories, such as "learning_rate" and
    "gradient_norm", which get a panel each. `unit` is that of the losses, such as "nats per character".

    >>> chart = loss_curves({"slow": [4, 3.5, 3.1], "quick": [4, 2, 1.5]})       # doctest: +SKIP
    >>> chart.save("losses.svg")                                                 # doctest: +SKIP

    Raises ArgumentError for runs without losses, or without what is asked for; DrawingError without matplotlib, which
    the extra `nodegraph[plot]` brings.
    """
    if against not in AXES:
        raise ArgumentError(f"against must be one of {', '.join(AXES)}, got {against!r}")
    named, also = _by_name(runs), [also] if isinstance(also, str) else list(also)
    for name, histories in named.items():
        for quantity in [*([] if against == "iteration" else [against]), *also]:
            if not all(quantity in history for history in histories):
                there = ", ".join(histories[0].names)
                raise ArgumentError(f"no {quantity} was measured in {name or 'the training'}; there is {there}")
    return _Drawing(named, against, also, theme).draw(unit, title)


def _by_name(runs: Runs) -> dict[str, list[History]]:
    named = {str(name): run for name, run in runs.items()} if isinstance(runs, Mapping) else {"": runs}
    if not named:
        raise ArgumentError("there are no losses to draw")
    return {name: [_history(part, name) for part in _seeds(run)] for name, run in named.items()}


def _seeds(run: Any) -> list[Any]:
    """The histories under one name; a list of losses is one of them."""
    several = isinstance(run, (list, tuple)) and run and all(isinstance(part, History) for part in run)
    return list(run) if several else [run]


def _history(run: Any, name: str) -> History:
    try:
        history = run if isinstance(run, History) else History(run)
    except TypeError:
        raise ArgumentError(f"expected a History or a list of losses, got {run!r}") from None
    if not any(np.isfinite(history[q][1]).any() for q in ("loss", "validation_loss") if q in history):
        raise ArgumentError(f"there are no losses to draw in {name or 'the history'}")
    return history


class _Drawing:
    """The chart while it is made."""

    def __init__(self, runs: dict[str, list[History]], against: str, also: list[str], theme: str) -> None:
        self.runs, self.against, self.also = runs, against, also
        self.few = len(runs) <= FEW
        heights = [max(4.5, 0.21 * len(runs) * (2 if self.few else 1) + 1), *[1.6] * len(also)]
        self.chart = Chart(9.0, sum(heights), theme)
        panels = self.chart.figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
        self.axes, *self.others = panels[:, 0]
        self.scale, self.time_unit = self.units_of_time()
        self.labels: list[Label] = []
        self.worth_seeing: list[np.ndarray] = []

    def units_of_time(self) -> tuple[float, str]:
        if self.against != "seconds":
            return 1.0, ""
        longest = max(float(history["seconds"][1].max()) for runs in self.runs.values() for history in runs)
        return next(
            (size, name)
            for size, name in ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
            if longest >= 2 * size or size == 1
        )

    def draw(self, unit: str, title: str) -> Chart:
        for axes in (self.axes, *self.others):
            self.chart.prepare(axes)
        styles = self.chart.styles(max(2, len(self.runs)))
        for (name, histories), style in zip(self.runs.items(), styles):
            self.losses(name, histories, style, styles[1] if len(self.runs) == 1 else style)
            for quantity, axes in zip(self.also, self.others):
                self.quantity(axes, quantity, histories, style)
        self.axes.set_ylabel(f"loss ({unit})" if unit else "loss", parse_math=False)
        bottom = (self.axes, *self.others)[-1]
        bottom.set_xlabel(AXES[self.against] + (f" ({self.time_unit})" if self.time_unit else ""))
        if self.against == "iteration":
            bottom.xaxis.get_major_locator().set_params(integer=True)
        if title:
            self.axes.set_title(title, loc="left", fontsize=11, color=self.chart.theme.text, parse_math=False)
        self.set_limits()
        put_labels(self.axes, self.labels, self.chart.theme)
        return self.chart

    def losses(self, name: str, histories: list[History], style: Style, validation_style: Style) -> None:
        validated = all("validation_loss" in history for history in histories)
        trained = all("loss" in history for history in histories)
        if not trained and not validated:
            raise ArgumentError(f"the trainings of {name or 'the one name'} were not all measured in the same way")
        if trained and (self.few or not validated):
            if len(self.runs) == len(histories) == 1:
                self.band(self.axes, *self.points(histories[0], *histories[0]["loss"]), style)
            x, mean, _, _ = self.together([self.points(history, *history.smoothed()) for history in histories])
            self.curve(x, mean, style, f"{name} training", linewidth=1.2 if validated else 1.8)
            self.worth_seeing.append(mean[len(mean) // 20 :])
        if validated:
            x, mean, low, high = self.together([self.points(h, *h["validation_loss"]) for h in histories])
            if len(histories) > 1:
                self.axes.fill_between(x, low, high, color=validation_style[0], alpha=0.18, linewidth=0)
            marker = {"marker": "o", "markersize": 3.2} if len(x) <= 60 else {}
            label = f"{name} validation" if self.few and trained else name
            self.curve(x, mean, validation_style, label, linewidth=1.8, **marker)
            self.worth_seeing += [low, high]

    def curve(self, x: np.ndarray, y: np.ndarray, style: Style, label: str, **look: Any) -> None:
        """A curve with its name; of many points some, and the last. What is no number is left out."""
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        if len(y):
            step = max(1, len(x) // POINTS)
            self.axes.plot(x[::-step], y[::-step], color=style[0], linestyle=style[1], **look)
            self.labels.append(Label(x[-1], y[-1], label.strip(), *style))

    def band(self, axes: Any, x: np.ndarray, y: np.ndarray, style: Style) -> None:
        """The least and the greatest value in each of many short stretches."""
        starts = _stretches(len(x), min(POINTS, 1 + len(x) // 8))
        low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
        places = (starts + np.array([*starts[1:], len(x)]) - 1) // 2
        places[0], places[-1] = 0, len(x) - 1
        axes.fill_between(x[places], low, high, color=style[0], alpha=0.2, linewidth=0)

    def quantity(self, axes: Any, quantity: str, histories: list[History], style: Style) -> None:
        """The means over short stretches, and for a single run the range, too."""
        x, mean, _, _ = self.together([self.points(history, *history[quantity]) for history in histories])
        if len(self.runs) == 1:
            self.band(axes, x, mean, style)
        starts = _stretches(len(x), POINTS // 2)
        means = np.add.reduceat(mean, starts) / np.diff([*starts, len(x)])
        axes.plot(x[starts], means, color=style[0], linestyle=style[1], linewidth=1.2)
        axes.set_ylabel(quantity.replace("_", " "), parse_math=False)

    def points(self, history: History, iterations: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values with their places on the horizontal axis."""
        if self.against == "iteration":
            return iterations.astype(float), values
        return np.interp(iterations, *history[self.against]) / self.scale, values

    @staticmethod
    def together(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
        """Places, means, and the lowest and highest values of several curves, as far as all of them go."""
        first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
        if first > last:
            raise ArgumentError("trainings under one name must have a part in common, of which there is a mean")
        places = np.unique(np.concatenate([x for x, _ in curves]))
        places = places[(places >= first) & (places <= last)]
        values = np.array([np.interp(places, x, y) for x, y in curves])
        return places, values.mean(0), values.min(0), values.max(0)

    def set_limits(self) -> None:
        """Show what is worth seeing: all but the steep fall in the first moments, and what single batches do.

        Of many runs one that went wrong would squeeze all others; what rises above where all began is cut off there.
        """
        shown = [values[np.isfinite(values)] for values in self.worth_seeing if np.isfinite(values).any()]
        low = min(values.min() for values in shown)
        high = max(values.max() if self.few else values[0] for values in shown)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        self.axes.set_ylim(low - margin, high + margin)
        self.axes.set_xlim(0, 1.008 * max(label.x for label in self.labels) or 1)
        for axes in self.others:
            axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))


def _stretches(length: int, parts: int) -> np.ndarray:
    """Where at most so many stretches of about equal length begin."""
    return np.unique(np.linspace(0, length, min(length, parts) + 1).astype(int))[:-1]
