"""How the arguments of Torch7's constructors, which count from 1, read in nodegraph, which counts from 0."""

from __future__ import annotations

import numpy as np

import nodegraph


def axis(torch_dimension):
    """Torch's dimension as an axis; a negative one counts from the end in both."""
    return torch_dimension - 1 if torch_dimension > 0 else torch_dimension


def axis_first(dimension=1, *rest):
    return (axis(dimension), *rest), {}


def connections_first(table, *rest):
    return (table - 1, *rest), {}


def named(*names):
    """Translate by giving Torch's arguments these names; nil stands for the default."""
    return lambda *args: ((), {name: a for name, a in zip(names, args, strict=False) if a is not None})


def padding_index(torch_padding=None):
    """Torch's padding value, 0 or nil for none."""
    return torch_padding - 1 if torch_padding else None


def pairs_from_0(input):
    """Pairs of index and value, in one array or in a table of them, as SparseLinear takes them."""
    if isinstance(input, list):
        return [pairs_from_0(part) for part in input]
    return input - np.array([1, 0])


def keys_from_0(input):
    """Keys and values, as IndexLinear takes them."""
    return [[keys - 1 for keys in input[0]] if isinstance(input[0], list) else input[0] - 1, *input[1:]]


def reduction(dimension=None, *rest):
    return (axis(dimension or 1),), named("n_input_dims", "size_average", "squeeze")(*rest)[1]


TYPES = {None: None, "torch.DoubleTensor": "float64", "torch.FloatTensor": "float32", "torch.LongTensor": "int64"}
BATCH_NORMALISATION = named("n_output", "eps", "momentum", "affine")
LOCAL_NORMALISATION = named("n_input_plane", "kernel", "threshold", "thresval")

MARGIN, SIZE_AVERAGE, WEIGHTS = named("margin"), named("size_average"), named("weights", "size_average")
CLASS_NLL = named("weights", "size_average", "ignore_index")

TRANSLATE = {
    "Sum": reduction,
    "Mean": reduction,
    "Max": reduction,
    "Min": reduction,
    "Normalize": named("p", "eps"),
    "BatchNormalization": BATCH_NORMALISATION,
    "SpatialBatchNormalization": BATCH_NORMALISATION,
    "VolumetricBatchNormalization": BATCH_NORMALISATION,
    "LayerNormalization": named("n_output", "bias", "eps", "affine"),
    "SpatialCrossMapLRN": named("size", "alpha", "beta", "k"),
    "SpatialSubtractiveNormalization": LOCAL_NORMALISATION,
    "SpatialDivisiveNormalization": LOCAL_NORMALISATION,
    "SpatialContrastiveNormalization": LOCAL_NORMALISATION,
    "Concat": axis_first,
    "Copy": lambda *types: ((*map(TYPES.get, types[:2]), *types[2:]), {}),
    "DepthConcat": axis_first,
    "Index": axis_first,
    "MixtureTable": lambda dimension=None: ((dimension and axis(dimension),), {}),
    "NarrowTable": lambda offset, length=1: ((axis(offset), length), {}),
    "Padding": lambda dimension, pad, n_input_dim=None, value=0, index=1: (
        (axis(dimension), pad, n_input_dim, value or 0, (index or 1) - 1),
        {},
    ),
    "Parallel": lambda input_dimension, output_dimension: ((axis(input_dimension), axis(output_dimension)), {}),
    "Replicate": lambda n, dimension=1, n_input_dims=None: ((n, axis(dimension or 1), n_input_dims), {}),
    "SelectTable": axis_first,
    "Squeeze": lambda dimension=None, *rest: ((dimension and axis(dimension), *rest), {}),
    "Transpose": lambda *pairs: (tuple(tuple(map(axis, pair)) for pair in pairs), {}),
    "Unsqueeze": axis_first,
    "Narrow": lambda dimension, offset, length=1: ((axis(dimension), axis(offset), length), {}),
    "Select": lambda dimension, index: ((axis(dimension), axis(index)), {}),
    "JoinTable": axis_first,
    "SplitTable": axis_first,
    "Reshape": lambda *sizes: (sizes[:-1], {"batch_mode": sizes[-1]}) if isinstance(sizes[-1], bool) else (sizes, {}),
    "GatedLinearUnit": lambda dimension=None: ((dimension and axis(dimension),), {}),
    "Dropout": named("p", "v1", "inplace", "stochastic_inference"),
    "SpatialDropout": named("p", "stochastic_inference"),
    "VolumetricDropout": named("p", "stochastic_inference"),
    "WhiteNoise": named("mean", "std"),
    "L1Penalty": named("l1weight", "size_average", "provide_output"),
    "Threshold": named("th", "v", "inplace"),
    "HardTanh": named("min_value", "max_value", "inplace"),
    "Clamp": named("min_value", "max_value"),
    "LeakyReLU": named("negval", "inplace"),
    "RReLU": named("l", "u", "inplace"),
    "ELU": named("alpha", "inplace"),
    "NaN": named("module", "id"),
    "Profile": named("module", "print_interval", "name"),
    "IndexLinear": named("input_size", "output_size", "do_grad_input", "keys_offset", "weight", "bias", "normalize"),
    "LinearWeightNorm": named("input_size", "output_size", "bias", "eps"),
    "LookupTable": lambda n, size, padding=None, *rest: ((n, size, padding_index(padding), *rest), {}),
    "MM": named("trans_a", "trans_b"),
    "WeightNorm": lambda module, dimension=1: ((module, axis(dimension)), {}),
    "AbsCriterion": SIZE_AVERAGE,
    "BCECriterion": WEIGHTS,
    "ClassNLLCriterion": lambda weights=None, average=None, ignored=None: CLASS_NLL(
        weights, average, ignored and ignored - 1
    ),
    "CosineEmbeddingCriterion": MARGIN,
    "CrossEntropyCriterion": WEIGHTS,
    "DistanceRatioCriterion": SIZE_AVERAGE,
    "HingeEmbeddingCriterion": MARGIN,
    "L1HingeEmbeddingCriterion": MARGIN,
    "MSECriterion": SIZE_AVERAGE,
    "MarginCriterion": MARGIN,
    "MarginRankingCriterion": MARGIN,
    "ModuleCriterion": named("criterion", "input_module", "target_module", "cast_target"),
    "MultiLabelSoftMarginCriterion": WEIGHTS,
    "MultiMarginCriterion": named("p", "weights", "margin"),
    "ParallelCriterion": named("repeat_target"),
    "SmoothL1Criterion": SIZE_AVERAGE,
    "SpatialAutoCropMSECriterion": SIZE_AVERAGE,
    "SpatialClassNLLCriterion": WEIGHTS,
    "SpatialConvolutionMap": connections_first,
    "SpatialFullConvolutionMap": connections_first,
}
"""Class name -> function of Torch's arguments that gives ours, positional and by keyword."""

FIELDS = {"gradWeight": "grad_weight", "gradBias": "grad_bias"}
"""Torch's field -> our attribute, where snake_case alone does not give it."""

CALLS = {
    "setPartition": lambda indices: indices - 1,
    "setPadding": padding_index,
}
"""Torch's method -> function of its argument that gives ours."""

INDEX_FIELDS = {"connTable", "partition"}
"""Torch's fields that hold indices, which count from 1."""

PATHS = {
    "LayerNormalization": {"5.weight": "weight", "6.bias": "bias"},
    "PartialLinear": {"network.1.2.weight": "weight"},
    "WeightNorm": {"bias": "1.bias"},
    "MapTable": {f"{i}.{field}": f"1.{field}" for i in range(2, 10) for field in ("weight", "bias")},
}
"""Class name -> Torch's path -> ours, for what is several modules in Torch and one here."""

INDEX_INPUTS = {
    "LookupTable": lambda input: input - 1,
    "OneHot": lambda input: input - 1,
    "SparseLinear": pairs_from_0,
    "IndexLinear": keys_from_0,
    "Index": lambda input: [input[0], input[1] - 1],
}
"""Class name -> function that counts the indices in an input from 0; the gradient of indices is not compared."""

INDEX_OUTPUTS = {"Kmeans"}
"""Classes whose output is indices, which count from 1 in Torch."""


class Drawn:
    """A generator that draws Torch's noise; of a mask, numbers on the same side of the probability."""

    def __init__(self, noise):
        self.noise = noise

    def random(self, shape):
        assert shape == self.noise.shape
        return np.where(self.noise > 0, np.nextafter(1, 0), 0.0)

    def uniform(self, low, high, shape):
        assert shape == self.noise.shape
        return self.noise

    normal = uniform


def draw_noise(monkeypatch, module, state):
    if "noise" in state:
        monkeypatch.setattr(nodegraph.random, "generator", lambda: Drawn(state["noise"]))


def fix_samples(monkeypatch, module, state):
    module.fix_pooling_regions().random_samples = state["randomSamples"]


RIGGED = {
    **dict.fromkeys(["Dropout", "SpatialDropout", "VolumetricDropout", "RReLU", "WhiteNoise"], draw_noise),
    **dict.fromkeys(["SpatialFractionalMaxPooling", "VolumetricFractionalMaxPooling"], fix_samples),
}
"""Class name -> function(monkeypatch, module, state) that makes a random module draw the numbers that Torch7 drew."""

CLASS_TARGETS = {
    "ClassNLLCriterion",
    "ClassSimplexCriterion",
    "CrossEntropyCriterion",
    "MultiLabelMarginCriterion",
    "MultiMarginCriterion",
    "SpatialClassNLLCriterion",
}
"""Criterions whose targets are class labels."""

SHAPE_BY_VALUE = {"MaskedSelect"}
"""Classes whose output's shape depends on the values in the input, and so cannot be told beforehand."""

OURS_DIFFERS = {
    "nn.LayerNormalization(5)": "Torch7 subtracts the means of other samples of the batch",
    "nn.LayerNormalization(4,0.5,1e-3,true)": "Torch7 subtracts the means of other samples of the batch",
    "nn.LayerNormalization(4,nil,nil,false)": "Torch7 subtracts the means of other samples of the batch",
    "nn.CriterionTable(nn.MSECriterion())": "Torch7 leaves out the target's gradient and ignores gradOutput",
    "nn.Narrow(2,-3,2)": "Torch7 ignores the value of a negative offset",
    "nn.SpatialDepthWiseConvolution(2,2,2,2)": "Torch7 takes height for width; no backward without a batch",
}
"""Constructor text of a stored case -> why Torch7 is wrong there; the right result is tested with the module."""
