"""From our modules to PyTorch's: which class becomes which, and the numbers that both share names for."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from nodegraph import nn, parameters
from nodegraph.errors import ArgumentError, ExportError
from nodegraph.nn.component import Component

Translate = Callable[[Any, "Converter"], torch.nn.Module]

TRANSLATIONS: dict[type, Translate] = {}
"""Our class -> function of a module and the converter that makes the PyTorch module, without its numbers."""

OVERRIDABLE: dict[type, frozenset[str]] = {}
"""Our class that is known here -> the methods that a subclass may define anew and still be translated as it is."""

REASONS: dict[type, Callable[[Any], str | None]] = {}
"""Our class -> why one of its modules cannot be expressed, or None if it can."""

HARMLESS = frozenset("__init__ reset output_shape rowwise describe kind __repr__ check check_input children".split())
"""Methods that say nothing about what a module computes."""


def register(*classes: type, overridable: str = "") -> Callable[[Translate], Translate]:
    """Decorator: `translate(module, converter)` makes a PyTorch module of a module of these classes.

    The numbers are put in afterwards: each parameter and each buffer of the module under its own name, as are the
    modules inside, which the PyTorch module then has as children. A subclass is translated like its base as long as it
    computes nothing differently; `overridable` names the methods that it may define all the same.

    >>> class GELU(nn.Module):
    ...     parameter_names = ()
    >>> @register(GELU)
    ... def gelu(module, converter):
    ...     return torch.nn.GELU()
    >>> to_torch(nn.Sequential(nn.Linear(3, 2), GELU()))[1]
    GELU(approximate='none')
    """

    def put_down(translate: Translate) -> Translate:
        for cls in classes:
            TRANSLATIONS[cls] = translate
            OVERRIDABLE[cls] = HARMLESS | set(overridable.split())
        return translate

    return put_down


def to_torch(module: Component) -> torch.nn.Module:
    """A PyTorch module that computes what a module, a graph or a criterion does, in training and in evaluation.

    A graph becomes a torch.fx.GraphModule, whose `code` can be read: its variables are named after the nodes. It takes
    its inputs as separate arguments and gives several outputs as a tuple, and so does a Recurrent; any other module
    takes and gives one value. A table is a list of tensors. A criterion takes input and target. The tensors are
    copies, on the CPU; the module can be moved, trained, saved, and given to torch.export.

    Parameters and buffers have the names and the numbers that `named_parameters` gives, except that a name that
    PyTorch cannot take, because it has a dot in it, is a word of Python's or an attribute of PyTorch's modules, has `_`
    for the dot or at its end. What is shared stays shared, and what is random is so in training as it was, by
    PyTorch's random numbers. Where ours has a derivative of its own, at a kink for one, so has the copy.

    Raises ExportError, which names them all, if there are modules that PyTorch cannot express.

    >>> from nodegraph.models.lstm import create
    >>> lstm = to_torch(create(3, 2))
    >>> x, c, h = torch.ones(1, 3).double(), torch.zeros(1, 2).double(), torch.zeros(1, 2).double()
    >>> next_c, next_h = lstm(x, c, h)
    >>> next_h.sum().backward()
    >>> [name for name, _ in lstm.named_parameters()]
    ['i2h.weight', 'i2h.bias', 'h2h.weight', 'h2h.bias']
    """
    if not isinstance(module, Component):
        raise ArgumentError(f"to_torch takes a module or a criterion, got {module!r}")
    check(module)
    if isinstance(module, nn.Module):
        parameters.unique(*module.parameters())  # Refuses parameters that overlap in memory.
    return Converter().convert(module, outermost=True)


def load_torch(module: nn.Module, source: torch.nn.Module | Mapping[str, Any]) -> nn.Module:
    """Copy the numbers of a PyTorch module, or of its `state_dict()`, into the module that it was made of.

    Returns the module. Raises ArgumentError, and changes nothing, if a parameter or a buffer is missing, has another
    shape, or is one too many.

    >>> linear = nn.Linear(3, 2)
    >>> theirs = to_torch(linear)
    >>> with torch.no_grad():
    ...     _ = theirs.weight.fill_(0.5)
    >>> load_torch(linear, theirs).weight
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """
    if not isinstance(module, nn.Module):
        raise ArgumentError(f"load_torch takes one of our modules first, got {module!r}")
    state = source.state_dict() if isinstance(source, torch.nn.Module) else source
    if not isinstance(state, Mapping):
        raise ArgumentError(f"load_torch takes a PyTorch module or a state_dict, got {type(source).__name__}")
    places = dict(named_arrays(module))
    missing, unknown = [n for n in places if n not in state], [n for n in state if n not in places]
    if missing or unknown:
        raise ArgumentError(f"the names do not fit the module: missing {missing}, unknown {unknown}")
    values = {name: _as_array(name, state[name]) for name in places}
    for name, array in places.items():
        if values[name].shape != array.shape:
            raise ArgumentError(f"{name} has the shape {values[name].shape}, the module's has {array.shape}")
    for name, array in places.items():
        array[...] = values[name]
    return module


def _as_array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        return value
    raise ArgumentError(f"{name} must be a tensor, got {type(value).__name__}")


def named_arrays(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """All parameters and buffers under the names that they have in PyTorch's `state_dict()`; shared ones repeatedly."""
    for name in (*module.own_parameter_names(), *module.buffer_names):
        if getattr(module, name, None) is not None:
            yield prefix + name, getattr(module, name)
    for name, child in named_children(module):
        yield from named_arrays(child, f"{prefix}{name}.")


def named_children(component: Component) -> list[tuple[str, Any]]:
    """The components directly inside, by names that PyTorch can take."""
    if not isinstance(component, nn.Module):
        return [(str(i), child) for i, child in enumerate(component.children())]
    names: list[str] = []
    for name, _ in component.named_children():
        name = name.replace(".", "_")
        while keyword.iskeyword(name) or hasattr(BLANK, name) or name in names:
            name += "_"
        names.append(name)
    return list(zip(names, component.children()))


BLANK = torch.fx.GraphModule(torch.nn.Module(), torch.fx.Graph())
"""A module whose attributes are the names that no child of another may have."""


class Converter:
    """Makes the PyTorch modules of one `to_torch`: what is one module or one array here is one there."""

    def __init__(self) -> None:
        self.made: dict[int, torch.nn.Module] = {}
        self.tensors: dict[tuple[Any, ...], torch.Tensor] = {}

    def convert(self, component: Component, outermost: bool = False) -> torch.nn.Module:
        """The PyTorch module of a module or a criterion, with its numbers and the modules inside."""
        if id(component) in self.made:
            return self.made[id(component)]
        for _, child in named_children(component):
            self.convert(child)
        self.outermost = outermost
        made = self.made[id(component)] = TRANSLATIONS[translated_as(component)](component, self)
        if isinstance(component, nn.Module):
            self._put_in_numbers(component, made)
        if not made._modules and not isinstance(made, torch.fx.GraphModule):  # Else it has named its children itself.
            for name, child in named_children(component):
                made.add_module(name, self.convert(child))
        made.training = component.train
        return made

    def _put_in_numbers(self, module: nn.Module, made: torch.nn.Module) -> None:
        trained = module.own_parameter_names()
        for name in module.parameter_names:
            made.register_parameter(name, self.tensor(getattr(module, name), True) if name in trained else None)
        for name in module.buffer_names:
            array = getattr(module, name, None)
            made.register_buffer(name, None if array is None else self.tensor(array))
        for name in set(type(module).parameter_names) - set(module.parameter_names):
            made._parameters.pop(name, None)  # The weight that a WeightNorm around it computes.
            made.register_buffer(name, self.tensor(getattr(module, name)), persistent=False)

    def tensor(self, array: np.ndarray, trained: bool = False) -> torch.Tensor:
        """A copy of the array as a tensor; the same one for the same array."""
        key = parameters.key(array)
        if key not in self.tensors:
            tensor = torch.from_numpy(np.array(array))
            self.tensors[key] = torch.nn.Parameter(tensor) if trained else tensor
        return self.tensors[key]


def translated_as(component: Component) -> type | None:
    """The component's class, or the base that it computes the same as, that is known here; None if none is."""
    defined: set[str] = set()
    for cls in type(component).__mro__:
        if cls in OVERRIDABLE:
            return cls if defined <= OVERRIDABLE[cls] else None
        defined |= {name for name, value in vars(cls).items() if callable(value) or isinstance(value, property)}
    return None


def check(component: Component) -> None:
    """ExportError unless all components inside, at any depth, can be expressed."""
    found: dict[str, None] = {}
    for part in _all_inside(component):
        known = translated_as(part)
        reason = "no translation is registered" if known is None else None
        if known in REASONS:
            reason = REASONS[known](part)
        if reason is not None:
            found[f"{type(part).__name__} ({reason})"] = None
    if found:
        raise ExportError(
            f"PyTorch cannot express {', '.join(found)}; for classes of your own there is "
            "nodegraph.export.torch.register"
        )


def _all_inside(component: Component) -> Iterator[Component]:
    for part in component.list_modules():
        yield part
        for name in ("criterion", "input_module", "target_module"):
            inner = getattr(part, name, None)
            if isinstance(inner, Component) and inner not in part.children():
                yield from _all_inside(inner)


def cannot(*classes: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: why a module of these classes cannot be expressed, or None."""

    def put_down(reason: Callable[[Any], str | None]) -> Callable[..., Any]:
        for cls in classes:
            REASONS[cls] = reason
            OVERRIDABLE.setdefault(cls, HARMLESS)
        return reason

    return put_down
