"""Settings: what a program takes for granted about modules, such as a constant, and whether it still holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.nn.component import RUN_STATE
from nodegraph.node import Node

_PLAIN = {int, float, bool, str, tuple, type(None)}
_IGNORED = {"arguments", *RUN_STATE}


class Settings:
    """The modules of nodes, the modules in them, their plain attributes and the dtypes of their arrays."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes: list[tuple[Node, Any]] = []
        self._plain: list[tuple[dict, str, Any]] = []
        self._arrays: list[tuple[dict, str, Any]] = []
        self._lists: list[tuple[list, list]] = []
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

    def _note(self, attributes: dict, name: str, value: Any) -> None:
        if name in _IGNORED:
            return
        if type(value) in _PLAIN:
            self._plain.append((attributes, name, value))
        elif type(value) is np.ndarray:
            self._arrays.append((attributes, name, value.dtype))
        elif name in ("modules", "hooks"):
            self._lists.append((value, list(value)))

    def hold(self) -> bool:
        """Whether all is as it was."""
        for node, module in self._nodes:
            if node.module is not module:
                return False
        for attributes, name, value in self._plain:
            now = attributes.get(name, self)
            if now is not value and now != value:
                return False
        for attributes, name, dtype in self._arrays:
            array = attributes.get(name)
            if array is None or array.dtype is not dtype and array.dtype != dtype:
                return False
        return all(now == before for now, before in self._lists)
