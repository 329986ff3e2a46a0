"""Plans and programs of small graphs, without a run."""

import numpy as np

from nodegraph.engine.plan import Plan
from nodegraph.engine.program import Program


def planned(graph, *inputs):
    """The plan of a graph for inputs like these: arrays, or the shapes of arrays of float64."""
    arrays = [np.zeros(input) if isinstance(input, tuple) else input for input in inputs]
    inputs = {("input", place): array for place, array in zip(graph.input_places, arrays)}
    places, returned = range(len(graph.nodes)), sorted(set(graph.output_places))
    return Plan(graph, places, inputs, {}, returned, np.dtype(float))


def program(graph, *inputs, steps=1, differentiable=True):
    """The same as a program of so many steps."""
    return Program(planned(graph, *inputs), steps, differentiable)
