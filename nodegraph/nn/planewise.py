"""Planewise modules: they treat every plane of an image, a volume or a sequence alike, and change its sizes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module


class Planewise(Module):
    """Base of modules from (batch, planes, *sizes) to (batch, planes, *other sizes), or the same without batch.

    A subclass names the axes of its planes and gives `resized`, the rule for their sizes.
    """

    parameter_names = ()
    axis_names: tuple[str, ...] = ("height", "width")

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of a plane of the output, for those of the input; ShapeError where they are too small."""
        raise NotImplementedError

    def sizes(self, shape: Any) -> tuple[int, ...]:
        """The sizes of one plane in an input of this shape."""
        n = len(self.axis_names)
        if isinstance(shape, list) or len(shape) not in (n + 1, n + 2):
            axes = ", ".join(("planes", *self.axis_names))
            raise ShapeError(f"expected an array of shape (batch, {axes}) or ({axes})")
        return shape[-n:]

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        sizes = self.sizes(shape)
        return (*shape[: len(shape) - len(sizes)], *self.resized(sizes))

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == len(self.axis_names) + 2


def regular(places: np.ndarray) -> slice | np.ndarray:
    """The places as a slice where they are evenly spaced, since that copies nothing and is quicker.

    >>> regular(np.array([1, 3, 5])), regular(np.array([1, 1, 2]))
    (slice(1, 6, 2), array([1, 1, 2]))
    """
    step = int(places[1] - places[0]) if places.size > 1 else 1
    if step > 0 and (np.diff(places) == step).all():
        return slice(int(places[0]), int(places[-1]) + 1, step)
    return places


def at(index: Any, axis: int) -> tuple[Any, ...]:
    """What selects `index` along a negative axis."""
    return (..., index, *(slice(None),) * (-axis - 1))


class AxisMap:
    """A linear map along one axis: element `target[i]` of the result gets `weight[i]` times element `source[i]`.

    It is kept as *layers*, in each of which no element of the result comes twice, so that one addition of arrays does a
    layer. The transpose, which backward needs, has layers of its own.

    >>> pairs = AxisMap(4, 2, target=np.array([0, 0, 1, 1]), source=np.arange(4), weight=np.full(4, 0.5))
    >>> pairs.apply(np.array([1.0, 3.0, 5.0, 9.0]), -1), pairs.transpose(np.array([2.0, 4.0]), -1)
    (array([2., 7.]), array([1., 1., 2., 2.]))
    """

    def __init__(
        self, in_size: int, out_size: int, target: np.ndarray, source: np.ndarray, weight: np.ndarray | None = None
    ) -> None:
        weight = np.ones(target.size) if weight is None else weight
        self.in_size, self.out_size = in_size, out_size
        self._layers, self._transposed = layers(target, source, weight), layers(source, target, weight)

    def apply(self, x: np.ndarray, axis: int) -> np.ndarray:
        """The map along a negative axis."""
        return add_up(x, axis, self._layers, self.out_size)

    def transpose(self, gradient: np.ndarray, axis: int) -> np.ndarray:
        """The gradient with respect to what `apply` took, from that with respect to what it gave."""
        return add_up(gradient, axis, self._transposed, self.in_size)


def layers(target: np.ndarray, source: np.ndarray, weight: np.ndarray) -> list[tuple[Any, ...]]:
    """Parts (target, source, weight), the r-th of which has the r-th source of each target."""
    order = np.argsort(target, kind="stable")
    target, source, weight = target[order], source[order], weight[order]
    rank = np.arange(target.size) - np.searchsorted(target, target)
    parts = []
    for r in range(rank.max(initial=-1) + 1):
        w = weight[rank == r]
        w = float(w[0]) if (w == w[0]).all() else w
        parts.append((regular(target[rank == r]), regular(source[rank == r]), w))
    return parts


def add_up(x: np.ndarray, axis: int, parts: list[tuple[Any, ...]], size: int) -> np.ndarray:
    shape = list(x.shape)
    shape[axis] = size
    result = np.zeros(shape, x.dtype if x.dtype.kind == "f" else float)
    for target, source, weight in parts:
        part = np.take(x, source, axis) if isinstance(source, np.ndarray) else x[at(source, axis)]
        if isinstance(weight, np.ndarray):
            part = part * weight.astype(result.dtype).reshape(-1, *(1,) * (-axis - 1))
        elif weight != 1:
            part = part * weight
        result[at(target, axis)] += part
    return result


class Resampling(Planewise):
    """Base of modules that are an `AxisMap` along each axis of a plane; a subclass gives them in `maps`."""

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        """The map of each axis of a plane of these sizes."""
        raise NotImplementedError

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(axis_map.out_size for axis_map in self.maps(sizes))

    def axis_maps(self, shape: tuple[int, ...]) -> Iterator[tuple[int, AxisMap]]:
        """The maps, each with its axis counted from the end."""
        maps = self.maps(self.sizes(shape))
        return zip(range(-1, -len(maps) - 1, -1), reversed(maps))

    def resample(self, x: np.ndarray) -> np.ndarray:
        """The planes resampled along each axis."""
        for axis, axis_map in self.axis_maps(x.shape):
            x = axis_map.apply(x, axis)
        return x

    def transpose(self, gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The transpose of `resample` for an input of this shape."""
        for axis, axis_map in self.axis_maps(shape):
            gradient = axis_map.transpose(gradient, axis)
        return gradient

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return self.resample(input)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return self.transpose(grad_output, input.shape)


remembered = lru_cache(maxsize=256)
"""Decorator: keep what a function of sizes gave, for the next call with the same sizes."""
