"""The command `nodegraph`: what may be typed, and how it ends."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from nodegraph import commands
from nodegraph.errors import NodegraphError, TrainingStopped
from nodegraph.models.char_rnn import command_compare, command_curves, command_train, launch
from nodegraph.models.digits import command as digits_command
from nodegraph.models.sine import command as sine_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status: 0, 2 for bad input, 1 for training gone wrong, 130 for Ctrl-C.

    SIGTERM and SIGHUP end a command as Ctrl-C does, with the status 128 + the number of the signal.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # A model may write what a terminal cannot show.
    parser = _parser()
    given = parser.parse_args(arguments)
    given.arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _ended_by_signals():
            status = given.verb(given)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except NodegraphError as error:
        return _refused(str(error), 1 if isinstance(error, TrainingStopped) else 2)
    except MemoryError as error:
        return _refused(f"there is not enough memory: {str(error) or 'an array does not fit'}")
    except KeyboardInterrupt as error:
        return 128 + (error.args[0] if error.args and isinstance(error.args[0], int) else signal.SIGINT)
    except BrokenPipeError:
        _forget_output()
        return 0
    except OSError as error:
        _forget_output()
        what = error.filename or "cannot write what there is to tell"
        return _refused(f"{what}: {error.strerror or error}")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP become interrupts, which save a training, unless somebody else sees to them."""
    taken: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread() and not launch.launched():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt(number)


def _refused(message: str, status: int = 2) -> int:
    if launch.is_main():
        with contextlib.suppress(OSError):
            print(f"nodegraph: {message}", file=sys.stderr)
    return status


def _forget_output() -> None:
    """Let what could not be written go nowhere, so that Python does not try again when it ends."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
            continue
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodegraph", description="neural networks wired from small modules")
    parser.add_argument("--version", action=_Version, nargs=0, help="tell which nodegraph this is")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_application(verbs, "train", command_train, "train a character model on text")

    sample = verbs.add_parser("sample", help="write text with a trained model")
    sample.add_argument("checkpoint", help="a checkpoint of nodegraph train, or a .t7 of char-rnn or torch-rnn")
    sample.add_argument("--length", type=int, default=2000, help="number of characters (default: 2000)")
    sample.add_argument("--prime", default="", metavar="TEXT", help="text that the model goes on from")
    sample.add_argument("--temperature", type=float, default=1.0, help="below 1 safer, above 1 wilder (default: 1)")
    sample.add_argument("--argmax", action="store_true", help="always take the most probable character")
    sample.add_argument("--seed", type=int, default=123, help="seed of the random numbers (default: 123)")
    sample.set_defaults(verb=commands.sample)

    inspect = verbs.add_parser("inspect", help="show what a checkpoint holds")
    inspect.add_argument("checkpoint", help="a checkpoint of nodegraph train, or a .t7 of char-rnn or torch-rnn")
    inspect.set_defaults(verb=commands.inspect)

    _add_application(verbs, "compare", command_compare, "train several models with the same budget and compare them")
    _add_application(verbs, "curves", command_curves, "draw the loss curves of trainings")
    _add_application(verbs, "digits", digits_command, "learn to read handwritten digits")
    _add_application(verbs, "sine", sine_command, "learn to go on with a noisy sine curve")

    convert = verbs.add_parser("convert", help="write a model in another file format", formatter_class=_Defaults)
    convert.add_argument("source", metavar="IN", help="a .t7, .safetensors or .pt file, or file.py:function")
    convert.add_argument("target", metavar="OUT", help="a file whose name ends in .t7, .safetensors, .onnx or .pt")
    convert.add_argument(
        "--shapes",
        nargs="+",
        metavar="SHAPE",
        help="for .onnx, shapes of the inputs, such as \"('batch',3)\"; a name leaves the length open",
    )
    convert.set_defaults(verb=commands.convert)

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
    draw.set_defaults(verb=commands.draw)

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
    walk.set_defaults(verb=commands.walk)

    learn = verbs.add_parser(
        "learn", help="lessons, from a neuron to an LSTM, as pages to step through", formatter_class=_Defaults
    )
    learn.add_argument("lesson", nargs="?", type=int, metavar="N", help="the lesson to open (default: list them all)")
    learn.add_argument("--all", action="store_true", help="make all lessons, and a page that lists them")
    learn.add_argument("--out", metavar="FOLDER", help="where the pages go (default: a folder for what is temporary)")
    learn.add_argument("--no-open", action="store_true", help="do not show them in the browser")
    learn.set_defaults(verb=commands.learn)

    summary = verbs.add_parser("summary", help="list the modules of a model in a table", formatter_class=_Defaults)
    _add_model(summary)
    summary.set_defaults(verb=commands.summary)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> None:
        print("nodegraph", importlib.metadata.version("nodegraph"))
        parser.exit()


def _add_application(verbs: Any, name: str, command: Any, text: str) -> None:
    """A command that lives in a module of its own, with `add_arguments` and `run`."""
    parser = verbs.add_parser(name, help=text, formatter_class=_Defaults)
    command.add_arguments(parser)
    parser.set_defaults(verb=command.run)


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
