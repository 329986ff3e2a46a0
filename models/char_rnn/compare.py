"""compare: several models trained on the same text with the same budget, as a table and as curves."""

from __future__ import annotations

import importlib.util
import math
import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from nodegraph.errors import ArgumentError, DataError
from nodegraph.history import History, save_table
from nodegraph.io import checkpoint
from nodegraph.io.writing import check_writable
from nodegraph.models.char_rnn.history import UNIT, history_of
from nodegraph.models.char_rnn.loop import TrainingStopped, bar_settings, check_loss
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.text import Batches, Vocabulary
from nodegraph.models.char_rnn.training import Trainer
from nodegraph.models.networks import parameters_of, size_with_parameters
from nodegraph.viz.chart import Chart
from nodegraph.viz.loss_curves import loss_curves

TABLE, CURVES = "compare.csv", "compare.svg"

VALIDATIONS = 20
"""Each model is validated at most so many times, at equal parts of the budget."""


@dataclass(frozen=True)
class Budget:
    """What each training may spend: iterations, or minutes of training.

    Minutes are those of the iterations alone, without validations, and without the first iteration, in which kernels
    may be compiled. Raises ArgumentError unless just one of the two is given, and positive.
    """

    iterations: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        given = [(n, v) for n, v in (("iterations", self.iterations), ("minutes", self.minutes)) if v is not None]
        if len(given) != 1:
            raise ArgumentError("a budget is a number of iterations or of minutes, one of the two")
        if not 0 < given[0][1] < math.inf:
            raise ArgumentError(f"{given[0][0]} must be positive, got {given[0][1]}")

    def spent(self, iterations: int, seconds: float) -> float:
        """The part of the budget that is spent, from 0 to 1 or a little more."""
        return iterations / self.iterations if self.iterations else seconds / (60 * self.minutes)

    def validations(self, batches: int) -> int:
        """How often to validate on so many batches: less where that would be more work than the training."""
        return max(2, min(VALIDATIONS, 2 * self.iterations // batches)) if self.iterations else VALIDATIONS


@dataclass(frozen=True)
class Run:
    """One training of a model with a seed; `failure` says why it ended early, None if it did not."""

    model: str
    rnn_size: int
    parameters: int
    seed: int
    history: History
    characters: int
    failure: str | None

    @property
    def loss(self) -> float:
        """The last validation loss."""
        return float(self.history["validation_loss"][1][-1])

    @property
    def seconds(self) -> float:
        """Median duration of an iteration; the first does not count, if there are others."""
        total = self.history["seconds"][1]
        return float(np.median(np.diff(total))) if len(total) > 1 else float(total[0])


class Comparison:
    """The trainings of several models with several seeds, each from the same options, on the same text.

    With `equal="parameters"` each model has the `rnn_size` with which it comes nearest to the number of parameters that
    the first one has; else all have the same `rnn_size`. `train` does the work; `runs` holds what is done so far.
    Raises ArgumentError for models or seeds that are none or come twice, DataError for too little text.
    """

    def __init__(
        self,
        models: Sequence[str],
        text: str,
        options: Options,
        budget: Budget,
        seeds: Sequence[int] = (1,),
        equal: str = "size",
    ) -> None:
        for what, values in (("models", models), ("seeds", seeds)):
            if not values or len(set(values)) < len(values):
                raise ArgumentError(f"the {what} to compare must be some, and each only once, got {list(values)}")
        if equal not in ("size", "parameters"):
            raise ArgumentError(f"equal must be 'size' or 'parameters', got {equal!r}")
        self.text, self.budget = text, budget
        self.options = {model: replace(options, model=model) for model in models}
        if equal == "parameters":
            n, layers = len(Vocabulary(text)), options.num_layers
            parameters = parameters_of(models[0], n, options.rnn_size, layers)
            for model in models[1:]:
                size = size_with_parameters(model, parameters, n, layers)
                self.options[model] = replace(self.options[model], rnn_size=size)
        self.trainings = [replace(chosen, seed=seed) for seed in seeds for chosen in self.options.values()]
        sizes = (options.batch_size, options.seq_length, options.train_frac, options.val_frac)
        if not Batches(np.zeros(len(text)), *sizes).validation:
            raise DataError("a comparison needs text to validate on: see val_frac, or take more text")
        self.runs: list[Run] = []

    def train(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Train every model with the first seed, then every model with the next.

        Each trained model is saved into the folder, if there is one, by its name and seed. A training whose loss goes
        wrong ends, and the others go on.
        """
        if folder is not None:
            checkpoint.make_folder(folder)
            for name in [*map(_file_of, self.trainings), TABLE, CURVES]:
                check_writable(pathlib.Path(folder) / name)
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        total = len(self.trainings)
        with tqdm(total=total, bar_format=form, **bar_settings()) as bar:
            for options in self.trainings:
                bar.set_description(f"{options.model}, seed {options.seed}")
                trainer = Trainer(options, self.text)
                self.runs.append(self.one(trainer, bar))
                if folder is not None and not self.runs[-1].failure:
                    trainer.save(pathlib.Path(folder) / _file_of(options))

    def one(self, trainer: Trainer, bar: tqdm) -> Run:
        """Train with the budget, validated at equal parts of it."""
        spent, seconds, failure, start = 0.0, 0.0, None, bar.n
        parts = self.budget.validations(trainer.batches.validation)
        try:
            while spent < 1:
                check_loss(trainer, trainer.step())
                seconds += trainer.seconds[-1] if trainer.iteration > 1 else 0
                before, spent = spent, self.budget.spent(trainer.iteration, seconds)
                if int(spent * parts) > int(before * parts) or spent >= 1:
                    trainer.validate()
                bar.update(start + min(spent, 1) - bar.n)
        except TrainingStopped as error:
            failure = str(error)
            bar.update(start + 1 - bar.n)
        options = trainer.options
        return Run(
            options.model,
            options.rnn_size,
            trainer.parameters.size,
            options.seed,
            history_of(trainer),
            trainer.characters_per_iteration,
            failure,
        )

    # What came out

    def of_models(self) -> dict[str, list[Run]]:
        """The runs so far of each model, the best model first, by the mean of its last validation losses."""
        found = {model: [run for run in self.runs if run.model == model] for model in self.options}
        return dict(sorted(((m, runs) for m, runs in found.items() if runs), key=lambda item: _mean_loss(item[1])))

    def table(self) -> str:
        """A line for each model, the best first: sizes, the last validation loss, speed.

        The loss is the mean over the seeds, and after +- the standard deviation from seed to seed.
        """
        head = ("model", "size", "parameters", "validation loss", "bits/char", "chars/s", "ms/step", "iterations")
        rows = [head, *(_row(model, runs) for model, runs in self.of_models().items())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:]))])
            + "".join(f"  {note}" for note in row[len(head) :])
            for row in rows
        )

    def save(self, folder: str | os.PathLike[str], theme: str = "light") -> list[pathlib.Path]:
        """Write `compare.csv`, all that was measured of each run, and `compare.svg`, the curves; returns the paths.

        There are no curves where matplotlib is missing, and none where no training came through.
        """
        named = {f"{run.model} seed {run.seed}": run.history for runs in self.of_models().values() for run in runs}
        paths = [save_table(named, pathlib.Path(folder) / TABLE)]
        if importlib.util.find_spec("matplotlib") and not all(run.failure for run in self.runs):
            paths.append(self.curves(theme).save(pathlib.Path(folder) / CURVES))
        return paths

    def curves(self, theme: str = "light") -> Chart:
        """The validation losses of the models, the means over the seeds with their ranges, as the budget was spent.

        Trainings that went wrong are left out.
        """
        trained = {model: [run.history for run in runs if not run.failure] for model, runs in self.of_models().items()}
        against = "seconds" if self.budget.minutes else "iteration"
        return loss_curves({m: runs for m, runs in trained.items() if runs}, against, unit=UNIT, theme=theme)


def _file_of(options: Options) -> str:
    """What the file of a trained model is called."""
    return f"{options.model}_seed{options.seed}.safetensors"


def _mean_loss(runs: list[Run]) -> float:
    losses = [run.loss for run in runs if not run.failure]
    return float(np.mean(losses)) if losses else math.inf


def _row(model: str, runs: list[Run]) -> tuple[str, ...]:
    losses = [run.loss for run in runs if not run.failure]
    seconds = float(np.median([run.seconds for run in runs]))
    mean = _mean_loss(runs)
    spread = f" +- {np.std(losses, ddof=1):.3f}" if len(losses) > 1 else ""
    iterations = [len(run.history["loss"][0]) for run in runs]
    notes = [f"{len(runs) - len(losses)} of {len(runs)} diverged"] if len(losses) < len(runs) else []
    return (
        model,
        str(runs[0].rnn_size),
        f"{runs[0].parameters:,}",
        f"{mean:.3f}{spread}" if losses else "-",
        f"{mean / math.log(2):.3f}" if losses else "-",
        f"{runs[0].characters / seconds:,.0f}",
        f"{1000 * seconds:.2f}",
        f"{round(float(np.mean(iterations))):,}",
        *notes,
    )
