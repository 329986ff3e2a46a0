"""Convolutions that connect only chosen pairs of an input and an output plane, and the tables that choose them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError
from nodegraph.nn.convolution import Convolution, FullConvolution
from nodegraph.nn.init import uniform
from nodegraph.nn.parametric import size
from nodegraph.nn.spatial_convolution import spatial_windows
from nodegraph.random import generator


def full_connection_table(n_in: int, n_out: int) -> np.ndarray:
    """Every input plane with every output plane: rows [input, output], counted from 0.

    >>> full_connection_table(2, 2).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]

    Source: torch/nn, nn.tables.full in SpatialConvolutionMap.lua.
    """
    n_in, n_out = size(n_in, "the number of input planes"), size(n_out, "the number of output planes")
    return np.stack([np.tile(np.arange(n_in), n_out), np.repeat(np.arange(n_out), n_in)], 1)


def one_to_one_connection_table(n: int) -> np.ndarray:
    """Each input plane with the output plane of the same number.

    >>> one_to_one_connection_table(3).tolist()
    [[0, 0], [1, 1], [2, 2]]

    Source: torch/nn, nn.tables.oneToOne in SpatialConvolutionMap.lua.
    """
    return np.repeat(np.arange(size(n, "the number of planes")), 2).reshape(-1, 2)


def random_connection_table(n_in: int, n_out: int, n_to: int) -> np.ndarray:
    """Each output plane with `n_to` different input planes, chosen at random so that all are used about equally often.

    >>> random_connection_table(4, 6, 2).shape
    (12, 2)

    Source: torch/nn, nn.tables.random in SpatialConvolutionMap.lua.
    """
    n_in, n_out = size(n_in, "the number of input planes"), size(n_out, "the number of output planes")
    n_to = size(n_to, "the number of connections")
    if n_to > n_in:
        raise ArgumentError(f"an output plane cannot have {n_to} connections to {n_in} input planes")
    chunks = n_in // n_to
    rounds = [generator().permutation(n_in)[: chunks * n_to] for _ in range(-(-n_out // chunks))]
    return np.stack([np.concatenate(rounds)[: n_out * n_to], np.repeat(np.arange(n_out), n_to)], 1)


class Mapped(Convolution):
    """Base of the convolutions with a connection table, whose row k says which planes the kernel `weight[k]` connects.

    The kernels are put into a matrix in which they are zero elsewhere. Input planes that the table does not mention,
    after the last one that it does, are let through and have no effect.
    """

    buffer_names = ("conn_table",)

    def connect(self, conn_table: Any) -> tuple[int, int]:
        """Keep the table; returns the numbers of input and of output planes."""
        try:
            given = np.asarray(conn_table, float)
        except (TypeError, ValueError):
            given = np.empty(0)
        if given.ndim != 2 or given.shape[1] != 2 or len(given) == 0:
            raise ArgumentError("a connection table has one or more rows [input plane, output plane]")
        if not np.all((given >= 0) & (given == np.floor(given)) & (given < 2**31)):
            raise ArgumentError("a connection table holds the numbers of planes, which count from 0")
        self.conn_table = given.astype(np.int64)
        inputs, outputs = self.conn_table.max(0)
        return int(inputs) + 1, int(outputs) + 1

    def weight_shape(self) -> tuple[int, ...]:
        return (len(self.conn_table), *self.windows.kernel)

    def connections(self) -> np.ndarray:
        """How many connections each output plane has; 1 for one that has none."""
        return np.maximum(np.bincount(self.conn_table[:, 1], minlength=self.n_output_plane), 1)

    def reset(self, std: float | None = None) -> Mapped:
        """Draw from +-sqrt(3) std; by default from +-1 / sqrt(kW kH n), n the connections of the output plane."""
        if std is not None:
            super().reset(std)
            return self
        bounds = (math.prod(self.windows.kernel) * self.connections()) ** -0.5
        uniform(self.weight, bounds[self.conn_table[:, 1], None, None])
        if self.bias is not None:
            uniform(self.bias, bounds)
        return self

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the matrix has the kernels: their output planes, and their input planes."""
        return self.conn_table[:, 1], self.conn_table[:, 0]

    def matrix(self) -> np.ndarray:
        everywhere = super().weight_shape()
        matrix = np.zeros(everywhere, self.weight.dtype)
        np.add.at(matrix, self.places(), self.weight)
        return matrix.reshape(1, everywhere[0], -1)

    def weight_gradient(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.reshape(super().weight_shape())[self.places()]

    def takes_planes(self, n: int) -> bool:
        return n >= self.n_input_plane

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        self.sizes_of(shape)
        return super().output_shape(shape)

    def mentioned(self, input: np.ndarray) -> np.ndarray:
        """The input planes that have a number in the table, or a lower one than another that has."""
        return input[..., : self.n_input_plane, :, :]

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return super().update_output(self.mentioned(input))

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        gradient = super().update_grad_input(self.mentioned(input), grad_output)
        unused = input.shape[-3] - gradient.shape[-3]
        return np.pad(gradient, [*[(0, 0)] * (input.ndim - 3), (0, unused), (0, 0), (0, 0)])

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        super().acc_grad_parameters(self.mentioned(input), grad_output, scale)


class SpatialConvolutionMap(Mapped):
    """A SpatialConvolution between chosen planes: y[o] = b[o] + sum of w[k] * x[c] over the table's rows k = [c, o].

    (batch, in, height, width) -> (batch, out, rows, columns), or one image without batch, where
    rows = floor((height - kH) / dH) + 1. `conn_table` has a row [input plane, output plane] for each kernel, both
    counted from 0; `full_connection_table`, `one_to_one_connection_table` and `random_connection_table` make such
    tables. `weight` is (rows of the table, kH, kW) and `bias` (out,), drawn uniformly from +-1/sqrt(kH kW n), where n
    is the number of connections of the output plane.

    >>> SpatialConvolutionMap(one_to_one_connection_table(3), 2, 2).forward(np.zeros((3, 5, 4))).shape
    (3, 4, 3)

    Source: torch/nn, SpatialConvolutionMap.lua. Torch7's gradients are wrong where the windows leave over a part of the
    image, and its batches where there are more input planes than the table mentions; here they are right.
    """

    def __init__(self, conn_table: Any, k_w: int, k_h: int, d_w: int = 1, d_h: int = 1) -> None:
        super().__init__(*self.connect(conn_table), spatial_windows(k_w, k_h, d_w, d_h))

    def decay_parameters(self, decay: float) -> None:
        """Shrink weight and bias: parameter -= decay x parameter."""
        for parameter in self.parameters()[0]:
            parameter -= decay * parameter


class SpatialFullConvolutionMap(Mapped, FullConvolution):
    """The transpose between chosen planes: y[o] gets w[k] times each pixel of x[c], for the table's rows k = [c, o].

    (batch, in, height, width) -> (batch, out, (height - 1) dH + kH, (width - 1) dW + kW), or one image without batch.
    `conn_table`, `weight` and `bias` are those of SpatialConvolutionMap.

    >>> SpatialFullConvolutionMap(full_connection_table(3, 2), 2, 2, 2, 2).forward(np.zeros((3, 5, 4))).shape
    (2, 10, 8)

    Source: torch/nn, SpatialFullConvolutionMap.lua, which takes no batches.
    """

    def __init__(self, conn_table: Any, k_w: int, k_h: int, d_w: int = 1, d_h: int = 1) -> None:
        super().__init__(*self.connect(conn_table), spatial_windows(k_w, k_h, d_w, d_h), (0, 0))

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        return self.conn_table[:, 0], self.conn_table[:, 1]
