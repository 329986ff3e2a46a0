"""The highway layer: a layer that a gate lets its input pass by (Srivastava, Greff and Schmidhuber 2015)."""

from __future__ import annotations

from collections.abc import Callable

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.variants.blocks import blend, gate, weights
from nodegraph.node import annotate_nodes


def highway(size: int, activation: Callable[[], nn.Module] = nn.ReLU) -> GModule:
    """A highway layer: x (batch, size) -> y (batch, size)::

        t = sigmoid(W_t x + b_t)
        y = t * activation(W_h x + b_h) + (1 - t) * x

    `activation` is the class of a module. The layer has no state; it is to a feed-forward network what the LSTM is to
    a recurrent one, and dozens of them can stand on each other.

    Initialisation: a negative bias of node `W_t`, from -1 to -3 and the lower the deeper the network, so that each
    layer begins by passing its input on.

    >>> layer = highway(3)
    >>> layer.node("W_t").module.bias[:] = -100
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 2., 3.]])

    Source: Srivastava, Greff and Schmidhuber, "Highway networks" (2015).
    """
    W, _, _ = weights(size, size)
    x = nn.Identity()()

    transform_gate = gate(W("t", x))
    transformed = activation()(W("h", x))
    y = blend(transform_gate, transformed, x)

    annotate_nodes()
    return GModule(x, y)
