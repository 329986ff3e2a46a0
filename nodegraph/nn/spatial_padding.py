"""Padding of images and volumes with zeros, with their mirror image or with their border; negative padding crops."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.planewise import AxisMap, Resampling, remembered
from nodegraph.nn.view import integer


class BorderPadding(Resampling):
    """Base of the padding modules; a subclass says in `source_of` which element stands at a place."""

    def __init__(
        self, pad_l: int, pad_r: int | None = None, pad_t: int | None = None, pad_b: int | None = None
    ) -> None:
        self.set_pads(pad_l, pad_r, pad_t, pad_b)

    def set_pads(self, *pads: Any) -> None:
        """The paddings before and after each axis, from the last axis to the first; None stands for the first one."""
        first = integer(pads[0], "a padding")
        widths = [first if pad is None else integer(pad, "a padding") for pad in pads]
        self.pads = tuple(zip(widths[::2], widths[1::2]))[::-1]

    @staticmethod
    def source_of(place: np.ndarray, n: int) -> np.ndarray:
        """The element of an axis of n that stands at each place, where places from 0 to n - 1 are inside."""
        raise NotImplementedError

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        axes = zip(self.axis_names, sizes, self.pads)
        return [padded(self.source_of, name, n, before, after) for name, n, (before, after) in axes]


@remembered
def padded(source: Any, name: str, n: int, before: int, after: int) -> AxisMap:
    """The map from an axis of n elements to the padded one; places that have no source are zero."""
    count = n + before + after
    if n < 1 or count < 1:
        raise ShapeError(f"expected at least {max(1, 1 - before - after)} elements along the {name}")
    place = source(np.arange(count) - before, n)
    inside = (place >= 0) & (place < n)
    if not inside.any():
        raise ShapeError(f"expected more than {-min(before, after)} elements along the {name}, so that one is left")
    return AxisMap(n, count, np.arange(count)[inside], place[inside])


class SpatialZeroPadding(BorderPadding):
    """Puts zeros around an image: `pad_l` columns left, `pad_r` right, `pad_t` rows above, `pad_b` below.

    (batch, planes, height, width) -> (batch, planes, pad_t + height + pad_b, pad_l + width + pad_r), or the same
    without batch. Negative padding cuts off instead. What is not given is `pad_l`.

    >>> SpatialZeroPadding(1, 0, -1, 0).forward(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[0., 3., 4.]]])

    Source: torch/nn, SpatialZeroPadding.lua.
    """

    @staticmethod
    def source_of(place: np.ndarray, n: int) -> np.ndarray:
        return place


class SpatialReplicationPadding(BorderPadding):
    """SpatialZeroPadding with the element on the border next to it instead of zeros.

    >>> SpatialReplicationPadding(2, 0, 0, 0).forward(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[1., 1., 1., 2., 3.]]])

    Source: torch/nn, SpatialReplicationPadding.lua.
    """

    @staticmethod
    def source_of(place: np.ndarray, n: int) -> np.ndarray:
        return np.clip(place, 0, n - 1)


class SpatialReflectionPadding(BorderPadding):
    """SpatialZeroPadding with the image's reflection in its border instead of zeros; the border itself comes once.

    The padding must be smaller than the image; ShapeError otherwise, where Torch7 reads beyond the image.

    >>> SpatialReflectionPadding(2, 0, 0, 0).forward(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[3., 2., 1., 2., 3.]]])

    Source: torch/nn, SpatialReflectionPadding.lua.
    """

    @staticmethod
    def source_of(place: np.ndarray, n: int) -> np.ndarray:
        reflected = np.where(place < 0, -place, np.where(place >= n, 2 * (n - 1) - place, place))
        outside = (reflected < 0) | (reflected >= n)
        if outside.any():
            beyond = np.maximum(-place, place - (n - 1)).max()
            raise ShapeError(f"expected more than {beyond} elements along each axis that is padded by {beyond}")
        return reflected


class VolumetricReplicationPadding(BorderPadding):
    """Puts the elements on the border around a volume, `pleft` and `pright` times, `ptop` and `pbottom` times ...

    (batch, planes, depth, height, width) -> (batch, planes, pfront + depth + pback, ptop + height + pbottom,
    pleft + width + pright), or the same without batch. Negative padding cuts off instead. What is not given is `pleft`.

    >>> VolumetricReplicationPadding(1, 0, 0, 0, 0, 0).forward(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2.]]]])

    Source: torch/nn, VolumetricReplicationPadding.lua.
    """

    axis_names = ("depth", "height", "width")

    def __init__(
        self,
        pleft: int,
        pright: int | None = None,
        ptop: int | None = None,
        pbottom: int | None = None,
        pfront: int | None = None,
        pback: int | None = None,
    ) -> None:
        self.set_pads(pleft, pright, ptop, pbottom, pfront, pback)

    source_of = staticmethod(SpatialReplicationPadding.source_of)
