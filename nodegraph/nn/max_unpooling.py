"""Max-unpooling: values go back to the places where max-pooling found them."""

from __future__ import annotations

import math

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError, StateError
from nodegraph.nn.max_pooling import SlidingMaxPooling, SpatialMaxPooling, VolumetricMaxPooling
from nodegraph.nn.planewise import Planewise


class MaxUnpooling(Planewise):
    """Base of the unpooling modules. The indices are those of the last forward of the pooling module.

    Raises ArgumentError unless the pooling module's windows tile the plane, StateError before its first forward.
    """

    pooling_class: type[SlidingMaxPooling]

    def __init__(self, pooling_module: SlidingMaxPooling) -> None:
        if not isinstance(pooling_module, self.pooling_class):
            raise ArgumentError(f"pooling_module must be a {self.pooling_class.__name__}, got {pooling_module!r}")
        windows = pooling_module.windows
        if windows.kernel != windows.stride or windows.kernel != windows.extent:
            raise ArgumentError(f"the strides of {pooling_module!r} must be its kernel's sizes, and its dilation 1")
        self.pooling = pooling_module

    def resized(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        restored = self.pooling.input_sizes
        if restored is None:
            raise StateError(f"expected a forward of {self.pooling!r} first, which finds the places of the maxima")
        expected = self.pooling.resized(restored)
        if sizes != expected:
            raise ShapeError(f"expected planes of the sizes {expected}, which {self.pooling!r} made of {restored}")
        return restored

    def update_output(self, input: np.ndarray) -> np.ndarray:
        if self.pooling.indices is None:
            raise StateError(f"expected a forward of {self.pooling!r} first, which finds the places of the maxima")
        indices, sizes = self.pooling.saved
        if indices.shape != input.shape:
            raise ShapeError(f"expected an array of shape {indices.shape}, as the last output of {self.pooling!r}")
        self.saved = in_planes(indices, len(sizes))
        values = in_planes(input, len(sizes))
        output = np.zeros((len(values), math.prod(sizes)), input.dtype)
        np.put_along_axis(output, self.saved, values, 1)
        return output.reshape(*input.shape[: -len(sizes)], *sizes)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        gradients = in_planes(grad_output, len(self.axis_names))
        return np.take_along_axis(gradients, self.saved, 1).reshape(input.shape)


def in_planes(x: np.ndarray, n_axes: int) -> np.ndarray:
    """The array as (planes, elements of a plane of `n_axes` axes)."""
    return x.reshape(math.prod(x.shape[:-n_axes]), math.prod(x.shape[-n_axes:]))


class SpatialMaxUnpooling(MaxUnpooling):
    """y = 0, but y[indices] = x with the `indices` of a SpatialMaxPooling, which this undoes as far as that can be.

    (batch, planes, rows, columns) -> (batch, planes, height, width), or the same without batch; the height and width
    are those of the pooling module's last input. Its strides must be its kernel's sizes.

    >>> pooling = nn.SpatialMaxPooling(2, 2)
    >>> y = pooling.forward(np.array([[[1.0, 2.0], [4.0, 3.0]]]))
    >>> SpatialMaxUnpooling(pooling).forward(10 * y)
    array([[[ 0.,  0.],
            [40.,  0.]]])

    Source: torch/nn, SpatialMaxUnpooling.lua.
    """

    pooling_class = SpatialMaxPooling


class VolumetricMaxUnpooling(MaxUnpooling):
    """SpatialMaxUnpooling in three dimensions, with the indices of a VolumetricMaxPooling.

    (batch, planes, times, rows, columns) -> (batch, planes, time, height, width), or the same without batch.

    >>> pooling = nn.VolumetricMaxPooling(2, 2, 2)
    >>> VolumetricMaxUnpooling(pooling).forward(pooling.forward(np.ones((3, 8, 6, 4)))).shape
    (3, 8, 6, 4)

    Source: torch/nn, VolumetricMaxUnpooling.lua.
    """

    pooling_class = VolumetricMaxPooling
    axis_names = ("time", "height", "width")
