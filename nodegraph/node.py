"""Node: what `module(nodes)` returns, a place in a graph that is still being wired."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nodegraph.errors import ArgumentError, WiringError

if TYPE_CHECKING:
    from nodegraph.nn.module import Module


def _no_operator(symbol: str, of_nodes: str, of_a_number: str) -> Callable[[Node, Any], NoReturn]:
    """What answers an operator between a node and something else: the modules that do what was meant."""

    def refuse(node: Node, other: Any) -> NoReturn:
        meant = of_nodes if isinstance(other, Node) else of_a_number
        raise WiringError(f"{node.describe()} {symbol} {other!r}: modules compute, nodes do not; there is nn.{meant}")

    return refuse


class Node:
    """A module applied to the outputs of other nodes.

    `parents` are the nodes whose outputs it takes: none for an input of the graph, one whose output is passed as it
    is, or several whose outputs are passed as a table. `children` are the nodes wired from it, `where` is the file
    and line of the user's call, and `annotations` holds what `annotate` was told.

    >>> from nodegraph import nn
    >>> x = nn.Identity()()
    >>> h = nn.Tanh()(nn.Linear(10, 20)(x)).annotate(name="hidden")
    >>> h.name, h.parents[0].module
    ('hidden', Linear(10, 20))
    """

    def __init__(self, module: Module, parents: tuple[Node, ...] = (), part: tuple[int, int] | None = None) -> None:
        self.module = module
        self.parents = parents
        self.children: list[Node] = []
        self.part = part
        self.annotations: dict[str, Any] = {}
        self.where = user_line()
        for parent in dict.fromkeys(parents):
            parent.children.append(self)

    @classmethod
    def wire(cls, module: Module, *parents: Any) -> Node:
        """The node for `module(*parents)`; WiringError unless that is nothing, a node, or one list of nodes."""
        return cls(module, as_parents(type(module).__name__, parents))

    @property
    def name(self) -> str | None:
        """The name that `annotate` gave, or None."""
        return self.annotations.get("name")

    @property
    def place(self) -> str:
        """File and line of the call that made the node, such as `cell.py:14`."""
        return short_place(self.where)

    def split(self, n: int) -> Any:
        """The parts of an output that is a table of `n` values: `n` nodes, or the one node if `n` is 1.

        >>> from nodegraph import nn
        >>> h, c = nn.Identity()().split(2)
        """
        from nodegraph.nn.tables import Part

        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ArgumentError(f"{self.describe()}: split needs a positive number of parts, got {n!r}")
        parts = [Node(Part(i, n), (self,), (i, n)) for i in range(n)]
        return parts[0] if n == 1 else parts

    def annotate(
        self, name: str | None = None, description: str | None = None, graph_attributes: dict[str, str] | None = None
    ) -> Node:
        """Give the node a name, a description, or Graphviz attributes for its pictures; returns the node.

        Of the attributes pictures take those that change the node's looks, and links to the web.
        """
        given = {"name": name, "description": description, "graph_attributes": graph_attributes}
        for key, value in given.items():
            kind = dict if key == "graph_attributes" else str
            if value is not None and not isinstance(value, kind):
                raise ArgumentError(f"{self.describe()}: its {key} must be a {kind.__name__}, got {value!r}")
        self.annotations.update({key: value for key, value in given.items() if value is not None})
        return self

    def copy(self, parents: tuple[Node, ...]) -> Node:
        """A node of the same module, place and annotations, wired from other parents."""
        copy = Node(self.module, parents, self.part)
        copy.annotations, copy.where = dict(self.annotations), self.where
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Node:
        """A deep copy of the node and of all that are wired to it; no recursion, for they may be thousands."""
        nodes: list[Node] = []
        pending = [self]
        while pending:
            node = pending.pop()
            if id(node) not in memo:
                memo[id(node)] = object.__new__(type(node))
                nodes.append(node)
                pending += [*node.parents, *node.children]
        for node in nodes:
            vars(memo[id(node)]).update(deepcopy(vars(node), memo))
        return memo[id(self)]

    def describe(self) -> str:
        """The node in a sentence: class, name, and where it was wired."""
        if self.part:
            i, n = self.part
            return f"part {i} of the split({n}) at {self.place} of {self.parents[0].describe()}"
        name = f" `{self.name}`" if self.name else ""
        return f"{self.module.kind}{name} at {self.place}"

    def short(self) -> str:
        """The name alone if there is one, else as `describe`."""
        return f"`{self.name}`" if self.name else self.describe()

    def label(self) -> str:
        """Several lines on the node, as a picture shows them: name, description, module, and how it was last used."""
        lines = [self.name, self.annotations.get("description"), repr(self.module), self.place]
        if self.module.output is not None:
            from nodegraph import table

            lines.append(f"output {table.describe(self.module.output)}")
        return "\n".join(line for line in lines if line)

    def __sub__(self, module: Module) -> Node:
        if isinstance(module, Node):
            raise WiringError(f"{self.describe()} - {module!r}: the difference of two nodes is nn.CSubTable()([a, b])")
        if isinstance(module, type) or not hasattr(module, "update_output"):
            raise WiringError(f"{self.describe()} - {module!r}: to the right of `-` belongs a module, as in nn.Tanh()")
        return module(self)

    def __rsub__(self, other: Any) -> NoReturn:
        meant = "nn.AddConstant(number)(nn.MulConstant(-1)(node))"
        raise WiringError(f"{other!r} - {self.describe()}: modules compute, nodes do not; there is {meant}")

    def __neg__(self) -> NoReturn:
        raise WiringError(f"-({self.describe()}): modules compute, nodes do not; there is nn.MulConstant(-1)(node)")

    __add__ = __radd__ = _no_operator("+", "CAddTable()([a, b])", "AddConstant(number)(node)")
    __mul__ = __rmul__ = _no_operator("*", "CMulTable()([a, b])", "MulConstant(number)(node)")
    __truediv__ = _no_operator("/", "CDivTable()([a, b])", "MulConstant(1 / number)(node)")
    __matmul__ = _no_operator("@", "MM()([a, b])", "Linear(input_size, output_size)(node)")
    __pow__ = _no_operator("**", "Power(exponent)(node)", "Power(number)(node)")

    def __getitem__(self, place: Any) -> NoReturn:
        raise WiringError(
            f"{self.describe()}[{place!r}]: a node has no parts; those of a table are node.split(n) or "
            "nn.SelectTable(i)(node), those of an array nn.Narrow(axis, start, length)(node)"
        )

    def __iter__(self) -> NoReturn:
        raise WiringError(f"{self.describe()} is one node, not several: the parts of a table are node.split(n)")

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


def as_parents(name: str, arguments: tuple[Any, ...]) -> tuple[Node, ...]:
    """The nodes in `module(*arguments)`, where the module's class has this name."""
    if len(arguments) > 1:
        place = short_place(user_line())
        raise WiringError(f"{name}(...) at {place} got {len(arguments)} arguments: several nodes go into one list")
    return as_nodes(arguments[0], f"{name}(...)", "; for an input leave the parentheses empty") if arguments else ()


def as_nodes(value: Any, taker: str, hint: str = "") -> tuple[Node, ...]:
    """A node or a list of nodes as a tuple; WiringError for anything else, in terms of the call `taker`."""
    if isinstance(value, Node):
        return (value,)
    if not isinstance(value, (list, tuple)):
        problem = _refusal(value)
    elif not value:
        problem = f"an empty list{hint}"
    else:
        strangers = [(i, node) for i, node in enumerate(value) if not isinstance(node, Node)]
        if not strangers:
            return tuple(value)
        problem = _refusal(strangers[0][1], f" at position {strangers[0][0]}")
    raise WiringError(f"{taker} at {short_place(user_line())} got {problem}")


def check_settings(name: str, arguments: list[Any]) -> None:
    """WiringError if there is a node among a constructor's arguments, as in `nn.Tanh(node)`."""
    for argument in arguments:
        if any(isinstance(part, Node) for part in (argument if isinstance(argument, (list, tuple)) else [argument])):
            place = short_place(user_line())
            raise WiringError(f"{name} at {place} got a node among its settings: did you mean {name}(...)(node)?")


def _refusal(value: Any, position: str = "") -> str:
    """What a value is that is not a node, and what may have been meant, in a learner's words."""
    if value is None:
        return f"None{position} where a node belongs: is the variable spelled right?"
    if isinstance(value, type):
        return f"the class {value.__name__}{position} where a node belongs: it is made, then called on nodes"
    if hasattr(value, "update_output"):
        ours = value.of_library() and "\n" not in repr(value)
        called = f", as in nn.{value!r}()" if ours else ""
        described = value.describe()
        return f"the module {described}{position} where a node belongs: did you forget the second parentheses{called}?"
    if isinstance(value, np.ndarray):
        what = f"an array of shape {value.shape}{position} where a node belongs"
        return f"{what}: arrays go to forward, once the GModule is made"
    if isinstance(value, (list, tuple)):
        what = f"a {type(value).__name__} of {len(value)}{position} where a node belongs"
        return f"{what}: a table made of nodes is nest([...])"
    return f"{value!r}{position}, which is not a node"


def nest(structure: Any) -> Node:
    """A node whose value is a table: nodes nested in lists become the same nesting of their values.

    >>> from nodegraph import nn
    >>> a, b, c = nn.Identity()(), nn.Identity()(), nn.Identity()()
    >>> state = nest([a, [b], c])

    Source: torch/nngraph, nest.lua.
    """
    from nodegraph.nn.tables import JustTable
    from nodegraph.nn.view import Identity

    if isinstance(structure, (list, tuple)) and structure:
        parents = [nest(part) for part in structure]
        return (JustTable() if len(parents) == 1 else Identity())(parents)
    return as_nodes(structure, "nest(...)")[0]


def annotate_nodes() -> None:
    """Name each node after the local variable of the caller that holds it, unless it has a name.

    Variables such as `_` and `_3` are passed over: in notebooks they hold what was shown last.

    >>> from nodegraph import nn
    >>> def wire():
    ...     x = nn.Identity()()
    ...     hidden = nn.Linear(10, 20)(x)
    ...     annotate_nodes()
    ...     return hidden
    >>> wire().name
    'hidden'
    """
    for name, value in sys._getframe(1).f_locals.items():
        if isinstance(value, Node) and value.name is None and name.strip("_0123456789"):
            value.annotate(name=name)


def user_line() -> tuple[str, int]:
    """File and line of the innermost frame outside the library; the declared models and the lessons are outside."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("nodegraph.") or module.startswith(("nodegraph.models", "nodegraph.viz.lessons")):
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def short_place(where: tuple[str, int]) -> str:
    """File and line in the form `cell.py:14`."""
    file, line = where
    return f"{file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{line}"
