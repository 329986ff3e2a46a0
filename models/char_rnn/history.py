"""The histories of trainings, from what a Trainer measured, from checkpoints and from tables."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nodegraph.errors import DataError
from nodegraph.history import History, read_table
from nodegraph.models.char_rnn.contents import MEASURED
from nodegraph.models.char_rnn.training import CharacterModel, Trainer

UNIT = "nats per character"


def history_of(trainer: Trainer) -> History:
    """What a Trainer measured: loss, validation_loss, epoch, learning_rate, gradient_norm and seconds of training.

    Losses are in nats per character; the norm is that of the whole gradient before it was clipped; the seconds, since
    the start of the training, are those of its iterations alone, without validations and samples.
    """
    measured = {name: getattr(trainer, name) for name in MEASURED}
    return _history(measured, trainer.validations, trainer.batches.train)


def read_histories(paths: Iterable[str | os.PathLike[str]]) -> dict[str, History]:
    """The histories in checkpoints, char-rnn's own .t7 files among them, and in CSV files, by names that differ.

    A name is the file's, with as many folders as tell it from the others, or that of a run in a CSV file. DataError for
    files without one; what `CharacterModel.load` raises for a file that is none of these.
    """
    paths = list(dict.fromkeys(pathlib.Path(path) for path in paths))
    histories: dict[str, History] = {}
    for path, label in zip(paths, _labels(paths)):
        for run, history in (read_table(path) if path.suffix == ".csv" else {"": _of_checkpoint(path)}).items():
            name = run or label
            histories[name if name not in histories else f"{path} {run}".strip()] = history
    return histories


def _of_checkpoint(path: pathlib.Path) -> History:
    _, arrays, data = CharacterModel.load(path)
    validations, iteration, epoch = data.get("validations", ()), data.get("iteration", 0), data.get("epoch", 0)
    if not arrays.get("losses", np.zeros(0)).size and not validations:
        raise DataError(f"{path} tells nothing of how its model was trained")
    measured = {name: arrays[name].tolist() for name in MEASURED if name in arrays}
    return _history(measured, validations, iteration / epoch if epoch else None)


def _history(
    measured: Mapping[str, Sequence[float]], validations: Iterable[Sequence[float]], batches: float | None
) -> History:
    """`batches` are those of an epoch. What was not measured, in a checkpoint of an earlier form, is left out."""
    history = History(measured.get("losses", ()))
    for iteration, loss in validations:
        history.add(iteration, validation_loss=loss)
    if batches:
        iterations = {int(i) for name in history.names for i in history[name][0]}
        for iteration in sorted(iterations):
            history.add(iteration, epoch=iteration / batches)
    for name, values in (
        ("learning_rate", np.array(measured.get("learning_rates", ()))),
        ("gradient_norm", np.array(measured.get("gradient_norms", ()))),
        ("seconds", np.cumsum(measured.get("seconds", ()))),
    ):
        for i in np.flatnonzero(~np.isnan(values)):
            history.add(i + 1, **{name: values[i]})
    return history


def _labels(paths: list[pathlib.Path]) -> list[str]:
    """The shortest ends of the paths that differ from each other, without suffix if that is enough."""
    whole = [path.absolute().with_suffix("").parts for path in paths]
    for length in range(1, max((len(parts) for parts in whole), default=1) + 1):
        labels = ["/".join(parts[-length:]) for parts in whole]
        if len(set(labels)) == len(labels):
            return labels
    return [str(path) for path in paths]
