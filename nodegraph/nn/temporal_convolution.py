"""Convolutions over the frames of a sequence, (batch, frames, features)."""

from __future__ import annotations

import numpy as np

from nodegraph.nn.convolution import Convolution
from nodegraph.nn.pointwise import flag
from nodegraph.nn.spatial_convolution import SubSampling
from nodegraph.nn.windows import Windows


class TemporalConvolution(Convolution):
    """y[t] = b + W x[t dW ... t dW + kW - 1]: each output frame is linear in kW input frames.

    (batch, frames, in) -> (batch, floor((frames - kW) / dW) + 1, out), or one sequence without batch. `weight`
    (out, kW x in), frame after frame, and `bias` (out,) are drawn uniformly from +-1/sqrt(kW in).

    >>> TemporalConvolution(4, 6, 3).forward(np.zeros((2, 10, 4))).shape
    (2, 8, 6)

    Source: torch/nn, TemporalConvolution.lua.
    """

    axes = ("frames",)
    features_last = True

    def __init__(self, input_frame_size: int, output_frame_size: int, k_w: int, d_w: int = 1) -> None:
        super().__init__(input_frame_size, output_frame_size, Windows((k_w,), (d_w,)))

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, self.fan_in())

    def matrix(self) -> np.ndarray:
        frames = self.weight.reshape(self.n_output_plane, -1, self.n_input_plane)
        return frames.swapaxes(1, 2).reshape(1, self.n_output_plane, -1)

    def weight_gradient(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.reshape(self.n_output_plane, self.n_input_plane, -1).swapaxes(1, 2)


class TemporalRowConvolution(Convolution):
    """Every feature is convolved over time on its own: y[t, f] = b[f] + sum over k of w[f, 0, k] x[t dW + k, f].

    (batch, frames, features) -> (batch, floor((frames - kW) / dW) + 1, features), or one sequence without batch; with
    `feat_first` the shapes are (batch, features, frames). `weight` (features, 1, kW) and `bias` (features,) are drawn
    uniformly from +-1/sqrt(kW features).

    >>> TemporalRowConvolution(4, 3).forward(np.zeros((2, 10, 4))).shape
    (2, 8, 4)

    Source: torch/nn, TemporalRowConvolution.lua.
    """

    axes = ("frames",)
    plane_by_plane = True

    def __init__(self, input_frame_size: int, k_w: int, d_w: int = 1, feat_first: bool | None = False) -> None:
        self.features_last = not flag(False if feat_first is None else feat_first, "feat_first")
        super().__init__(input_frame_size, input_frame_size, Windows((k_w,), (d_w,)))

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, 1, *self.windows.kernel)


class TemporalSubSampling(SubSampling):
    """y[t, f] = w[f] (sum over k of x[t dW + k, f]) + b[f].

    (batch, frames, features) -> (batch, floor((frames - kW) / dW) + 1, features), or one sequence without batch.
    `weight` and `bias` (features,) are drawn uniformly from +-1/sqrt(kW).

    >>> TemporalSubSampling(4, 2, 2).forward(np.zeros((2, 10, 4))).shape
    (2, 5, 4)

    Source: torch/nn, TemporalSubSampling.lua.
    """

    axes = ("frames",)
    features_last = True

    def __init__(self, input_frame_size: int, k_w: int, d_w: int = 1) -> None:
        super().__init__(input_frame_size, input_frame_size, Windows((k_w,), (d_w,)))
