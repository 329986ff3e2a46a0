"""The command `nodegraph curves`."""

from __future__ import annotations

import argparse

from nodegraph.models.options import file_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a checkpoint, or a CSV file with a column `iteration`"
    )
    parser.add_argument(
        "--out", default="curves.svg", metavar="FILE", help="an svg, png, pdf or csv file (default: curves.svg)"
    )
    parser.add_argument(
        "--against",
        choices=("iteration", "epoch", "seconds"),
        default="iteration",
        help="what goes to the right (default: iteration)",
    )
    parser.add_argument(
        "--also",
        default="",
        metavar="NAMES",
        help="more to draw: learning_rate, gradient_norm, with commas between them",
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="(default: light)")


def run(given: argparse.Namespace) -> int:
    from nodegraph.history import save_table
    from nodegraph.models.char_rnn.history import UNIT, read_histories
    from nodegraph.viz import loss_curves

    out = file_to_write(given.out, ".svg", ".png", ".pdf", ".csv")
    histories = read_histories(given.files)
    if out.suffix == ".csv":
        print(save_table(histories, out))
        return 0
    runs = histories if len(histories) > 1 else next(iter(histories.values()))
    also = [name.strip().replace("-", "_") for name in given.also.split(",") if name]
    print(loss_curves(runs, given.against, also, unit=UNIT, theme=given.theme).save(out))
    return 0
