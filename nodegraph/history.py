"""History: what was measured while a model was trained, by iteration; it saves itself as CSV."""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, CheckpointError, DataError, one_line
from nodegraph.io.writing import write_whole

SMOOTHING = 0.98


class History:
    """Numbers from a training: quantities by name, each measured at some iterations.

    Any names will do; `loss`, the one of each batch, and `validation_loss` are those that `loss_curves` draws, and
    `epoch` and `seconds`, since the start, what it can draw them against.

    >>> history = History()
    >>> for iteration, loss in enumerate([4.0, 2.0, 3.0], start=1):
    ...     history.add(iteration, loss=loss)
    >>> history.add(3, validation_loss=2.5, learning_rate=0.1)
    >>> history["loss"]
    (array([1, 2, 3]), array([4., 2., 3.]))
    >>> history.names
    ['loss', 'validation_loss', 'learning_rate']

    ArgumentError for an iteration that is no whole number, a value that is none at all, and a quantity that is not
    there.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        """`losses`, if there are any, are those of iterations 1, 2, 3, ..."""
        self._values: dict[str, dict[int, float]] = {}
        for iteration, loss in enumerate(losses, start=1):
            self.add(iteration, loss=loss)

    def add(self, iteration: int, /, **values: float) -> None:
        """Note what was measured at an iteration; a quantity that was noted there before is replaced."""
        if not isinstance(iteration, Integral):
            raise ArgumentError(f"an iteration is a whole number, got {iteration!r}")
        if not -(2**63) <= iteration < 2**63:
            raise ArgumentError("an iteration is a number of at most 63 bits")
        for name, value in values.items():
            try:
                self._values.setdefault(name, {})[int(iteration)] = float(value)
            except (TypeError, ValueError):
                shown = reprlib.repr(value)
                raise ArgumentError(f"{name} at iteration {iteration} must be a number, got {shown}") from None

    @property
    def names(self) -> list[str]:
        """The quantities, in the order in which they were first noted."""
        return list(self._values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The iterations at which a quantity was measured, in order, and its values there."""
        if name not in self._values:
            raise ArgumentError(f"the history has no {name!r}; it has {', '.join(self.names) or 'nothing yet'}")
        measured = sorted(self._values[name].items())
        return np.array([i for i, _ in measured], int), np.array([value for _, value in measured])

    def smoothed(self, name: str = "loss", smoothing: float = SMOOTHING) -> tuple[np.ndarray, np.ndarray]:
        """A quantity's running mean: iterations and values. Values that are no numbers are left out of it.

        The t-th value x_t moves the mean m by max(1 - smoothing, 10 / (9 + t)) (x_t - m): over about the last tenth of
        the values, so that it does not lag behind a steep beginning, and later over the last 1 / (1 - smoothing).

        >>> History([4.0, 2.0]).smoothed()[1].round(3)
        array([4.   , 2.182])
        """
        iterations, values = self[name]
        mean, t, means = math.nan, 0, []
        for value in values.tolist():
            if math.isfinite(value):
                t += 1
                mean = value if t == 1 else mean + max(1 - smoothing, 10 / (9 + t)) * (value - mean)
            means.append(mean)
        return iterations, np.array(means)

    def out_of_patience(self, patience: int, name: str = "validation_loss") -> bool:
        """Whether the last `patience` values of a quantity are all no lower than one before them: time to stop early.

        >>> history = History()
        >>> for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.2, 2.1]):
        ...     history.add(epoch, validation_loss=loss)
        ...     if history.out_of_patience(2):
        ...         break
        >>> epoch
        3
        """
        return out_of_patience(self[name][1].tolist(), patience)

    def columns(self) -> dict[str, dict[int, float]]:
        """The quantities as `save` writes them: the losses are followed by their smoothed form, `smoothed_loss`."""
        columns: dict[str, dict[int, float]] = {}
        for name in self.names:
            columns[name] = self._values[name]
            if name == "loss" and "smoothed_loss" not in self:
                iterations, means = self.smoothed()
                columns["smoothed_loss"] = dict(zip(iterations.tolist(), means.tolist()))
        return columns

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a CSV file, a line for each iteration and a column for each quantity; returns the path."""
        return save_table({"": self}, path)


def out_of_patience(values: Sequence[float], patience: int) -> bool:
    """Whether none of the last `patience` values is below the lowest before them; never so with a patience of 0.

    A value that is no number is no lower than any other.
    """
    if isinstance(patience, bool) or not isinstance(patience, Integral) or patience < 0:
        raise ArgumentError(f"patience must be a whole number from 0 on, got {patience!r}")
    numbers = [math.inf if math.isnan(value) else value for value in values]
    return 0 < patience < len(numbers) and min(numbers[-patience:]) >= min(numbers[:-patience])


def save_table(histories: dict[str, History], path: str | os.PathLike[str]) -> pathlib.Path:
    """Write histories by name into one CSV file; a first column, `run`, says which a line is of. Returns the path.

    A history named "" alone needs no such column. DataError when the file cannot be written.
    """
    path, named = pathlib.Path(path), list(histories) != [""]
    columns = {run: history.columns() for run, history in histories.items()}
    names = list(dict.fromkeys(name for of_run in columns.values() for name in of_run))
    lines: list[list[Any]] = [[*(["run"] if named else []), "iteration", *names]]
    for run, of_run in columns.items():
        for i in sorted({i for values in of_run.values() for i in values}):
            cells = [of_run[name].get(i, "") if name in of_run else "" for name in names]
            lines.append([*([run] if named else []), i, *cells])
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    try:
        return write_whole(path, text.getvalue().encode(errors="backslashreplace"), new_folder=False)
    except CheckpointError as error:
        raise DataError(str(error)) from error


def read_table(path: str | os.PathLike[str]) -> dict[str, History]:
    """The histories in a CSV file with a column `iteration`, such as `save_table` and `History.save` write.

    Without a column `run`, or without a line, it is one, named "". DataError, in one sentence, for a file that is none.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # Spreadsheets put a mark before UTF-8.
            return _histories(csv.reader(file), path)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _histories(rows: Iterator[list[str]], path: str | os.PathLike[str]) -> dict[str, History]:
    head = next(rows, [])
    if "iteration" not in head:
        raise DataError(f"{path} has no column `iteration` in its first line")
    if twice := [name for i, name in enumerate(head) if name in head[:i]]:
        raise DataError(f"{path} has two columns `{one_line(twice[0])}`")
    histories: dict[str, History] = {}
    for number, row in enumerate(rows, start=2):
        measured: dict[str, Any] = {name: text for name, text in zip(head, row) if text}
        history = histories.setdefault(measured.pop("run", ""), History())
        try:
            history.add(int(measured.pop("iteration")), **measured)
        except KeyError:
            raise DataError(f"{path}, line {number}: there is no iteration") from None
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {one_line(error)}") from None
    return histories or {"": History()}
