"""Conversion: a module runs on stand-ins, and what its classes' converters and NumPy's functions do is written down."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.debug import debug
from nodegraph.errors import ExportError, NodegraphError
from nodegraph.export.onnx.arrays import StandIn, as_stand_ins
from nodegraph.export.onnx.recording import NotRecordable, Recorder
from nodegraph.gmodule import GModule
from nodegraph.io.checkpoint import state_of
from nodegraph.nn.module import Call, Module

Converter = Callable[["Conversion", Any, Any], Any]

CONVERTERS: dict[type, Converter] = {}
"""Our class -> function of a conversion, a module and its input, stand-ins, that gives the output."""


def converts(*classes: type) -> Callable[[Converter], Converter]:
    """Decorator: this is how modules of these classes are written down.

    Only a class with an operator of its own in ONNX needs one, or one whose `update_output` does what cannot be
    recorded. A subclass is converted as its base unless it has an `update_output` of its own.

    >>> from nodegraph import nn
    >>> class Erf(nn.Tanh):
    ...     def update_output(self, input):
    ...         raise NotImplementedError
    >>> @converts(Erf)
    ... def erf(conversion, module, x):
    ...     return conversion.apply("Erf", x)
    """

    def register(converter: Converter) -> Converter:
        for cls in classes:
            CONVERTERS[cls] = converter
        return converter

    return register


class Conversion:
    """One run of a module on stand-ins. `refused` lists the modules that ONNX cannot express, with the reason."""

    def __init__(self, module: Module, dtype: Any) -> None:
        self.module = frozen_copy(module)
        self.recorder = Recorder(dtype, state_of(self.module))
        self.refused: dict[str, None] = {}
        self.pooled: dict[int, StandIn] = {}
        """What each max-pooling module gave, for the modules that undo it."""
        self._inside: list[dict[int, str]] = [{id(self.module): ""}]
        self._next_name: str | None = None
        for inner in self.module.list_modules():
            self._take_over(inner)

    def _take_over(self, module: Module) -> None:
        """Exchange the two methods that a Call calls, in whatever container it is made."""
        module.update_output = partial(self._run, module)
        module.check_input = partial(_check_example, module)

    def run(self, input: Any) -> Any:
        """The module's output, stand-ins, for stand-ins as input."""
        with debug(False):  # which would look at numbers
            return self.call(self.module, input, "")

    def call(self, module: Module, input: Any, name: str | None = None) -> Any:
        """The output of a module inside; `name` is that of its node, by default its place in the module around."""
        if "update_output" not in vars(module):
            self._take_over(module)
        self._next_name = name
        return Call(module, input).output

    def apply(self, kind: str, *inputs: Any, shape: Any = None, dtype: Any = None, **attributes: Any) -> StandIn:
        """The output of an operator, by default of the first input's shape and type."""
        shape = inputs[0].shape if shape is None else shape
        return StandIn(self.recorder, self.recorder.add(kind, *inputs, shape=shape, dtype=dtype, **attributes))

    def _run(self, module: Module, input: Any) -> Any:
        name, self._next_name = self._next_name, None
        if name is None:
            name = self._inside[-1].get(id(module), type(module).__name__)
        here = {id(child): path for path, child in reversed(module.named_children())}
        self._inside.append(here)
        try:
            with self.recorder.named(name):
                return as_stand_ins(self._output(module, input), self.recorder)
        except NodegraphError:
            raise
        except Exception as error:
            return self._refuse(module, error, input)
        finally:
            self._inside.pop()

    def _output(self, module: Module, input: Any) -> Any:
        for cls in type(module).__mro__:
            if cls in CONVERTERS and cls.update_output is type(module).update_output:
                return CONVERTERS[cls](self, module, input)
        return type(module).update_output(module, input)

    def _refuse(self, module: Module, error: Exception, input: Any) -> Any:
        """Keep in mind that a module cannot be expressed, and go on with an output of its shape."""
        reason = str(error) if isinstance(error, NotRecordable) else f"{type(error).__name__}: {error}"
        if "setting an array element with a sequence" in reason:
            reason = "an assignment to elements of an array"
        self.refused[f"{module.describe()} ({reason})"] = None
        try:
            shapes = type(module).output_shape(module, table.shape(input))
        except Exception:
            raise self.refusal() from error
        zero = self.recorder.number(0)
        return _of_shapes(shapes, lambda shape: self.apply("Expand", zero, self.recorder.integers(), shape=shape))

    def refusal(self) -> ExportError:
        """The error for what ONNX cannot express."""
        return ExportError(f"ONNX cannot express {', '.join(self.refused)}")


def _check_example(module: Module, input: Any) -> None:
    """Have a module check arrays of the stand-ins' types, with numbers for the lengths that are open."""
    examples = table.map(lambda x: np.broadcast_to(np.zeros((), x.dtype), tuple(map(int, x.shape))), input)
    type(module).check_input(module, examples)


def _of_shapes(shape: Any, make: Callable[[Any], Any]) -> Any:
    return [_of_shapes(part, make) for part in shape] if isinstance(shape, list) else make(shape)


def frozen_copy(module: Module) -> Module:
    """A copy of the module in evaluation mode, which has the same arrays."""
    memo: dict[int, Any] = {}
    for inner in module.list_modules():
        memo.update((id(value), value) for value in vars(inner).values() if isinstance(value, np.ndarray))
    return copy.deepcopy(module, memo).clear_state().evaluate()


@converts(GModule)
def graph(conversion: Conversion, module: GModule, input: Any) -> Any:
    given = input if len(module.inputs) > 1 else [input]
    names = [name for name, _ in module.named_children()]
    values: list[Any] = []
    for place, node in enumerate(module.nodes):
        parents = [values[parent] for parent in module.parent_places[place]]
        value = parents[0] if len(parents) == 1 else parents
        if place in module.input_places:
            value = given[module.input_places.index(place)]
        try:
            values.append(conversion.call(node.module, value, names[place]))
        except ExportError:
            raise
        except NodegraphError as error:
            raise module.error_at(error, node, value)
    outputs = [values[place] for place in module.output_places]
    return outputs[0] if len(outputs) == 1 else outputs
