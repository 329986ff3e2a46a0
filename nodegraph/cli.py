"""The command `nodegraph`: thin, every verb is a call of the library."""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, NodegraphError, TrainingStopped
from nodegraph.models.char_rnn import command_compare, command_curves
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.digits import command as digits_command
from nodegraph.models.options import add_options
from nodegraph.models.sine import command as sine_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status: 0, 2 for bad input, 1 for training gone wrong, 130 for Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # A model may write what a terminal cannot show.
    parser = _parser()
    given = parser.parse_args(arguments)
    given.arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return given.verb(given)
    except NodegraphError as error:
        from nodegraph.models.char_rnn.launch import is_main

        if is_main():
            print(f"nodegraph: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingStopped) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodegraph", description="neural networks wired from small modules")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    train = verbs.add_parser("train", help="train a character model on text", formatter_class=_Defaults)
    train.add_argument("--data", metavar="PATH", help="a text file or a folder of them (default: Python's own library)")
    add_options(train, Options)
    train.add_argument("--iterations", type=int, metavar="N", help="stop after so many iterations")
    train.add_argument("--minutes", type=float, metavar="M", help="stop after so many minutes")
    train.add_argument("--checkpoint-dir", default="cv", metavar="FOLDER", help="where checkpoints go (default: cv)")
    train.add_argument("--savefile", metavar="NAME", help="name in the checkpoints' names (default: the model's)")
    train.add_argument("--init-from", metavar="CHECKPOINT", help="start from the parameters of a checkpoint")
    train.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="CHECKPOINT",
        help="go on exactly where a checkpoint was saved; by default the latest one in the folder",
    )
    train.add_argument(
        "--engine",
        choices=("nodegraph", "torch"),
        default="nodegraph",
        help="what computes: nodegraph itself, or PyTorch, on a GPU if there is one (default: nodegraph)",
    )
    train.add_argument(
        "--nproc", type=int, default=1, metavar="N", help="with --engine torch: train in N processes (default: 1)"
    )
    train.set_defaults(verb=_train)

    sample = verbs.add_parser("sample", help="write text with a trained model")
    sample.add_argument("checkpoint")
    sample.add_argument("--length", type=int, default=2000, help="number of characters (default: 2000)")
    sample.add_argument("--prime", default="", metavar="TEXT", help="text that the model goes on from")
    sample.add_argument("--temperature", type=float, default=1.0, help="below 1 safer, above 1 wilder (default: 1)")
    sample.add_argument("--argmax", action="store_true", help="always take the most probable character")
    sample.add_argument("--seed", type=int, default=123, help="seed of the random numbers (default: 123)")
    sample.set_defaults(verb=_sample)

    inspect = verbs.add_parser("inspect", help="show what a checkpoint holds")
    inspect.add_argument("checkpoint")
    inspect.set_defaults(verb=_inspect)

    for name, command, text in (
        ("compare", command_compare, "train several models with the same budget and compare them"),
        ("curves", command_curves, "draw the loss curves of trainings"),
        ("digits", digits_command, "learn to read handwritten digits"),
        ("sine", sine_command, "learn to go on with a noisy sine curve"),
    ):
        application = verbs.add_parser(name, help=text, formatter_class=_Defaults)
        command.add_arguments(application)
        application.set_defaults(verb=command.run)

    convert = verbs.add_parser("convert", help="write a model in another file format", formatter_class=_Defaults)
    convert.add_argument("source", metavar="IN", help="a .t7, .safetensors or .pt file, or file.py:function")
    convert.add_argument("target", metavar="OUT", help="a file whose name ends in .t7, .safetensors, .onnx or .pt")
    convert.add_argument(
        "--shapes",
        nargs="+",
        metavar="SHAPE",
        help="for .onnx, shapes of the inputs, such as \"('batch',3)\"; a name leaves the length open",
    )
    convert.set_defaults(verb=_convert)

    draw = verbs.add_parser("draw", help="draw a model", formatter_class=_Defaults)
    _add_model(draw)
    draw.add_argument(
        "--detail",
        choices=("structure", "shapes", "values", "schedule"),
        default="structure",
        help="what to show beside the structure: shapes; values of a run on random numbers; what runs step by step "
        "when the model is the cell of a Recurrent (default: structure)",
    )
    draw.add_argument("--direction", choices=("forward", "backward"), default="forward", help="(default: forward)")
    draw.add_argument("--depth", type=int, metavar="N", help="fold what is nested deeper (default: fold nothing)")
    draw.add_argument("--theme", choices=("light", "dark"), default="light", help="(default: light)")
    draw.add_argument("--out", metavar="FILE", help="an svg, png, pdf or dot file (default: the model's name, .svg)")
    draw.set_defaults(verb=_draw)

    walk = verbs.add_parser("walk", help="a page to step through a run of a model", formatter_class=_Defaults)
    _add_model(walk)
    walk.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="steps in time (default: for a character model 12, or the length of --text; else a cell runs once)",
    )
    walk.add_argument("--text", help="what a trained character model reads")
    walk.add_argument("--depth", type=int, metavar="N", help="fold what is nested deeper (default: fold nothing)")
    walk.add_argument("--out", metavar="FILE", help="an html file (default: the model's name, .html)")
    walk.add_argument("--open", action="store_true", help="show the page in the browser")
    walk.set_defaults(verb=_walk)

    learn = verbs.add_parser(
        "learn", help="lessons, from a neuron to an LSTM, as pages to step through", formatter_class=_Defaults
    )
    learn.add_argument("lesson", nargs="?", type=int, metavar="N", help="the lesson to open (default: list them all)")
    learn.add_argument("--all", action="store_true", help="make all lessons, and a page that lists them")
    learn.add_argument("--out", metavar="FOLDER", help="where the pages go (default: a folder for what is temporary)")
    learn.add_argument("--no-open", action="store_true", help="do not show them in the browser")
    learn.set_defaults(verb=_learn)

    summary = verbs.add_parser("summary", help="list the modules of a model in a table", formatter_class=_Defaults)
    _add_model(summary)
    summary.set_defaults(verb=_summary)
    return parser


class _Defaults(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="lstm, gru or rnn, a character model; lstm-cell; a checkpoint; or file.py:function, which returns a model",
    )
    parser.add_argument(
        "--shapes",
        nargs="+",
        metavar="SHAPE",
        help='shapes of the inputs, such as "(1,3)" "(1,2)"; a model from a file needs them where shapes are shown',
    )
    for name, text in (
        ("input-size", "size of the input, or number of characters (default: 65)"),
        ("rnn-size", "size of the hidden state of each layer (default: 128)"),
        ("num-layers", "number of layers (default: 2)"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"of a named model: {text}")


def _train(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn import launch, loop
    from nodegraph.models.char_rnn.text import read_text
    from nodegraph.models.char_rnn.training import CharacterModel, Trainer

    chosen = {f.name: getattr(given, f.name) for f in fields(Options) if hasattr(given, f.name)}
    engine = launch.engine_named(given.engine)
    if given.resume is not None and given.init_from is not None:
        raise ArgumentError("--resume and --init-from exclude each other")
    for name in ("iterations", "minutes"):
        if getattr(given, name) is not None and not getattr(given, name) > 0:
            raise ArgumentError(f"--{name} must be positive, got {getattr(given, name)}")
    options, text = Options(**chosen), read_text(given.data)
    if given.nproc != 1 and not launch.launched():
        return launch.launch(given.arguments, given.engine, given.nproc)
    if given.resume is not None:
        trainer = Trainer.resume(given.resume or Path(given.checkpoint_dir) / loop.LATEST, text, engine, **chosen)
    elif given.init_from is not None:
        start, _, _ = CharacterModel.load(given.init_from)
        kept = {name: getattr(start.options, name) for name in ("model", "rnn_size", "num_layers")}
        trainer = Trainer(Options(**{**asdict(options), **kept}), text, start, engine)
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


def _say_nothing(text: str) -> None:
    """What all but one of the processes that train together say."""


def _sample(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn.sampling import sample
    from nodegraph.models.char_rnn.training import CharacterModel

    if given.seed < 0:
        raise ArgumentError(f"--seed must not be negative, got {given.seed}")
    model, _, _ = CharacterModel.load(given.checkpoint)
    generator = np.random.default_rng(given.seed)
    for character in sample(model, given.length, given.prime, given.temperature, given.argmax, generator):
        print(character, end="", flush=True)
    print()
    return 0


def _model(given: argparse.Namespace) -> Any:
    from nodegraph.find_model import find_model

    found = find_model(given.model, input_size=given.input_size, rnn_size=given.rnn_size, num_layers=given.num_layers)
    if given.shapes:
        shapes = [_shape(text) for text in given.shapes]
        found.input_shapes = shapes if len(shapes) > 1 else shapes[0]
    return found


def _shape(text: str) -> Any:
    from nodegraph.viz.shape_trace import as_shape

    return as_shape(_literal(text))


def _literal(text: str) -> Any:
    """A shape as it is written on a command line; a single length is one of a single axis."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return (value,) if isinstance(value, (int, str)) else value


def _draw(given: argparse.Namespace) -> int:
    from nodegraph.viz import draw

    found = _model(given)
    if given.detail == "values":
        found.run()
    elif given.detail == "schedule":
        found = found.over_time()
    diagram = draw(
        found.module,
        direction=given.direction,
        detail=given.detail,
        input_shapes=found.input_shapes,
        depth=given.depth,
        theme=given.theme,
    )
    path = given.out or f"{found.name}.svg"
    diagram.save(path)
    print(path)
    return 0


def _walk(given: argparse.Namespace) -> int:
    from nodegraph.viz.walkthrough.found import walk_found

    found = _model(given)
    path = walk_found(found, given.steps, given.text, given.depth).save(given.out or f"{found.name}.html")
    print(path)
    if given.open:
        webbrowser.open(path.absolute().as_uri())
    return 0


def _learn(given: argparse.Namespace) -> int:
    from nodegraph.viz import lessons

    if given.all and given.lesson is not None:
        raise ArgumentError(f"--all makes every lesson, so do not name lesson {given.lesson}, too")
    if given.lesson is None and not given.all:
        if given.out is not None:
            raise ArgumentError("--out needs a lesson, or --all")
        for lesson in lessons.LESSONS:
            print(f"{lesson.number}  {lesson.title}\n   {lesson.about}")
        print("\nnodegraph learn 1 opens the first, nodegraph learn --all makes them all")
        return 0
    folder = given.out or tempfile.mkdtemp(prefix="nodegraph-lessons-")
    paths = [lessons.make_all(folder)] if given.all else lessons.make(given.lesson, folder)
    print(*paths, sep="\n")
    if not given.no_open:
        webbrowser.open(paths[0].absolute().as_uri())
    return 0


def _summary(given: argparse.Namespace) -> int:
    from nodegraph.viz.summary import summary

    found = _model(given)
    print(summary(found.module, found.input_shapes))
    return 0


def _convert(given: argparse.Namespace) -> int:
    from nodegraph.convert import convert

    shapes = [_literal(text) for text in given.shapes or ()]
    print(convert(given.source, given.target, shapes if len(shapes) > 1 else shapes[0] if shapes else None))
    return 0


def _inspect(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn.inspection import describe

    print(describe(given.checkpoint))
    return 0
