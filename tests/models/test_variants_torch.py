"""The cells that PyTorch has too give its numbers and its gradients, with the same weights."""

import numpy as np
import pytest

from nodegraph import Recurrent
from nodegraph.models.variants import bidirectional, dot_product_attention, gru_cell, no_peepholes, stacked

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
normal = rng.standard_normal
SIZE = 2
MAKE = {"LSTM": no_peepholes, "GRU": lambda *sizes: gru_cell(*sizes, reset_after=True)}
GATES = {"LSTM": "ifzo", "GRU": "rzn"}
STATES = {"LSTM": 2, "GRU": 1}


def pairs(name, cells, theirs):
    """Each array of our cells with its gradient, and the part of PyTorch's parameter that holds it.

    `cells` has the cells by the endings of the names of PyTorch's parameters, which hold all gates below each other.
    """
    for ending, cell in cells.items():
        for kind, side in (("W", "ih"), ("U", "hh")):
            for k, gate in enumerate(GATES[name]):
                module, rows = cell.node(f"{kind}_{gate}").module, slice(k * SIZE, (k + 1) * SIZE)
                for what in module.own_parameter_names():
                    parameter = getattr(theirs, f"{what}_{side}{ending}")
                    yield getattr(module, what), getattr(module, "grad_" + what), parameter, rows


def assert_same(name, ours, cells, theirs, input, run):
    """Outputs, gradients of the input and of all weights; `run` calls PyTorch's module, and lists what it gives."""
    theirs = theirs.double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
        for array, _, parameter, rows in pairs(name, cells, theirs):
            parameter[rows] = torch.from_numpy(array)
    tensors = [torch.tensor(x, requires_grad=True) for x in input]
    expected = run(theirs, *tensors)
    outputs = ours.forward(input)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    gradients = [normal(y.shape) for y in outputs]
    sum((y * torch.from_numpy(g)).sum() for y, g in zip(expected, gradients)).backward()
    ours.zero_grad_parameters()
    grad_input = ours.backward(input, gradients if len(gradients) > 1 else gradients[0])
    for mine, reference in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(mine, reference.detach().numpy(), rtol=1e-10, atol=1e-12)
    for mine, tensor in zip(grad_input, tensors, strict=True):
        np.testing.assert_allclose(mine, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)
    for _, gradient, parameter, rows in pairs(name, cells, theirs):
        np.testing.assert_allclose(gradient, parameter.grad[rows].numpy(), rtol=1e-9, atol=1e-12)


def run_layers(name, theirs, xs, states):
    """PyTorch's layers on our list of states, which has those of each layer and direction together."""
    n = STATES[name]
    given = [torch.stack(states[k::n]) for k in range(n)]
    hs, final = theirs(xs, tuple(reversed(given)) if n > 1 else given[0])
    final = tuple(reversed(final)) if n > 1 else (final,)
    return [hs, *(part for parts in zip(*final) for part in parts)]


def test_lstm_cell():
    cell = no_peepholes(3, SIZE)
    input = [normal((4, 3)), normal((4, SIZE)), normal((4, SIZE))]
    theirs = torch.nn.LSTMCell(3, SIZE)
    assert_same("LSTM", cell, {"": cell}, theirs, input, lambda theirs, x, c, h: [*reversed(theirs(x, (h, c)))])


def test_gru_cell():
    cell = MAKE["GRU"](3, SIZE)
    input = [normal((4, 3)), normal((4, SIZE))]
    assert_same("GRU", cell, {"": cell}, torch.nn.GRUCell(3, SIZE), input, lambda theirs, x, h: [theirs(x, h)])


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("layers", [1, 3])
def test_stacked_layers_over_time(name, layers):
    stack = stacked(MAKE[name], 3, SIZE, layers)
    cells = {f"_l{k}": stack.node(f"layer_{k + 1}").module for k in range(layers)}
    input = [normal((5, 4, 3)), *normal((layers * STATES[name], 4, SIZE))]
    theirs = getattr(torch.nn, name)(3, SIZE, layers)
    assert_same(
        name, Recurrent(stack), cells, theirs, input, lambda theirs, xs, *states: run_layers(name, theirs, xs, states)
    )


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("layers", [1, 2])
def test_bidirectional_layers(name, layers):
    network = bidirectional(MAKE[name], 3, SIZE, layers)
    endings = {"forward": "", "backward": "_reverse"}
    cells = {
        f"_l{k}{ending}": network.node(f"{direction}_{k + 1}").module.cell
        for k in range(layers)
        for direction, ending in endings.items()
    }
    input = [normal((5, 4, 3)), *normal((2 * layers * STATES[name], 4, SIZE))]
    theirs = getattr(torch.nn, name)(3, SIZE, layers, bidirectional=True)
    assert_same(name, network, cells, theirs, input, lambda theirs, xs, *states: run_layers(name, theirs, xs, states))


def test_dot_product_attention():
    query, memory = normal((4, 3)), normal((4, 6, 3))
    m = torch.from_numpy(memory)
    expected = torch.nn.functional.scaled_dot_product_attention(torch.from_numpy(query)[:, None], m, m)[:, 0]
    np.testing.assert_allclose(
        dot_product_attention(3).forward([query, memory])[1], expected.numpy(), rtol=1e-12, atol=1e-12
    )
