"""The command `nodegraph sine`."""

from __future__ import annotations

import argparse
import math

from nodegraph.models.options import add_options, chosen, file_to_write
from nodegraph.models.sine.forecaster import (
    NOISE_FLOOR,
    NOISE_WIDTH,
    SEEN,
    Options,
    measure,
    new_forecaster,
    train,
)

REPORTS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser, Options)
    parser.add_argument("--out", default="sine.svg", metavar="FILE", help="an svg, png or pdf file (default: sine.svg)")
    parser.add_argument("--no-plot", action="store_true", help="print the errors only; needs no matplotlib")
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="(default: light)")


def run(given: argparse.Namespace) -> int:
    from nodegraph.models.sine.plot import plot
    from nodegraph.viz.chart import FORMATS, Chart

    options = chosen(given, Options)
    out = None if given.no_plot else file_to_write(given.out, *(f".{format}" for format in FORMATS))
    if out:
        Chart(1, 1)  # Better to learn now than after the training that matplotlib is missing.
    network = new_forecaster(options)
    print(
        f"sine curves of amplitude 1 with random phases, periods from {options.shortest_period:g} to "
        f"{options.longest_period:g} samples\n"
        f"uniform noise from {-NOISE_WIDTH / 2} to {NOISE_WIDTH / 2}: its standard deviation, the noise floor, is "
        f"{NOISE_WIDTH} / sqrt(12) = {NOISE_FLOOR:.5f}"
    )
    losses: list[float] = []
    for loss in train(network, options):
        losses.append(loss)
        if len(losses) % max(1, options.iterations // REPORTS) == 0:
            recent = losses[-max(1, options.iterations // REPORTS) :]
            error = math.sqrt(sum(recent) / len(recent))
            print(f"iteration {len(losses):5d}: error {error:.5f}, {error / NOISE_FLOOR:.3f} x the floor", flush=True)
    errors = measure(network, options)
    steps = sorted({1, (options.ahead + 1) // 2, options.ahead})
    free = ", ".join(f"{errors.free[step - 1]:.5f} at step {step}" for step in steps)
    print(
        f"\nroot-mean-square errors on curves that were not trained on, after {SEEN} noisy samples\n"
        f"next value against the noisy sample  {errors.one_step:.5f}, "
        f"{errors.one_step / NOISE_FLOOR:.3f} x the noise floor\n"
        f"next value against the true curve    {errors.one_step_true:.5f}\n"
        f"free run against the true curve      {free}"
    )
    if out:
        print(plot(network, options, given.theme).save(out))
    return 0
