"""Settings: what a program takes for granted about modules, such as a constant, and whether it still holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.nn.component import RUN_STATE
from nodegraph.node import Node

_PLAIN = (int, float, str, tuple, type(None), np.generic)
_IGNORED = {"arguments", "loss", *RUN_STATE}
"""Attributes that say nothing about what a module computes; some modules keep the loss of their last run."""


class Settings:
    """The modules of nodes, the modules in them, their plain attributes, the dtypes and shapes of their arrays."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes: list[tuple[Node, Any]] = []
        self._plain: list[tuple[dict[Any, Any], str, Any]] = []
        self._arrays: list[tuple[dict[Any, Any], str, Any, tuple[int, ...]]] = []
        self._lists: list[tuple[dict[Any, Any], str, list[Any]]] = []
        self._follow(nodes)

    def _follow(self, nodes: list[Node]) -> None:
        seen: set[int] = set()
        for node in nodes:
            self._nodes.append((node, node.module))
            for module in node.module.list_modules():
                if id(module) in seen:
                    continue
                seen.add(id(module))
                for name, value in vars(module).items():
                    self._note(vars(module), name, value)
                if module.made_of_nodes:
                    self._nodes += [(inner, inner.module) for inner in module.nodes]

    def _note(self, attributes: dict[Any, Any], name: str, value: Any) -> None:
        if name in _IGNORED:
            return
        if isinstance(value, _PLAIN):
            self._plain.append((attributes, name, value))
        elif type(value) is np.ndarray:
            self._arrays.append((attributes, name, value.dtype, value.shape))
        elif name in ("modules", "hooks") or (type(value) is list and all(isinstance(part, _PLAIN) for part in value)):
            self._lists.append((attributes, name, list(value)))

    def hold(self) -> bool:
        """Whether all is as it was."""
        for node, module in self._nodes:
            if node.module is not module:
                return False
        for attributes, name, value in self._plain:
            now = attributes.get(name, self)
            if now is not value and (type(now) is np.ndarray or now != value):
                return False
        for attributes, name, dtype, shape in self._arrays:
            array = attributes.get(name)
            if array is None or array.dtype is not dtype and array.dtype != dtype or array.shape != shape:
                return False
        return all(attributes.get(name) == before for attributes, name, before in self._lists)
