"""The command `nodegraph digits`."""

from __future__ import annotations

import argparse
import time

from nodegraph.models.digits.classifier import DigitReader, Options
from nodegraph.models.digits.data import mnist_digits, scikit_learn_digits
from nodegraph.models.digits.picture import confusion, confusion_text, misread_picture
from nodegraph.models.options import add_options, chosen, file_to_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mnist",
        metavar="FOLDER",
        help="read MNIST's four files, gzipped or not, from here (default: scikit-learn's 1797 digits, 8 x 8)",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="leave the test part alone, and test on 15%% of the images to train on: to choose options by",
    )
    add_options(parser, Options)
    parser.add_argument(
        "--out", default="misread.svg", metavar="FILE", help="picture of the misread digits (default: misread.svg)"
    )


def run(given: argparse.Namespace) -> int:
    from nodegraph.viz.saving import save_whole

    start = time.monotonic()
    options, out = chosen(given, Options), file_to_write(given.out, ".svg")
    digits = scikit_learn_digits() if given.mnist is None else mnist_digits(given.mnist)
    digits = digits.to_choose_by() if given.validate else digits
    reader, part = DigitReader(digits, options), "validation" if given.validate else "test"
    n, rows, columns = digits.images.shape
    print(f"{n} images of {rows} x {columns} to train on, {len(digits.test_labels)} for the {part}")
    for epoch in reader.train():
        print(
            f"epoch {epoch.number:3d} of {options.epochs_for(digits)}: loss {epoch.loss:.4f}, "
            f"right {epoch.accuracy:7.2%} in training, {epoch.test_accuracy:7.2%} in the {part}; "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
    probabilities = reader.probabilities(digits.test_images)
    table = confusion(digits.test_labels, probabilities.argmax(1))
    right = int(table.trace())
    print(f"\n{confusion_text(table)}\n\n{right} of {table.sum()} digits read right, {right / table.sum():.2%}")
    save_whole(out, misread_picture(digits.test_images, digits.test_labels, probabilities))
    print(f"the misread ones: {out}")
    return 0
