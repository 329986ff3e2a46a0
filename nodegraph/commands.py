"""What the commands do that have no module of their own: each is a call of the library."""

from __future__ import annotations

import argparse
import ast
import tempfile
import webbrowser
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.random import seed


def sample(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn.sampling import sample
    from nodegraph.models.char_rnn.training import CharacterModel

    if given.seed < 0:
        raise ArgumentError(f"--seed must not be negative, got {given.seed}")
    model, _, _ = CharacterModel.load(given.checkpoint)
    generator = np.random.default_rng(given.seed)
    for character in sample(model, given.length, given.prime, given.temperature, given.argmax, generator):
        print(character, end="", flush=True)
    print()
    return 0


def draw(given: argparse.Namespace) -> int:
    from nodegraph.viz import draw

    found = _model(given)
    if given.detail == "values":
        found.run()
    elif given.detail == "schedule":
        found = found.over_time()
    diagram = draw(
        found.module,
        direction=given.direction,
        detail=given.detail,
        input_shapes=found.input_shapes,
        depth=given.depth,
        theme=given.theme,
    )
    path = given.out or f"{found.name}.svg"
    diagram.save(path)
    print(path)
    return 0


def walk(given: argparse.Namespace) -> int:
    from nodegraph.viz.walkthrough.found import walk_found

    found = _model(given)
    path = walk_found(found, given.steps, given.text, given.depth).save(given.out or f"{found.name}.html")
    print(path)
    if given.open:
        webbrowser.open(path.absolute().as_uri())
    return 0


def learn(given: argparse.Namespace) -> int:
    from nodegraph.viz import lessons

    if given.all and given.lesson is not None:
        raise ArgumentError(f"--all makes every lesson, so do not name lesson {given.lesson}, too")
    if given.lesson is None and not given.all:
        if given.out is not None:
            raise ArgumentError("--out needs a lesson, or --all")
        for lesson in lessons.LESSONS:
            print(f"{lesson.number}  {lesson.title}\n   {lesson.about}")
        print("\nnodegraph learn 1 opens the first, nodegraph learn --all makes them all")
        return 0
    folder = given.out or tempfile.mkdtemp(prefix="nodegraph-lessons-")
    paths = [lessons.make_all(folder)] if given.all else lessons.make(given.lesson, folder)
    print(*paths, sep="\n")
    if not given.no_open:
        webbrowser.open(paths[0].absolute().as_uri())
    return 0


def summary(given: argparse.Namespace) -> int:
    from nodegraph.viz.summary import summary

    found = _model(given)
    print(summary(found.module, found.input_shapes))
    return 0


def convert(given: argparse.Namespace) -> int:
    from nodegraph.convert import convert

    shapes = [_literal(text) for text in given.shapes or ()]
    print(convert(given.source, given.target, shapes if len(shapes) > 1 else shapes[0] if shapes else None))
    return 0


def inspect(given: argparse.Namespace) -> int:
    from nodegraph.models.char_rnn.inspection import describe

    print(describe(given.checkpoint))
    return 0


def _model(given: argparse.Namespace) -> Any:
    from nodegraph.find_model import find_model

    seed(123)  # a command shows the same numbers whenever it runs
    found = find_model(given.model, input_size=given.input_size, rnn_size=given.rnn_size, num_layers=given.num_layers)
    if given.shapes:
        shapes = [_shape(text) for text in given.shapes]
        found.input_shapes = shapes if len(shapes) > 1 else shapes[0]
    return found


def _shape(text: str) -> Any:
    from nodegraph.viz.shape_trace import as_shape

    return as_shape(_literal(text))


def _literal(text: str) -> Any:
    """A shape as it is written on a command line; a single length is one of a single axis."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # The latter two of what is nested too deep.
        return text
    return (value,) if isinstance(value, (int, str)) else value
