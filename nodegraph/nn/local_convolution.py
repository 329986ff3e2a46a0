"""Locally connected layers: convolutions whose kernel is another one at each place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.convolution import Convolution
from nodegraph.nn.parametric import size
from nodegraph.nn.spatial_convolution import spatial_windows


class SpatialConvolutionLocal(Convolution):
    """y[o, i, j] = b[o, i, j] + sum over c, u, v of w[i, j, o, c, u, v] x[c, i dH + u, j dW + v].

    (batch, in, iH, iW) -> (batch, out, oH, oW), or one image without batch, where
    oH = floor((iH + 2 padH - kH) / dH) + 1, and oW likewise; the image's size is fixed at construction. `pad_h` is
    `pad_w` unless given. `weight` (oH, oW, out, in, kH, kW) and `bias` (out, oH, oW) are drawn uniformly from
    +-1/sqrt(in kH kW).

    >>> SpatialConvolutionLocal(3, 8, 6, 5, 3, 3).forward(np.zeros((2, 3, 5, 6))).shape
    (2, 8, 3, 4)

    Source: torch/nn, SpatialConvolutionLocal.lua.
    """

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        i_w: int,
        i_h: int,
        k_w: int,
        k_h: int,
        d_w: int = 1,
        d_h: int = 1,
        pad_w: int = 0,
        pad_h: int | None = None,
    ) -> None:
        windows = spatial_windows(k_w, k_h, d_w, d_h, pad_w, pad_h)
        self.input_sizes = (size(i_h, "the input's height"), size(i_w, "the input's width"))
        self.output_sizes = windows.counts(self.input_sizes)
        if min(self.output_sizes) < 1:
            raise ArgumentError(f"the kernel does not fit into an image of {self.input_sizes}")
        super().__init__(n_input_plane, n_output_plane, windows)

    def weight_shape(self) -> tuple[int, ...]:
        return (*self.output_sizes, self.n_output_plane, self.n_input_plane, *self.windows.kernel)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, *self.output_sizes)

    def matrix(self) -> np.ndarray:
        """A matrix for each place: (places, out, in x kernel)."""
        return self.weight.reshape(math.prod(self.output_sizes), self.n_output_plane, -1)

    def columns(self, input: np.ndarray) -> np.ndarray:
        """What each window shows: (places, in x kernel, batch)."""
        view = self.windows.view(self.windows.pad(self.planes(input)))
        return np.ascontiguousarray(view.transpose(4, 5, 0, 1, 2, 3)).reshape(*self.matrix().shape[::2], -1)

    def values(self, grad_output: np.ndarray) -> np.ndarray:
        """The gradient of the output as (places, out, batch)."""
        values = self.planes(grad_output).transpose(2, 3, 1, 0)
        return np.ascontiguousarray(values).reshape(*self.matrix().shape[:2], -1)

    def update_output(self, input: np.ndarray) -> np.ndarray:
        output = np.ascontiguousarray((self.matrix() @ self.columns(input)).transpose(2, 1, 0))
        return self.as_given(self.add_bias(output.reshape(*output.shape[:2], *self.output_sizes)), input.ndim)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        columns = self.matrix().swapaxes(1, 2) @ self.values(grad_output)
        columns = columns.reshape(*self.output_sizes, self.n_input_plane, *self.windows.kernel, -1)
        return self.as_given(self.windows.scatter(columns.transpose(2, 3, 4, 5, 0, 1), self.input_sizes), input.ndim)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        gradient = self.values(grad_output) @ self.columns(input).swapaxes(1, 2)
        self.add_gradients(gradient, self.planes(grad_output), scale)

    def plane_bias(self) -> np.ndarray:
        return self.bias

    def bias_gradient(self, values: np.ndarray) -> np.ndarray:
        return values.sum(0)

    def sizes_of(self, shape: Any) -> tuple[int, ...]:
        sizes = super().sizes_of(shape)
        if sizes != self.input_sizes:
            raise ShapeError("expected images of height {} and width {}".format(*self.input_sizes))
        return sizes
