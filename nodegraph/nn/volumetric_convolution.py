"""Convolutions over three dimensions, (batch, planes, time, height, width); as in Torch, the order is kT, kW, kH."""

from __future__ import annotations

from nodegraph.nn.convolution import Convolution, FullConvolution
from nodegraph.nn.windows import Windows

AXES = ("time", "height", "width")


def in_order(t: int, w: int, h: int) -> tuple[int, int, int]:
    """Torch's order of arguments in that of the axes."""
    return t, h, w


class VolumetricConvolution(Convolution):
    """y[o, s, i, j] = b[o] + sum over c, r, u, v of w[o, c, r, u, v] x[c, s dT + r, i dH + u, j dW + v].

    (batch, in, time, height, width) -> (batch, out, frames, rows, columns), or one sample without batch, where
    frames = floor((time + 2 padT - kT) / dT) + 1, rows and columns likewise. `pad_w` is `pad_t` unless given, and
    `pad_h` is `pad_w`.

    `weight` (out, in, kT, kH, kW) and `bias` (out,) are drawn uniformly from +-1/sqrt(in kT kH kW).

    >>> VolumetricConvolution(1, 2, 2, 3, 4).forward(np.zeros((5, 1, 8, 8, 8))).shape
    (5, 2, 7, 5, 6)

    Source: torch/nn, VolumetricConvolution.lua.
    """

    axes = AXES

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_t: int,
        k_w: int,
        k_h: int,
        d_t: int = 1,
        d_w: int = 1,
        d_h: int = 1,
        pad_t: int = 0,
        pad_w: int | None = None,
        pad_h: int | None = None,
    ) -> None:
        pad_w = pad_t if pad_w is None else pad_w
        pad_h = pad_w if pad_h is None else pad_h
        windows = Windows(in_order(k_t, k_w, k_h), in_order(d_t, d_w, d_h), in_order(pad_t, pad_w, pad_h))
        super().__init__(n_input_plane, n_output_plane, windows)


class VolumetricDilatedConvolution(VolumetricConvolution):
    """A VolumetricConvolution whose kernel looks at every dilation-th frame, row and column only.

    The kernel reaches over dilation (k - 1) + 1 of them; shapes and parameters are those of VolumetricConvolution
    otherwise.

    >>> VolumetricDilatedConvolution(1, 2, 2, 2, 2, dilation_t=3).forward(np.zeros((1, 6, 5, 5))).shape
    (2, 3, 4, 4)

    Source: torch/nn, VolumetricDilatedConvolution.lua.
    """

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_t: int,
        k_w: int,
        k_h: int,
        d_t: int = 1,
        d_w: int = 1,
        d_h: int = 1,
        pad_t: int = 0,
        pad_w: int | None = None,
        pad_h: int | None = None,
        dilation_t: int = 1,
        dilation_w: int = 1,
        dilation_h: int = 1,
    ) -> None:
        super().__init__(n_input_plane, n_output_plane, k_t, k_w, k_h, d_t, d_w, d_h, pad_t, pad_w, pad_h)
        self.windows = self.windows.dilated(in_order(dilation_t, dilation_w, dilation_h))


class VolumetricFullConvolution(FullConvolution):
    """The transpose of a volumetric convolution: each input number adds w times itself to a window of the output.

    (batch, in, time, height, width) -> (batch, out, frames, rows, columns), or one sample without batch, where
    frames = (time - 1) dT - 2 padT + kT + adjT, rows and columns likewise. Paddings, adjustments and the table
    [input, target] are those of SpatialFullConvolution.

    `weight` (in, out, kT, kH, kW) and `bias` (out,) are drawn uniformly from +-1/sqrt(in kT kH kW).

    >>> VolumetricFullConvolution(2, 1, 3, 3, 3, 2, 2, 2).forward(np.zeros((2, 4, 5, 6))).shape
    (1, 9, 11, 13)

    Source: torch/nn, VolumetricFullConvolution.lua.
    """

    axes = AXES

    def __init__(
        self,
        n_input_plane: int,
        n_output_plane: int,
        k_t: int,
        k_w: int,
        k_h: int,
        d_t: int = 1,
        d_w: int = 1,
        d_h: int = 1,
        pad_t: int = 0,
        pad_w: int = 0,
        pad_h: int = 0,
        adj_t: int = 0,
        adj_w: int = 0,
        adj_h: int = 0,
    ) -> None:
        windows = Windows(in_order(k_t, k_w, k_h), in_order(d_t, d_w, d_h), in_order(pad_t, pad_w, pad_h))
        super().__init__(n_input_plane, n_output_plane, windows, in_order(adj_t, adj_w, adj_h))
