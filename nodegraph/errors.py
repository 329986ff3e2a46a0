"""The exceptions a user sees. All derive from `NodegraphError`, so one `except` catches what the library refuses."""

from __future__ import annotations


class NodegraphError(Exception):
    """Base of all errors that nodegraph raises.

    While an error travels outwards, whoever knows more about the place adds it: a module its name and the shapes it
    got, a graph the node and the line where it was wired. `node` is the innermost node that failed, or None.
    """

    node = None
    located = False

    def locate(self, place: str, got: str) -> NodegraphError:
        """The same error, saying where it happened: `place` got `got`."""
        text = f"{self}\n  inside {place}" if self.located else f"{place} got {got}: {self}"
        error = type(self)(text)
        error.located, error.node = True, self.node
        return error


class WiringError(NodegraphError, ValueError):
    """A graph that cannot be: something that is not a node, a loose end, a cycle."""


class ShapeError(NodegraphError, ValueError):
    """A value whose shape or nesting a module cannot take."""


class InputError(NodegraphError, ValueError):
    """A value that a module cannot take although its shape is right, or a wrong number of values."""


class ArgumentError(NodegraphError, ValueError):
    """A constructor or a method was given an argument that makes no sense."""


class StateError(NodegraphError, RuntimeError):
    """A call that needs another one before it, such as a backward without a forward."""


class ModuleError(NodegraphError, RuntimeError):
    """A module's own code raised an exception; the original one is the `__cause__`."""


class GradientError(NodegraphError, ArithmeticError):
    """A gradient that differs from what central differences give."""


class DataError(NodegraphError, ValueError):
    """Data to train on that is missing, unreadable or too little."""


class CheckpointError(NodegraphError, ValueError):
    """A file of saved parameters that is missing, damaged or does not fit."""
