"""Average pooling: the mean of each window."""

from __future__ import annotations

from nodegraph.nn.planewise import AxisMap, Resampling
from nodegraph.nn.pooling import Sliding, mean_inside, mean_over_padding


class AveragePooling(Sliding, Resampling):
    """Base of average pooling over windows of a fixed size.

    The mean over a box is that over its rows of their means, so it is taken along one axis after the other.
    """

    count_include_pad = True

    def maps(self, sizes: tuple[int, ...]) -> list[AxisMap]:
        return self.each_axis(mean_over_padding if self.count_include_pad else mean_inside, sizes)


class SpatialAveragePooling(AveragePooling):
    """y[i, j] = mean over u < kH, v < kW of x[i dH + u - padH, j dW + v - padW], where the padding is zero.

    (batch, planes, height, width) -> (batch, planes, rows, columns), or the same without batch, where rows =
    floor((height + 2 padH - kH) / dH) + 1 and columns likewise, or after `ceil()` rounded up. The strides are 1
    unless given; the padding is at most half the kernel's size. After `set_count_exclude_pad()` the mean is over what
    lies inside x alone. In ceil mode what lies even beyond the padding never counts; a window that would start beyond
    the image is left out (Torch7 keeps it if there is no padding at all, and gives NaN for it).

    >>> SpatialAveragePooling(2, 2, 2, 2).forward(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])

    Source: torch/nn, SpatialAveragePooling.lua.
    """

    def __init__(
        self, k_w: int, k_h: int, d_w: int | None = 1, d_h: int | None = 1, pad_w: int = 0, pad_h: int = 0
    ) -> None:
        self.slide((k_h, k_w), (1 if d_h is None else d_h, 1 if d_w is None else d_w), (pad_h, pad_w))

    def set_count_include_pad(self) -> SpatialAveragePooling:
        """Let the zeros of the padding count in the mean, the default."""
        self.count_include_pad = True
        return self

    def set_count_exclude_pad(self) -> SpatialAveragePooling:
        """Take the mean over what lies inside the input alone."""
        self.count_include_pad = False
        return self


class VolumetricAveragePooling(AveragePooling):
    """y[t, i, j] = mean over s < kT, u < kH, v < kW of x[t dT + s, i dH + u, j dW + v].

    (batch, planes, time, height, width) -> (batch, planes, times, rows, columns), or the same without batch, where
    times = floor((time - kT) / dT) + 1 and so on. The strides are the kernel's sizes unless given.

    >>> VolumetricAveragePooling(2, 2, 2).forward(np.ones((1, 2, 2, 4)))
    array([[[[1., 1.]]]])

    Source: torch/nn, VolumetricAveragePooling.lua.
    """

    axis_names = ("time", "height", "width")

    def __init__(
        self, k_t: int, k_w: int, k_h: int, d_t: int | None = None, d_w: int | None = None, d_h: int | None = None
    ) -> None:
        self.slide((k_t, k_h, k_w), (d_t, d_h, d_w))
