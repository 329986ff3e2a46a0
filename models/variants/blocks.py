"""The blocks that cells are wired from: weights by their names in the equations, sums, products, gates."""

from __future__ import annotations

from collections.abc import Callable

from nodegraph import nn
from nodegraph.node import Node


def weights(input_size: int, rnn_size: int) -> tuple[Callable[..., Node], Callable[..., Node], Callable[..., Node]]:
    """The terms of a cell's equations, for its sizes: three functions `W(gate, x)`, `U(gate, h)` and `p(gate, c)`.

    `W("i", x)` is the node W_i x + b_i, `U("i", h)` is U_i h, and `p("i", c)` the peephole p_i * c, element by element.
    Its name, such as "W_i", is the node's. What is named twice is the same matrix, with one gradient.

    >>> W, U, p = weights(3, 2)
    >>> x = nn.Identity()()
    >>> W("i", x).name, W("i", x).module is W("i", x).module
    ('W_i', True)
    """
    made: dict[str, nn.Module] = {}

    def term(name: str, node: Node, make: Callable[[], nn.Module]) -> Node:
        if name not in made:
            made[name] = make()
        return made[name](node).annotate(name=name)

    def W(gate: str, x: Node) -> Node:
        return term(f"W_{gate}", x, lambda: nn.Linear(input_size, rnn_size))

    def U(gate: str, h: Node, bias: bool = False) -> Node:
        return term(f"U_{gate}", h, lambda: nn.Linear(rnn_size, rnn_size, bias=bias))

    def p(gate: str, c: Node) -> Node:
        return term(f"p_{gate}", c, lambda: nn.CMul(rnn_size))

    return W, U, p


def total(*terms: Node) -> Node:
    """The sum of the terms; of one alone, that one."""
    return terms[0] if len(terms) == 1 else nn.CAddTable()(terms)


def product(*factors: Node) -> Node:
    """The product of the factors, element by element."""
    return nn.CMulTable()(factors)


def gate(*terms: Node) -> Node:
    """sigmoid(the sum of the terms): 0 where the gate is shut, 1 where it is open."""
    return nn.Sigmoid()(total(*terms))


def candidate(*terms: Node) -> Node:
    """tanh(the sum of the terms): what is offered to the state."""
    return nn.Tanh()(total(*terms))


def complement(gate: Node) -> Node:
    """1 - gate."""
    return nn.AddConstant(1)(nn.MulConstant(-1)(gate))


def blend(gate: Node, opened: Node, shut: Node) -> Node:
    """gate * opened + (1 - gate) * shut: the one where the gate is open, the other where it is shut."""
    return total(product(gate, opened), product(complement(gate), shut))
