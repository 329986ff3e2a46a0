"""From Torch's objects, known by the names of their fields, to modules here, and back.

`TRANSLATIONS` has an entry for each class of Torch's, which the files beside this one fill in and `register` extends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodegraph.errors import ArgumentError
from nodegraph.io.t7.values import Record

if TYPE_CHECKING:
    from nodegraph.io.t7.exporting import Exporter
    from nodegraph.io.t7.importing import Fields

MAX_NESTING = 100
"""How deep modules may be nested."""

TWIN_OF = "twinOf"
"""The field of a twin that holds the object it stands for; Torch7 does not look at it."""


@dataclass(frozen=True)
class Translation:
    """One class of Torch's: how to make ours from its fields, and how to give its fields for ours."""

    torch: str
    build: Callable[[Fields], Any]
    give: Callable[[Any, Exporter], dict[str, Any]] | None = None
    version: int = 1


TRANSLATIONS: dict[str, Translation] = {}
"""Torch's class -> its translation."""

BY_CLASS: dict[type, Translation] = {}
"""Our class -> the translation that writes it."""


def register(
    torch: str,
    build: Callable[[Fields], Any],
    ours: type | None = None,
    give: Callable[[Any, Exporter], dict[str, Any]] | None = None,
    version: int = 1,
) -> None:
    """Teach the reader a class of Torch's, and with `ours` and `give` the writer one of ours.

    `build(fields)` returns the module for an object's fields; its parameters, the fields named as in
    `parameter_names` but in Torch's spelling, are put into it afterwards. `give(module, exporter)` returns the fields
    besides those. An earlier translation of the same class is replaced.

    >>> from nodegraph import nn
    >>> register("nn.Swapped", lambda fields: nn.Transpose((0, 1)))
    """
    TRANSLATIONS[torch] = translation = Translation(torch, build, give, version)
    if ours is not None:
        BY_CLASS[ours] = translation


def known(value: Any) -> bool:
    """Whether a value is an object that becomes a module or a criterion."""
    return isinstance(value, Record) and value.name in TRANSLATIONS


def torch_name(name: str) -> str:
    """Our name in Torch's spelling: `grad_weight` is `gradWeight`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def our_name(name: str) -> str:
    """Torch's name in our spelling."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def from_1(number: Any) -> Any:
    """Torch's dimension or index, which counts from 1, or from the end if it is negative; nil stays None."""
    if number is None or (isinstance(number, int) and number < 0):
        return number
    if not isinstance(number, int) or isinstance(number, bool) or number == 0:
        raise ArgumentError(f"a dimension or index counts from 1, found {number!r}")
    return number - 1


def to_1(number: int | None) -> int | None:
    """The inverse of `from_1`."""
    return number if number is None or number < 0 else int(number) + 1
