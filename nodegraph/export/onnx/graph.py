"""Graph: a module recorded for inputs of given shapes, and what ONNX writes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nodegraph import table
from nodegraph.errors import ExportError, NodegraphError
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion
from nodegraph.export.onnx.recording import Body, Operator, Value
from nodegraph.export.onnx.sizes import Size
from nodegraph.export.onnx.tidying import all_operators, prune, set_names
from nodegraph.gmodule import GModule
from nodegraph.nn.module import Module, locate
from nodegraph.recurrent import Recurrent


class Graph:
    """A module recorded for inputs of the given shapes, some of which hold indices."""

    def __init__(self, module: Module, given: Any, sizes: dict[str, Size], dtype: np.dtype, indices: set[int]) -> None:
        self.conversion = Conversion(module, dtype)
        self.recorder, self.body, self.taken = self.conversion.recorder, self.conversion.recorder.main, set()
        self.taken.update(self.recorder.names.values())
        names = self._names(module, "inputs", given, "input")
        places = iter(range(len(names)))

        def stand_in(part: Any) -> Any:
            if isinstance(part, list):
                return [stand_in(p) for p in part]
            (shape, kind), place = part, next(places)
            kind = kind if kind is not None else np.int64 if place in indices else dtype
            value = Value(kind, [sizes.get(n, n) for n in shape], names[place])
            for axis, n in enumerate(shape):
                if isinstance(n, str):
                    self.recorder.axes.setdefault(n, (value, axis))
            self.body.inputs.append(value)
            return StandIn(self.recorder, value)

        input = stand_in(given)
        try:
            self.output = self.conversion.run(input)
        except NodegraphError as error:
            raise (
                error
                if error.located or isinstance(error, ExportError)
                else locate(error, module.describe(), table.describe(input))
            )
        if self.conversion.refused:
            raise self.conversion.refusal()
        self._name_outputs(module)
        prune(self.body)
        self.proto = self._proto()

    def _names(self, module: Module, ends: str, value: Any, default: str) -> list[str]:
        """Names for the arrays of the input or the output: those of nodes where there are such."""
        nodes: list[str | None] = [None] * (len(value) if isinstance(value, list) else 1)
        if isinstance(module, GModule):
            nodes = [node.name for node in getattr(module, ends)]
        elif isinstance(module, Recurrent):
            nodes = _names_over_time(module, ends, value)
        parts = value if isinstance(value, list) and len(nodes) > 1 else [value]
        starts = [default] if len(parts) == 1 else [f"{default}_{i}" for i in range(len(parts))]
        return [n for part, name, start in zip(parts, nodes, starts) for n in self._leaf_names(part, name or start)]

    def _leaf_names(self, part: Any, name: str) -> list[str]:
        if isinstance(part, list):
            return [n for i, p in enumerate(part) for n in self._leaf_names(p, f"{name}_{i}")]
        free = name
        while free in self.taken:
            free += "_"
        self.taken.add(free)
        return [free]

    def _name_outputs(self, module: Module) -> None:
        """Give the outputs their names; what is an input or an array of the graph, or named already, is passed on."""
        inputs = {id(value) for value in self.body.inputs}
        for name, x in zip(self._names(module, "outputs", self.output, "output"), table.leaves(self.output)):
            value = x.value
            if value.array is not None or id(value) in inputs or value.name is not None:
                value = self.recorder.add("Identity", value, shape=value.shape)
            value.name = name
            self.body.outputs.append(value)

    def _proto(self) -> onnx.GraphProto:
        names = set_names(self.body, self.taken)
        arrays = {}
        for operator in all_operators(self.body):
            arrays.update({value.name: value.array for value in operator.inputs if value and value.array is not None})
        initializers = [numpy_helper.from_array(np.asarray(a, order="C"), name) for name, a in arrays.items()]
        return _body_proto(self.body, names, "graph", initializers)


def _names_over_time(module: Recurrent, ends: str, value: Any) -> list[str | None]:
    """The names of the parts of a Recurrent's input or output, as far as the cell's nodes have some."""
    cell, wiring = module.cell, module.wiring
    if ends == "outputs":
        final = [cell.inputs[i].name for i in wiring.fed_to]
        return [cell.outputs[i].name for i in wiring.sequences] + [f"last_{name}" if name else None for name in final]
    _, states, mask = wiring.given(value, module.masked)
    read = range(wiring.n_inputs) if states is not None else wiring.inputs
    return [cell.inputs[i].name for i in read] + ["lengths" if mask and len(mask[0]) == 1 else "mask"]


def _body_proto(body: Body, names: dict[int, str], name: str, initializers: Any = ()) -> onnx.GraphProto:
    return helper.make_graph(
        [_operator_proto(operator, names) for operator in body.operators],
        name,
        [_described(value) for value in body.inputs],
        [_described(value) for value in body.outputs],
        list(initializers),
    )


def _operator_proto(operator: Operator, names: dict[int, str]) -> onnx.NodeProto:
    attributes = dict(operator.attributes)
    if operator.body:
        attributes["body"] = _body_proto(operator.body, names, f"{names[id(operator)]}.body")
    if operator.kind == "Cast":
        attributes["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
    inputs = ["" if value is None else value.name for value in operator.inputs]
    outputs = [value.name for value in operator.outputs]
    return helper.make_node(operator.kind, inputs, outputs, names[id(operator)], **attributes)


def _described(value: Value) -> onnx.ValueInfoProto:
    shape = [str(n) if isinstance(n, Size) else int(n) for n in value.shape]
    return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)
