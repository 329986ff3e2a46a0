"""The command `nodegraph compare`."""

from __future__ import annotations

import argparse
from dataclasses import fields

from nodegraph.errors import ArgumentError
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.options import add_option, chosen

SUPERFLUOUS = {
    "model", "seed", "schedule", "max_epochs", "eval_val_every", "patience", "sample_every",
}  # fmt: skip
"""The options of training that models, seeds and budget of a comparison leave nothing to do for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        default="lstm,gru,rnn",
        metavar="NAMES",
        help="names or their beginnings, with commas between them, or all (default: lstm,gru,rnn)",
    )
    parser.add_argument("--list", action="store_true", help="list the models and do nothing else")
    parser.add_argument(
        "--data", metavar="PATH", help="a text file or a folder of them (default: Python's own library)"
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="iterations of each training")
    parser.add_argument("--minutes", type=float, metavar="M", help="or minutes of each training (default: 1)")
    parser.add_argument("--seeds", default="1", metavar="NUMBERS", help="a training for each of these (default: 1)")
    parser.add_argument(
        "--equal",
        choices=("size", "parameters"),
        default="size",
        help="all models have the same --rnn-size, or about as many parameters as the first one (default: size)",
    )
    for f in fields(Options):
        if f.name not in SUPERFLUOUS:
            add_option(parser, f)
    parser.add_argument(
        "--out", default="compare", metavar="FOLDER", help="for models, curves, table (default: compare)"
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="(default: light)")


def run(given: argparse.Namespace) -> int:
    from nodegraph.models import networks
    from nodegraph.models.char_rnn.compare import Budget, Comparison
    from nodegraph.models.char_rnn.text import read_text

    if given.list:
        print("\n".join(networks.MODELS))
        return 0
    names = given.models.split(",")
    models = list(networks.MODELS) if names == ["all"] else [networks.model_named(name.strip()) for name in names]
    try:
        seeds = [int(number) for number in given.seeds.split(",")]
    except ValueError:
        raise ArgumentError(f"--seeds must be whole numbers with commas between them, got {given.seeds!r}")
    minutes = 1 if given.minutes is None and given.iterations is None else given.minutes
    budget = Budget(given.iterations, minutes)
    comparison = Comparison(models, read_text(given.data), chosen(given, Options), budget, seeds, given.equal)
    try:
        comparison.train(given.out)
    finally:
        if comparison.runs:
            print(comparison.table())
            for path in comparison.save(given.out, given.theme):
                print(path)
    return 0
