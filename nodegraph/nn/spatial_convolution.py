"""Convolutions over the two dimensions of images, (batch, planes, height, width); as in Torch, kW comes before kH."""

from __future__ import annotations

import numpy as np

from nodegraph.nn.convolution import Convolution, FullConvolution
from nodegraph.nn.windows import Windows


def spatial_windows(
    k_w: int, k_h: int, d_w: int = 1, d_h: int = 1, pad_w: int = 0, pad_h: int | None = None
) -> Windows:
    """Windows of k_w x k_h every d_w x d_h; `pad_h` is `pad_w` unless given."""
    return Windows((k_h, k_w), (d_h, d_w), (pad_w if pad_h is None else pad_h, pad_w))


class PlanarConvolution(Convolution):
    """Base of the convolutions over images: takes Torch's arguments."""

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_w: int,
        k_h: int,
        d_w: int = 1,
        d_h: int = 1,
        pad_w: int = 0,
        pad_h: int | None = None,
    ) -> None:
        super().__init__(n_input_plane, n_output_plane, spatial_windows(k_w, k_h, d_w, d_h, pad_w, pad_h))


class SpatialConvolution(PlanarConvolution):
    """y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[c, i dH + u, j dW + v].

    (batch, in, height, width) -> (batch, out, rows, columns), or one image without batch, where
    rows = floor((height + 2 padH - kH) / dH) + 1 and columns likewise. `pad_w` and `pad_h` zeros are put on either side
    of the image; `pad_h` is `pad_w` unless given. Rows and columns at the end that fill no window are not looked at.

    `weight` (out, in, kH, kW) and `bias` (out,) are drawn uniformly from +-1/sqrt(in kH kW).

    >>> SpatialConvolution(3, 8, 5, 3).forward(np.zeros((2, 3, 10, 10))).shape
    (2, 8, 8, 6)

    Source: torch/nn, SpatialConvolution.lua.
    """


class SpatialConvolutionMM(PlanarConvolution):
    """A SpatialConvolution whose `weight` is a matrix (out, in x kH x kW).

    >>> SpatialConvolutionMM(3, 8, 5, 3).weight.shape
    (8, 45)

    Source: torch/nn, SpatialConvolutionMM.lua.
    """

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, self.fan_in())


class SpatialDilatedConvolution(SpatialConvolution):
    """A SpatialConvolution whose kernel looks at every dilation-th row and column only.

    y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[c, i dH + u dilationH, j dW + v dilationW]; the kernel
    reaches over dilation (k - 1) + 1 rows or columns. Shapes and parameters are those of SpatialConvolution otherwise.

    >>> SpatialDilatedConvolution(3, 8, 3, 3, 1, 1, 0, 0, 2, 2).forward(np.zeros((3, 10, 10))).shape
    (8, 6, 6)

    Source: torch/nn, SpatialDilatedConvolution.lua; Yu and Koltun, Multi-Scale Context Aggregation by Dilated
    Convolutions, 2016.
    """

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_w: int,
        k_h: int,
        d_w: int = 1,
        d_h: int = 1,
        pad_w: int = 0,
        pad_h: int | None = None,
        dilation_w: int = 1,
        dilation_h: int = 1,
    ) -> None:
        super().__init__(n_input_plane, n_output_plane, k_w, k_h, d_w, d_h, pad_w, pad_h)
        self.windows = self.windows.dilated((dilation_h, dilation_w))


class SpatialFullConvolution(FullConvolution):
    """The transpose of a convolution: each input pixel adds w times itself to a window of the output.

    y[o, i dH + u, j dW + v] gets w[c, o, u, v] x[c, i, j] from every c, i, j, u, v, and the bias b[o]; then `pad_w`
    columns and `pad_h` rows are cut off on either side. (batch, in, height, width) -> (batch, out, rows, columns), or
    one image without batch, where rows = (height - 1) dH - 2 padH + kH + adjH and columns likewise. The adjustment,
    less than the stride, chooses among the sizes from which a convolution would make the input's. Instead a table
    [input, target] may come in: then it is chosen so that the output is as high and wide as the target's last
    two axes, or differs from them by multiples of the stride where it cannot be. The target's gradient is zero.

    `weight` (in, out, kH, kW) and `bias` (out,) are drawn uniformly from +-1/sqrt(in kH kW).

    >>> grow = SpatialFullConvolution(8, 3, 3, 3, 2, 2)
    >>> grow.forward(np.zeros((2, 8, 4, 4))).shape, grow.forward([np.zeros((2, 8, 4, 4)), np.zeros((10, 9))]).shape
    ((2, 3, 9, 9), (2, 3, 10, 9))

    Source: torch/nn, SpatialFullConvolution.lua; Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic
    Segmentation, 2015.
    """

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_w: int,
        k_h: int,
        d_w: int = 1,
        d_h: int = 1,
        pad_w: int = 0,
        pad_h: int = 0,
        adj_w: int = 0,
        adj_h: int = 0,
    ) -> None:
        windows = Windows((k_h, k_w), (d_h, d_w), (pad_h, pad_w))
        super().__init__(n_input_plane, n_output_plane, windows, (adj_h, adj_w))


class SpatialDepthWiseConvolution(PlanarConvolution):
    """Every plane is convolved on its own, with n_output_plane kernels: y[c out + o] = b[o, c] + w[o, c] * x[c].

    (batch, in, height, width) -> (batch, in x out, rows, columns), or one image without batch; arguments and sizes are
    those of SpatialConvolution. `weight` is (out, in x kH x kW) and `bias` (out, in), drawn uniformly from
    +-1/sqrt(in kH kW).

    >>> SpatialDepthWiseConvolution(3, 2, 3, 3).forward(np.zeros((5, 3, 8, 6))).shape
    (5, 6, 6, 4)

    Source: torch/nn, SpatialDepthWiseConvolution.lua; Chollet, Xception, 2017. Torch7 takes height for width, so that
    its results are right for square images only, and its backward refuses an image without batch; here both work.
    """

    plane_by_plane = True

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, self.fan_in())

    def bias_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane, self.n_input_plane)

    def output_planes(self) -> int:
        return self.n_input_plane * self.n_output_plane

    def matrix(self) -> np.ndarray:
        return self.weight.reshape(self.n_output_plane, self.n_input_plane, -1).swapaxes(0, 1)

    def weight_gradient(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.swapaxes(0, 1)

    def plane_bias(self) -> np.ndarray:
        return self.bias.T.reshape(-1, 1, 1)

    def bias_gradient(self, values: np.ndarray) -> np.ndarray:
        return super().bias_gradient(values).reshape(self.n_input_plane, self.n_output_plane).T


class SubSampling(Convolution):
    """Base of the modules that add up the numbers in each window, plane by plane: y = w[c] sum + b[c]."""

    plane_by_plane = True

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_output_plane,)

    def fan_in(self) -> int:
        return super().fan_in() // self.n_input_plane

    def matrix(self) -> np.ndarray:
        return np.repeat(self.weight, self.fan_in()).reshape(self.groups, 1, -1)

    def weight_gradient(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.sum(-1)


class SpatialSubSampling(SubSampling):
    """y[c, i, j] = w[c] (sum over u, v of x[c, i dH + u, j dW + v]) + b[c].

    (batch, planes, height, width) -> (batch, planes, rows, columns), or one image without batch, where
    rows = floor((height - kH) / dH) + 1. `weight` and `bias` (planes,) are drawn uniformly from +-1/sqrt(kH kW).

    >>> SpatialSubSampling(3, 2, 2, 2, 2).forward(np.zeros((5, 3, 8, 6))).shape
    (5, 3, 4, 3)

    Source: torch/nn, SpatialSubSampling.lua.
    """

    def __init__(self, n_input_plane: int, k_w: int, k_h: int, d_w: int = 1, d_h: int = 1) -> None:
        super().__init__(n_input_plane, n_input_plane, spatial_windows(k_w, k_h, d_w, d_h))
