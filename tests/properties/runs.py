"""Runs of a module with all that they leave behind, to be compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings

import nodegraph.random
from nodegraph import table

TIMES = int(os.environ.get("NODEGRAPH_EXAMPLES", "1"))
"""So many times the usual number of examples; 100 for a long search."""


PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]


def examples(n: int) -> settings:
    """So many examples, or as many times that as NODEGRAPH_EXAMPLES says."""
    return settings(
        max_examples=n * TIMES,
        phases=PHASES,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Run:
    """What a forward and a backward gave, and what they changed."""

    output: Any
    grad_input: Any
    gradients: list[np.ndarray]
    buffers: dict[str, np.ndarray]
    random: dict


def run(module: Any, input: Any, seed: int = 0, none: bool = False) -> Run:
    """A forward and a backward with random gradients, some of which are None on request."""
    nodegraph.random.seed(seed)
    module.zero_grad_parameters()
    output = module.forward(input)
    grad_output = gradient_for(output, seed, none)
    grad_input = table.map(
        lambda x, g: g if x.dtype.kind == "f" else g.astype(float),  # The zeros of indices may be of either type.
        table.as_value(input),
        table.fill(module.backward(input, grad_output), table.as_value(input)),
    )
    gradients = [gradient.copy() for gradient in module.parameters()[1]]
    buffers = {name: array.copy() for name, array in module.named_parameters("buffer").items()}
    return Run(output, grad_input, gradients, buffers, nodegraph.random.get_state())


def gradient_for(output: Any, seed: int = 0, none: bool = False) -> Any:
    """Random numbers in the structure of a value; None for indices, and with `none` for every other array."""
    rng, leaf = np.random.default_rng([7, seed]), iter(range(10**6))

    def gradient(y: np.ndarray) -> np.ndarray | None:
        if y.dtype.kind != "f" or (none and next(leaf) % 2):
            return None
        return rng.standard_normal(y.shape).astype(y.dtype)

    return table.map(gradient, output)


def assert_same_run(actual: Run, expected: Run, tolerance: float = 1e-9) -> None:
    assert_close(actual.output, expected.output, "output", tolerance)
    assert_close(actual.grad_input, expected.grad_input, "gradient of the input", tolerance)
    for i, (a, b) in enumerate(zip(actual.gradients, expected.gradients, strict=True)):
        assert_close(a, b, f"gradient of parameter {i}", tolerance)
    assert actual.buffers.keys() == expected.buffers.keys()
    for name, buffer in actual.buffers.items():
        assert_close(buffer, expected.buffers[name], f"buffer {name}", tolerance)
    assert actual.random == expected.random, "random numbers drawn"


def assert_close(actual: Any, expected: Any, what: str, tolerance: float = 1e-9, least: float = 1e-3) -> None:
    """Equal structures, shapes and types; numbers that differ by no more than rounding does.

    Rounding is measured by the largest number of an array, and by `least` where that is smaller.
    """
    if table.is_table(actual) or table.is_table(expected):
        assert isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected), what
        for a, b in zip(actual, expected):
            assert_close(a, b, what, tolerance, least)
        return
    assert (actual is None) == (expected is None), f"{what}: {actual} for {expected}"
    if actual is not None:
        assert actual.shape == expected.shape and actual.dtype == expected.dtype, f"{what}: {actual} for {expected}"
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=least)
        same = np.allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        assert same, f"{what}: {actual} for {expected}"
