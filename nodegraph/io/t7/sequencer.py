"""The package rnn's Sequencer, and the recurrent modules inside it, read as a Recurrent around a cell.

rnn builds the step of an LSTM, say, of containers inside containers, and finds its states by their class. Here the
containers are taken apart: each module inside becomes a node, and each state an input and an output of the cell.

A Sequencer takes a sequence as an array (steps, batch, ...) or as a table of its steps, and what was saved tells which:
the type of its last output. One that never ran takes a table, as the package's first versions all did.

Source: Element-Research/rnn, Sequencer.lua, LSTM.lua, FastLSTM.lua, GRU.lua, Recurrent.lua, Recurrence.lua,
BiSequencer.lua.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import ArgumentError, T7Error
from nodegraph.gmodule import GModule
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.translation import BY_CLASS, MAX_NESTING, Translation, from_1, register
from nodegraph.io.t7.values import Record, Table
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent

Value = Any
"""A node, or a table of values: a list."""

WITH_CELL_STATE = ("nn.LSTM", "nn.FastLSTM")
"""Their step takes {input, last output, last cell}, and gives {output, cell}; that of the others has no cell."""

OUTPUT_FED_BACK = ("nn.GRU", "nn.Recurrence")

MAX_MODULES = 5_000
"""How many modules a step may have, each counted as often as it occurs."""


class Step:
    """The graph of one step: what modules make of nodes, with the states that are found on the way."""

    def __init__(self, fields: Fields) -> None:
        self.importer = fields.importer
        self.states: list[tuple[Node, Node]] = []
        self.count, self.nesting, self.layers = 0, 0, 0

    def run(self, record: Any, value: Value) -> Value:
        """What a module makes of a value."""
        self.count += 1
        if self.count > MAX_MODULES or self.nesting == MAX_NESTING:
            raise ArgumentError(
                f"a step is more than {MAX_MODULES} modules, or they are nested more than {MAX_NESTING} deep"
            )
        found = STEPS.get(record.name) if isinstance(record, Record) else None
        if found is not None:
            self.nesting += 1
            made = found(self, Fields(record, self.importer), value)
            self.nesting -= 1
            return made
        value = value if isinstance(value, Node) else [self.node(part) for part in value]
        return self.importer.component(record)(value)

    def node(self, value: Value) -> Node:
        if not isinstance(value, Node):
            raise ArgumentError("a table is used where one array is needed")
        return value

    def table(self, value: Value, n: int) -> list[Value]:
        """A value as a table of n; a node whose module gives a table is split."""
        if isinstance(value, Node):
            parts = value.split(n)
            return parts if isinstance(parts, list) else [parts]
        if len(value) != n:
            raise ArgumentError(f"a table of {len(value)} is used where one of {n} is needed")
        return value

    # What is in the containers

    def sequential(self, fields: Fields, value: Value) -> Value:
        for record in parts(fields):
            value = self.run(record, value)
        return value

    def concat_table(self, fields: Fields, value: Value) -> Value:
        return [self.run(record, value) for record in parts(fields)]

    def parallel_table(self, fields: Fields, value: Value) -> Value:
        records = parts(fields)
        return [self.run(record, part) for record, part in zip(records, self.table(value, len(records)))]

    def flatten_table(self, fields: Fields, value: Value) -> Value:
        if isinstance(value, Node):
            raise ArgumentError("a table of unknown length is flattened")
        return [leaf for part in value for leaf in (self.flatten_table(fields, part) if type(part) is list else [part])]

    def identity(self, fields: Fields, value: Value) -> Value:
        return value

    def dropout(self, fields: Fields, value: Value) -> Value:
        """One that drops nothing, as rnn puts in many, is left out."""
        return value if fields.get("p") == 0 else fields.importer.component(fields.record)(self.node(value))

    def select_table(self, fields: Fields, value: Value) -> Value:
        return self.select(value, fields.get("index"), 1)[0]

    def narrow_table(self, fields: Fields, value: Value) -> Value:
        return self.select(value, fields.get("offset"), fields.get("length", 1))

    def select(self, value: Value, first: int, length: int) -> list[Value]:
        first = first if isinstance(value, Node) or first > 0 else len(value) + 1 + first
        if isinstance(value, Node) or not 1 <= first <= first + length - 1 <= len(value):
            raise ArgumentError(f"entries {first} to {first + length - 1} are taken of what has none such")
        return value[first - 1 : first + length - 1]

    def mask_zero(self, fields: Fields, value: Value) -> Value:
        return masked_by(value, self.inner(fields, value), fields.get("nInputDim"))

    # What has states

    def layer(self, *names: str) -> list[Node]:
        """The inputs of a cell for the states, so named, of one more layer."""
        self.layers += 1
        return [nn.Identity()().annotate(name=f"{name}_{self.layers}") for name in names]

    def inner(self, fields: Fields, value: Value) -> Value:
        return self.run(fields.get("modules", Table()).get(1), value)

    def lstm(self, fields: Fields, value: Value) -> Value:
        last_output, last_cell = self.layer("prev_h", "prev_c")
        step = self.run(fields.get("recurrentModule"), [self.node(value), last_output, last_cell])
        output, cell = map(self.node, self.table(step, 2))
        self.states += [(last_output, output), (last_cell, cell)]
        return output

    def recurrence(self, fields: Fields, value: Value) -> Value:
        [last_output] = self.layer("prev_h")
        output = self.node(self.run(fields.get("recurrentModule"), [value, last_output]))
        self.states.append((last_output, output))
        return output

    def recurrent(self, fields: Fields, value: Value) -> Value:
        """rnn's own Recurrent, which adds an offset of its own at the first step, in place of what is fed back.

        A state that is 0 at the first step and 1 at all others tells which of them counts.
        """
        start, merge = fields.get("startModule"), fields.get("mergeModule")
        if getattr(start, "name", "") != "nn.Add" or getattr(merge, "name", "") != "nn.CAddTable":
            raise ArgumentError("it starts or merges in another way than with an nn.Add and an nn.CAddTable")
        last_output, begun = self.layer("prev_h", "begun")
        x = self.node(self.run(fields.get("inputModule"), value))
        fed_back = self.node(self.run(fields.get("feedbackModule"), last_output))
        offset = self.node(self.run(start, nn.MulConstant(0)(x)))
        later = nn.CMulTable()([begun, fed_back])
        first = nn.CMulTable()([nn.AddConstant(1)(nn.MulConstant(-1)(begun)), offset])
        output = self.node(self.run(fields.get("transferModule"), nn.CAddTable()([x, first, later])))
        self.states += [(last_output, output), (begun, nn.AddConstant(1)(nn.MulConstant(0)(output)))]
        return output


STEPS: dict[str, Callable[[Step, Fields, Value], Value]] = {
    "nn.Sequential": Step.sequential,
    "nn.ConcatTable": Step.concat_table,
    "nn.ParallelTable": Step.parallel_table,
    "nn.FlattenTable": Step.flatten_table,
    "nn.Identity": Step.identity,
    "nn.Dropout": Step.dropout,
    "nn.SelectTable": Step.select_table,
    "nn.NarrowTable": Step.narrow_table,
    "nn.Recursor": Step.inner,
    "nn.NormStabilizer": Step.inner,
    "nn.MaskZero": Step.mask_zero,
    "nn.TrimZero": Step.mask_zero,
    "nn.Recurrent": Step.recurrent,
    **dict.fromkeys(WITH_CELL_STATE, Step.lstm),
    **dict.fromkeys(OUTPUT_FED_BACK, Step.recurrence),
}


def masked_by(x: Value, made: Value, n_input_dim: int) -> Value:
    """What was made, with zeros for the samples that are all zeros in the first node of x."""
    if isinstance(made, list):
        return [masked_by(x, part, n_input_dim) for part in made]
    while isinstance(x, list):
        x = x[0]
    return nn.MaskZero(nn.SelectTable(1), n_input_dim)([x, made])


def parts(fields: Fields) -> list[Any]:
    """The objects in a container."""
    modules = fields.get("modules", Table())
    return modules.array if isinstance(modules, Table) else []


def remembers(fields: Fields) -> bool:
    """Whether a run goes on from the states of the one before, in the mode that the module is in."""
    return fields.get("_remember", "neither") in ("both", "eval" if fields.get("train") is False else "train")


def over_time(cell: GModule, batch_first: bool = False, stateful: bool = False) -> nn.Module:
    """The last output of a cell at every step; the outputs before it are its states."""
    network = Recurrent(cell, batch_first=batch_first, stateful=stateful)
    return nn.Sequential(network, nn.SelectTable(0)) if len(cell.inputs) > 1 else network


def _sequencer(fields: Fields) -> nn.Module:
    record = fields.get("modules", Table()).get(1)
    step, x = Step(fields), nn.Identity()().annotate(name="x")
    y = step.node(step.run(record, x))
    as_array = isinstance(fields.get("output"), np.ndarray)
    if not step.states and not as_array:  # so that the steps may be tables, too
        inner = record.fields["modules"].get(1) if record.name == "nn.Recursor" else record
        return nn.MapTable(fields.importer.component(inner))
    cell = GModule([x, *[before for before, _ in step.states]], [*[after for _, after in step.states], y])
    network = over_time(cell, stateful=remembers(fields))
    return network if as_array else nn.Sequential(nn.StackTable(0), network, nn.SplitTable(0))


def outside(fields: Fields) -> nn.Module:
    """What a class that only a Sequencer can run says elsewhere."""
    raise fields.fail("outside an nn.Sequencer it runs one step at each call, which nothing here does")


def _reverse_table(fields: Fields) -> nn.Module:
    return nn.Sequential(nn.StackTable(0), nn.Reverse(0), nn.SplitTable(0))


def _scalar_added(fields: Fields) -> nn.Module:
    added = nn.AddConstant(fields.get("addend"))
    return nn.Sequential(added, nn.MulConstant(-1)) if fields.get("negate") else added


def _give_recurrent(module: Recurrent, exporter: Exporter) -> dict[str, Any]:
    raise T7Error(
        "Torch7 has no counterpart to Recurrent: save its cell, or the graph that nodegraph.unroll makes of it"
    )


BY_CLASS[Recurrent] = Translation("nn.Sequencer", _sequencer, _give_recurrent)
register("nn.Sequencer", _sequencer)
for _name in ("nn.FastLSTM", "nn.GRU", "nn.Recurrence", "nn.Recurrent", "nn.Recursor", "nn.NormStabilizer"):
    register(_name, outside)
register("nn.ReverseTable", _reverse_table)
register("nn.SeqReverseSequence", lambda fields: nn.Reverse(from_1(fields.get("dim"))))
register("nn.CopyGrad", lambda fields: nn.Identity())
register("nn.SAdd", _scalar_added)
