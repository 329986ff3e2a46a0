"""Text from a character model, one character after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nodegraph.errors import ArgumentError, NonFiniteError
from nodegraph.models.char_rnn.training import CharacterModel


def sample(
    model: CharacterModel,
    length: int = 2000,
    prime: str = "",
    temperature: float = 1.0,
    argmax: bool = False,
    generator: np.random.Generator | None = None,
) -> Iterator[str]:
    """Yield the characters of `prime`, then `length` more that the model writes after it.

    Each is drawn with the probability that the model gives it, sharpened by a temperature below 1 and flattened by
    one above; with `argmax` it is the most probable one. With no `prime` the first character is drawn evenly. The
    network should be in evaluation mode. DataError for a character of `prime` that the model never saw;
    NonFiniteError, once characters are asked for, where the model gives NaN.

    Source: karpathy/char-rnn, sample.lua.
    """
    if not temperature > 0:
        raise ArgumentError(f"the temperature must be positive, got {temperature}")
    if length < 0:
        raise ArgumentError(f"the length must not be negative, got {length}")
    generator = generator or np.random.default_rng()
    indices = model.vocabulary.encode(prime)
    return _characters(model, indices, length, temperature, argmax, generator)


def _characters(
    model: CharacterModel,
    prime: np.ndarray,
    length: int,
    temperature: float,
    argmax: bool,
    generator: np.random.Generator,
) -> Iterator[str]:
    decode, states, network = model.vocabulary.decoder(), model.zero_states(1), model.network.compile()
    log_probabilities = np.zeros((1, len(model.vocabulary)))
    for place in range(len(prime) + length):
        if place < len(prime):
            index = int(prime[place])
        elif argmax:
            index = _most_probable(log_probabilities[0])
        else:
            index = _drawn(log_probabilities[0], temperature, generator.random())
        yield decode(index)
        *states, log_probabilities = network.forward([np.array([index]), *states])


def _most_probable(log_probabilities: np.ndarray) -> int:
    index = int(log_probabilities.argmax())  # A NaN counts as the largest number.
    _check_is_number(log_probabilities[index])
    return index


def _drawn(log_probabilities: np.ndarray, temperature: float, random: float) -> int:
    """The index whose part of the line from 0 to 1, as long as its probability, has the number `random` in it."""
    weights = log_probabilities.astype(float)
    weights -= np.maximum.reduce(weights)  # NaN if there is one.
    if temperature != 1:
        with np.errstate(over="ignore"):
            weights /= temperature
    np.exp(weights, weights)
    total = np.add.reduce(weights)
    _check_is_number(total)
    weights /= total
    np.add.accumulate(weights, out=weights)
    weights /= weights[-1]
    return int(weights.searchsorted(random, "right"))


def _check_is_number(number: float) -> None:
    if math.isnan(number):
        raise NonFiniteError("the model gives probabilities that are no numbers: a parameter of it may be NaN")
