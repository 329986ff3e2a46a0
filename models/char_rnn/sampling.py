"""Text from a character model, one character after the other."""

from __future__ import annotations

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
    n = len(model.vocabulary)
    log_probabilities = np.zeros((1, n))
    for index in prime:
        yield decode(index)
        *states, log_probabilities = network.forward([np.array([index]), *states])
    for _ in range(length):
        if np.isnan(log_probabilities).any():
            raise NonFiniteError("the model gives probabilities that are no numbers: a parameter of it may be NaN")
        if argmax:
            index = int(log_probabilities.argmax())
        else:
            with np.errstate(over="ignore"):
                weights = np.exp((log_probabilities[0].astype(float) - log_probabilities.max()) / temperature)
            reached = (weights / weights.sum()).cumsum()
            index = int((reached / reached[-1]).searchsorted(generator.random(), side="right"))
        yield decode(index)
        *states, log_probabilities = network.forward([np.array([index]), *states])
