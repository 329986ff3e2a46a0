"""Multiply-adds: with ones for weights and input each adds 1 to the output, so that the output's sum counts them."""

import numpy as np
import pytest

from nodegraph import nn, table
from nodegraph.viz.multiply_adds import multiply_adds

CONNECTIONS = [[0, 0], [2, 0], [1, 1]]

COUNTED = [
    (nn.Linear(4, 3), (5, 4)),
    (nn.Linear(4, 3), (4,)),
    (nn.PartialLinear(4, 6).set_partition([1, 5]), (5, 4)),
    (nn.Bilinear(4, 3, 2), [(5, 4), (5, 3)]),
    (nn.MM(), [(2, 3), (3, 4)]),
    (nn.MM(True, True), [(7, 3, 2), (7, 4, 3)]),
    (nn.MV(), [(2, 3), (3,)]),
    (nn.MV(True), [(7, 3, 2), (7, 3)]),
    (nn.DotProduct(), [(5, 4), (5, 4)]),
    (nn.SpatialConvolution(3, 4, 3, 2, 2, 1), (2, 3, 7, 6)),
    (nn.SpatialConvolution(3, 4, 3, 2), (3, 7, 6)),
    (nn.SpatialDilatedConvolution(3, 4, 2, 2, 1, 1, 0, 0, 2, 2), (2, 3, 7, 6)),
    (nn.SpatialDepthWiseConvolution(3, 2, 3, 3), (2, 3, 7, 6)),
    (nn.SpatialConvolutionLocal(3, 2, 6, 7, 3, 3), (2, 3, 7, 6)),
    (nn.SpatialFullConvolution(3, 4, 3, 2, 2, 1), (2, 3, 7, 6)),
    (nn.SpatialConvolutionMap(CONNECTIONS, 3, 3), (2, 3, 7, 6)),
    (nn.SpatialFullConvolutionMap(CONNECTIONS, 3, 3), (2, 3, 7, 6)),
    (nn.SpatialSubSampling(3, 2, 2, 2, 2), (2, 3, 6, 6)),
    (nn.TemporalConvolution(3, 4, 2), (5, 7, 3)),
    (nn.VolumetricConvolution(3, 4, 2, 2, 2), (2, 3, 4, 5, 6)),
    (nn.VolumetricFullConvolution(3, 4, 2, 2, 2), (2, 3, 4, 5, 6)),
]


def ones(shape):
    return [ones(part) for part in shape] if isinstance(shape, list) else np.ones(shape)


@pytest.mark.parametrize("module, shape", COUNTED, ids=[repr(module) for module, _ in COUNTED])
def test_products_and_convolutions(module, shape):
    for name in module.own_parameter_names():
        getattr(module, name).fill(0 if name == "bias" else 1)
    output = module.forward(ones(shape))
    assert multiply_adds(module, shape, table.shape(output)) == output.sum()


def test_a_weight_normalised_product_counts_as_the_product():
    assert multiply_adds(nn.LinearWeightNorm(4, 3), (5, 4), (5, 3)) == 60


def test_the_target_of_a_transposed_convolution_costs_nothing():
    grow = nn.SpatialFullConvolution(3, 4, 2, 2)
    shape, output = (2, 3, 7, 6), (2, 4, 8, 7)
    assert multiply_adds(grow, [shape, output], output) == multiply_adds(grow, shape, output)


@pytest.mark.parametrize("module", [nn.Identity(), nn.Narrow(0, 0, 1), nn.LookupTable(5, 3), nn.OneHot(3)])
def test_what_only_moves_numbers_takes_none(module):
    assert multiply_adds(module, (2,), (2, 3)) == 0


@pytest.mark.parametrize("module", [nn.Tanh(), nn.CMulTable(), nn.LogSoftMax(), nn.Dropout(), nn.BatchNormalization(3)])
def test_what_is_not_counted_says_so(module):
    assert multiply_adds(module, (2, 3), (2, 3)) is None
