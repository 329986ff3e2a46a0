"""Settings: what a program takes for granted about modules, such as a constant, and whether it still holds."""

from __future__ import annotations

import math
from types import CodeType
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.engine.values import Values
from nodegraph.nn.component import RUN_STATE
from nodegraph.nn.pointwise import Pointwise
from nodegraph.node import Node
from nodegraph.symbols import Symbol

_PLAIN = (int, float, str, type(None), np.generic)
_FORMULAS = ("formula", "derivative", "derivatives")
_LOOKING_UP = {"eval", "exec", "getattr", "globals", "vars"}
_IGNORED = {"arguments", "loss", "kept_states", *RUN_STATE}
"""Attributes that say nothing about what a module computes; some keep the loss or the states of their last run."""


class Settings:
    """The modules of nodes, the modules in them, their plain attributes, the dtypes and shapes of their arrays.

    A formula and a view of the user's own may depend on anything: what they gave is noted from the plan.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes: list[tuple[Node, Any]] = []
        self._plain: list[tuple[dict[Any, Any], str, Any]] = []
        self._arrays: list[tuple[dict[Any, Any], str, Any, tuple[int, ...]]] = []
        self._lists: list[tuple[dict[Any, Any], str, list[Any]]] = []
        self._sizes: list[tuple[dict[Any, Any], int]] = []
        self._functions: list[tuple[type[Any], str, Any]] = []
        self._formulas: list[tuple[Any, int, Any]] = []
        self._views: list[tuple[Any, Any, Any]] = []
        self._follow(nodes)

    def note(self, plan: Values) -> None:
        """Note what the users' own formulas and views gave for this plan."""
        own = {id(b.module): (b.module, len(b.operands)) for b in plan.bases if b.kind == "pointwise"}
        for module, inputs in own.values():
            if module.of_library():
                continue
            self._functions += [(type(module), name, getattr(type(module), name)) for name in _FORMULAS]
            if not _is_told(module):
                self._formulas.append((module, inputs, _recorded(module, inputs)))
        self._views = [(m, input, _places(value)) for m, input, value in plan.views if not m.of_library()]

    def _follow(self, nodes: list[Node]) -> None:
        seen: set[int] = set()
        for node in nodes:
            self._nodes.append((node, node.module))
            for module in node.module.list_modules():
                if id(module) in seen:
                    continue
                seen.add(id(module))
                self._sizes.append((vars(module), len(vars(module))))
                for name, value in vars(module).items():
                    self._note(vars(module), name, value)
                if module.made_of_nodes:
                    self._nodes += [(inner, inner.module) for inner in module.nodes]

    def _note(self, attributes: dict[Any, Any], name: str, value: Any) -> None:
        if name in _IGNORED:
            return
        if _is_plain(value):
            self._plain.append((attributes, name, value))
        elif type(value) is np.ndarray:
            self._arrays.append((attributes, name, value.dtype, value.shape))
        elif name in ("modules", "hooks") or (type(value) is list and all(map(_is_plain, value))):
            self._lists.append((attributes, name, list(value)))

    def hold(self) -> bool:
        """Whether all is as it was."""
        for node, module in self._nodes:
            if node.module is not module:
                return False
        for attributes, name, value in self._plain:
            now = attributes.get(name, self)
            if now is not value and not _alike(now, value):
                return False
        for attributes, name, dtype, shape in self._arrays:
            array = attributes.get(name)
            if type(array) is not np.ndarray or array.shape != shape:
                return False
            if array.dtype is not dtype and array.dtype != dtype:
                return False
        return (
            all(len(attributes) == size for attributes, size in self._sizes)
            and all(_alike(attributes.get(name), before) for attributes, name, before in self._lists)
            and all(getattr(kind, name) is function for kind, name, function in self._functions)
            and all(_alike(_recorded(module, inputs), before) for module, inputs, before in self._formulas)
            and all(_viewed(module, input) == before for module, input, before in self._views)
        )


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, _PLAIN)


def _is_told(module: Any) -> bool:
    """Whether a module's formulas read nothing but NumPy and attributes of its own that are noted as plain."""
    for name in _FORMULAS:
        function = getattr(type(module), name)
        code = getattr(function, "__code__", None)
        if function is getattr(Pointwise, name):
            continue
        if code is None or code.co_freevars or any(isinstance(part, CodeType) for part in code.co_consts):
            return False
        for used in code.co_names:
            found = function.__globals__.get(used, np)
            noted = not hasattr(module, used) or _is_plain(vars(module).get(used, module))
            if not (found is np or found is math) or not noted or used in _LOOKING_UP:
                return False
    return True


def _recorded(module: Any, inputs: int) -> Any:
    """The formula and the derivatives of a pointwise module, as expressions; None where they are none."""
    xs = [Symbol(i) for i in range(inputs)]
    try:
        return module.formula(*xs), module.derivatives(xs, Symbol("y"))
    except Exception:  # Whatever they ask of symbols.
        return None


def _alike(a: Any, b: Any) -> bool:
    """Whether two expressions, or attributes, are the same: the same objects, or plain values that are equal."""
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        return a.function == b.function and _alike(a.arguments, b.arguments)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(_alike, a, b))
    return a is b or (_is_plain(a) and _is_plain(b) and a == b)


def _viewed(module: Any, input: Any) -> Any:
    try:
        return _places(module.view(input))
    except Exception:  # The view is another by now, which does not take this input.
        return None


def _places(value: Any) -> Any:
    """Where the elements of a view lie."""
    return table.map(lambda leaf: leaf.__array_interface__, value)
