"""The training loop as one watches it: progress, samples, validation, checkpoints, and an orderly end."""

from __future__ import annotations

import contextlib
import math
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from tqdm import tqdm

from nodegraph.errors import NodegraphError
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.training import Trainer

LATEST = "latest.safetensors"
SMOOTHING = 0.98


class TrainingStopped(NodegraphError, RuntimeError):
    """Training that went wrong, with advice."""


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
    epoch and loss, and as `latest.safetensors`. An interrupt (Ctrl-C) saves, too, and ends in KeyboardInterrupt. Raises
    TrainingStopped when the loss is no number, or exceeds three times both the first one and that of blind guesses;
    nothing is saved then. Raises CheckpointError, before anything else, if the folder cannot be written.
    """
    folder, options = pathlib.Path(folder), trainer.options
    end = options.max_epochs * trainer.batches.train
    if iterations is not None:
        end = min(end, trainer.iteration + iterations)
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    smoothed = float(np.mean(trainer.losses[-50:])) if trainer.losses else None
    path = folder / LATEST
    checkpoint.make_folder(folder)
    interval = 0.2 if sys.stderr.isatty() else 10
    start = trainer.iteration
    with tqdm(total=end, initial=start, unit="batch", mininterval=interval, maxinterval=interval) as bar:
        say = say or (lambda text: bar.write(text, file=sys.stdout))
        try:
            while trainer.iteration < end:
                with _interrupt_held_back():
                    loss = trainer.step()
                    _check(trainer, loss)
                smoothed = loss if smoothed is None else SMOOTHING * smoothed + (1 - SMOOTHING) * loss
                bar.update()
                _show(bar, trainer, smoothed)
                if options.sample_every and trainer.iteration % options.sample_every == 0:
                    say(_sample_text(trainer))
                if trainer.iteration % options.eval_val_every == 0 and trainer.iteration < end:
                    path = _validate_and_save(trainer, folder, savefile, say)
                if time.monotonic() >= deadline:
                    break
        except KeyboardInterrupt:
            path = trainer.save(folder / LATEST)
            say(f"interrupted after {trainer.iteration} iterations; saved {path}, --resume goes on from there")
            raise
        if trainer.losses:
            path = _validate_and_save(trainer, folder, savefile, say)
    return path


@contextlib.contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, so that what is saved is the state between two iterations."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt


def _validate_and_save(
    trainer: Trainer, folder: pathlib.Path, savefile: str, say: Callable[[str], None]
) -> pathlib.Path:
    loss = trainer.validate()
    name = "validation" if loss is not None else "training"
    loss = loss if loss is not None else float(np.mean(trainer.losses[-50:]))
    path = trainer.save(folder / f"lm_{savefile}_epoch{trainer.epoch:.2f}_{loss:.4f}.safetensors")
    trainer.save(folder / LATEST)
    say(f"epoch {trainer.epoch:.2f}: {name} loss {loss:.4f}, {_bits(loss):.3f} bits per character; saved {path}")
    return path


def _show(bar: tqdm, trainer: Trainer, loss: float) -> None:
    rate = bar.format_dict["rate"]
    if not rate and bar.format_dict["elapsed"] > 0:
        rate = (bar.n - bar.initial) / bar.format_dict["elapsed"]
    speed = f"{(rate or 0) * trainer.characters_per_iteration:,.0f} characters/s"
    bar.set_postfix_str(f"loss {loss:.3f}, {_bits(loss):.2f} bits/char, {speed}", refresh=False)


def _sample_text(trainer: Trainer) -> str:
    """A sample with a generator of its own, so that samples change nothing in the training."""
    trainer.model.network.evaluate()
    text = "".join(sample(trainer.model, length=200, generator=np.random.default_rng(trainer.iteration)))
    trainer.model.network.training()
    return f"--- epoch {trainer.epoch:.2f}, the model writes:\n{text}\n---"


def _check(trainer: Trainer, loss: float) -> None:
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
