"""Convolutions: PyTorch's own where the weight has the same shape, functions on a rearranged weight elsewhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.layer import Layer

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
FULL = {2: torch.nn.ConvTranspose2d, 3: torch.nn.ConvTranspose3d}


@register(
    nn.SpatialConvolution, nn.SpatialDilatedConvolution, nn.VolumetricConvolution, nn.VolumetricDilatedConvolution
)
def convolution(module: nn.Convolution, converter: Converter) -> torch.nn.Module:
    w = module.windows
    cls = torch.nn.Conv2d if len(w.kernel) == 2 else torch.nn.Conv3d
    planes = module.n_input_plane, module.n_output_plane
    return cls(*planes, w.kernel, w.stride, w.padding, w.dilation, bias=module.bias is not None, device="meta")


@register(nn.SpatialFullConvolution, nn.VolumetricFullConvolution)
def full_convolution(module: nn.FullConvolution, converter: Converter) -> torch.nn.Module:
    w, planes = module.windows, (module.n_input_plane, module.n_output_plane)
    cls = SpatialFullConvolution if len(w.kernel) == 2 else VolumetricFullConvolution
    bias = module.bias is not None
    return cls(*planes, w.kernel, w.stride, w.padding, module.adjustment, bias=bias, device="meta")


class SizedBy:
    """Lets the input be a table, whose second tensor tells the sizes of the output."""

    def forward(self, input: Any) -> Tensor:
        if isinstance(input, Tensor):
            return super().forward(input)
        axes = len(self.kernel_size)
        sizes = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(
            input[0].shape[-axes:], self.stride, self.kernel_size, self.padding
        )]  # fmt: skip
        wanted = zip(input[1].shape[-axes:], sizes, self.stride)
        return super().forward(input[0], [least + (target - least) % s for target, least, s in wanted])


class SpatialFullConvolution(SizedBy, torch.nn.ConvTranspose2d):
    """ConvTranspose2d, for a tensor or for a table [input, target]."""


class VolumetricFullConvolution(SizedBy, torch.nn.ConvTranspose3d):
    """ConvTranspose3d, for a tensor or for a table [input, target]."""


class ConvolutionLayer(Layer):
    """Base of the convolutions whose weight is not in PyTorch's shape."""

    settings = "n_input_plane n_output_plane"
    features_last = False

    def __init__(self, module: nn.Convolution, converter: Converter) -> None:
        super().__init__(module)
        self.kernel, self.stride, self.padding = module.windows.kernel, module.windows.stride, module.windows.padding
        self.features_last = module.features_last

    def matrix(self) -> Tensor:
        """The weight as PyTorch takes it."""
        raise NotImplementedError

    def plane_bias(self) -> Tensor | None:
        """The bias, one number for each plane of the output."""
        return self.bias

    def groups(self) -> int:
        return 1

    def forward(self, input: Tensor) -> Tensor:
        x = input.movedim(-1, -1 - len(self.kernel)) if self.features_last else input
        convolve = CONVOLUTIONS[len(self.kernel)]
        y = convolve(x, self.matrix(), self.plane_bias(), self.stride, self.padding, 1, self.groups())
        return y.movedim(-1 - len(self.kernel), -1) if self.features_last else y


@register(nn.SpatialConvolutionMM)
class SpatialConvolutionMM(ConvolutionLayer):
    """The weight is a matrix (out, in x kH x kW)."""

    def matrix(self) -> Tensor:
        return self.weight.reshape(self.n_output_plane, self.n_input_plane, *self.kernel)


@register(nn.SpatialDepthWiseConvolution)
class SpatialDepthWiseConvolution(ConvolutionLayer):
    """Every plane has kernels of its own: weight (out, in x kH x kW), bias (out, in)."""

    def matrix(self) -> Tensor:
        each = self.weight.reshape(self.n_output_plane, self.n_input_plane, *self.kernel).transpose(0, 1)
        return each.reshape(-1, 1, *self.kernel)

    def plane_bias(self) -> Tensor | None:
        return None if self.bias is None else self.bias.T.reshape(-1)

    def groups(self) -> int:
        return self.n_input_plane


@register(nn.TemporalConvolution)
class TemporalConvolution(ConvolutionLayer):
    """The weight is a matrix (out, kW x in)."""

    def matrix(self) -> Tensor:
        return self.weight.reshape(self.n_output_plane, -1, self.n_input_plane).transpose(1, 2)


@register(nn.TemporalRowConvolution)
class TemporalRowConvolution(ConvolutionLayer):
    """Every feature is convolved over time on its own."""

    def matrix(self) -> Tensor:
        return self.weight

    def groups(self) -> int:
        return self.n_input_plane


@register(nn.SpatialSubSampling, nn.TemporalSubSampling)
class SubSampling(ConvolutionLayer):
    """The sum over each window, times one weight for each plane."""

    def matrix(self) -> Tensor:
        ones = [1] * len(self.kernel)
        return self.weight.reshape(-1, 1, *ones).expand(-1, 1, *self.kernel)

    def groups(self) -> int:
        return self.n_input_plane


@register(nn.SpatialConvolutionMap)
class SpatialConvolutionMap(ConvolutionLayer):
    """Kernels for the pairs of planes in a table, which is the buffer `conn_table`."""

    def matrix(self) -> Tensor:
        return self.placed(self.n_output_plane, self.n_input_plane, self.conn_table[:, 1], self.conn_table[:, 0])

    def placed(self, rows: int, columns: int, row: Tensor, column: Tensor) -> Tensor:
        """The weight with a kernel for every pair of planes, zero where the table has none."""
        zeros = self.weight.new_zeros(rows, columns, *self.kernel)
        return zeros.index_put((row, column), self.weight, accumulate=True)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.narrow(-3, 0, self.n_input_plane))


@register(nn.SpatialFullConvolutionMap)
class SpatialFullConvolutionMap(SpatialConvolutionMap):
    """The transpose of it."""

    def matrix(self) -> Tensor:
        return self.placed(self.n_input_plane, self.n_output_plane, self.conn_table[:, 0], self.conn_table[:, 1])

    def forward(self, input: Tensor) -> Tensor:
        x = input.narrow(-3, 0, self.n_input_plane)
        return F.conv_transpose2d(x, self.matrix(), self.bias, self.stride, self.padding)


@register(nn.SpatialConvolutionLocal)
class SpatialConvolutionLocal(ConvolutionLayer):
    """Another kernel at each place: weight (oH, oW, out, in, kH, kW)."""

    settings = "n_input_plane n_output_plane output_sizes"

    def forward(self, input: Tensor) -> Tensor:
        batch = input if input.dim() == 4 else input.unsqueeze(0)
        columns = F.unfold(batch, self.kernel, 1, self.padding, self.stride)
        weight = self.weight.reshape(math.prod(self.output_sizes), self.n_output_plane, -1)
        output = torch.einsum("poc,bcp->bop", weight, columns).reshape(-1, self.n_output_plane, *self.output_sizes)
        output = output if self.bias is None else output + self.bias
        return output.reshape(*input.shape[:-3], *output.shape[1:])
