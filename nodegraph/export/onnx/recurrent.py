"""A Recurrent as ONNX' Scan: one for each loop of its schedule; all other nodes run once for all steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import NodegraphError
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.layout import concatenate, expand
from nodegraph.export.onnx.recording import Body, NotRecordable, Value
from nodegraph.export.onnx.sizes import Size
from nodegraph.nn.module import Module
from nodegraph.recurrent import Recurrent
from nodegraph.recurrent_wiring import Wiring


@converts(Recurrent)
def recurrent(conversion: Conversion, module: Recurrent, input: Any) -> Any:
    xs, states, mask = module.wiring.given(input, module.masked)
    xs = [np.swapaxes(x, 0, 1) for x in xs] if module.batch_first else xs
    if states is None:
        zero = StandIn(conversion.recorder, conversion.recorder.number(0))
        shapes = module.wiring.state_shapes([tuple(map(int, x.shape[1:])) for x in xs])
        states = [expand(zero, (xs[0].shape[1], *shape[1:])) for shape in shapes]
    if mask is not None:
        valid = valid_steps(conversion, mask, xs[0].shape, module.batch_first)
        masks = [expand(as_axes(valid, x.ndim + 1), (xs[0].shape[0], *x.shape)) for x in states]
        xs = [selected(valid, x) for x in xs] + [mask.astype(x.dtype) for mask, x in zip(masks, states)]
    sequences, final = Unfolding(conversion, module.run_wiring, xs, states).run()
    if mask is not None:
        sequences = [table.map(lambda y: selected(valid, y), sequence) for sequence in sequences]
    if module.batch_first:
        sequences = [table.map(lambda y: np.swapaxes(y, 0, 1), sequence) for sequence in sequences]
    return module.wiring.as_output(sequences, final)


def valid_steps(conversion: Conversion, given: StandIn, shape: tuple[int, ...], batch_first: bool) -> StandIn:
    """Which steps of which sequences count, (steps, batch), from lengths or a mask."""
    recorder, steps = conversion.recorder, shape[0]
    if given.ndim == 2:
        return (given.T if batch_first else given) != 0
    lengths = recorder.index(given)
    numbers: Any = np.arange(steps)
    if isinstance(steps, Size):
        ends = recorder.value(np.array(0)), recorder.cast(steps, np.dtype(np.int64)), recorder.value(np.array(1))
        numbers = StandIn(recorder, recorder.add("Range", *ends, shape=(steps,)))
    return numbers[:, None] < StandIn(recorder, lengths)


def selected(valid: StandIn, x: StandIn) -> StandIn:
    """A sequence with zeros where a step does not count."""
    return np.where(as_axes(valid, x.ndim), x, x.dtype.type(0))


def as_axes(valid: StandIn, ndim: int) -> StandIn:
    """The mask with axes of length 1 after its own two."""
    return valid.reshape(*valid.shape, *[1] * (ndim - 2))


class Unfolding:
    """What the nodes of a cell give over time: for each place a value whose arrays are (steps, batch, ...)."""

    def __init__(self, conversion: Conversion, wiring: Wiring, xs: list[Any], states: list[Any]) -> None:
        self.conversion, self.recorder, self.wiring = conversion, conversion.recorder, wiring
        self.cell, self.xs, self.states = wiring.cell, xs, states
        self.names = [name for name, _ in self.cell.named_children()]
        self.steps = xs[0].shape[0]
        self.values: list[Any] = [None] * len(self.cell.nodes)
        self.final: dict[int, Any] = {}
        """Place of a state input -> the state after the last step."""

    def run(self) -> tuple[list[Any], list[Any]]:
        """The sequences and the final states."""
        with self.recorder.named("0"):
            for stage in self.wiring.stages:
                if stage.loop:
                    self._loop(stage.places)
                else:
                    for place in stage.places:
                        self._once(place)
        outputs = self.cell.output_places
        sequences = [self.values[outputs[i]] for i in self.wiring.sequences]
        finals = [self._last(place, k) for place, k in self.wiring.state_of.items()]
        in_order = [value for _, value in sorted(zip(self.wiring.state_of.values(), finals), key=lambda pair: pair[0])]
        return sequences, in_order

    def _last(self, place: int, k: int) -> Any:
        if place in self.final:
            return self.final[place]
        return table.map(lambda x: x[-1], self.values[self.wiring.feeder[k]])

    # Once for all steps

    def _once(self, place: int) -> None:
        module, source = self.cell.nodes[place].module, self._source(place)
        if self._merges(module, _of_a_step(table.shape(source))):
            merged = table.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), source)
            output = self._call(place, merged)
            self.values[place] = table.map(
                lambda y: y.reshape(self.steps, y.shape[0] // self.steps, *y.shape[1:]), output
            )
        else:
            self._loop((place,), source)

    def _source(self, place: int) -> Any:
        """What a node outside the loops takes at all steps."""
        wiring = self.wiring
        if place in wiring.sequence_of:
            return self.xs[wiring.sequence_of[place]]
        if place in wiring.state_of:
            k = wiring.state_of[place]
            before = table.map(lambda x: x[:-1], self.values[wiring.feeder[k]])
            return table.map(lambda first, rest: concatenate([first[None], rest]), self.states[k], before)
        parents = [self.values[parent] for parent in self.cell.parent_places[place]]
        return parents[0] if len(parents) == 1 else parents

    @staticmethod
    def _merges(module: Module, shape: Any) -> bool:
        """Whether the steps, each of this shape, may go into one call of the module with all their rows."""
        shapes = list(table.shapes(shape))
        if not shapes or any(not s or s[0] != shapes[0][0] for s in shapes):
            return False
        try:
            outputs = list(table.shapes(type(module).output_shape(module, shape)))
            return module.rowwise(shape) and all(s and int(s[0]) == int(shapes[0][0]) for s in outputs)
        except (NodegraphError, NotImplementedError):
            return False

    # Step by step

    def _loop(self, places: tuple[int, ...], source: Any = None) -> None:
        """The nodes at these places in a Scan; `source` is what a single node takes over time."""
        wiring, parents = self.wiring, self.cell.parent_places
        looped = [] if source is not None else [(p, k) for p, k in wiring.state_of.items() if p in places]
        outside = sorted({parent for place in places for parent in parents[place]} - set(places))
        read = [source] if source is not None else [self.values[parent] for parent in outside]
        with self.recorder.inner() as body:
            states = [table.map(lambda x: self._input(body, x, x.shape), self.states[k]) for _, k in looped]
            slices = [table.map(lambda x: self._input(body, x, x.shape[1:]), value) for value in read]
            now: dict[int, Any] = dict(zip(outside, slices)) if source is None else {}
            given = {place: state for (place, _), state in zip(looped, states)}
            for place in places:
                value = [now.get(parent) for parent in parents[place]]
                value = given[place] if place in given else value[0] if len(value) == 1 else value
                now[place] = self._call(place, slices[0] if source is not None else value)
            fed = [now[wiring.feeder[k]] for _, k in looped]
            seen = [now[place] for place in places]
            self._make_distinct(body, [*table.leaves(fed), *table.leaves(seen)])
        for (_, k), value in zip(looped, fed):
            if table.shape(value) != table.shape(self.states[k]):
                raise NotRecordable(f"states that change their shape, {table.describe(value)}")
        first = [leaf for _, k in looped for leaf in table.leaves(self.states[k])]
        scanned = [leaf for value in read for leaf in table.leaves(value)]
        finals, stacked = self._scan(body, first, scanned, list(table.leaves(fed)), list(table.leaves(seen)))
        for (place, _), value in zip(looped, fed):
            self.final[place] = table.map(lambda _: next(finals), value)
        for place, value in zip(places, seen):
            self.values[place] = table.map(lambda _: next(stacked), value)

    def _input(self, body: Body, x: StandIn, shape: tuple[int, ...]) -> StandIn:
        value = Value(x.dtype, shape)
        body.inputs.append(value)
        return StandIn(self.recorder, value)

    def _make_distinct(self, body: Body, outputs: list[StandIn]) -> None:
        """Let the outputs of a body be values that it works out, no two of them the same one."""
        taken = {id(value) for value in body.inputs}
        inside = {id(value) for operator in body.operators for value in operator.outputs}
        for x in outputs:
            value = x.value
            if id(value) in taken or id(value) not in inside:
                value = self.recorder.add("Identity", value, shape=value.shape)
            taken.add(id(value))
            body.outputs.append(value)

    def _scan(self, body: Body, first: list[Any], scanned: list[Any], fed: list[Any], seen: list[Any]) -> Any:
        """Iterators over the final states and over what is seen at each step, stacked."""
        outputs = [(x.dtype, x.shape) for x in fed] + [(x.dtype, (self.steps, *x.shape)) for x in seen]
        if not scanned:
            raise NotRecordable("a loop that reads no sequence")
        values = self.recorder.add_all("Scan", *first, *scanned, outputs=outputs, num_scan_inputs=len(scanned))
        values[0].operator.body = body
        results = [StandIn(self.recorder, value) for value in values]
        return iter(results[: len(fed)]), iter(results[len(fed) :])

    def _call(self, place: int, value: Any) -> Any:
        node = self.cell.nodes[place]
        try:
            return self.conversion.call(node.module, value, self.names[place])
        except NodegraphError as error:
            raise self.cell.error_at(error, node, value)


def _of_a_step(shape: Any) -> Any:
    return [_of_a_step(part) for part in shape] if isinstance(shape, list) else shape[1:]
