"""Tape: what one run of a graph left, node by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nodegraph.errors import ArgumentError

if TYPE_CHECKING:
    from nodegraph.nn.module import Call
    from nodegraph.node import Node


class Tape:
    """What one run of a graph left: for each node a call with its input, output, grad_output and grad_input.

    Look up a node by itself, by its name, or go through all of them in order.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.calls: list[Any] = [None] * len(nodes)

    def __getitem__(self, node: Node | str) -> Call:
        for candidate, call in self:
            if candidate is node or candidate.name == node:
                return call
        raise ArgumentError(f"no node {node!r} in this run")

    def __iter__(self) -> Iterator[tuple[Node, Call]]:
        return zip(self.nodes, self.calls)
