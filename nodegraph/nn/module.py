"""Module: a function with its derivative and its parameters. Call: one run of a module, and all its backward needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np

from nodegraph import parameters as flat
from nodegraph import table
from nodegraph.debug import check_grad_input, check_grad_parameters, check_output, mode, report
from nodegraph.errors import ArgumentError, ModuleError, NodegraphError, ShapeError, StateError
from nodegraph.nn.component import RUN_STATE, Component
from nodegraph.node import Node


class Module(Component):
    """A layer: forward computes, backward gives the gradient of the input and adds to those of the parameters.

    A subclass writes three methods, in terms of NumPy alone::

        update_output(self, input)                       # returns the output
        update_grad_input(self, input, grad_output)      # returns the gradient with respect to the input
        acc_grad_parameters(self, input, grad_output, scale=1.0)   # adds scale x gradient to self.grad_weight ...

    and `output_shape(self, shape)`, which is also the check of every input: it raises ShapeError for what the module
    cannot take. A module with others inside lists them in `children(self)`.

    The methods leave input and grad_output as they are, and return new arrays or views of what they got, for a run
    keeps them: an array that is used again at the next call would change an earlier one. During the last two methods
    `self.output` is the output of the run in question, and so is whatever else `update_output` stored; by
    convention it stores one thing, `self.saved`.

    Source: torch/nn, Module.lua.
    """

    parameter_names: tuple[str, ...] = ("weight", "bias")
    """Attributes that are trained, where present and not None; the gradient of `weight` is `grad_weight`."""

    buffer_names: tuple[str, ...] = ()
    """Arrays that belong to the module's state but are not trained, such as running averages."""

    source = False
    """Whether the module takes no input, so that its node may stand at the start of a graph without being an input."""

    passes_none = False
    """Whether `update_grad_input` takes None for a gradient of zeros; else zeros are put in its place."""

    keeps_output = True
    """Whether a backward may need the output, so that `forward` returns a copy of it, which the caller may change."""

    # The function and its derivative

    def update_output(self, input: Any) -> Any:
        """The output for an input that `check_input` has let through."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_output")

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        """The gradient with respect to the input, for that of the output; `self.output` is the run's."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_grad_input")

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        """Add `scale` times the gradients of the parameters to those that are there; `self.output` is the run's."""

    def output_shape(self, shape: Any) -> Any:
        """The output's shape for an input's shape; a tuple for an array, a list of shapes for a table.

        Raises ShapeError for a shape that the module cannot take.
        """
        raise NotImplementedError(f"{type(self).__name__} does not tell its output's shape")

    def rowwise(self, shape: Any) -> bool:
        """Whether, for inputs of this shape, the first axis only lists independent samples.

        Then many time steps may go into one call, their rows one after the other; the output has as many rows, and
        `acc_grad_parameters` depends on nothing but the rows of input and grad_output.
        """
        return False

    def check_input(self, input: Any) -> None:
        """Raise an error unless `update_output` can take the input."""
        try:
            self.output_shape(table.shape(input))
        except NotImplementedError:
            pass

    # Running it

    def forward(self, input: Any) -> Any:
        """The output for an array or a table of arrays.

        The output is the caller's, who may change it; the input must stay as it is until backward.
        """
        with np.errstate(all="ignore"):
            try:
                self._last = None  # What the last run kept is free for this one.
                call = Call(self, table.as_value(input))
            except Exception as error:
                raise self._failed(error, table.describe(input), input, "forward")
        call.module, self._last = None, call  # If each held the other, both would live until a garbage collection.
        output = call.output  # Not self.output, which may be that of another thread by now.
        if self.keeps_output:
            output = self.output = _copied(output)
        return output

    def backward(self, input: Any, grad_output: Any, scale: float = 1.0) -> Any:
        """The gradient with respect to the input of the last `forward`; adds to the gradients of the parameters.

        `grad_output` has the structure of the output, and is taken in its types; None stands for zeros. `input` is that
        of the forward, or None. Raises ShapeError where the gradient differs, StateError when there was no forward, or
        when the last one was that of another input. What it returns is the caller's, who may change it.
        """
        if self._last is None:
            raise StateError(f"{self.describe()}: a backward needs a forward before it")
        call = self._last.of(self)
        with np.errstate(all="ignore"):
            try:
                if not isinstance(scale, Real):
                    raise ArgumentError(f"the scale must be a number, got {scale!r}")
                if input is not None and not table.equal(table.as_value(input), call.input):
                    raise StateError("the last forward was that of another input: let backward follow each forward")
                gradient = table.as_gradient(grad_output)
                if not table.fits(gradient, call.output):
                    shape = table.describe(call.output)
                    raise ShapeError(f"expected a gradient of the output's shape, {shape}")
                grad_input = self.grad_input = _copied(call.backward(table.in_types_of(call.output, gradient), scale))
            except Exception as error:
                raise self._failed(error, "gradient " + table.describe(grad_output), call.input, "backward")
        return grad_input

    def ran(self) -> Any:
        """What the last run saved; StateError if there was none."""
        if self.saved is None:
            raise StateError(f"{self.describe()}: a backward needs a forward before it")
        return self.saved

    def _failed(self, error: Exception, got: str, input: Any, direction: str) -> NodegraphError:
        if not (isinstance(error, NodegraphError) and error.located):
            error = locate(error, self.describe(), got)
        return report(error, self, input, direction)

    # Parameters

    def children(self) -> list[Module]:
        """The modules directly inside this one.

        ArgumentError for a module in an attribute of a class that does not say what its children are.
        """
        if self.of_library():  # These say so.
            return []
        for name, value in vars(self).items():
            if isinstance(value, (Module, list, tuple)) and name not in RUN_STATE and _holds_module(value):
                raise ArgumentError(
                    f"{self.describe()}: would its {name} be trained? Define children(), which lists the modules inside"
                )
        return []

    def own_parameter_names(self) -> list[str]:
        """Those of `parameter_names` that the module has."""
        return [name for name in self.parameter_names if getattr(self, name, None) is not None]

    def parameters(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The parameters and their gradients, in Torch's order; a module that stands at two places counts twice.

        ArgumentError for a parameter that is no array of real numbers with a gradient of the same shape.
        """
        names = self.own_parameter_names()
        try:
            values, gradients = [getattr(self, n) for n in names], [getattr(self, "grad_" + n) for n in names]
        except AttributeError as error:
            raise StateError(f"{self.describe()} has no {error.name}: a parameter has its gradient beside it") from None
        for name, value, gradient in zip(names, values, gradients):
            if getattr(self, name) is not value:
                raise ArgumentError(f"{self.describe()}: its {name} is another array whenever one asks for it")
            real = all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in (value, gradient))
            if not real or value.shape != gradient.shape:
                raise ArgumentError(
                    f"{self.describe()}: its {name} and its grad_{name} must be arrays of real numbers of one shape, "
                    f"got {_what(value)} and {_what(gradient)}"
                )
        for child in self.children():
            for mine, theirs in zip((values, gradients), child.parameters()):
                mine.extend(theirs)
        return values, gradients

    def named_children(self) -> list[tuple[str, Module]]:
        """The modules directly inside, each with its name in the paths of `named_parameters`."""
        return [(str(i), child) for i, child in enumerate(self.children())]

    def named_parameters(self, kind: str = "parameter") -> dict[str, np.ndarray]:
        """Path to array, such as `0.weight`; shared arrays count once. `kind` may be `gradient` or `buffer`."""
        found, seen = {}, set()
        for path, owner, name in self._named_arrays(kind):
            array = getattr(owner, name)
            if flat.key(array) not in seen:
                seen.add(flat.key(array))
                found[path] = array
        return found

    def _named_arrays(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Module, str]]:
        if kind == "buffer":
            names = {n: n for n in self.buffer_names if getattr(self, n, None) is not None}
        else:
            names = {n: n if kind == "parameter" else "grad_" + n for n in self.own_parameter_names()}
        for path, name in names.items():
            yield prefix + path, self, name
        for path, child in self.named_children():
            yield from child._named_arrays(kind, f"{prefix}{path}.")

    def get_parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """All parameters as one vector, and their gradients as another; the modules' arrays become views of them.

        Arrays that are shared count once. A conversion with `float` or `double` ends the tie. ArgumentError for a
        parameter that is shared while its gradient is not, and for arrays that overlap in memory.
        """
        return flat.flatten(self)

    def zero_grad_parameters(self) -> None:
        """Set the gradients of all parameters to zero."""
        for gradient in self.parameters()[1]:
            gradient.fill(0)

    def update_parameters(self, rate: float) -> None:
        """Go a step down the gradient: parameter -= rate x gradient, once for each gradient array.

        ArgumentError for parameters that are read-only, or that overlap in memory, such as a weight and its transpose.
        """
        if not isinstance(rate, Real) or math.isnan(rate):
            raise ArgumentError(f"{self.describe()}: the rate must be a number, got {rate!r}")
        pairs = {(flat.key(p), flat.key(g)): (p, g) for p, g in zip(*self.parameters())}
        flat.refuse_overlaps([*{place: parameter for (place, _), (parameter, _) in pairs.items()}.values()])
        for parameter, gradient in pairs.values():
            if not parameter.flags.writeable:
                raise ArgumentError(f"{self.describe()}: a parameter of shape {parameter.shape} is read-only: copy it")
            parameter -= rate * gradient

    def reset(self) -> Module:
        """Draw the parameters anew, by Torch's rule for the class; also in the modules inside."""
        for child in self.children():
            child.reset()
        return self

    # The module as a whole

    def share(self, other: Module, *names: str) -> Module:
        """Make the arrays named those of `other`, a module of the same structure.

        ArgumentError for another structure, and for a name that no module has.
        """
        if not isinstance(other, Module):
            raise ArgumentError(f"{self.describe()} can share with a module, got {other!r}")
        mine, theirs = self.list_modules(), other.list_modules()
        if [type(m) for m in mine] != [type(m) for m in theirs]:
            raise ArgumentError(f"{self.describe()} cannot share with {other.describe()}: the structures differ")
        self.check_names(names)
        for a, b in zip(mine, theirs):
            for name in names:
                if isinstance(getattr(b, name, None), np.ndarray):
                    setattr(a, name, getattr(b, name))
        return self

    def replace(self, function: Callable[[Module], Module]) -> Module:
        """Put `function(module)` in the place of each module inside, innermost first, and return that of this one."""
        return function(self)

    def find_modules(self, kind: type[Any] | str) -> list[Any]:
        """The modules of a class, or of a class's name, here and inside.

        >>> from nodegraph import nn
        >>> nn.Sequential().add(nn.Linear(3, 2)).add(nn.Tanh()).find_modules("Linear")
        [Linear(3, 2)]
        """
        if isinstance(kind, str):
            return [module for module in self.list_modules() if type(module).__name__ == kind]
        return [module for module in self.list_modules() if isinstance(module, kind)]

    # Wiring

    def __call__(self, *parents: Any) -> Node:
        """A node that applies this module to a node's output, or to a list of outputs; without argument, an input."""
        return Node.wire(self, *parents)


class Call:
    """One run of a module: its input, its output, and whatever else its backward needs.

    The run happens on a *frame*, a shallow copy of the module: it shares the parameters but has its own output and
    saved state. So one module can stand at several nodes, at fifty time steps or in two threads at once.
    """

    __slots__ = ("module", "input", "output", "grad_output", "grad_input", "_frame")
    module: Any

    def __init__(self, module: Module, input: Any, check: bool = True) -> None:
        frame = object.__new__(type(module))
        attributes = frame.__dict__
        attributes.update(module.__dict__)
        attributes["saved"] = attributes["_last"] = module.__dict__["saved"] = None
        if check:
            frame.check_input(input)
        output = frame.update_output(input)
        attributes["output"] = output
        module.__dict__.update(attributes)
        self.module, self.input, self.output, self._frame = module, input, output, frame
        self.grad_output = self.grad_input = None
        if mode.stop_at_nan:
            check_output(self)

    def of(self, module: Module) -> Call:
        """The same run, before its backward, as one of `module`."""
        call = object.__new__(Call)
        call.module, call.input, call.output, call._frame = module, self.input, self.output, self._frame
        call.grad_output = call.grad_input = None
        return call

    def update_grad_input(self, grad_output: Any) -> Any:
        """The gradient with respect to the input; in `grad_output` None stands for zeros."""
        if type(grad_output) is not np.ndarray and not self.module.passes_none:
            grad_output = table.fill(grad_output, self.output)
        self._refresh()
        self.grad_output = grad_output
        self.grad_input = self._frame.update_grad_input(self.input, grad_output)
        self._frame.grad_input = self.module.grad_input = self.grad_input
        if mode.stop_at_nan:
            check_grad_input(self)
        return self.grad_input

    def acc_grad_parameters(self, scale: float = 1.0) -> None:
        """Add to the parameters' gradients, for the output gradient given last."""
        self.accumulate(self.input, self.grad_output, scale)

    def accumulate(self, input: Any, grad_output: Any, scale: float) -> None:
        """The same for the rows of several calls of the module, taken together."""
        self._refresh()
        self._frame.acc_grad_parameters(input, grad_output, scale)
        if mode.stop_at_nan:
            check_grad_parameters(self)

    def backward(self, grad_output: Any, scale: float = 1.0) -> Any:
        """The gradient with respect to the input; adds to the gradients of the parameters."""
        grad_input = self.update_grad_input(grad_output)
        self.acc_grad_parameters(scale)
        return grad_input

    def _refresh(self) -> None:
        """Follow parameter arrays that were exchanged since the forward, by `get_parameters` for one."""
        frame, module = self._frame.__dict__, self.module.__dict__
        for name in self.module.parameter_names:
            if frame.get(name) is not module.get(name):
                frame[name] = module[name]
                frame["grad_" + name] = module["grad_" + name]


def _holds_module(value: Any) -> bool:
    return any(isinstance(part, Module) for part in (value if isinstance(value, (list, tuple)) else [value]))


def _what(value: Any) -> str:
    """What stands in the place of a parameter, in words."""
    return f"{value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return [_copied(part) for part in value] if table.is_table(value) else value


def checked_grad_input(call: Call, grad_output: Any) -> Any:
    """The gradient of a call's input; ShapeError if it has not the input's structure."""
    grad_input = call.update_grad_input(grad_output)
    if not table.fits(grad_input, call.input):
        expected, got = table.describe(call.input), table.describe(grad_input)
        raise ShapeError(f"its update_grad_input gave {got} for an input of {expected}")
    return grad_input


def accumulate_jointly(calls: list[Call], scale: float) -> None:
    """`acc_grad_parameters` of several calls of one module, over all their rows at once where the module allows it."""
    module, first = calls[0].module, calls[0]
    if type(module).acc_grad_parameters is Module.acc_grad_parameters:
        return
    alone = len(calls) == 1 or first._frame.saved is not None
    if alone or not module.rowwise(table.shape(first.input)):
        for call in calls:
            call.acc_grad_parameters(scale)
        return
    input = table.map(lambda *rows: np.concatenate(rows), *[call.input for call in calls])
    grad_output = table.map(lambda *rows: np.concatenate(rows), *[call.grad_output for call in calls])
    first.accumulate(input, grad_output, scale)


def locate(error: Exception, place: str, got: str) -> NodegraphError:
    """The error to raise instead: ours with the place added, or a ModuleError that is caused by a foreign one."""
    if isinstance(error, NodegraphError):
        located_error = error.locate(place, got)
        located_error.__cause__ = error.__cause__  # Also if it is None: the error itself is not shown as a context.
    else:
        located_error = ModuleError(f"{type(error).__name__}: {error}").locate(place, got)
        located_error.__cause__ = error
    return located_error
