"""Lp-pooling: the p-norm of each window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.parametric import size
from nodegraph.nn.planewise import AxisMap, Resampling
from nodegraph.nn.pointwise import flag
from nodegraph.nn.pooling import Sliding, sum_inside


class LPPooling(Resampling):
    """Base of the modules y = (sum of x^p over a window)^(1/p).

    The gradient of y with respect to x is (x / y)^(p - 1); where y = 0 and p is not 1 it is taken as 0.
    """

    power: float

    def set_power(self, power: Any) -> None:
        """Keep the power; ArgumentError unless it is a number other than 0."""
        if not isinstance(power, Real) or not math.isfinite(power) or power == 0:
            raise ArgumentError(f"the power must be a number other than 0, got {power!r}")
        self.power = float(power)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return self.resample(input**self.power) ** (1 / self.power)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        p = self.power
        if p == 1:
            return self.transpose(grad_output, input.shape)
        slope = np.where(self.output == 0, 0.0, grad_output * self.output ** (1 - p))
        return self.transpose(slope, input.shape) * input ** (p - 1)


class SpatialLPPooling(Sliding, LPPooling):
    """y[i, j] = (sum over u < kH, v < kW of x[i dH + u, j dW + v]^p)^(1/p).

    (batch, planes, height, width) -> (batch, planes, rows, columns), or the same without batch, where rows =
    floor((height - kH) / dH) + 1. The strides are the kernel's sizes unless given. As in Torch `n_input_plane` is not
    looked at: any number of planes will do.

    >>> SpatialLPPooling(1, 2, 2, 1).forward(np.array([[[3.0, 4.0]]]))
    array([[[5.]]])

    Source: torch/nn, SpatialLPPooling.lua.
    """

    def __init__(
        self, n_input_plane: int, p_norm: float, k_w: int, k_h: int, d_w: int | None = None, d_h: int | None = None
    ) -> None:
        self.set_power(p_norm)
        self.slide((k_h, k_w), (d_h, d_w))

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        return self.each_axis(sum_inside, sizes)


class FeatureLPPooling(LPPooling):
    """y[i] = (sum over k < width of x[i stride + k]^p)^(1/p), over the features, which are the first axis.

    (features, ...) -> (out, ...) with out = floor((features - width) / stride) + 1 and up to two further axes; in
    batch mode (batch, features, ...) -> (batch, out, ...). Torch7 takes widths from 2 to 16 and strides from 1 to 4;
    here any.

    >>> FeatureLPPooling(2, 1, 2).forward(np.array([3.0, 4.0, 0.0]))
    array([5., 4.])

    Source: torch/nn, FeatureLPPooling.lua. Torch7 takes the gradient as 0 where y = 0 for p = 1, too.
    """

    def __init__(self, width: int, stride: int, power: float, batch_mode: bool | None = False) -> None:
        self.width, self.stride = size(width, "width"), size(stride, "stride")
        self.batch_mode = flag(False if batch_mode is None else batch_mode, "batch_mode")
        self.set_power(power)

    def axis_maps(self, shape: tuple[int, ...]) -> Iterator[tuple[int, AxisMap]]:
        axis = int(self.batch_mode)
        yield axis - len(shape), sum_inside("features", shape[axis], self.width, self.stride, 0, 1, False)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        lead = "(batch, features)" if self.batch_mode else "(features,)"
        if isinstance(shape, list) or not 1 <= len(shape) - self.batch_mode <= 3:
            raise ShapeError(f"expected an array of shape {lead}, with up to two more axes")
        [(axis, axis_map)] = self.axis_maps(shape)
        return (*shape[:axis], axis_map.out_size, *shape[len(shape) + axis + 1 :])

    def rowwise(self, shape: Any) -> bool:
        return self.batch_mode
