"""Gradient check: the gradients a module computes against central differences of its forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import parameters as flat
from nodegraph import table
from nodegraph.errors import ArgumentError, GradientError
from nodegraph.nn.module import Module
from nodegraph.replay import keep_again, kept_states


def check_gradients(module: Module, input: Any, step: float = 1e-6, tolerance: float = 1e-6, seed: int = 0) -> float:
    """Compare backward with central differences, for the input and for all parameters.

    A random weighting of the outputs is taken as the loss. Works on float64 copies; neither module nor input is
    changed, and integer arrays in the input (indices) are left out. Returns the largest error, relative to the largest
    gradient or to 1 if that is smaller. Raises GradientError, naming the worst element, if it exceeds `tolerance`, and
    ArgumentError for something else than a module.

    Modules that draw random numbers are to be in evaluation mode; away from kinks such as that of ReLU at 0.

    >>> from nodegraph import nn
    >>> check_gradients(nn.Linear(3, 2), np.ones((4, 3))) < 1e-6
    True
    """
    if not isinstance(module, Module):
        raise ArgumentError(f"check_gradients takes a module and an input for it, got {module!r}")
    module = module.clone().double()
    input = table.map(lambda x: np.array(x, float if x.dtype.kind == "f" else x.dtype), table.as_value(input))
    kept = kept_states([module])
    output = module.forward(input)
    rng = np.random.default_rng(seed)
    weighting = table.map(lambda y: rng.standard_normal(np.shape(y)), output)
    module.zero_grad_parameters()
    grad_input = module.backward(input, weighting)

    def loss() -> float:
        keep_again(kept)
        products = table.map(lambda y, w: (y * w).sum(), module.forward(input), weighting)
        return sum(table.leaves(products))

    parameters, gradients = flat.unique(*module.parameters())
    checked = [(f"parameter {i}", p, g) for i, (p, g) in enumerate(zip(parameters, gradients))]
    pairs = zip(table.leaves(input), table.leaves(table.fill(grad_input, input)))
    checked += [(f"input {i}", x, g) for i, (x, g) in enumerate(pairs) if x.dtype.kind == "f"]
    worst = 0.0
    for name, array, gradient in checked:
        numeric = _central_differences(loss, array, step)
        error = np.abs(numeric - gradient) / np.abs(numeric).max(initial=1.0)
        if not error.max(initial=0.0) <= tolerance:
            place = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
            raise GradientError(
                f"{module.describe()}: the gradient of {name} at {tuple(int(i) for i in place)} is "
                f"{gradient[place]:.8g}, central differences give {numeric[place]:.8g}"
            )
        worst = max(worst, float(error.max(initial=0.0)))
    return worst


def _central_differences(loss: Any, array: np.ndarray, step: float) -> np.ndarray:
    numeric = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        value = array[place]
        array[place] = value + step
        above = loss()
        array[place] = value - step
        numeric[place] = (above - loss()) / (2 * step)
        array[place] = value
    return numeric
