"""Graphs: a GModule as a torch.fx.GraphModule, whose code reads as the graph was wired."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Proxy
from torch.fx.proxy import GraphAppendingTracer

from nodegraph.export.torch.conversion import Converter, named_children, register
from nodegraph.gmodule import GModule


@register(GModule)
def graph_module(gmodule: GModule, converter: Converter) -> GraphModule:
    """The whole graph.

    The outermost one takes its inputs as separate arguments and gives a tuple of outputs, one inside takes and gives
    a table.
    """
    outermost, writer = converter.outermost, GraphWriter(gmodule, converter)
    if outermost or len(gmodule.inputs) == 1:
        given = [writer.placeholder(writer.name(place)) for place in gmodule.input_places]
    else:
        whole = writer.placeholder("input")
        given = [whole[i] for i in range(len(gmodule.inputs))]
    writer.write(range(len(gmodule.nodes)), dict(zip(gmodule.input_places, given)))
    outputs = [writer.values[place] for place in gmodule.output_places]
    if len(outputs) == 1:
        return writer.close(outputs[0])
    return writer.close(tuple(outputs) if outermost else outputs)


class GraphWriter:
    """Writes nodes of a GModule into a torch.fx.Graph."""

    def __init__(self, gmodule: GModule, converter: Converter) -> None:
        self.gmodule, self.graph = gmodule, Graph()
        self.tracer = GraphAppendingTracer(self.graph)
        self.names = [name for name, _ in named_children(gmodule)]
        self.modules = [converter.convert(node.module) for node in gmodule.nodes]
        self.used: dict[str, torch.nn.Module] = {}
        self.values: dict[int, Any] = {}

    def name(self, place: int) -> str:
        """A name for the value of the node at a place: the node's own, or what its module is."""
        node = self.gmodule.nodes[place]
        return node.name or ("input" if not node.parents else type(node.module).__name__.lower())

    def placeholder(self, name: str) -> Proxy:
        node = self.graph.placeholder(name)
        node.target = node.name  # which is made a proper one, and is like no other
        return Proxy(node, self.tracer)

    def write(self, places: Iterable[int], inputs: dict[int, Any]) -> None:
        """Write the nodes at these places; `inputs` has the values of those that are given from outside."""
        for place in places:
            parents = [self.values[parent] for parent in self.gmodule.parent_places[place]]
            value = inputs[place] if place in inputs else parents[0] if len(parents) == 1 else parents
            self.values[place] = self.written(place, value)

    def written(self, place: int, value: Any) -> Any:
        """What the module at a place makes of a value: written out where that can be, else a call of the module."""
        module, before = self.modules[place], len(self.graph.nodes)
        if not has_numbers(module) and can_be_written_out(module, value):
            result = module(value)
        else:
            result = self.tracer.create_proxy("call_module", self.target(place), (value,), {})
        if len(self.graph.nodes) > before and isinstance(result, Proxy):
            result.node._rename(self.name(place))
        return result

    def target(self, place: int) -> str:
        """The name of the module at a place among the graph's children; its kind tells what has no numbers."""
        name, module = self.names[place], self.modules[place]
        if name.isdigit() and not has_numbers(module):
            name = f"{module._get_name().lower()}_{name}"
            while name in self.names:
                name += "_"
        self.used[name] = module
        return name

    def close(self, output: Any) -> GraphModule:
        """The module whose forward is what was written."""
        self.graph.output(as_nodes(output))
        root = torch.nn.Module()
        for name, module in self.used.items():
            root.add_module(name, module)
        return GraphModule(root, self.graph, "GModule")


def as_nodes(value: Any) -> Any:
    """A value made of proxies as one made of the nodes that they stand for."""
    if isinstance(value, (list, tuple)):
        return type(value)(as_nodes(part) for part in value)
    return value.node


def has_numbers(module: torch.nn.Module) -> bool:
    """Whether there are parameters or buffers, or other modules, inside."""
    return any(True for _ in module.named_parameters()) or any(True for _ in module.named_buffers())


def can_be_written_out(module: torch.nn.Module, value: Any) -> bool:
    """Whether the module asks nothing of its input, and the values that it needs one by one are known so."""
    return getattr(module, "inline", False) and not (module.spread and isinstance(value, Proxy))
