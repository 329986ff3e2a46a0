"""How the arguments of Torch7's constructors, which count from 1, read in nodegraph, which counts from 0."""

from __future__ import annotations


def axis(torch_dimension):
    """Torch's dimension as an axis; a negative one counts from the end in both."""
    return torch_dimension - 1 if torch_dimension > 0 else torch_dimension


def axis_first(dimension=1, *rest):
    return (axis(dimension), *rest), {}


TRANSLATE = {
    "Narrow": lambda dimension, offset, length=1: ((axis(dimension), axis(offset), length), {}),
    "Select": lambda dimension, index: ((axis(dimension), axis(index)), {}),
    "JoinTable": axis_first,
    "SplitTable": axis_first,
    "Reshape": lambda *sizes: (
        (sizes[:-1], {"batch_mode": sizes[-1]}) if isinstance(sizes[-1], bool) else (sizes, {})
    ),
}
"""Class name -> function of Torch's arguments that gives ours, positional and by keyword."""

FIELDS = {"gradWeight": "grad_weight", "gradBias": "grad_bias"}
"""Torch's field -> our attribute, where snake_case alone does not give it."""

INDEX_INPUTS = {
    "LookupTable": lambda input: input - 1,
    "OneHot": lambda input: input - 1,
}
"""Class name -> function that counts the indices in an input from 0; the gradient of indices is not compared."""

RIGGED = {}
"""Class name -> function(monkeypatch, module, state) that makes a random module draw the numbers that Torch7 drew."""
