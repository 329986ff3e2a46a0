"""Networks by name: every cell, stacked over characters, is the cell itself, and starts as it advises."""

import numpy as np
import pytest

from nodegraph import Recurrent
from nodegraph.errors import ArgumentError
from nodegraph.io import checkpoint
from nodegraph.models.networks import MODELS, initialise, model_named, parameters_of, size_with_parameters
from nodegraph.models.variants import CELLS
from nodegraph.models.variants.layers import stacked


@pytest.mark.parametrize("name", CELLS)
def test_a_network_computes_what_its_cells_do(name):
    random = np.random.default_rng(0)
    wire, states = MODELS[name]
    network, tower = wire(5, 4, 2), stacked(CELLS[name], 5, 4, 2)
    arrays = {}
    for path, array in checkpoint.state_of(tower).items():
        layer, _, rest = path.partition(".")
        node, _, parameter = rest.rpartition(".")
        arrays[f"{node}_{layer[-1]}.{parameter}"] = array
    decoder = {f"decoder.{n}": random.normal(size=shape) for n, shape in (("weight", (5, 4)), ("bias", (5,)))}
    checkpoint.load_state(network, arrays | decoder)

    x, first = np.array([0, 3]), [random.normal(size=(2, 4)) for _ in range(2 * states)]
    *following, log_probabilities = network.forward([x, *first])
    expected = tower.forward([np.eye(5)[x], *first])
    for ours, theirs in zip(following, expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    logits = expected[-1] @ decoder["decoder.weight"].T + decoder["decoder.bias"]
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(log_probabilities, expected, rtol=1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_what_depends_on_no_state_runs_once_for_all_steps(name):
    network = MODELS[name][0](5, 4, 2)
    loops = [place for stage in Recurrent(network).stages if stage.loop for place in stage.places]
    inside = {network.nodes[place].name for place in loops}
    assert not any(node.startswith("W_") or node == "decoder" for node in inside if node)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_follows_each_layer(name):
    network = MODELS[name][0](5, 4, 3, dropout=0.5)
    assert sum(type(node.module).__name__ == "Dropout" for node in network.nodes) == 3


@pytest.mark.parametrize(
    "name, node, bias",
    [
        ("peephole-lstm", "W_f_2", 1), ("no-output-gate", "W_f_1", 1), ("full-gate-recurrence", "W_f_1", 1),
        ("no-forget-gate", "W_i_1", -1), ("coupled-gates", "W_i_2", -1), ("original-lstm", "W_o_1", -1),
        ("gru-cell", "W_z_1", 1), ("mut1", "W_z_1", -1), ("mut2", "W_z_1", -1), ("mut3", "W_z_2", -1),
    ],
)  # fmt: skip
def test_gates_start_so_that_the_cell_remembers(name, node, bias):
    network = MODELS[name][0](5, 4, 2)
    initialise(network, name, 4)
    assert (network.node(node).module.bias == bias).all()
    others = [p for path, p in network.named_parameters().items() if not (p == bias).all() and "bias" in path]
    assert others and all((np.abs(p) <= 0.08).all() for p in others if not (np.abs(p) == 1).all())


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_advice_that_fits_its_nodes(name):
    network = MODELS[name][0](5, 4, 1)
    initialise(network, name, 4)
    assert any((np.abs(array) == 1).all() for array in network.named_parameters().values())


def test_names_and_their_beginnings():
    assert model_named("gru") == "gru" and model_named("gru-") == "gru-cell" and model_named("full") in CELLS
    for text, words in (
        ("mut", "mut1 or mut2 or mut3"),
        ("transformer", "no model; models: lstm, gru"),
        ("", "no mod"),
    ):
        with pytest.raises(ArgumentError, match=words):
            model_named(text)


@pytest.mark.parametrize("name", MODELS)
def test_equal_parameters(name):
    parameters = parameters_of("lstm", 20, 16, 2)
    size = size_with_parameters(name, parameters, 20, 2)
    distance = abs(parameters_of(name, 20, size, 2) - parameters)
    assert all(distance <= abs(parameters_of(name, 20, other, 2) - parameters) for other in (size - 1, size + 1))
    assert name != "lstm" or size == 16


def test_a_number_of_parameters_below_the_smallest_network():
    assert size_with_parameters("lstm", 3, 20, 1) == 1


@pytest.mark.parametrize("parameters, size", [(3164, 25), (3300, 22), (3843, 24)])
def test_equal_parameters_where_a_cell_of_the_inputs_size_has_fewer(parameters, size):
    """MUT1 does without a matrix where state and input, here 25 characters, have the same size."""
    assert size_with_parameters("mut1", parameters, 25, 1) == size
