"""The child-sum tree-LSTM: an LSTM along the branches of a tree (Tai, Socher and Manning 2015)."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.variants.blocks import candidate, gate, product, total, weights
from nodegraph.nn.parametric import size
from nodegraph.node import annotate_nodes


def child_sum_tree_lstm(input_size: int, rnn_size: int, children: int = 2) -> GModule:
    """The cell at a node of a tree: `[x, c_1, h_1, c_2, h_2, ...]` -> `[c, h]`, the states of its children to its own.

    x is (batch, input_size), the states (batch, rnn_size). There is a forget gate f_k for each child k, with the same
    weights for all::

        i = sigmoid(W_i x + b_i + U_i (h_1 + h_2 + ...))
        o = sigmoid(W_o x + b_o + U_o (h_1 + h_2 + ...))
        u = tanh(W_u x + b_u + U_u (h_1 + h_2 + ...))
        f_k = sigmoid(W_f x + b_f + U_f h_k)
        c = i * u + f_1 * c_1 + f_2 * c_2 + ...
        h = o * tanh(c)

    A child that is not there has states of zeros, and so it is with all children of a leaf. The children's order does
    not matter. One cell serves at all nodes of a tree, called on nodes as any other module; with one child it is an
    LSTM, which `Recurrent` runs.

    Initialisation: bias of node `W_f` at 1, so that a parent remembers its children from the start.

    >>> cell = child_sum_tree_lstm(3, 2)
    >>> words = [nn.Identity()() for _ in range(3)]
    >>> zero = nn.Identity()()
    >>> left, right = (cell([word, zero, zero, zero, zero]) for word in words[:2])
    >>> tree = GModule([*words, zero], cell([words[2], *left.split(2), *right.split(2)]))
    >>> c, h = tree.forward([np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 3)), np.zeros((1, 2))])
    >>> h.shape
    (1, 2)

    Source: Tai, Socher and Manning, "Improved semantic representations from tree-structured long short-term memory
    networks" (2015), section 3.1.
    """
    W, U, _ = weights(input_size, rnn_size)
    numbers = range(1, size(children, "children") + 1)
    x = nn.Identity()()
    child_c = [nn.Identity()().annotate(name=f"c_{k}") for k in numbers]
    child_h = [nn.Identity()().annotate(name=f"h_{k}") for k in numbers]

    h_sum = total(*child_h)
    in_gate = gate(W("i", x), U("i", h_sum))
    out_gate = gate(W("o", x), U("o", h_sum))
    new = candidate(W("u", x), U("u", h_sum))
    x_forget = W("f", x)
    forget_gates = [gate(x_forget, U("f", h)).annotate(name=f"forget_gate_{k}") for k, h in zip(numbers, child_h)]
    kept = [product(forget_gate, c) for forget_gate, c in zip(forget_gates, child_c)]
    c = total(product(in_gate, new), *kept)
    h = product(out_gate, nn.Tanh()(c))

    annotate_nodes()
    states = [state for pair in zip(child_c, child_h) for state in pair]
    return GModule([x, *states], [c, h])
