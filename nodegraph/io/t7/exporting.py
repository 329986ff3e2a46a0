"""Writing: from modules to the objects of Torch that stand for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import T7Error
from nodegraph.io.t7.translation import BY_CLASS, MAX_NESTING, TWIN_OF, torch_name
from nodegraph.io.t7.values import KINDS, Record, Table
from nodegraph.nn.module import Module


class Exporter:
    """Gives the Torch objects for modules: one for each place of a module in a network.

    Torch7 keeps what a module computed in the module itself, so that one in two places overwrites what it still needs.
    In the second place stands a twin with the same tensors, from which reading finds the way back to one module.
    """

    def __init__(self, dtype: Any = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        self.made: dict[int, tuple[Any, Record]] = {}
        self.placed: set[int] = set()
        self.nesting = 0

    def record(self, component: Any) -> Record:
        """The Torch object that stands for a component; T7Error for a class that Torch7 does not have."""
        if id(component) in self.made:
            return self.made[id(component)][1]
        return self._written(component, None)

    def in_place(self, component: Any) -> Record:
        """The Torch object for one more place in a network: the same at first, then a twin of it."""
        first = self.record(component)
        if id(component) not in self.placed:
            self.placed.add(id(component))
            return first
        return self._written(component, first)

    def _written(self, component: Any, first: Record | None) -> Record:
        translation = BY_CLASS.get(type(component))
        if translation is None or translation.give is None:
            name = type(component).__name__
            raise T7Error(f"Torch7 has no counterpart to {name}; nodegraph.io.t7.register can give it one")
        if self.nesting == MAX_NESTING:
            raise T7Error(f"modules are nested more than {MAX_NESTING} deep")
        record = Record(translation.torch, None, translation.version)
        if first is None:
            self.made[id(component)] = component, record
        own = self._own_fields(component) if isinstance(component, Module) else {}
        self.nesting += 1
        try:
            fields = {**own, **translation.give(component, self), TWIN_OF: first}
        finally:
            self.nesting -= 1
        record.content = Table(hash={name: value for name, value in fields.items() if value is not None})
        return record

    def records(self, components: list[Any]) -> Table:
        """A table of Torch objects, each in its place."""
        return Table([self.in_place(component) for component in components])

    def empty(self) -> np.ndarray:
        """A tensor without elements, of the model's type."""
        return np.empty(0, self.dtype)

    def _own_fields(self, module: Module) -> dict[str, Any]:
        """What every module of Torch's has."""
        fields: dict[str, Any] = {"output": self.empty(), "gradInput": self.empty(), "train": module.train}
        names = module.own_parameter_names()
        dtype = getattr(module, names[0]).dtype if names else self.dtype
        fields["_type"] = f"torch.{KINDS[dtype]}Tensor"
        for name in names:
            for attribute in (name, "grad_" + name):
                fields[torch_name(attribute)] = getattr(module, attribute)[...]
        return fields
