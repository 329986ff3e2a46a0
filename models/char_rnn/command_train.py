"""The command `nodegraph train`."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, fields
from pathlib import Path

from nodegraph.errors import ArgumentError, CheckpointError
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.options import add_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="PATH", help="a text file or a folder of them (default: Python's own library)"
    )
    add_options(parser, Options)
    parser.add_argument("--iterations", type=int, metavar="N", help="stop after so many iterations")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so many minutes")
    parser.add_argument("--checkpoint-dir", default="cv", metavar="FOLDER", help="where checkpoints go (default: cv)")
    parser.add_argument("--savefile", metavar="NAME", help="name in the checkpoints' names (default: the model's)")
    parser.add_argument("--init-from", metavar="CHECKPOINT", help="start from the parameters of a checkpoint")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="CHECKPOINT",
        help="go on exactly where a checkpoint was saved; by default the latest one in the folder",
    )
    parser.add_argument(
        "--engine",
        choices=("nodegraph", "torch"),
        default="nodegraph",
        help="what computes: nodegraph itself, or PyTorch, on a GPU if there is one (default: nodegraph)",
    )
    parser.add_argument(
        "--nproc", type=int, default=1, metavar="N", help="with --engine torch: train in N processes (default: 1)"
    )


def run(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn import launch, loop
    from nodegraph.models.char_rnn.text import read_text
    from nodegraph.models.char_rnn.training import CharacterModel, Trainer

    chosen = {f.name: getattr(given, f.name) for f in fields(Options) if hasattr(given, f.name)}
    engine = launch.engine_named(given.engine)
    _check(given)
    options, text = Options(**chosen), read_text(given.data)
    if given.nproc != 1 and not launch.launched():
        if given.engine == "torch" and given.resume is None and given.nproc > options.batch_size:
            raise ArgumentError(f"a batch of {options.batch_size} cannot be shared by {given.nproc} processes")
        return launch.launch(given.arguments, given.engine, given.nproc)
    if given.resume is not None:
        trainer = Trainer.resume(given.resume or Path(given.checkpoint_dir) / loop.LATEST, text, engine, **chosen)
    elif given.init_from is not None:
        start, _, _ = CharacterModel.load(given.init_from)
        kept = {name: getattr(start.options, name) for name in ("model", "rnn_size", "num_layers")}
        for name, value in kept.items():
            if chosen.get(name, value) != value:
                raise ArgumentError(f"the {name} of {given.init_from} is {value}, and cannot become {chosen[name]}")
        try:
            trainer = Trainer(Options(**{**asdict(options), **kept}), text, start, engine)
        except CheckpointError as error:
            raise CheckpointError(f"{given.init_from}: {error}") from error
    else:
        trainer = Trainer(options, text, engine=engine)
    model, batches = trainer.model, trainer.batches
    say = print if launch.is_main() else _say_nothing
    say(
        f"{len(text):,} characters, {len(model.vocabulary)} distinct; "
        f"batches to train {batches.train}, to validate {batches.validation}, to test {batches.test}\n"
        f"{model.options.model} with {model.options.num_layers} layers of {model.options.rnn_size}, "
        f"{trainer.parameters.size:,} parameters"
    )
    path = loop.train(
        trainer, given.checkpoint_dir, given.savefile or model.options.model, given.iterations, given.minutes
    )
    say(f"to hear more: nodegraph sample {path}")
    return 0


def _check(given: argparse.Namespace) -> None:
    """ArgumentError, before any work, for what is no option of the model."""
    if given.resume is not None and given.init_from is not None:
        raise ArgumentError("--resume and --init-from exclude each other")
    for name in ("iterations", "minutes"):
        if getattr(given, name) is not None and not getattr(given, name) > 0:
            raise ArgumentError(f"--{name} must be positive, got {getattr(given, name)}")
    if not given.checkpoint_dir:
        raise ArgumentError("--checkpoint-dir names a folder, got nothing")
    if given.savefile and os.path.basename(given.savefile) != given.savefile:
        raise ArgumentError(f"--savefile is part of a file's name, not a path, got {given.savefile!r}")


def _say_nothing(text: str) -> None:
    """What all but one of the processes that train together say."""
