"""A walkthrough of a model that a command line means, on an input that suits it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.find_model import FoundModel
from nodegraph.gmodule import GModule
from nodegraph.node import Node
from nodegraph.recurrent import Recurrent
from nodegraph.viz.walkthrough.page import Walkthrough
from nodegraph.viz.walkthrough.walking import walkthrough

STEPS = 12
TEXT = "to be, or not to be, that is the question"


def walk_found(
    found: FoundModel, steps: int | None = None, text: str | None = None, depth: int | None = None
) -> Walkthrough:
    """The page for a found model.

    A character model reads `steps` characters, of `text` where it is trained; its loss is that of the next characters.
    A cell runs over `steps` where they are given. Any other model gets what it was last run on, or random numbers, or
    indices, of the shapes that are known. What is nested deeper than `depth` is folded.

    Raises ArgumentError where no shapes are known, and for settings that the model has no use for.
    """
    if steps is not None and steps < 1:
        raise ArgumentError(f"the number of steps must be positive, got {steps}")
    if text is not None and found.vocabulary is None:
        raise ArgumentError(f"{found.name} has no vocabulary to read a text with: trained character models have")
    if found.indices:
        return _characters(found, steps, text, depth)
    module, shapes = found.module, found.input_shapes
    last = getattr(module, "_last", None)
    if shapes is None and last is not None:
        return walkthrough(module, last.input, last.grad_output, depth=depth)
    if shapes is None:
        raise ArgumentError(f"walking through {found.name} needs {_wanted(module)}")
    if steps is not None:
        if isinstance(module, Recurrent):
            raise ArgumentError(f"{found.name} runs over as many steps as the shape of its first input says")
        if not isinstance(module, GModule) or not isinstance(shapes, list):
            raise ArgumentError(f"{found.name} is no cell with states: steps are for one")
        module, shapes = Recurrent(module), list(shapes)
        for i in module.wiring.inputs:
            shapes[i] = (steps, *shapes[i])
    return walkthrough(module, _input(module, shapes), depth=depth)


def _wanted(module: nn.Module) -> str:
    """Which shapes a command line is to give for a module."""
    graph = module.cell if isinstance(module, Recurrent) else module
    nodes = graph.inputs if isinstance(graph, GModule) else ()
    if len(nodes) < 2:
        return 'the shape of its input, as in --shapes "(1, 3)"'
    names = ", ".join(node.name or node.describe() for node in nodes)
    shapes = " ".join(['"(1, 3)"'] * len(nodes))
    return f"a shape for each of its {len(nodes)} inputs ({names}), as in --shapes {shapes}"


def _characters(found: FoundModel, steps: int | None, text: str | None, depth: int | None) -> Walkthrough:
    indices, labels = _indices(found, steps, text)
    dtype = _dtype(found.module)
    states = [np.zeros(shape, dtype) for shape in found.input_shapes[1:]]
    return walkthrough(
        Recurrent(found.module),
        [indices[:-1, None], *states],
        criterion=nn.ClassNLLCriterion(),
        target=indices[1:, None],
        labels=labels,
        title=f"{found.name} reads {len(indices) - 1} characters",
        depth=depth,
    )


def _indices(found: FoundModel, steps: int | None, text: str | None) -> tuple[np.ndarray, list[str] | None]:
    """The indices of one character more than there are steps, and the characters of the steps where they are known.

    A text that is too short is read again from its start.
    """
    vocabulary = found.vocabulary
    if vocabulary is None:
        return np.random.default_rng(0).integers(0, found.indices, (steps or STEPS) + 1), None
    if text == "":
        raise ArgumentError("the text is empty")
    known = set(vocabulary.characters)
    fitting = "".join(character for character in TEXT if character in known) or vocabulary.characters[0]
    indices = vocabulary.encode(text) if text is not None else np.array([vocabulary.index[c] for c in fitting])
    indices = np.resize(indices, (steps or (STEPS if text is None else max(1, len(indices) - 1))) + 1)
    return indices, [vocabulary.characters[i] for i in indices[:-1]]


def _dtype(module: nn.Module) -> Any:
    return next((p.dtype for p in module.parameters()[0]), np.float64)


def _input(module: nn.Module, shapes: Any) -> Any:
    """Random numbers of these shapes, or where a module takes only indices, indices."""
    generator, graph = np.random.default_rng(0), module.cell if isinstance(module, Recurrent) else module
    inputs = graph.inputs if isinstance(graph, GModule) else []
    if len(inputs) > 1 and isinstance(shapes, list) and len(shapes) == len(inputs):
        return [_numbers(generator, part, _dtype(module), _taken(node)) for part, node in zip(shapes, inputs)]
    return _numbers(generator, shapes, _dtype(module), _indices_taken(graph))


def _indices_taken(module: nn.Module) -> int:
    """How many different indices a module takes, 0 if it takes any numbers."""
    if isinstance(module, nn.LookupTable):
        return len(module.weight) + module.first
    if isinstance(module, nn.OneHot):
        return module.output_size
    if isinstance(module, nn.Sequential) and len(module):
        return _indices_taken(module.modules[0])
    return _taken(module.inputs[0]) if isinstance(module, GModule) else 0


def _taken(node: Node) -> int:
    return max((_indices_taken(child.module) for child in node.children), default=0)


def _numbers(generator: np.random.Generator, shapes: Any, dtype: Any, indices: int) -> Any:
    if isinstance(shapes, list):
        return [_numbers(generator, part, dtype, indices) for part in shapes]
    return generator.integers(0, indices, shapes) if indices else generator.normal(size=shapes).astype(dtype)
