"""Modules that watch what goes through: they print shapes, measure time, look for NaN."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import InputError
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import size
from nodegraph.nn.regularisation import PassThrough


class PrintSize(PassThrough):
    """y = x, and the shapes of input and gradient are printed as they come by.

    >>> y = PrintSize("hidden").forward(np.zeros((2, 3)))
    hidden:input (2, 3)

    Source: torch/nn, PrintSize.lua.
    """

    def __init__(self, prefix: str = "PrintSize") -> None:
        self.prefix = str(prefix)

    def update_output(self, input: Any) -> Any:
        print(f"{self.prefix}:input {table.describe(input)}")
        return input

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        print(f"{self.prefix}:grad_output {table.describe(grad_output)}")
        return grad_output

    def rowwise(self, shape: Any) -> bool:
        return False  # in a recurrent net: the shapes of each step


class Profile(Decorator):
    """The module inside, timed: after every `print_interval` passes the seconds that they took are printed.

    Forward and backward passes are counted apart; the gradients of parameters are not in the time, as in Torch.

    >>> from nodegraph import nn
    >>> Profile(nn.Linear(3, 2), 1000).forward(np.zeros((4, 3))).shape
    (4, 2)

    Source: torch/nn, Profile.lua.
    """

    def __init__(self, module: Module, print_interval: int = 100, name: str | None = None) -> None:
        super().__init__(module)
        self.print_interval = size(print_interval, "print_interval")
        self.name = type(module).__name__ if name is None else str(name)
        # Changed in place, never reassigned: runs happen on copies of the module, which share the dictionaries.
        self.passes = {"forward": 0, "backward": 0}
        self.seconds = {"forward": 0.0, "backward": 0.0}

    def update_output(self, input: Any) -> Any:
        start = time.perf_counter()
        output = super().update_output(input)
        self._count("forward", time.perf_counter() - start)
        return output

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        start = time.perf_counter()
        grad_input = super().update_grad_input(input, grad_output)
        self._count("backward", time.perf_counter() - start)
        return grad_input

    def _count(self, direction: str, seconds: float) -> None:
        self.passes[direction] += 1
        self.seconds[direction] += seconds
        if self.passes[direction] == self.print_interval:
            took = f"{self.seconds[direction]:.3f} seconds for {self.print_interval} {direction} passes"
            print(f"{self.name} took {took}")
            self.passes[direction], self.seconds[direction] = 0, 0.0


class NaN(Decorator):
    """The module inside; InputError as soon as a NaN goes in or comes out, saying where it is.

    Looks at the output and, if that has a NaN, at input and parameters to tell where it came from; likewise at the
    gradients. `id` tells several of them apart; by default they are numbered.

    >>> from nodegraph import nn
    >>> NaN(nn.Sqrt(), "depth").forward(np.array([-1.0]))
    Traceback (most recent call last):
    nodegraph.errors.InputError: NaN(depth) got (1,): NaN found in the output of Sqrt()

    Source: torch/nn, NaN.lua. Torch7 looks at sums, and so takes an infinity of each sign for a NaN.
    """

    _ids = itertools.count(1)

    def __init__(self, module: Module, id: Any = None) -> None:
        super().__init__(module)
        self.id = next(NaN._ids) if id is None else id

    def update_output(self, input: Any) -> Any:
        output = super().update_output(input)
        if has_nan(output):
            self._refuse(("input", input), ("parameters", self.parameters()[0]), ("output", output))
        return output

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        grad_input = super().update_grad_input(input, grad_output)
        if has_nan(grad_input):
            self._refuse(("grad_output", grad_output), ("grad_input", grad_input))
        return grad_input

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        super().acc_grad_parameters(input, grad_output, scale)
        self._refuse(("gradients of the parameters", self.parameters()[1]))

    def _refuse(self, *suspects: tuple[str, Any]) -> None:
        """Raise an error for the first of the suspects that has a NaN, if any."""
        for what, value in suspects:
            if has_nan(value):
                raise InputError(f"NaN found in the {what} of {self.modules[0]!r}")

    def describe(self) -> str:
        return f"NaN({self.id})"


def has_nan(value: Any) -> bool:
    """Whether an array, or a table at any depth, holds a NaN. None, a zero gradient, holds none."""
    return any(leaf is not None and bool(np.isnan(leaf).any()) for leaf in table.leaves(value))
