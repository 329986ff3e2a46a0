"""What our own PyTorch modules share: the settings that they take over, and functions as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nodegraph.export.torch.conversion import Converter, register
from nodegraph.nn.component import Component


class Layer(torch.nn.Module):
    """Base of our PyTorch modules: keeps the attributes of a module that `settings` names.

    Arrays among them become tensors that move with the module but are no part of its state.
    """

    settings = ""

    def __init__(self, component: Component, converter: Converter | None = None) -> None:
        super().__init__()
        self.name = type(component).__name__
        self.shown = self.settings.split()
        for name in self.shown:
            value = getattr(component, name)
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.from_numpy(np.array(value)), persistent=False)
            else:
                setattr(self, name, value)

    def _get_name(self) -> str:
        return self.name

    def extra_repr(self) -> str:
        values = {name: getattr(self, name) for name in self.shown}
        return ", ".join(
            f"{name}={tuple(value.shape) if isinstance(value, torch.Tensor) else value}"
            for name, value in values.items()
        )


class Function(Layer):
    """A module without numbers of its own: a function of its input, with settings.

    One that is `inline` is written out where it stands in a graph. One that is to `spread` takes the values of a table
    as so many arguments. For tensors of as many axes as `rowwise` lists, the first axis only lists independent samples.
    """

    def __init__(
        self,
        component: Component,
        function: Callable[..., Any],
        settings: str = "",
        inline: bool = False,
        spread: bool = False,
        rowwise: tuple[int, ...] = (),
    ) -> None:
        self.settings = settings
        super().__init__(component)
        self.function, self.inline, self.spread, self.rowwise = function, inline, spread, rowwise

    def forward(self, *values: Any) -> Any:
        if self.spread:
            (values,) = values
        return self.function(*values, **{name: getattr(self, name) for name in self.shown})


ANY = (1, 2, 3, 4, 5)
"""All numbers of axes, for `rowwise`."""


def function(
    *classes: type, settings: str = "", inline: bool = False, spread: bool = False, rowwise: tuple[int, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: what modules of these classes compute, as a function of the input and of the settings by name.

    `inline` says that it asks nothing of its input, not even the shape, so that it can be written out in a graph.
    """

    def put_down(computes: Callable[..., Any]) -> Callable[..., Any]:
        @register(*classes)
        def translate(component: Component, converter: Converter) -> Function:
            return Function(component, computes, settings, inline, spread, rowwise)

        return computes

    return put_down
