"""Up-sampling: planes grow, by repeating elements, by interpolating between them, or out of other planes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.parametric import size
from nodegraph.nn.planewise import AxisMap, Resampling, remembered

MODES = ("nearest", "linear", "bilinear", "trilinear")
SIZE_NAMES = {"depth": "odepth", "height": "oheight", "width": "owidth"}


@remembered
def repeat(n: int, scale: int) -> AxisMap:
    """Each element `scale` times in succession."""
    target = np.arange(n * scale)
    return AxisMap(n, n * scale, target, target // scale)


@remembered
def interpolate(n: int, count: int) -> AxisMap:
    """`count` evenly spaced places from the first element to the last, linearly between neighbours.

    The places are worked out in single precision, as Torch7 does for all types.
    """
    ratio = np.float32(n - 1) / np.float32(count - 1) if count > 1 else np.float32(0)
    place = ratio * np.arange(count, dtype=np.float32)
    left = place.astype(int)
    right = np.minimum(left + 1, n - 1)
    fraction = (place - left.astype(np.float32)).astype(float)
    target, weight = np.tile(np.arange(count), 2), np.concatenate([1 - fraction, fraction])
    return AxisMap(n, count, target, np.concatenate([left, right]), weight)


class UpSamplingBase(Resampling):
    """Base of up-sampling by a factor, or by interpolation to given sizes, for planes of any number of axes."""

    linear = False
    scale_factor: Any = None
    output_sizes: dict[str, int] | None = None

    def set_params(self, params: Any) -> None:
        """A whole number is a factor, a dictionary has the sizes of the output."""
        if not isinstance(params, dict):
            self.scale_factor = size(params, "the scale factor")
            return
        self.output_sizes = {name: size(params[key], key) for name, key in SIZE_NAMES.items() if key in params}
        unknown = set(params) - set(SIZE_NAMES.values())
        if unknown or not {"height", "width"} <= set(self.output_sizes):
            raise ArgumentError(f"expected the sizes oheight, owidth and perhaps odepth, got {params!r}")

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        if min(sizes) < 1:
            raise ShapeError("expected at least 1 element along each axis of a plane")
        if not self.linear:
            return [repeat(n, self.scale_factor) for n in sizes]
        if self.output_sizes is None:
            return [interpolate(n, n * self.scale_factor) for n in sizes]
        names = list(SIZE_NAMES)[-len(sizes) :]
        if any(name not in self.output_sizes for name in names):
            raise ShapeError("expected an array of shape (batch, planes, height, width), since no odepth was given")
        return [interpolate(n, self.output_sizes[name]) for n, name in zip(sizes, names)]


class UpSampling(UpSamplingBase):
    """Makes images or volumes larger, in mode "nearest" (repeats elements) or "linear" (interpolates between them).

    (batch, planes, height, width) -> (batch, planes, oheight, owidth) or
    (batch, planes, depth, height, width) -> (batch, planes, odepth, oheight, owidth).
    `params` is a whole number by which all sizes are multiplied, or in linear mode a dictionary of the sizes `oheight`,
    `owidth` and, for volumes, `odepth`. In linear mode (or "bilinear", "trilinear", which mean the same) the corners
    stay where they are: along an axis, y[i] lies at the place i (n - 1) / (out - 1) of x, which is worked out in single
    precision as in Torch7. Another mode raises ArgumentError, where Torch7 takes it for "nearest".

    >>> UpSampling(2).forward(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    >>> UpSampling({"oheight": 1, "owidth": 3}, "linear").forward(np.array([[[[1.0, 2.0]]]]))
    array([[[[1. , 1.5, 2. ]]]])

    Source: torch/nn, UpSampling.lua.
    """

    def __init__(self, params: int | dict[str, int], mode: str | None = "nearest") -> None:
        if mode is not None and not (isinstance(mode, str) and mode in MODES):
            raise ArgumentError(f'mode must be "nearest" or "linear", got {mode!r}')
        self.linear = mode not in (None, "nearest")
        self.set_params(params)
        if self.output_sizes and not self.linear:
            raise ArgumentError('the sizes of the output can be given in mode "linear" only; give a whole number')

    def sizes(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) or len(shape) not in (4, 5):
            raise ShapeError(
                "expected an array of shape (batch, planes, height, width) or (batch, planes, depth, height, width)"
            )
        return shape[2:]

    def rowwise(self, shape: Any) -> bool:
        return True


class SpatialUpSamplingNearest(UpSamplingBase):
    """y[i, j] = x[i // scale, j // scale]: repeats each element of an image `scale` times in both directions.

    (batch, planes, height, width) -> (batch, planes, scale height, scale width), or the same without batch.

    >>> SpatialUpSamplingNearest(2).forward(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])

    Source: torch/nn, SpatialUpSamplingNearest.lua.
    """

    def __init__(self, scale: int) -> None:
        self.scale_factor = size(scale, "scale")


class SpatialUpSamplingBilinear(UpSamplingBase):
    """Interpolates between the elements of an image; the corners stay where they are.

    (batch, planes, height, width) -> (batch, planes, oheight, owidth), or the same without batch. `params` is a whole
    number by which both sizes are multiplied, or a dictionary of `oheight` and `owidth`. y[i] lies at the place i
    (height - 1) / (oheight - 1) of x, worked out in single precision as in Torch7; columns likewise.

    >>> SpatialUpSamplingBilinear({"oheight": 1, "owidth": 3}).forward(np.array([[[1.0, 2.0]]]))
    array([[[1. , 1.5, 2. ]]])

    Source: torch/nn, SpatialUpSamplingBilinear.lua.
    """

    linear = True

    def __init__(self, params: int | dict[str, int]) -> None:
        self.set_params(params)


class PixelShuffle(Module):
    """y[c, i r + u, j r + v] = x[c r^2 + u r + v, i, j]: r^2 planes become one r times as large.

    (batch, c r^2, height, width) -> (batch, c, r height, r width), or the same without batch; r is `upscale_factor`.

    >>> PixelShuffle(2).forward(np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1))
    array([[[1., 2.],
            [3., 4.]]])

    Source: torch/nn, PixelShuffle.lua; Shi et al., Real-Time Single Image and Video Super-Resolution (2016).
    """

    parameter_names = ()

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = size(upscale_factor, "upscale_factor")

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        r = self.upscale_factor
        if isinstance(shape, list) or len(shape) not in (3, 4) or shape[-3] % r**2:
            raise ShapeError(
                "expected an array of shape (batch, planes, height, width) or (planes, height, width) "
                f"whose number of planes is a multiple of {r**2}"
            )
        return (*shape[:-3], shape[-3] // r**2, shape[-2] * r, shape[-1] * r)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 4

    def update_output(self, input: np.ndarray) -> np.ndarray:
        r, (planes, height, width) = self.upscale_factor, input.shape[-3:]
        x = input.reshape(math.prod(input.shape[:-3]), planes // r**2, r, r, height, width)
        return x.transpose(0, 1, 4, 2, 5, 3).reshape(self.output_shape(input.shape))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        r, (planes, height, width) = self.upscale_factor, input.shape[-3:]
        gradients = grad_output.reshape(math.prod(input.shape[:-3]), planes // r**2, height, r, width, r)
        return gradients.transpose(0, 1, 3, 5, 2, 4).reshape(input.shape)
