"""GModule: a graph of nodes, closed into a module. It routes values and gradients, and knows no arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from itertools import accumulate
from typing import Any

import networkx as nx

from nodegraph import table
from nodegraph.compiled_run import CompiledRun
from nodegraph.debug import mode
from nodegraph.engine.store import ProgramStore
from nodegraph.errors import ArgumentError, InputError, NodegraphError, StateError
from nodegraph.graph import forward_graph, forward_order
from nodegraph.nn.module import Call, Module, accumulate_jointly, checked_grad_input, locate
from nodegraph.node import Node, as_nodes, short_place, user_line
from nodegraph.tape import Tape

Hook = Callable[[Node, Call], Any]
"""What `GModule.watch` has called after a node's run."""


class GModule(Module):
    """A module made of nodes.

    `inputs` and `outputs` are a node or a list of nodes. With one input node `forward` takes its value itself, with
    several a list of values; likewise for the output. After a run `gmodule.tape` holds each node's input, output and
    gradients.

    >>> import numpy as np
    >>> from nodegraph import nn
    >>> x, y = nn.Identity()(), nn.Identity()()
    >>> gmodule = GModule([x, y], [nn.CMulTable()([x, nn.Tanh()(y)]), x])
    >>> gmodule.forward([np.ones(2), np.zeros(2)])
    [array([0., 0.]), array([1., 1.])]
    >>> gmodule.backward([np.ones(2), np.zeros(2)], [np.ones(2), None])
    [array([0., 0.]), array([1., 1.])]

    Raises WiringError where the wiring cannot be meant: loose ends, unused inputs, cycles, things that are no nodes.
    Source: torch/nngraph, gmodule.lua.
    """

    passes_none = True
    made_of_nodes = True

    def __init__(self, inputs: Node | list[Node], outputs: Node | list[Node]) -> None:
        first, last = as_nodes(inputs, "GModule inputs"), as_nodes(outputs, "GModule outputs")
        self.arguments, self.where = ((), {}), user_line()
        self.hooks: list[tuple[Hook | None, Hook | None]] = []
        self.store: ProgramStore | None = None
        self._set_nodes(forward_order(first, last), first, last)

    def _set_nodes(self, nodes: list[Node], inputs: tuple[Node, ...], outputs: tuple[Node, ...]) -> None:
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        place = {node: i for i, node in enumerate(nodes)}
        self.parent_places = [[place[parent] for parent in node.parents] for node in nodes]
        self.input_places = [place[node] for node in inputs]
        self.output_places = [place[node] for node in outputs]
        self._given = {place: i for i, place in enumerate(self.input_places)}

    def extended(self, nodes: list[Node], inputs: list[Node], outputs: list[Node]) -> GModule:
        """A GModule of this one's nodes, in their places, and of further ones after them; the wiring is not checked."""
        graph = GModule.__new__(GModule)
        graph.arguments, graph.where, graph.hooks, graph.store = ((), {}), self.where, self.hooks, None
        graph._set_nodes([*self.nodes, *nodes], tuple(inputs), tuple(outputs))
        return graph

    # The graph

    @cached_property
    def fg(self) -> nx.DiGraph:
        """The forward graph: its nodes are the Nodes, its edges go along the values."""
        return forward_graph(self.nodes)

    @cached_property
    def bg(self) -> nx.DiGraph:
        """The backward graph: the same with the edges turned round, along the gradients."""
        return self.fg.reverse()

    def node(self, name: str) -> Node:
        """The node annotated with this name; ArgumentError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise ArgumentError(f"no node is named {name!r}; the names are {sorted(n.name for n in self.nodes if n.name)}")

    # Forward and backward

    def compile(self) -> GModule:
        """Run forward and backward as programs of the engine from now on; returns the GModule.

        For each shape that comes up the graph becomes a flat list of products, fused kernels and calls of whatever else
        there is, over arrays that are kept. It computes the same, but for inputs of whole numbers, such as indices,
        whose gradient is then zero, and which do not make float32 to float64. While the graph is watched, and while
        debug mode looks for NaN, it runs node by node as before. In evaluation nothing is kept for backward, which
        runs forward once more.

        >>> import numpy as np
        >>> from nodegraph import nn
        >>> x = nn.Identity()()
        >>> gmodule = GModule(x, nn.Tanh()(nn.Linear(3, 2)(x))).compile()
        >>> gmodule.forward(np.zeros((5, 3))).shape
        (5, 2)
        """
        self.store = self.store or ProgramStore()
        return self

    def update_output(self, input: Any) -> Any:
        if self.store is not None and not self.hooks and not mode.stop_at_nan:
            self.saved = CompiledRun(self, self._one_for_each_input(input, table.describe), self.train)
            if self.saved.made:
                self.output = self.saved.output
                return self.output
        self.saved = Tape(self.nodes)
        self.output = self.run(input, self.saved)
        return self.output

    def run(self, input: Any, tape: Tape) -> Any:
        """Run node by node, onto a tape; gives the output."""

        def run_node(place: int, node: Node, input: Any) -> Any:
            call = tape.calls[place] = Call(node.module, input)
            for forward, _ in self.hooks:
                if forward:
                    forward(node, call)
            return call.output

        return self._walk(input, table.describe, run_node)

    def output_shape(self, shape: Any) -> Any:
        """The shapes of the outputs for those of the inputs; checks every node on the way."""
        if len(self.inputs) > 1 and not isinstance(shape, list):
            shape = [shape]  # A tuple is the shape of one array, however many numbers it has.
        return self._walk(shape, table.describe_shape, lambda place, node, shape: node.module.output_shape(shape))

    def check_input(self, input: Any) -> None:
        pass

    def _walk(self, input: Any, describe: Callable[[Any], str], step: Callable[[int, Node, Any], Any]) -> Any:
        """Go through the nodes in order, each with what its parents gave; the one walk for values and for shapes."""
        given = self._one_for_each_input(input, describe)
        values: list[Any] = []
        for place, node in enumerate(self.nodes):
            parents = self.parent_places[place]
            if place in self._given:
                value = given[self._given[place]]
            else:
                value = values[parents[0]] if len(parents) == 1 else [values[parent] for parent in parents]
            try:
                values.append(step(place, node, value))
            except Exception as error:
                raise self.error_at(error, node, value, describe)
        returned = [values[place] for place in self.output_places]
        return returned[0] if len(returned) == 1 else returned

    def _one_for_each_input(self, input: Any, describe: Callable[[Any], str]) -> list[Any]:
        if len(self.inputs) == 1:
            return [input]
        if not table.is_table(input) or len(input) != len(self.inputs):
            names = ", ".join(node.short() for node in self.inputs)
            got = f"a list of {len(input)}: " if table.is_table(input) else "an array "
            raise InputError(f"the graph has {len(self.inputs)} inputs ({names}), got {got}{describe(input)}")
        return input

    def error_at(
        self, error: Exception, node: Node, value: Any, describe: Callable[[Any], str] = table.describe
    ) -> NodegraphError:
        """The error to raise when a node fails on a value: it names the node, and what came from which parent."""
        parents = [parent.short() for parent in node.parents]
        if len(parents) > 1:
            got = " and ".join(f"{describe(part)} from {parent}" for part, parent in zip(value, parents))
        else:
            got = describe(value) + (f" from {parents[0]}" if len(parents) == 1 else "")
        return self.error_of(node, error, got)

    def error_of(self, node: Node, error: Exception, got: str) -> NodegraphError:
        """The error to raise instead, with the node named."""
        located_error = locate(error, node.describe(), got)
        if located_error.node is None:
            located_error.node, located_error.graph = node, self
        return located_error

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        run = self.ran()
        if isinstance(run, CompiledRun) and (mode.stop_at_nan or self.hooks):
            with suppress(StateError):
                run = self.saved = run.tape(self)  # Only node by node one sees where a NaN comes up.
        compiled = isinstance(run, CompiledRun)
        self.grad_input = run.backward(self, grad_output) if compiled else self.run_backward(grad_output, run)
        return self.grad_input

    def run_backward(self, grad_output: Any, tape: Tape) -> Any:
        """The gradient of the input of a run node by node, which left this tape."""
        pending: list[Any] = [None] * len(self.nodes)
        for place, gradient in zip(self.output_places, parts_for(self.output_places, grad_output)):
            pending[place] = table.add(pending[place], gradient)
        grad_inputs: list[Any] = [None] * len(self.inputs)
        for place in reversed(range(len(self.nodes))):
            gradient = self.run_node_backward(tape.calls[place], pending[place], self.nodes[place])
            parents = self.parent_places[place]
            pending[place] = None
            if place in self._given:
                grad_inputs[self._given[place]] = gradient
            else:
                for parent, part in zip(parents, parts_for(parents, gradient)):
                    pending[parent] = table.add(pending[parent], part)
        return grad_inputs[0] if len(grad_inputs) == 1 else grad_inputs

    def run_node_backward(self, call: Call, grad_output: Any, node: Node) -> Any:
        """The gradient of a node's input; an error names the node."""
        try:
            grad_input = checked_grad_input(call, grad_output)
        except Exception as error:
            raise self.error_of(node, error, "gradient " + table.describe(grad_output))
        for _, backward in self.hooks:
            if backward:
                backward(node, call)
        return grad_input

    def acc_grad_parameters(self, input: Any, grad_output: Any, scale: float = 1.0) -> None:
        run = self.ran()
        if isinstance(run, CompiledRun):
            run.accumulate(scale)
            return
        for node, call in run:
            self.accumulate_node([call], scale, node)

    def accumulate_node(self, calls: list[Call], scale: float, node: Node) -> None:
        """Add what the calls of a node give to its parameters' gradients; an error names the node."""
        try:
            accumulate_jointly(calls, scale)
        except Exception as error:
            raise self.error_of(node, error, "gradient " + table.describe(calls[0].grad_output))

    # Looking inside

    @property
    def tape(self) -> Tape | None:
        """The calls of the last run, for each node; None before the first."""
        return self.saved.tape(self) if isinstance(self.saved, CompiledRun) else self.saved

    def watch(self, forward: Hook | None = None, backward: Hook | None = None) -> Watch:
        """Have `forward(node, call)` called after each node's forward, `backward(node, call)` after its backward.

        `call` has `input`, `output`, and in backward `grad_output` and `grad_input`. Use it as a context, or call
        `remove()` on what is returned.

        >>> import numpy as np
        >>> from nodegraph import nn
        >>> x = nn.Identity()().annotate(name="x")
        >>> gmodule = GModule(x, nn.Square()(x).annotate(name="y"))
        >>> with gmodule.watch(forward=lambda node, call: print(node.name, call.output)):
        ...     _ = gmodule.forward(np.array([3.0]))
        x [3.]
        y [9.]
        """
        return Watch(self, (forward, backward))

    # The module as a whole

    def children(self) -> list[Module]:
        return [node.module for node in self.nodes]

    def named_children(self) -> list[tuple[str, Module]]:
        count = Counter(node.name for node in self.nodes)

        def tells_one(name: str) -> bool:
            """Whether the name is no other node's, and no place of a node, nor leads to something inside one."""
            if count[name] > 1:
                return False
            beginnings = accumulate(name.split("."), "{}.{}".format)
            return not any(part.isdigit() or (part != name and part in count) for part in beginnings)

        return [
            (node.name if node.name and tells_one(node.name) else str(i), node.module)
            for i, node in enumerate(self.nodes)
        ]

    def replace(self, function: Callable[[Module], Module]) -> Module:
        replaced: dict[int, Module] = {}
        for node in self.nodes:
            if id(node.module) not in replaced:
                module = replaced[id(node.module)] = node.module.replace(function)
                if not isinstance(module, Module):
                    raise ArgumentError(f"{node.describe()}: replace's function must give a module, gave {module!r}")
        for node in self.nodes:
            node.module = replaced[id(node.module)]
        return function(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for derived in ("fg", "bg", "parent_places", "input_places", "output_places", "_given"):
            state.pop(derived, None)
        places = zip(self.nodes, self.parent_places)
        records = [(node.module, parents, node.part, node.annotations, node.where) for node, parents in places]
        ends = {"inputs": self.input_places, "outputs": self.output_places}
        return {**state, **ends, "nodes": records, "hooks": [], "store": self.store and ProgramStore()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        nodes: list[Node] = []
        for module, parents, part, notes, where in state["nodes"]:
            node = Node(module, tuple(nodes[parent] for parent in parents), part)
            node.annotations, node.where = notes, where
            nodes.append(node)
        self._set_nodes(nodes, tuple(nodes[i] for i in state["inputs"]), tuple(nodes[i] for i in state["outputs"]))

    def describe(self) -> str:
        return f"GModule at {short_place(self.where)}"

    def __repr__(self) -> str:
        place = {node: i for i, node in enumerate(self.nodes)}

        def reference(node: Node) -> str:
            return node.name or str(place[node])

        lines = []
        for i, node in enumerate(self.nodes):
            parents = ", ".join(reference(parent) for parent in node.parents)
            inner = repr(node.module).replace("\n", "\n    ")
            source = f"input {self._given[i]}" if i in self._given else parents
            lines.append(f"  {reference(node)}: {inner}" + (f" <- {source}" if source else ""))
        outputs = ", ".join(reference(node) for node in self.outputs)
        return "\n".join(["GModule(", *lines, f"  -> {outputs}", ")"])


class Watch:
    """A pair of hooks on a GModule, until `remove()` or the end of the context."""

    def __init__(self, gmodule: GModule, hooks: tuple[Hook | None, Hook | None]) -> None:
        self.gmodule, self.hooks = gmodule, hooks
        gmodule.hooks.append(hooks)

    def remove(self) -> None:
        """Call the functions no more; again and again does no harm."""
        if self.hooks in self.gmodule.hooks:
            self.gmodule.hooks.remove(self.hooks)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def parts_for(places: list[Any], gradient: Any) -> list[Any]:
    """The gradient of a value as a list with one part for each node, or whatever else, that the value comes from."""
    if len(places) == 1:
        return [gradient]
    return [None] * len(places) if gradient is None else gradient
