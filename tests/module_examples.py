"""One example of every module class: how it is made, and an input that it takes.

`EXAMPLES` maps a class name to a function that returns a new module and an input. Inputs keep clear of the points where
a module has a kink, so that central differences can be taken.
"""

from __future__ import annotations

import numpy as np

from nodegraph import nn


def numbers(*shape, seed=0):
    """Normally distributed numbers, always the same for a shape and seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def positive(*shape, seed=0):
    """Numbers from 1 to 2."""
    return 1 + np.random.default_rng([seed, *shape]).random(shape)


def two(*shape):
    return [numbers(*shape, seed=1), numbers(*shape, seed=2)]


def three(*shape):
    return [*two(*shape), numbers(*shape, seed=3)]


IMAGES, VOLUMES = (2, 3, 6, 5), (2, 3, 6, 5, 4)

EXAMPLES = {
    # Linear layers and their relatives
    "Linear": lambda: (nn.Linear(4, 3), numbers(5, 4)),
    "Bilinear": lambda: (nn.Bilinear(3, 4, 2), [numbers(5, 3), numbers(5, 4)]),
    "Maxout": lambda: (nn.Maxout(4, 3, 2), numbers(5, 4)),
    "PartialLinear": lambda: (nn.PartialLinear(4, 5).set_partition([3, 1]), numbers(2, 4)),
    "SparseLinear": lambda: (nn.SparseLinear(6, 3, True), np.array([[[0, 0.5], [3, -1.2]], [[1, 0.7], [5, 1.1]]])),
    "IndexLinear": lambda: (
        nn.IndexLinear(8, 3, True).reset(),
        [[np.array([0, 3, 6]), np.array([1, 7])], [numbers(3), numbers(2)]],
    ),
    "LinearWeightNorm": lambda: (nn.LinearWeightNorm(4, 3), numbers(5, 4)),
    "WeightNorm": lambda: (nn.WeightNorm(nn.Linear(4, 3)), numbers(5, 4)),
    "Add": lambda: (nn.Add(4), numbers(3, 4)),
    "Mul": lambda: (nn.Mul(), numbers(3, 4)),
    "CAdd": lambda: (nn.CAdd(1, 3, 1), numbers(2, 3, 4)),
    "CMul": lambda: (nn.CMul(1, 3, 1), numbers(2, 3, 4)),
    # Distances, products, lookup
    "Cosine": lambda: (nn.Cosine(4, 3), numbers(5, 4)),
    "Euclidean": lambda: (nn.Euclidean(4, 3), numbers(5, 4)),
    "WeightedEuclidean": lambda: (nn.WeightedEuclidean(4, 3), numbers(5, 4)),
    "Kmeans": lambda: (nn.Kmeans(3, 4), numbers(6, 4)),
    "CosineDistance": lambda: (nn.CosineDistance(), two(3, 4)),
    "PairwiseDistance": lambda: (nn.PairwiseDistance(3), two(3, 4)),
    "DotProduct": lambda: (nn.DotProduct(), two(3, 4)),
    "MM": lambda: (nn.MM(False, True), [numbers(2, 3, 4), numbers(2, 5, 4)]),
    "MV": lambda: (nn.MV(True), [numbers(2, 3, 4), numbers(2, 3)]),
    "LookupTable": lambda: (nn.LookupTable(7, 3, 1), np.array([[0, 6, 2], [2, 2, 5]])),
    "LookupTableMaskZero": lambda: (nn.LookupTableMaskZero(7, 3), np.array([[0, -1, 2], [2, 2, 6]])),
    "OneHot": lambda: (nn.OneHot(5), np.array([[0, 4], [2, 2]])),
    # Pointwise functions
    **{
        name: lambda name=name: (getattr(nn, name)(), numbers(3, 4))
        for name in """Abs Clamp Exp ELU HardShrink HardTanh Identity LeakyReLU LogSigmoid LogSoftMax PReLU ReLU ReLU6
        RReLU Sigmoid SoftMax SoftMin SoftPlus SoftShrink SoftSign Square Tanh TanhShrink Threshold""".split()
    },
    "GatedLinearUnit": lambda: (nn.GatedLinearUnit(), numbers(3, 4)),
    "CReLU": lambda: (nn.CReLU(1), numbers(3, 4)),
    "Log": lambda: (nn.Log(), positive(3, 4)),
    "Sqrt": lambda: (nn.Sqrt(), positive(3, 4)),
    "Power": lambda: (nn.Power(1.5), positive(3, 4)),
    "AddConstant": lambda: (nn.AddConstant(2.5), numbers(3, 4)),
    "MulConstant": lambda: (nn.MulConstant(2.5), numbers(3, 4)),
    "SpatialSoftMax": lambda: (nn.SpatialSoftMax(), numbers(*IMAGES)),
    "SpatialLogSoftMax": lambda: (nn.SpatialLogSoftMax(), numbers(*IMAGES)),
    # Tables
    **{
        name: lambda name=name: (getattr(nn, name)(), three(3, 4))
        for name in "CAddTable CMulTable CMaxTable CMinTable FlattenTable".split()
    },
    "CSubTable": lambda: (nn.CSubTable(), two(3, 4)),
    "CDivTable": lambda: (nn.CDivTable(), [numbers(3, 4), positive(3, 4)]),
    "CAddTensorTable": lambda: (nn.CAddTensorTable(), [numbers(3, 4), two(3, 4)]),
    "MixtureTable": lambda: (nn.MixtureTable(), [positive(3, 2), two(3, 4)]),
    "JoinTable": lambda: (nn.JoinTable(1), [numbers(3, 2), numbers(3, 4)]),
    "SplitTable": lambda: (nn.SplitTable(1), numbers(3, 4)),
    "StackTable": lambda: (nn.StackTable(0), two(3, 4)),
    "SelectTable": lambda: (nn.SelectTable(1), two(3, 4)),
    "NarrowTable": lambda: (nn.NarrowTable(1, 2), three(3, 4)),
    "Part": lambda: (nn.Part(1, 2), two(3, 4)),
    "JustTable": lambda: (nn.JustTable(), numbers(3, 4)),
    "JustElement": lambda: (nn.JustElement(), [numbers(3, 4)]),
    "ZipTable": lambda: (nn.ZipTable(), [two(3, 4), two(2, 2)]),
    "ZipTableOneToMany": lambda: (nn.ZipTableOneToMany(), [numbers(3, 4), two(2, 2)]),
    "Index": lambda: (nn.Index(0), [numbers(3, 4), np.array([2, 0, 2])]),
    "MaskedSelect": lambda: (nn.MaskedSelect(), [numbers(2, 3), np.array([[True, False, True], [False, False, True]])]),
    "Where": lambda: (nn.Where(), [np.array([[1, 0, 1], [0, 0, 1]]), *two(2, 3)]),
    # Steps of sequences
    "Reverse": lambda: (nn.Reverse(), [numbers(4, 3, 2), np.array([4, 2, 0])]),
    "Last": lambda: (nn.Last(), [numbers(4, 3, 2), np.array([4, 2, 0])]),
    # Shapes
    "Collapse": lambda: (nn.Collapse(2), numbers(2, 3, 4)),
    "Contiguous": lambda: (nn.Contiguous(), numbers(3, 4)),
    "Convert": lambda: (nn.Convert("bdt", "btd"), numbers(2, 3, 4)),
    "Narrow": lambda: (nn.Narrow(1, 1, 2), numbers(3, 4)),
    "Padding": lambda: (nn.Padding(1, 2), numbers(3, 4)),
    "Replicate": lambda: (nn.Replicate(3), numbers(3, 4)),
    "Reshape": lambda: (nn.Reshape(2, 2), numbers(3, 4)),
    "Select": lambda: (nn.Select(1, 2), numbers(3, 4)),
    "Squeeze": lambda: (nn.Squeeze(), numbers(3, 1, 4)),
    "Transpose": lambda: (nn.Transpose((1, 2)), numbers(2, 3, 4)),
    "Unsqueeze": lambda: (nn.Unsqueeze(1), numbers(3, 4)),
    "View": lambda: (nn.View(2, 2), numbers(3, 4)),
    # Reductions and normalisation
    **{name: lambda name=name: (getattr(nn, name)(1), numbers(3, 4)) for name in "Max Min Mean Sum".split()},
    "Normalize": lambda: (nn.Normalize(2), numbers(3, 4)),
    "LayerNormalization": lambda: (nn.LayerNormalization(4), numbers(3, 4)),
    "BatchNormalization": lambda: (nn.BatchNormalization(4), numbers(3, 4)),
    "SpatialBatchNormalization": lambda: (nn.SpatialBatchNormalization(3), numbers(*IMAGES)),
    "VolumetricBatchNormalization": lambda: (nn.VolumetricBatchNormalization(3), numbers(*VOLUMES)),
    "SpatialCrossMapLRN": lambda: (nn.SpatialCrossMapLRN(3), numbers(*IMAGES)),
    **{
        f"Spatial{name}Normalization": lambda name=name: (
            getattr(nn, f"Spatial{name}Normalization")(3, np.ones((3, 3))),
            numbers(*IMAGES),
        )
        for name in ("Subtractive", "Divisive", "Contrastive")
    },
    # Regularisation and noise
    "Dropout": lambda: (nn.Dropout(0.3), numbers(3, 4)),
    "SpatialDropout": lambda: (nn.SpatialDropout(0.3), numbers(*IMAGES)),
    "VolumetricDropout": lambda: (nn.VolumetricDropout(0.3), numbers(*VOLUMES)),
    "WhiteNoise": lambda: (nn.WhiteNoise(), numbers(3, 4)),
    "L1Penalty": lambda: (nn.L1Penalty(0.1), numbers(3, 4)),
    "GradientReversal": lambda: (nn.GradientReversal(0.5), numbers(3, 4)),
    "ZeroGrad": lambda: (nn.ZeroGrad(), numbers(3, 4)),
    # Convolutions
    "TemporalConvolution": lambda: (nn.TemporalConvolution(3, 2, 2), numbers(2, 5, 3)),
    "TemporalRowConvolution": lambda: (nn.TemporalRowConvolution(3, 2), numbers(2, 5, 3)),
    "TemporalSubSampling": lambda: (nn.TemporalSubSampling(3, 2), numbers(2, 5, 3)),
    "SpatialConvolution": lambda: (nn.SpatialConvolution(3, 2, 2, 3), numbers(*IMAGES)),
    "SpatialConvolutionMM": lambda: (nn.SpatialConvolutionMM(3, 2, 2, 3), numbers(*IMAGES)),
    "SpatialConvolutionLocal": lambda: (nn.SpatialConvolutionLocal(3, 2, 5, 6, 2, 3), numbers(*IMAGES)),
    "SpatialConvolutionMap": lambda: (nn.SpatialConvolutionMap(nn.full_connection_table(3, 2), 2, 3), numbers(*IMAGES)),
    "SpatialDepthWiseConvolution": lambda: (nn.SpatialDepthWiseConvolution(3, 2, 2, 3), numbers(*IMAGES)),
    "SpatialDilatedConvolution": lambda: (nn.SpatialDilatedConvolution(3, 2, 2, 2, dilation_w=2), numbers(*IMAGES)),
    "SpatialFullConvolution": lambda: (nn.SpatialFullConvolution(3, 2, 2, 3), numbers(*IMAGES)),
    "SpatialFullConvolutionMap": lambda: (
        nn.SpatialFullConvolutionMap(nn.full_connection_table(3, 2), 2, 3),
        numbers(*IMAGES),
    ),
    "SpatialSubSampling": lambda: (nn.SpatialSubSampling(3, 2, 2), numbers(*IMAGES)),
    "VolumetricConvolution": lambda: (nn.VolumetricConvolution(3, 2, 2, 2, 2), numbers(*VOLUMES)),
    "VolumetricDilatedConvolution": lambda: (
        nn.VolumetricDilatedConvolution(3, 2, 2, 2, 2, dilation_t=2),
        numbers(*VOLUMES),
    ),
    "VolumetricFullConvolution": lambda: (nn.VolumetricFullConvolution(3, 2, 2, 2, 2), numbers(*VOLUMES)),
    # Pooling, padding and enlarging
    "TemporalMaxPooling": lambda: (nn.TemporalMaxPooling(2), numbers(2, 5, 3)),
    "TemporalDynamicKMaxPooling": lambda: (nn.TemporalDynamicKMaxPooling(2), numbers(2, 5, 3)),
    "SpatialMaxPooling": lambda: (nn.SpatialMaxPooling(2, 2), numbers(*IMAGES)),
    "SpatialDilatedMaxPooling": lambda: (nn.SpatialDilatedMaxPooling(2, 2, dilation_w=2), numbers(*IMAGES)),
    "SpatialAdaptiveMaxPooling": lambda: (nn.SpatialAdaptiveMaxPooling(2, 3), numbers(*IMAGES)),
    "SpatialAdaptiveAveragePooling": lambda: (nn.SpatialAdaptiveAveragePooling(2, 3), numbers(*IMAGES)),
    "SpatialAveragePooling": lambda: (nn.SpatialAveragePooling(2, 2), numbers(*IMAGES)),
    "SpatialLPPooling": lambda: (nn.SpatialLPPooling(3, 2, 2, 2), positive(*IMAGES)),
    "SpatialFractionalMaxPooling": lambda: (
        nn.SpatialFractionalMaxPooling(2, 2, 3, 3).fix_pooling_regions(),
        numbers(*IMAGES),
    ),
    "FeatureLPPooling": lambda: (nn.FeatureLPPooling(2, 2, 2, True), positive(2, 6)),
    "VolumetricMaxPooling": lambda: (nn.VolumetricMaxPooling(2, 2, 2), numbers(*VOLUMES)),
    "VolumetricDilatedMaxPooling": lambda: (nn.VolumetricDilatedMaxPooling(2, 2, 2, dilation_t=2), numbers(*VOLUMES)),
    "VolumetricAveragePooling": lambda: (nn.VolumetricAveragePooling(2, 2, 2), numbers(*VOLUMES)),
    "VolumetricFractionalMaxPooling": lambda: (
        nn.VolumetricFractionalMaxPooling(2, 2, 2, 2, 3, 3).fix_pooling_regions(),
        numbers(*VOLUMES),
    ),
    "SpatialZeroPadding": lambda: (nn.SpatialZeroPadding(1, 2, 0, 1), numbers(*IMAGES)),
    "SpatialReflectionPadding": lambda: (nn.SpatialReflectionPadding(1, 2, 0, 1), numbers(*IMAGES)),
    "SpatialReplicationPadding": lambda: (nn.SpatialReplicationPadding(1, 2, 0, 1), numbers(*IMAGES)),
    "VolumetricReplicationPadding": lambda: (nn.VolumetricReplicationPadding(1), numbers(*VOLUMES)),
    "SpatialUpSamplingNearest": lambda: (nn.SpatialUpSamplingNearest(2), numbers(*IMAGES)),
    "SpatialUpSamplingBilinear": lambda: (nn.SpatialUpSamplingBilinear(2), numbers(*IMAGES)),
    "UpSampling": lambda: (nn.UpSampling(2, "linear"), numbers(*IMAGES)),
    "PixelShuffle": lambda: (nn.PixelShuffle(2), numbers(2, 4, 3, 3)),
    # Constants and types
    "Constant": lambda: (nn.Constant(np.arange(3.0), 1), numbers(5, 4)),
    "Copy": lambda: (nn.Copy(), numbers(5, 4)),
    "DontCast": lambda: (nn.DontCast(nn.Linear(4, 3), cast_in=True), numbers(5, 4)),
    # Containers and decorators
    "Sequential": lambda: (nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), numbers(5, 4)),
    "Concat": lambda: (nn.Concat(1, nn.Linear(4, 3), nn.Linear(4, 2)), numbers(5, 4)),
    "DepthConcat": lambda: (
        nn.DepthConcat(1, nn.SpatialConvolution(3, 2, 1, 1), nn.SpatialConvolution(3, 1, 3, 3)),
        numbers(*IMAGES),
    ),
    "ConcatTable": lambda: (nn.ConcatTable(nn.Linear(4, 3), nn.Tanh()), numbers(5, 4)),
    "ParallelTable": lambda: (nn.ParallelTable(nn.Linear(4, 3), nn.Tanh()), two(5, 4)),
    "Parallel": lambda: (nn.Parallel(1, 1, nn.Linear(4, 3), nn.Linear(4, 2)), numbers(5, 2, 4)),
    "MapTable": lambda: (nn.MapTable(nn.Linear(4, 3)), two(5, 4)),
    "Bottle": lambda: (nn.Bottle(nn.Linear(4, 3)), numbers(2, 5, 4)),
    "Decorator": lambda: (nn.Decorator(nn.Linear(4, 3)), numbers(5, 4)),
    "MaskZero": lambda: (nn.MaskZero(nn.Linear(4, 3), 1), numbers(5, 4)),
    "NaN": lambda: (nn.NaN(nn.Linear(4, 3)), numbers(5, 4)),
    "Profile": lambda: (nn.Profile(nn.Linear(4, 3)), numbers(5, 4)),
    "PrintSize": lambda: (nn.PrintSize(), numbers(3, 4)),
    "ModuleFromCriterion": lambda: (nn.ModuleFromCriterion(nn.MSECriterion()), two(3, 4)),
    "CriterionTable": lambda: (nn.CriterionTable(nn.MSECriterion()), two(3, 4)),
}


def example(name):
    """A new module of the class and its input."""
    return EXAMPLES[name]()
