"""Optimizer: parameters and their gradients, and a rule that changes the first in place by the second."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from nodegraph import parameters as flat
from nodegraph.errors import ArgumentError, InputError, StateError
from nodegraph.nn.module import Module
from nodegraph.optim.settings import Setting

Closure = Callable[[], Any]
Parameters = Module | tuple[list[np.ndarray], list[np.ndarray]] | tuple[np.ndarray, np.ndarray]


class Optimizer:
    """What all optimisers share; a subclass defines `step` and names its numbers as `Setting`s.

    `parameters` is a module, or a pair as `module.parameters()` or `module.get_parameters()` gives it; arrays that are
    shared count once. A module is asked for its arrays anew at each step, so it may be converted with `float()` or
    flattened with `get_parameters()` later; arrays given as a pair must stay the module's own.

    `evaluations` counts the gradients used so far; `losses` are the values that the closure gave in the last step, as
    Torch's functions return them. All settings are attributes and may be changed between steps.

    Raises ArgumentError for a setting that makes no sense, here or when it is changed.
    """

    learning_rate: Any
    """Where the class has it among its settings."""

    def __init__(self, parameters: Parameters, **settings: Any) -> None:
        self._module = parameters if isinstance(parameters, Module) else None
        self.parameters, self.gradients = flat.unique(*_lists(parameters))
        if not self.parameters:
            raise ArgumentError(f"{type(self).__name__}: there are no parameters to train")
        self.arrays: dict[str, list[np.ndarray]] = {}
        self.evaluations = 0
        self.losses: list[float] = []
        for name, value in settings.items():
            setattr(self, name, value)
        self.check()

    def check(self) -> None:
        """Raise ArgumentError for settings that do not go together."""

    def step(self, closure: Closure | None = None) -> float | None:
        """Change the parameters in place; the loss, if there is a closure that computes it.

        `closure()` clears the gradients, runs forward and backward with the present parameters and returns the loss.
        """
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        self.refresh()
        for gradient in self.gradients:
            gradient.fill(0)

    def refresh(self) -> None:
        """Follow the module's arrays where they were exchanged since the last step."""
        if self._module is None:
            return
        values, gradients = flat.unique(*_lists(self._module))
        if [v.shape for v in values] != [v.shape for v in self.parameters]:
            raise StateError(
                f"{type(self).__name__}: the module's parameters have other shapes than when the optimiser was made; "
                "make a new one"
            )
        self.parameters, self.gradients = values, gradients
        for arrays in self.arrays.values():
            arrays[:] = [a.astype(v.dtype, copy=False) for a, v in zip(arrays, values)]

    def evaluate(self, closure: Closure) -> float:
        """The loss; afterwards the gradients are those at the present parameters."""
        if not callable(closure):
            raise ArgumentError(f"{type(self).__name__}: the closure must be a function, got {closure!r}")
        loss = closure()
        if np.size(loss) != 1 or np.asarray(loss).dtype.kind not in "fiu":
            raise InputError(f"{type(self).__name__}: the closure must return the loss, a number; got {loss!r}")
        self.refresh()
        self.evaluations += 1
        self.losses.append(np.asarray(loss).item())
        return self.losses[-1]

    # State

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """The names of the settings, with their rules."""
        return {n: s for base in reversed(cls.__mro__) for n, s in vars(base).items() if isinstance(s, Setting)}

    def state_dict(self) -> dict[str, Any]:
        """All that a new optimiser needs to go on with the same numbers: dictionaries of arrays, numbers, strings.

        The arrays are copies. A setting that is None is left out.
        """
        settings = {name: getattr(self, name) for name in self.settings()}
        return {
            "optimizer": type(self).__name__,
            "evaluations": self.evaluations,
            "settings": {name: value for name, value in settings.items() if value is not None},
            "memory": self.memory(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, settings included.

        Raises InputError, and changes nothing, for the state of another optimiser or of other parameters.
        """
        self.refresh()
        try:
            if state["optimizer"] != type(self).__name__:
                raise InputError(f"the state is one of {state['optimizer']}")
            evaluations = state["evaluations"]
            if not isinstance(evaluations, Integral) or isinstance(evaluations, bool) or evaluations < 0:
                raise InputError(f"there cannot be {evaluations!r} evaluations")
            unknown = set(state["settings"]) - set(self.settings())
            if unknown:
                raise InputError(f"there is no setting {sorted(unknown)[0]}")
            settings = {n: rule.checked(state["settings"].get(n)) for n, rule in self.settings().items()}
            memory = self.recalled(state["memory"])
            before = dict(vars(self))
            vars(self).update(settings, evaluations=int(evaluations), **memory)
            try:
                self.check()
            except ArgumentError:
                vars(self).update(before)
                raise
        except (InputError, ArgumentError) as error:
            raise InputError(f"{type(self).__name__}: the state does not fit: {error}") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{type(self).__name__}: not a state that state_dict gave: {error!r}") from None

    def memory(self) -> dict[str, Any]:
        """The part of the state that is not settings: here the arrays, each name with one array for each parameter."""
        return {n: {str(i): a.copy() for i, a in enumerate(arrays)} for n, arrays in self.arrays.items()}

    def recalled(self, memory: dict[str, Any]) -> dict[str, Any]:
        """The attributes that a memory stands for; InputError if it is not one of this optimiser."""
        arrays = {}
        for name, stored in memory.items():
            if name not in self.array_names:
                raise InputError(f"there is no array {name}")
            if len(stored) != len(self.parameters):
                raise InputError(f"{len(stored)} arrays {name} for {len(self.parameters)} parameters")
            arrays[name] = [
                fitting(stored[str(i)], p.shape, p.dtype, f"{name} {i}") for i, p in enumerate(self.parameters)
            ]
        return {"arrays": arrays}

    array_names: tuple[str, ...] = ()
    """What `arrays` may hold: arrays shaped as the parameters, in their dtype."""


class Elementwise(Optimizer):
    """An optimiser that treats every element for itself: it defines `update` for one array, `prepare` for a step.

    `update` gets two scratch arrays, so that a step need not allocate anything of the parameters' size.
    """

    learning_rate_decay: Any
    weight_decay: Any

    def __init__(self, parameters: Parameters, **settings: Any) -> None:
        self._rows: dict[np.dtype[Any], np.ndarray] = {}
        super().__init__(parameters, **settings)

    def step(self, closure: Closure | None = None) -> float | None:
        self.losses = []
        if closure is None:
            self.refresh()
            self.evaluations += 1
        else:
            self.evaluate(closure)
        self.prepare()
        for i, (x, gradient) in enumerate(zip(self.parameters, self.gradients)):
            self.update(x, gradient, *self._scratch(x), **{name: arrays[i] for name, arrays in self.arrays.items()})
        return self.losses[0] if self.losses else None

    def prepare(self) -> None:
        """Compute what is common to all elements, and make the arrays that the first step needs."""

    def update(self, *arrays: Any, **kept: Any) -> None:
        """`update(x, g, a, b, **kept)`: change x and what is kept, by name, in place by the gradient g.

        g must stay as it is; a and b are scratch.
        """
        raise NotImplementedError

    def need(self, name: str, fill: float = 0.0) -> None:
        """Make the arrays of that name unless there are some."""
        if name not in self.arrays:
            self.arrays[name] = [np.full(x.shape, fill, x.dtype) for x in self.parameters]

    def annealed(self) -> float:
        """The learning rate, divided by 1 + learning_rate_decay x steps before this one."""
        return self.learning_rate / (1 + (self.evaluations - 1) * self.learning_rate_decay)

    def decayed(self, x: np.ndarray, g: np.ndarray, out: np.ndarray) -> np.ndarray:
        """The gradient with that of weight_decay / 2 x the squared norm, in `out`; `g` itself if there is none."""
        if not self.weight_decay:
            return g
        np.multiply(x, self.weight_decay, out=out)
        return np.add(out, g, out=out)

    def individual(self, name: str, value: Any) -> None:
        """Keep a factor for every element as the arrays of that name.

        `value` is one vector for all parameters in order, or a list with an array or a number for each.
        """
        if isinstance(value, np.ndarray):
            if value.size != sum(x.size for x in self.parameters):
                raise ArgumentError(f"{type(self).__name__}: {name} must have as many elements as the parameters")
            ends = np.cumsum([x.size for x in self.parameters])[:-1]
            value = [part.reshape(x.shape) for part, x in zip(np.split(value.ravel(), ends), self.parameters)]
        if not isinstance(value, (list, tuple)) or len(value) != len(self.parameters):
            raise ArgumentError(f"{type(self).__name__}: {name} must be a vector, or a list for all parameters")
        for x, factors in zip(self.parameters, value):
            fits = np.shape(factors) in ((), x.shape) and np.asarray(factors).dtype.kind in "fiu"
            if not fits or not np.all(np.asarray(factors) >= 0):
                raise ArgumentError(
                    f"{type(self).__name__}: {name} must be numbers shaped as the parameters and not negative"
                )
        self.arrays[name] = [np.full(x.shape, factors, x.dtype) for x, factors in zip(self.parameters, value)]

    def _scratch(self, like: np.ndarray) -> list[np.ndarray]:
        """Two arrays of that shape and dtype, whose contents do not matter; the same memory every time."""
        if like.dtype not in self._rows:
            self._rows[like.dtype] = np.empty((2, max(x.size for x in self.parameters)), like.dtype)
        return [row[: like.size].reshape(like.shape) for row in self._rows[like.dtype]]


def fitting(value: Any, shape: tuple[int, ...], dtype: Any, what: str) -> np.ndarray:
    """A copy of a stored array; InputError if it has another shape, or no real numbers."""
    if np.shape(value) != shape:
        raise InputError(f"{what} has shape {np.shape(value)}, not {shape}")
    if np.asarray(value).dtype.kind not in "fiu":
        raise InputError(f"{what} holds {np.asarray(value).dtype}, no real numbers")
    return np.array(value, dtype)


def _lists(parameters: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    if isinstance(parameters, Module):
        parameters = parameters.parameters()
    try:
        values, gradients = parameters
    except (TypeError, ValueError):
        raise ArgumentError("expected a module, or a pair of parameters and gradients") from None
    if isinstance(values, np.ndarray) and isinstance(gradients, np.ndarray):
        values, gradients = [values], [gradients]
    lists = isinstance(values, (list, tuple)) and isinstance(gradients, (list, tuple))
    if not lists or len(values) != len(gradients):
        raise ArgumentError("expected a list of parameters and one with as many gradients")
    for value, gradient in zip(values, gradients):
        if not all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in (value, gradient)):
            raise ArgumentError("parameters and gradients must be arrays of floating-point numbers")
        if value.shape != gradient.shape:
            raise ArgumentError(f"a parameter of shape {value.shape} has a gradient of shape {gradient.shape}")
        if not value.flags.writeable:
            raise ArgumentError("a parameter is read-only, so that it cannot be trained")
    return list(values), list(gradients)
