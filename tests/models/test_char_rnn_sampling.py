"""Sampling draws by the probabilities, sharpened or flattened, and stops where they are no numbers."""

import numpy as np
import pytest

from nodegraph.errors import NonFiniteError
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import _drawn, sample
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel

CHARACTERS = "abcdefgh"


def model(**options):
    made = CharacterModel(Options(**{"rnn_size": 5, "num_layers": 2, **options}), Vocabulary(CHARACTERS))
    made.initialise()
    for parameter in made.network.parameters()[0]:
        parameter *= 20  # So that the probabilities differ.
    made.network.evaluate()
    return made


def written_node_by_node(model, length, prime, temperature, generator):
    """The same text by the definition, from the network run node by node."""
    network, states, found = model.network.clone(), model.zero_states(1), list(prime)
    network.store, logs = None, np.zeros((1, len(CHARACTERS)))
    for i in range(len(prime) + length):
        if i >= len(prime):
            weights = np.exp((logs[0].astype(float) - logs.max()) / temperature)
            limits = (weights / weights.sum()).cumsum()
            found.append(CHARACTERS[np.sum(limits / limits[-1] <= generator.random())])
        *states, logs = network.forward([np.array([CHARACTERS.index(found[i])]), *states])
    return "".join(found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_the_same_seed_gives_the_text_of_the_definition(name, dtype):
    for temperature, prime in ((1.0, ""), (0.4, "ab"), (3.0, "h")):
        made, generators = model(model=name, dtype=dtype), [np.random.default_rng(4) for _ in range(2)]
        text = "".join(sample(made, 60, prime, temperature, generator=generators[0]))
        assert text == written_node_by_node(made, 60, prime, temperature, generators[1])
        assert generators[0].random() == generators[1].random()


def test_characters_come_as_often_as_they_are_probable():
    made, chances = model(), np.array([0.4, 0.05, 0.3, 0, 0.05, 0.1, 0.1, 0])
    decoder = made.network.node("decoder").module
    decoder.weight.fill(0)
    with np.errstate(divide="ignore"):
        decoder.bias[...] = np.log(chances)
    text = "".join(sample(made, 3000, "a", generator=np.random.default_rng(0)))[1:]
    found = np.array([text.count(character) for character in CHARACTERS]) / len(text)
    np.testing.assert_allclose(found, chances, atol=0.03)
    assert found[3] == found[7] == 0


@pytest.mark.parametrize("argmax", [False, True])
def test_weights_may_change_while_it_writes(argmax):
    made = model()
    characters = sample(made, 50, "a", argmax=argmax, generator=np.random.default_rng(0))
    for _ in range(5):
        next(characters)
    made.network.node("decoder").module.weight.fill(0)
    made.network.node("decoder").module.bias[...] = np.where(np.arange(8) == 6, 50, 0)
    next(characters)  # Drawn before.
    assert set(characters) == {"g"}
    made.network.node("decoder").module.bias[2] = np.nan
    with pytest.raises(NonFiniteError, match="no numbers"):
        list(sample(made, 2, "a", argmax=argmax))


def test_the_largest_random_number_draws_the_last_character_whatever_the_rounding():
    """Ten times a tenth, added up, is less than 1, and less than the number may be."""
    for n in (1, 10, 49, 1000):
        assert _drawn(np.full(n, -np.log(n)), 1.0, np.nextafter(1, 0)) == n - 1
        assert _drawn(np.full(n, -np.log(n)), 1.0, 0.0) == 0
