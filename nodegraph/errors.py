"""The exceptions a user sees. All derive from `NodegraphError`, so one `except` catches what the library refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pathlib

    from nodegraph.gmodule import GModule
    from nodegraph.nn.module import Call
    from nodegraph.node import Node


def one_line(said: object, longest: int = 300) -> str:
    r"""What an exception or a stranger's file says, for a message: on one line, printable, of a readable length.

    >>> one_line("tensor \n\x1b[2J is missing")
    'tensor [2J is missing'
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in str(said)).split())
    return text if len(text) <= longest else text[:longest] + "..."


class NodegraphError(Exception):
    """Base of all errors that nodegraph raises.

    While an error travels outwards, whoever knows more about the place adds it: a module its name and the shapes it
    got, a graph the node and the line where it was wired. `node` is the innermost node that failed, or None; `graph`
    is the GModule that it stands in, whose tape has what the failed run computed before. In debug mode `picture` is
    the path of the picture that was drawn.
    """

    node: Node | None = None
    graph: GModule | None = None
    picture: pathlib.Path | None = None
    located = False

    def locate(self, place: str, got: str) -> NodegraphError:
        """The same error, saying where it happened: `place` got `got`."""
        text = f"{self}\n  inside {place}" if self.located else f"{place} got {got}: {self}"
        error = type(self)(text)
        error.__dict__.update(vars(self), located=True)
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """For copies and other processes: the node goes as its place in the graph, where the copy finds it again."""
        state = dict(vars(self))
        if self.graph is not None and self.node is not None:
            state["node"] = self.graph.nodes.index(self.node)
        return type(self), self.args, state

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        if self.graph is not None:
            self.node = self.graph.nodes[state["node"]]


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


class NonFiniteError(NodegraphError, ArithmeticError):
    """A NaN or an infinity among the numbers that a module computed, found because debug mode was told to look.

    `call` is the run of the module, with its input, output and gradients.
    """

    call: Call | None = None


class GradientError(NodegraphError, ArithmeticError):
    """A gradient that differs from what central differences give."""


class DataError(NodegraphError, ValueError):
    """Data to train on that is missing, unreadable or too little."""


class TrainingStopped(NodegraphError, RuntimeError):
    """Training that went wrong, with advice."""


class CheckpointError(NodegraphError, ValueError):
    """A file of saved parameters that is missing, damaged or does not fit."""


class T7Error(CheckpointError):
    """A .t7 file that is damaged, or that holds something with no counterpart here, or a value that Torch7 cannot hold.

    `offset` is the byte at which it was noticed; None where no byte is to blame. What a stranger's file puts into the
    message is made printable and cut to a readable length.
    """

    longest = 500

    def __init__(self, message: str, offset: int | None = None) -> None:
        message = one_line(message, self.longest)
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.message, self.offset = message, offset


class ExportError(NodegraphError, ValueError):
    """A model that another framework cannot express, or a framework that is not installed."""


class DrawingError(NodegraphError, RuntimeError):
    """A diagram that could not be rendered: no renderer, or a format or an attribute that it refuses."""
