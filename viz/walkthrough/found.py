"""A walkthrough of a model that a command line means, on an input that suits it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.find_model import FoundModel
from nodegraph.gmodule import GModule
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
    A cell runs over `steps` where they are given. Any other model gets what it was last run on, or random numbers of
    the shapes that are known. What is nested deeper than `depth` is folded.

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
        raise ArgumentError(f'walking through {found.name} needs the shapes of its inputs, as in --shapes "(1, 3)"')
    if steps is not None:
        if not isinstance(module, GModule) or not isinstance(shapes, list):
            raise ArgumentError(f"{found.name} is no cell with states: steps are for one")
        module, shapes = Recurrent(module), list(shapes)
        for i in module.wiring.inputs:
            shapes[i] = (steps, *shapes[i])
    generator = np.random.default_rng(0)
    return walkthrough(module, _numbers(generator, shapes, _dtype(module)), depth=depth)


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


def _numbers(generator: np.random.Generator, shapes: Any, dtype: Any) -> Any:
    numbers = [_numbers(generator, part, dtype) for part in shapes] if isinstance(shapes, list) else None
    return generator.normal(size=shapes).astype(dtype) if numbers is None else numbers
