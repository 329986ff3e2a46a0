"""The training loop as one watches it: progress, samples, validation, checkpoints, and an orderly end."""

from __future__ import annotations

import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from nodegraph.engine import compiling
from nodegraph.errors import ArgumentError, CheckpointError, TrainingStopped
from nodegraph.history import out_of_patience
from nodegraph.io import checkpoint
from nodegraph.io.writing import check_writable
from nodegraph.models.char_rnn.contents import check_finite
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.signals import Signals
from nodegraph.models.char_rnn.training import Trainer

LATEST = "latest.safetensors"
BEST = "best.safetensors"
SMOOTHING = 0.98


def train(
    trainer: Trainer,
    folder: str | pathlib.Path,
    savefile: str = "lstm",
    iterations: int | None = None,
    minutes: float | None = None,
    say: Callable[[str], None] | None = None,
) -> pathlib.Path:
    """Train to the last epoch, or for so many further iterations or minutes; returns the last checkpoint's path.

    Every `eval_val_every` iterations and at the end the model is validated and saved, twice: by a name that tells
    epoch and loss, and as `latest.safetensors`; if its validation loss is the lowest so far, also as
    `best.safetensors`. With the option `patience` training ends when so many of these validations in a row were no
    better than the best before them; then the best one's path is returned. An interrupt (Ctrl-C) saves, too, and ends
    in KeyboardInterrupt; progress or a sample that cannot be shown any more saves, and ends in OSError. Raises
    TrainingStopped when the loss or a parameter is no number, or the loss exceeds three times both the first one and
    that of blind guesses; nothing is saved then. Raises CheckpointError, before anything else, if the folder cannot be
    written, and ArgumentError for `patience` without text to validate on.
    """
    folder, options = pathlib.Path(folder), trainer.options
    end = options.max_epochs * trainer.batches.train
    if iterations is not None:
        end = min(end, trainer.iteration + iterations)
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    smoothed = float(np.mean(trainer.losses[-50:])) if trainer.losses else None
    path, validated = None, trainer.validations[-1][0] if trainer.validations else 0
    if options.patience and not trainer.batches.validation:
        raise ArgumentError("patience needs text to validate on, and there is none: see val_frac")
    checkpoint.make_folder(folder)
    for name in (LATEST, BEST):
        check_writable(folder / name, "the checkpoint ")
    start = trainer.iteration
    shown = bar_settings(trainer.engine.main)
    compiled = compiling.seconds()
    bar = tqdm(total=end, initial=start, unit="batch", **shown)
    with bar, compiling.announced(lambda: _compiles(bar)), Signals() as signals:
        say = say or (lambda text: bar.write(text, file=sys.stdout))
        say = say if trainer.engine.main else (lambda text: None)
        try:
            while trainer.iteration < end:
                if trainer.iteration % options.eval_val_every == 0 and trainer.iteration != validated:
                    path, validated = _validate_and_save(trainer, folder, savefile, say), trainer.iteration
                if trainer.iteration == validated and _out_of_patience(trainer):
                    best = _best_there(trainer, folder)
                    say(_ends(trainer, best))
                    path = best or path
                    break
                with signals.held_back():
                    loss = trainer.step()
                    check_loss(trainer, loss)
                smoothed = loss if smoothed is None else SMOOTHING * smoothed + (1 - SMOOTHING) * loss
                try:
                    bar.update()
                    _show(bar, trainer, smoothed, compiling.seconds() - compiled)
                    if trainer.engine.main and options.sample_every and trainer.iteration % options.sample_every == 0:
                        say(_sample_text(trainer))
                except OSError:  # Nobody reads it any more, or the disk is full.
                    _save(trainer, folder)
                    raise
                if trainer.engine.agreed(time.monotonic() >= deadline):
                    break
            if trainer.losses and (path is None or validated != trainer.iteration):
                path = _validate_and_save(trainer, folder, savefile, say)
        except KeyboardInterrupt:
            with signals.held_back():
                path = _save(trainer, folder)
                say(f"interrupted after {trainer.iteration} iterations; saved {path}, --resume goes on from there")
            raise
    return path or folder / LATEST


def bar_settings(main: bool = True) -> dict[str, Any]:
    """How often a progress bar is drawn anew: seldom where nobody watches, never by a process that is not the main one.

    Nor by one whose standard error is closed.
    """
    interval = 0.2 if sys.stderr is not None and sys.stderr.isatty() else 10
    return {"mininterval": interval, "maxinterval": interval, "disable": not main or sys.stderr is None}


def _validate_and_save(
    trainer: Trainer, folder: pathlib.Path, savefile: str, say: Callable[[str], None]
) -> pathlib.Path:
    loss = trainer.validate()
    name = "validation" if loss is not None else "training"
    loss = loss if loss is not None else float(np.mean(trainer.losses[-50:]))
    check_parameters(trainer)
    if not math.isfinite(loss):
        raise TrainingStopped(f"the {name} loss is {loss} after {trainer.iteration} iterations")
    path = trainer.save(folder / f"lm_{savefile}_epoch{trainer.epoch:.2f}_{loss:.4f}.safetensors")
    _save(trainer, folder)
    say(f"epoch {trainer.epoch:.2f}: {name} loss {loss:.4f}, {_bits(loss):.3f} bits per character; saved {path}")
    return path


def _save(trainer: Trainer, folder: pathlib.Path) -> pathlib.Path:
    """Save as the latest, and before that as the best if it is: a kill in between must not lose the best."""
    check_parameters(trainer)
    if trainer.validations and _lowest(trainer)[0] == trainer.iteration:
        trainer.save(folder / BEST)
    return trainer.save(folder / LATEST)


def check_parameters(trainer: Trainer) -> None:
    """TrainingStopped if a parameter is no number any more, though the loss before the last step was one."""
    trainer.engine.synchronise()
    try:
        check_finite(checkpoint.state_of(trainer.model.network))
    except CheckpointError as error:
        raise TrainingStopped(
            f"{error} after {trainer.iteration} iterations: a smaller --learning-rate or --grad-clip may help"
        ) from None


def _lowest(trainer: Trainer) -> tuple[int, float]:
    """The first of the lowest validation losses, with its iteration."""
    return min(trainer.validations, key=lambda validation: validation[1])


def _out_of_patience(trainer: Trainer) -> bool:
    """Whether the last `patience` validations brought no better loss.

    Those in between the regular ones, at the end of a part of the training, do not count: they would make a training
    that is resumed end elsewhere than one that runs through.
    """
    every = trainer.options.eval_val_every
    losses = [loss for iteration, loss in trainer.validations if iteration % every == 0]
    return out_of_patience(losses, trainer.options.patience)


def _best_there(trainer: Trainer, folder: pathlib.Path) -> pathlib.Path | None:
    """The file of the best checkpoint; None if it is another training's, as in a folder that this one came to later."""
    try:
        validations = checkpoint.load(folder / BEST)[1].get("validations", [])
    except CheckpointError:
        return None
    return folder / BEST if [list(_lowest(trainer))] == validations[-1:] else None


def _ends(trainer: Trainer, best: pathlib.Path | None) -> str:
    iteration, loss = _lowest(trainer)
    return (
        f"no better validation loss in {trainer.options.patience} validations, so training ends; the best was "
        f"{loss:.4f} after {iteration} iterations{f', {best}' if best else ''}"
    )


def _show(bar: tqdm, trainer: Trainer, loss: float, compiled: float) -> None:
    rate = bar.format_dict["rate"]
    if not rate and bar.format_dict["elapsed"] > 0:
        rate = (bar.n - bar.initial) / bar.format_dict["elapsed"]
    speed = f"{(rate or 0) * trainer.characters_per_iteration:,.0f} characters/s"
    compiling_took = f", {compiled:.0f} s of compiling" if compiled >= 1 else ""
    bar.set_postfix_str(f"loss {loss:.3f}, {_bits(loss):.2f} bits/char, {speed}{compiling_took}", refresh=False)


def _compiles(bar: tqdm) -> None:
    bar.set_postfix_str("compiling kernels, which are kept for the next time")


def _sample_text(trainer: Trainer) -> str:
    """A sample with a generator of its own, so that samples change nothing in the training."""
    trainer.engine.synchronise()
    trainer.model.network.evaluate()
    text = "".join(sample(trainer.model, length=200, generator=np.random.default_rng(trainer.iteration)))
    trainer.model.network.training()
    return f"--- epoch {trainer.epoch:.2f}, the model writes:\n{text}\n---"


def check_loss(trainer: Trainer, loss: float) -> None:
    """TrainingStopped for a loss that is no number, or far above the first one and that of blind guesses."""
    if not math.isfinite(loss):
        raise TrainingStopped(
            f"the loss is {loss} at iteration {trainer.iteration}: a smaller --learning-rate or --grad-clip may help"
        )
    if loss > 3 * max(trainer.losses[0], math.log(len(trainer.model.vocabulary)), 1):
        raise TrainingStopped(
            f"the loss explodes: {loss:.3f} at iteration {trainer.iteration}, {trainer.losses[0]:.3f} at the first; "
            "a smaller --learning-rate may help"
        )


def _bits(nats: float) -> float:
    return nats / math.log(2)
