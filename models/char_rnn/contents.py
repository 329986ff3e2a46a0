"""What the file of a character model says of itself, checked before any of it is used."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nodegraph.errors import CheckpointError
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.text import Vocabulary

MEASURED = ("losses", "learning_rates", "gradient_norms", "seconds")
"""What a Trainer keeps a list of, a number for each iteration."""

LARGEST = 2**53
"""The largest whole number that a file may hold; beyond it floating-point numbers have gaps."""

_shown = reprlib.repr


def options_and_vocabulary(options: Any, vocabulary: Any, parameters: int, elements: int) -> tuple[Options, Vocabulary]:
    """Those that a file names, if so many parameters, and elements in all of them, can be those of such a model.

    So no file makes a model that is much larger than itself. CheckpointError or ArgumentError, in a sentence, for
    anything else.
    """
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise CheckpointError("its options are no table of names and values")
    unknown = options.keys() - vars(Options()).keys()
    if unknown:
        raise CheckpointError(f"there is no option {_shown(min(unknown))}")
    made = Options(**options)
    if not isinstance(vocabulary, list) or not vocabulary or not all(isinstance(c, str) and c for c in vocabulary):
        raise CheckpointError("its vocabulary is no list of characters")
    # Every cell has a square matrix for its state in each layer, and the decoder one row for each character.
    least = made.rnn_size * (made.rnn_size * made.num_layers + len(vocabulary))
    if made.num_layers > parameters or least > elements:
        raise CheckpointError(
            f"{made.num_layers} layers of {made.rnn_size} and {len(vocabulary)} characters need more than the "
            f"{elements} numbers that it has"
        )
    return made, Vocabulary.in_order(vocabulary)


def check_progress(arrays: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> None:
    """CheckpointError unless what is there of iterations, epochs and losses is numbers of that kind."""
    if not _is_count(data.get("iteration", 0)):
        raise CheckpointError(f"its iteration is {_shown(data['iteration'])}")
    if not _is_number(data.get("epoch", 0)) or not 0 <= data.get("epoch", 0) < math.inf:
        raise CheckpointError(f"its epoch is {_shown(data['epoch'])}")
    validations = data.get("validations", [])
    if not isinstance(validations, list) or not all(map(_is_validation, validations)):
        raise CheckpointError("its validations are no pairs of an iteration and a loss")
    for name in MEASURED:
        array = arrays.get(name, np.empty(0))
        if array.ndim != 1 or array.dtype.kind != "f":
            raise CheckpointError(f"its {name} are {array.dtype} of shape {array.shape}, no row of numbers")


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """CheckpointError, with the name, for an array in which a number is NaN or infinite."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{name} holds NaN or infinity")


def _is_validation(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and _is_count(pair[0]) and _is_number(pair[1])


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= LARGEST)
