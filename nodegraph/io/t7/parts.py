"""The words in which the translations of most classes are said: one part for each field of Torch's.

`row("nn.Narrow", nn.Narrow, axis(), index("index", "start"), same("length"))` reads: an object of class nn.Narrow
becomes `nn.Narrow(axis, start, length)`, and in the other direction its fields come from the attributes so named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.translation import from_1, our_name, register, to_1
from nodegraph.io.t7.values import Storage, Table


@dataclass(frozen=True)
class Part:
    """Something that one or more fields tell: `read` gives the argument or attribute, `give` the fields.

    `attribute` is ours; `late` means that it is no argument of the constructor, but set afterwards.
    """

    read: Callable[[Fields], Any] | None = None
    give: Callable[[Any, Exporter], dict[str, Any]] = lambda module, exporter: {}
    attribute: str = ""
    late: bool = False


def row(
    torch: str,
    ours: type,
    *parts: Part,
    elements: tuple[Any, ...] = (),
    version: int = 1,
    aliases: tuple[Any, ...] = (),
) -> None:
    """Register a class of Torch's and ours, and further names under which Torch has the same.

    The parts are the constructor's arguments in order; late ones, and those that only give, may stand anywhere.
    `elements` lists the fields or numbers whose product is the number of elements in the weight: it is checked before
    anything is made, so that no field can ask for more memory than the file has given.
    """

    def build(fields: Fields) -> Any:
        if elements:
            fields.elements("weight", *elements)
        module = ours(*[part.read(fields) for part in parts if part.read and not part.late])
        for part in parts:
            if part.late:
                setattr(module, part.attribute, part.read(fields))
        return module

    def give(module: Any, exporter: Exporter) -> dict[str, Any]:
        return {name: value for part in parts for name, value in part.give(module, exporter).items()}

    for alias in aliases:
        register(alias, build)
    register(torch, build, ours, give, version)


def same(name: str, attribute: str | None = None, default: Any = None, late: bool = False) -> Part:
    """A number, a text, a flag: the same here and there, called the same unless said otherwise."""
    attribute = attribute or our_name(name)
    return Part(
        lambda fields: fields.get(name, default),
        lambda module, _: {name: getattr(module, attribute)},
        attribute,
        late,
    )


def index(name: str, attribute: str | None = None, default: int | None = None, late: bool = False) -> Part:
    """A number that counts from 1 there and from 0 here; negative ones count from the end."""
    attribute = attribute or our_name(name)
    return Part(
        lambda fields: from_1(fields.get(name, default)),
        lambda module, _: {name: to_1(getattr(module, attribute))},
        attribute,
        late,
    )


def axis(name: str = "dimension", attribute: str = "axis", default: int | None = None) -> Part:
    """A dimension, here an axis."""
    return index(name, attribute, default)


def longs(name: str, attribute: str) -> Part:
    """Sizes: a LongStorage there, a tuple here."""
    return Part(
        lambda fields: fields.integers(name),
        lambda module, _: {name: long_storage(getattr(module, attribute))},
        attribute,
    )


def long_storage(numbers: Any) -> Storage:
    """Whole numbers as a torch.LongStorage."""
    return Storage(np.array(numbers, np.int64))


def extent(name: str, axis: int) -> Part:
    """An argument that is a size of a tensor, and so no field of its own."""
    return Part(lambda fields: fields.array(name).shape[axis])


def present(name: str) -> Part:
    """An argument that tells whether there is such a tensor."""
    return Part(lambda fields: fields.get(name) is not None)


def tensor(name: str, attribute: str | None = None, late: bool = False) -> Part:
    """An array that is no parameter."""
    attribute = attribute or our_name(name)
    return Part(
        lambda fields: fields.array(name),
        lambda module, _: {name: getattr(module, attribute)},
        attribute,
        late,
    )


def optional_tensor(name: str) -> Part:
    """The same for one that may be missing."""
    return Part(
        lambda fields: None if fields.get(name) is None else fields.array(name),
        lambda module, _: {name: getattr(module, name)},
    )


def component(name: str, attribute: str | None = None) -> Part:
    """A module or criterion inside."""
    attribute = attribute or our_name(name)
    return Part(
        lambda fields: None if fields.get(name) is None else fields.component(name),
        lambda module, exporter: {name: to_record(getattr(module, attribute), exporter)},
    )


def to_record(module: Any, exporter: Exporter) -> Any:
    return None if module is None else exporter.record(module)


def given(**values: Any) -> Part:
    """Fields that Torch needs and that say nothing here."""
    return Part(give=lambda module, exporter: dict(values))


def empty(*names: str) -> Part:
    """Buffers that Torch expects to be there: tensors without elements."""
    return Part(give=lambda module, exporter: {name: exporter.empty() for name in names})


def empty_table(*names: str) -> Part:
    """The same for tables."""
    return Part(give=lambda module, exporter: {name: Table() for name in names})


def pair_of_empty(name: str = "gradInput") -> Part:
    """The same for a table of two tensors."""
    return Part(give=lambda module, exporter: {name: Table([exporter.empty(), exporter.empty()])})


def empty_longs(*names: str, size: int = 0) -> Part:
    """The same for a LongStorage."""
    return Part(give=lambda module, exporter: {name: long_storage([0] * size) for name in names})


TABLE_IN = empty_table("gradInput")
"""The gradient of modules that take a table."""

TABLE_OUT = empty_table("output")
"""The output of modules that give a table."""
