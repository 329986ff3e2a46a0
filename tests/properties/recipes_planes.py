"""Recipes for modules over images, volumes and sequences."""

from __future__ import annotations

import numpy as np

from nodegraph import nn

from properties.growth import Growth


def planes_of(value, axes):
    return value.shape[-1 - axes]


def convolved(make, axes=2, least=3):
    """A recipe: what `make` gives for the number of planes and the growth, on planes of at least that size."""

    def recipe(g: Growth):
        x = g.images(least=least, axes=axes)
        return make(planes_of(x, axes), g), x

    return recipe


def framed(make, least=3):
    def recipe(g: Growth):
        x = g.sequences(least)
        return make(x.shape[-1], g), x

    return recipe


def local(g: Growth):
    x = g.images(least=2)
    planes, height, width = x.shape[-3:]
    return nn.SpatialConvolutionLocal(planes, g.size(), width, height, 2, 1, 1, 1, g.integer(0, 1)), x


def mapped(cls):
    def make(planes, g: Growth):
        return cls(nn.full_connection_table(planes, g.size()), 2, 2, g.integer(1, 2))

    return convolved(make)


def kernelled(cls):
    def make(planes, g: Growth):
        kernel = g.choice(np.ones((3, 3)), np.array([1.0, 2.0, 1.0]))
        return cls(planes, kernel)

    return convolved(make, least=2)


def pooled(make, axes=2, least=3, positive=False):
    def recipe(g: Growth):
        x = g.images(least=least, axes=axes)
        return make(g), g.positive(x) if positive else x

    return recipe


def unpooled(pooling, cls, axes):
    """The recipe of an unpooling module comes with a node of the pooling module, which must run before."""

    def recipe(g: Growth):
        module = pooling(*[2] * axes)
        value = g.wire(module, g.images(least=2, axes=axes))
        return cls(module), g.wire(g.choice(nn.Tanh(), nn.Identity()), value)

    return recipe


def shuffled(g: Growth):
    return nn.PixelShuffle(2), g.images(planes=4 * g.integer(1, 2))


def feature_pooling(g: Growth):
    x = g.positive(g.array(g.size(), g.integer(2, 5)))
    return nn.FeatureLPPooling(2, g.integer(1, 2), g.choice(1, 2, 3), True), x


def sizes(g: Growth):
    return {"oheight": g.size(), "owidth": g.size()}


PLANES = {
    "SpatialSoftMax": pooled(lambda g: nn.SpatialSoftMax(), least=1),
    "SpatialLogSoftMax": pooled(lambda g: nn.SpatialLogSoftMax(), least=1),
    "SpatialCrossMapLRN": pooled(lambda g: nn.SpatialCrossMapLRN(g.choice(1, 3), 0.5), least=1),
    "SpatialSubtractiveNormalization": kernelled(nn.SpatialSubtractiveNormalization),
    "SpatialDivisiveNormalization": kernelled(nn.SpatialDivisiveNormalization),
    "SpatialContrastiveNormalization": kernelled(nn.SpatialContrastiveNormalization),
    "SpatialDropout": pooled(lambda g: nn.SpatialDropout(0.4), least=1),
    "VolumetricDropout": pooled(lambda g: nn.VolumetricDropout(0.4), 3, 1),
    # Convolutions
    "TemporalConvolution": framed(lambda n, g: nn.TemporalConvolution(n, g.size(), g.integer(1, 3), g.integer(1, 2))),
    "TemporalRowConvolution": framed(lambda n, g: nn.TemporalRowConvolution(n, g.integer(1, 3))),
    "TemporalSubSampling": framed(lambda n, g: nn.TemporalSubSampling(n, g.integer(1, 3), g.integer(1, 2))),
    "SpatialConvolution": convolved(
        lambda n, g: nn.SpatialConvolution(n, g.size(), 2, g.integer(1, 3), g.integer(1, 2), 1, g.integer(0, 1))
    ),
    "SpatialConvolutionMM": convolved(lambda n, g: nn.SpatialConvolutionMM(n, g.size(), g.integer(1, 3), 2)),
    "SpatialConvolutionLocal": local,
    "SpatialConvolutionMap": mapped(nn.SpatialConvolutionMap),
    "SpatialFullConvolutionMap": mapped(nn.SpatialFullConvolutionMap),
    "SpatialDepthWiseConvolution": convolved(lambda n, g: nn.SpatialDepthWiseConvolution(n, g.integer(1, 2), 2, 3)),
    "SpatialDilatedConvolution": convolved(
        lambda n, g: nn.SpatialDilatedConvolution(n, g.size(), 2, 2, dilation_w=g.integer(1, 2))
    ),
    "SpatialFullConvolution": convolved(
        lambda n, g: nn.SpatialFullConvolution(n, g.size(), 2, g.integer(1, 3), g.integer(1, 2)), least=1
    ),
    "SpatialSubSampling": convolved(lambda n, g: nn.SpatialSubSampling(n, 2, g.integer(1, 2), g.integer(1, 2))),
    "VolumetricConvolution": convolved(lambda n, g: nn.VolumetricConvolution(n, g.integer(1, 2), 2, 1, 2), 3, 2),
    "VolumetricDilatedConvolution": convolved(
        lambda n, g: nn.VolumetricDilatedConvolution(n, 2, 1, 2, 2, dilation_w=g.integer(1, 2)), 3
    ),
    "VolumetricFullConvolution": convolved(lambda n, g: nn.VolumetricFullConvolution(n, 2, 2, 1, 2), 3, 1),
    # Pooling
    "TemporalMaxPooling": lambda g: (nn.TemporalMaxPooling(2, g.integer(1, 2)), g.sequences(2)),
    "TemporalDynamicKMaxPooling": lambda g: (nn.TemporalDynamicKMaxPooling(g.integer(1, 2)), g.sequences(2)),
    "SpatialMaxPooling": pooled(lambda g: nn.SpatialMaxPooling(2, g.integer(1, 3), g.choice(None, 1))),
    "SpatialDilatedMaxPooling": pooled(lambda g: nn.SpatialDilatedMaxPooling(2, 2, dilation_w=g.integer(1, 2))),
    "SpatialAdaptiveMaxPooling": pooled(lambda g: nn.SpatialAdaptiveMaxPooling(g.size(), g.size()), least=1),
    "SpatialAdaptiveAveragePooling": pooled(lambda g: nn.SpatialAdaptiveAveragePooling(g.size(), g.size()), least=1),
    "SpatialAveragePooling": pooled(lambda g: nn.SpatialAveragePooling(2, g.integer(1, 3), g.integer(1, 2))),
    "SpatialLPPooling": pooled(lambda g: nn.SpatialLPPooling(1, g.choice(2, 3), 2, 2), positive=True),
    "SpatialFractionalMaxPooling": pooled(
        lambda g: nn.SpatialFractionalMaxPooling(2, 2, *g.choice((1, 2), (0.5, 0.6))).fix_pooling_regions(), least=5
    ),
    "FeatureLPPooling": feature_pooling,
    "VolumetricMaxPooling": pooled(lambda g: nn.VolumetricMaxPooling(2, g.integer(1, 2), 2), 3, 2),
    "VolumetricDilatedMaxPooling": pooled(
        lambda g: nn.VolumetricDilatedMaxPooling(2, 1, 2, dilation_t=g.integer(1, 2)), 3
    ),
    "VolumetricAveragePooling": pooled(lambda g: nn.VolumetricAveragePooling(2, g.integer(1, 2), 2), 3, 2),
    "VolumetricFractionalMaxPooling": pooled(lambda g: nn.VolumetricFractionalMaxPooling(2, 2, 2, 1, 2, 1), 3, 4),
    "SpatialMaxUnpooling": unpooled(nn.SpatialMaxPooling, nn.SpatialMaxUnpooling, 2),
    "VolumetricMaxUnpooling": unpooled(nn.VolumetricMaxPooling, nn.VolumetricMaxUnpooling, 3),
    # Padding and enlarging
    "SpatialZeroPadding": pooled(lambda g: nn.SpatialZeroPadding(*(g.integer(-1, 1) for _ in range(4)))),
    "SpatialReflectionPadding": pooled(lambda g: nn.SpatialReflectionPadding(*(g.integer(-1, 1) for _ in range(4)))),
    "SpatialReplicationPadding": pooled(lambda g: nn.SpatialReplicationPadding(*(g.integer(-1, 1) for _ in range(4)))),
    "VolumetricReplicationPadding": pooled(lambda g: nn.VolumetricReplicationPadding(g.integer(0, 1)), 3, 1),
    "SpatialUpSamplingNearest": pooled(lambda g: nn.SpatialUpSamplingNearest(g.integer(1, 2)), least=1),
    "SpatialUpSamplingBilinear": pooled(lambda g: nn.SpatialUpSamplingBilinear(g.choice(2, sizes(g))), least=1),
    "UpSampling": lambda g: (
        nn.UpSampling(*g.choice((2, "nearest"), (2, "linear"), (sizes(g), "linear"))),
        g.array(*g.sizes(4)),
    ),
    "PixelShuffle": shuffled,
}
