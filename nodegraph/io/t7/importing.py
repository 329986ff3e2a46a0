"""Reading: from the objects of a file, known by the names of their fields, to modules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import parameters, random
from nodegraph.errors import T7Error
from nodegraph.io.t7.translation import MAX_NESTING, TRANSLATIONS, TWIN_OF, torch_name
from nodegraph.io.t7.values import DTYPES, Record, Storage, Table
from nodegraph.nn.component import Component
from nodegraph.nn.module import Module

MAX_SIZE = 1_000_000
"""How many modules a network may have, each counted as often as it occurs."""

UNFINISHED = object()


class Fields:
    """The fields of one Torch object, checked as they are asked for.

    A `build` that puts parameters into the module itself names them in `settled`.
    """

    def __init__(self, record: Record, importer: Importer) -> None:
        self.record, self.importer = record, importer
        self.settled: tuple[str, ...] = ()

    def fail(self, message: str) -> T7Error:
        """The error for a record that cannot be what it says."""
        return T7Error(f"{self.record.name}: {message}", self.record.offset)

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value; the default where it is nil."""
        value = self.record.fields.get(name)
        return default if value is None else value

    def array(self, name: str) -> np.ndarray:
        """The field, which must be a tensor of no more elements than its storage has."""
        array = self.get(name)
        if not isinstance(array, np.ndarray):
            raise self.fail(f"the field {name} is no tensor")
        if isinstance(array.base, np.ndarray) and array.size > array.base.size:
            raise self.fail(f"the field {name} repeats its numbers, {array.shape} out of {array.base.size}")
        return self.importer.one_array(array)

    def fitting(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The field, floating-point numbers, in the shape that is needed here."""
        array = self.array(name)
        if array.dtype.kind != "f" or array.size != math.prod(shape):
            raise self.fail(f"the field {name} is {array.dtype} of shape {array.shape}, expected numbers {shape}")
        return array if array.shape == shape else self.importer.one_array(array.reshape(shape))

    def integers(self, name: str) -> tuple[int, ...]:
        """The field, a LongStorage, a tensor or a table of whole numbers."""
        value = self.get(name)
        value = value.array if isinstance(value, (Storage, Table)) else value
        if not isinstance(value, (np.ndarray, list)) or np.ndim(value) != 1 or len(value) > 1000:
            raise self.fail(f"the field {name} is no list of whole numbers")
        return tuple(int(n) for n in value)

    def elements(self, name: str, *sizes: Any) -> None:
        """Check that a tensor has the number of elements that other fields promise, before anything is made."""
        count = math.prod(self.get(size) if isinstance(size, str) else size for size in sizes)
        if self.array(name).size != count:
            raise self.fail(f"the field {name} has {self.array(name).size} elements where {count} are declared")

    def component(self, name: str) -> Any:
        """The field, a module or a criterion."""
        return self.importer.component(self.get(name))

    def components(self, name: str = "modules") -> list[Any]:
        """The field, a table of them."""
        value = self.get(name, Table())
        if not isinstance(value, Table):
            raise self.fail(f"the field {name} is no table")
        return [self.importer.component(part) for part in value.array]


class Importer:
    """Translates the objects of one file: what is one object there is one object here."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Record, Any]] = {}
        self.arrays: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}
        self.narrowed: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.sizes: dict[int, int] = {}
        self.nesting = 0

    def component(self, value: Any) -> Any:
        """The module or criterion for an object; T7Error for anything else, and for a class that is not known."""
        if not isinstance(value, Record):
            raise T7Error(f"expected a module, found {value!r}")
        _, made = self.made.get(id(value), (value, None))
        if made is UNFINISHED:
            raise T7Error(f"a {value.name} contains itself", value.offset)
        if made is not None:
            return made
        translation = TRANSLATIONS.get(value.name)
        if translation is None:
            raise T7Error(
                f"there is no counterpart to the class {value.name}; teach it with "
                f"nodegraph.io.t7.register({value.name!r}, build), where build(fields) returns a module",
                value.offset,
            )
        if self.nesting == MAX_NESTING:
            raise T7Error(f"modules are nested more than {MAX_NESTING} deep", value.offset)
        self.made[id(value)] = value, UNFINISHED
        state = random.get_state() if self.nesting == 0 else None
        self.nesting += 1
        fields = Fields(value, self)
        try:
            first = value.fields.get(TWIN_OF)
            made = translation.build(fields) if first is None else self.component(first)
            if id(made) not in self.sizes:  # a class that only wraps a module gives that module
                self._finish(made, fields)
        except T7Error as error:
            if error.offset is None:
                raise T7Error(error.message, value.offset) from error.__cause__
            raise
        except Exception as error:
            raise T7Error(f"a {value.name} with such fields cannot be made: {error}", value.offset) from error
        finally:
            self.nesting -= 1
            if state is not None:  # loading draws no random numbers, though constructors do
                random.set_state(state)
        self.made[id(value)] = value, made
        if id(made) not in self.sizes:
            self.sizes[id(made)] = 1 + sum(self.sizes.get(id(child), 1) for child in made.children())
        if self.sizes[id(made)] > MAX_SIZE:
            raise T7Error(f"a {value.name} of more than {MAX_SIZE} modules", value.offset)
        return made

    def one_array(self, array: np.ndarray) -> np.ndarray:
        """The same array for the same place in memory, so that it stays shared whatever happens to it later."""
        if array.dtype == np.float16:
            return self.arrays.setdefault(parameters.key(array), (array.astype(np.float32), array))[0]
        return self.arrays.setdefault(parameters.key(array), (array, array))[0]

    def _finish(self, made: Component, fields: Fields) -> None:
        """Put in what every module has: its parameters, its mode, its type of numbers."""
        if isinstance(made, Module):
            for name in made.own_parameter_names():
                if name not in fields.settled:
                    self._put(made, name, fields)
        type_name = fields.get("_type")
        dtype = DTYPES.get(type_name[len("torch.") : -len("Tensor")]) if isinstance(type_name, str) else None
        for inner in made.list_modules():  # the module, and what its constructor put into it
            if id(inner) not in self.sizes:
                inner.train = fields.get("train") is not False
                if dtype is not None and dtype.kind == "f" and dtype.itemsize < 8:
                    inner.convert_own_arrays(self._narrowed)

    def _put(self, module: Module, name: str, fields: Fields) -> None:
        """Put a parameter and its gradient into a module in place of its own."""
        shape, gradient = getattr(module, name).shape, torch_name("grad_" + name)
        if name == "bias" and fields.get("bias") is None and hasattr(module, "no_bias"):
            module.no_bias()
            return
        parameter = fields.fitting(torch_name(name), shape)
        setattr(module, name, parameter)
        fits = isinstance(fields.get(gradient), np.ndarray) and fields.get(gradient).size == parameter.size
        setattr(module, "grad_" + name, fields.fitting(gradient, shape) if fits else np.zeros_like(parameter))

    def _narrowed(self, array: np.ndarray) -> np.ndarray:
        """An array in single precision, if it is in double."""
        if array.dtype != np.float64:
            return array
        return self.narrowed.setdefault(id(array), (array.astype(np.float32), array))[0]
