"""Component: what modules and criterions have in common, whatever they compute."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.node import check_settings

if TYPE_CHECKING:
    from typing_extensions import Self

USUAL = ("weight", "bias", "grad_weight", "grad_bias")
"""Arrays that may be named though no module at hand has them."""

RUN_STATE = ("output", "grad_input", "saved", "_last")


class Component:
    """An object with arrays, other components inside, and the state of its last run.

    Base of Module and Criterion: conversion between float32 and float64, copies, training and evaluation, how it reads.
    """

    made_of_nodes = False
    """Whether the constructor takes nodes, which any other refuses."""

    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    """What the constructor was given."""

    train: bool
    """Whether it is in training, as it is from the start, or in evaluation."""

    output: Any
    grad_input: Any
    saved: Any
    _last: Any
    __call__: Callable[..., Any]

    __array_ufunc__ = None  # So that NumPy leaves `array - module` to the module, which refuses it.

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, instead in (("forward", "update_output"), ("backward", "update_grad_input")):
            if name in vars(cls) and hasattr(super(cls, cls), name):
                raise ArgumentError(f"{cls.__name__} defines {name}, which graphs do not call: define {instead}")
        if vars(cls).get("__slots__"):
            raise ArgumentError(f"{cls.__name__}: a module has no __slots__: a run copies what its dictionary has")

    @classmethod
    def of_library(cls) -> bool:
        """Whether the class is one of the library's, and not a user's own."""
        return cls.__module__.startswith("nodegraph.nn.")

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if not cls.made_of_nodes:
            check_settings(cls.__name__, [*args, *kwargs.values()])
        component = super().__new__(cls)
        component.arguments = (args, kwargs)
        component.train = True
        component.clear_own_state()
        return component

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise ArgumentError(f"{type(self).__name__} takes no arguments, got {(*args, *kwargs.values())!r}")

    def children(self) -> list[Any]:
        """The modules directly inside this one."""
        return []

    def list_modules(self) -> list[Any]:
        """This module and all inside it, each once, outer ones first."""
        seen: dict[int, Any] = {}
        pending: list[Any] = [self]
        while pending:
            module = pending.pop()
            if id(module) not in seen:
                seen[id(module)] = module
                pending.extend(reversed(module.children()))
        return list(seen.values())

    def apply(self, function: Callable[[Any], Any]) -> Self:
        """Call `function` on this module and on all inside it, each once."""
        for module in self.list_modules():
            function(module)
        return self

    def training(self) -> Self:
        """Switch to training: dropout drops, batch normalisation uses the batch."""
        return self.apply(lambda module: setattr(module, "train", True))

    def evaluate(self) -> Self:
        """Switch to evaluation."""
        return self.apply(lambda module: setattr(module, "train", False))

    def float(self) -> Self:
        """Make all arrays float32."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """Make all arrays float64."""
        return self.astype(np.float64)

    def astype(self, dtype: Any) -> Self:
        """Convert all floating-point arrays, keep shared ones shared, and forget the last run.

        ArgumentError for a type other than float32 and float64.
        """
        kinds = [kind for kind in (np.float32, np.float64) if _is_type(dtype, kind)]
        if not kinds:
            raise ArgumentError(f"{self.describe()}: numbers are float32 or float64, got {dtype!r}")
        (dtype,) = kinds
        converted: dict[int, tuple[np.ndarray, np.ndarray]] = {}

        def convert(array: np.ndarray) -> np.ndarray:
            if array.dtype.kind != "f" or array.dtype == dtype:
                return array
            return converted.setdefault(id(array), (array.astype(dtype), array))[0]

        self.convert_arrays(convert)
        return self

    def convert_arrays(self, convert: Callable[[np.ndarray], np.ndarray]) -> None:
        """Put `convert(array)` in the place of each array among the attributes, or in lists there, here and inside."""
        self.convert_own_arrays(convert)
        for child in self.children():
            child.convert_arrays(convert)

    def convert_own_arrays(self, convert: Callable[[np.ndarray], np.ndarray]) -> None:
        """The same here, and not inside."""
        self.clear_own_state()
        for name, value in vars(self).items():
            vars(self)[name] = _converted(value, convert)

    def clone(self, *shared: str) -> Self:
        """A deep copy; the arrays named, such as "weight", "grad_weight", are shared with the original.

        ArgumentError for a name that no module has.
        """
        self.check_names(shared)
        memo: dict[int, Any] = {}
        for module in self.list_modules():
            for name in shared:
                value = getattr(module, name, None)
                if isinstance(value, np.ndarray):
                    memo[id(value)] = value
        return copy.deepcopy(self, memo)

    def check_names(self, names: tuple[str, ...]) -> None:
        """ArgumentError for a name that is no attribute here or inside, nor one that nearly all modules have."""
        modules = self.list_modules()
        for name in names:
            if name not in USUAL and not (isinstance(name, str) and any(hasattr(module, name) for module in modules)):
                raise ArgumentError(
                    f"{self.describe()}: no module has an array {name!r}; arrays are {', '.join(USUAL)}"
                )

    def clear_state(self) -> Self:
        """Forget what the last run left: outputs, gradients of inputs, what was saved for backward."""
        return self.apply(lambda module: module.clear_own_state())

    def clear_own_state(self) -> None:
        """Forget what the last run left, here and not inside."""
        for name in RUN_STATE:
            setattr(self, name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), **dict.fromkeys(RUN_STATE)}

    def __neg__(self) -> Any:
        return self()

    def __rsub__(self, parents: Any) -> Any:
        return self(parents)

    @property
    def kind(self) -> str:
        """The class's name, as messages and pictures give it."""
        return type(self).__name__

    def describe(self) -> str:
        """The module in a few words, for messages."""
        return repr(self)

    def __repr__(self) -> str:
        args, kwargs = self.arguments
        shown = [short(a) for a in args] + [f"{k}={short(v)}" for k, v in kwargs.items()]
        return f"{type(self).__name__}({', '.join(shown)})"


def _converted(value: Any, convert: Callable[[np.ndarray], np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        return convert(value)
    if isinstance(value, (list, tuple)):
        parts = [_converted(part, convert) for part in value]
        if any(part is not old for part, old in zip(parts, value)):
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _is_type(given: Any, kind: type[np.floating[Any]]) -> bool:
    """Whether this is what NumPy takes for that type of numbers."""
    try:
        return given is not None and np.dtype(given) == kind
    except TypeError:
        return False


def short(value: Any) -> str:
    """An argument as a message or a picture shows it; arrays by their shape."""
    return f"array{value.shape}" if isinstance(value, np.ndarray) else repr(value)
