"""The modules, criterions and initialisers."""

from nodegraph.nn.activation import (
    ELU,
    GatedLinearUnit,
    LogSigmoid,
    Sigmoid,
    SoftPlus,
    SoftSign,
    Tanh,
    TanhShrink,
)
from nodegraph.nn.adaptive_pooling import SpatialAdaptiveAveragePooling, SpatialAdaptiveMaxPooling
from nodegraph.nn.arithmetic import (
    AddConstant,
    CAddTable,
    CDivTable,
    CMaxTable,
    CMinTable,
    CMulTable,
    CSubTable,
    MulConstant,
)
from nodegraph.nn.average_pooling import SpatialAveragePooling, VolumetricAveragePooling
from nodegraph.nn.axes import Collapse, Replicate, Squeeze, Transpose, Unsqueeze
from nodegraph.nn.batch_normalisation import BatchNormalization, SpatialBatchNormalization, VolumetricBatchNormalization
from nodegraph.nn.bottle import Bottle
from nodegraph.nn.branches import Concat, ConcatTable, DepthConcat
from nodegraph.nn.casting import Copy, DontCast
from nodegraph.nn.classification_losses import (
    ClassCriterion,
    ClassNLLCriterion,
    ClassSimplexCriterion,
    CrossEntropyCriterion,
    SpatialClassNLLCriterion,
)
from nodegraph.nn.component import Component
from nodegraph.nn.composite_criterions import (
    CompositeCriterion,
    CriterionTable,
    ModuleCriterion,
    MultiCriterion,
    ParallelCriterion,
)
from nodegraph.nn.constant import Constant, Parameters
from nodegraph.nn.container import Container, Sequential
from nodegraph.nn.convert import Convert
from nodegraph.nn.convolution import Convolution, FullConvolution
from nodegraph.nn.criterion import Criterion, ModuleFromCriterion
from nodegraph.nn.debugging import NaN, PrintSize, Profile
from nodegraph.nn.decorator import Decorator
from nodegraph.nn.distance import Cosine, CosineDistance, Euclidean, Kmeans, PairwiseDistance, WeightedEuclidean
from nodegraph.nn.dropout import Dropout, SpatialDropout, VolumetricDropout
from nodegraph.nn.elementwise_weights import Add, CAdd, CMul, Mul
from nodegraph.nn.fractional_pooling import SpatialFractionalMaxPooling, VolumetricFractionalMaxPooling
from nodegraph.nn.indexing import Index, MaskedSelect
from nodegraph.nn.k_max_pooling import TemporalDynamicKMaxPooling
from nodegraph.nn.linear import Bilinear, Linear, Maxout, PartialLinear
from nodegraph.nn.local_convolution import SpatialConvolutionLocal
from nodegraph.nn.local_normalisation import (
    SpatialContrastiveNormalization,
    SpatialCrossMapLRN,
    SpatialDivisiveNormalization,
    SpatialSubtractiveNormalization,
)
from nodegraph.nn.lookup import LookupTable, LookupTableMaskZero, OneHot
from nodegraph.nn.lp_pooling import FeatureLPPooling, SpatialLPPooling
from nodegraph.nn.mapped_convolution import (
    SpatialConvolutionMap,
    SpatialFullConvolutionMap,
    full_connection_table,
    one_to_one_connection_table,
    random_connection_table,
)
from nodegraph.nn.margin_losses import (
    MarginCriterion,
    MultiLabelMarginCriterion,
    MultiMarginCriterion,
    SoftMarginCriterion,
)
from nodegraph.nn.mask_zero import MaskZero
from nodegraph.nn.max_pooling import (
    SpatialDilatedMaxPooling,
    SpatialMaxPooling,
    TemporalMaxPooling,
    VolumetricDilatedMaxPooling,
    VolumetricMaxPooling,
)
from nodegraph.nn.max_unpooling import SpatialMaxUnpooling, VolumetricMaxUnpooling
from nodegraph.nn.mixture import CAddTensorTable, MixtureTable
from nodegraph.nn.module import Call, Module
from nodegraph.nn.normalisation import LayerNormalization, Normalize
from nodegraph.nn.padding import Padding
from nodegraph.nn.pair_losses import (
    CosineEmbeddingCriterion,
    DistanceRatioCriterion,
    HingeEmbeddingCriterion,
    L1HingeEmbeddingCriterion,
    MarginRankingCriterion,
    PairCriterion,
)
from nodegraph.nn.parallel import MapTable, Parallel, ParallelTable
from nodegraph.nn.piecewise import (
    Clamp,
    CReLU,
    HardShrink,
    HardTanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    SoftShrink,
    Threshold,
)
from nodegraph.nn.pointwise import Abs, Exp, Log, Pointwise, Power, Sqrt, Square
from nodegraph.nn.probability_losses import BCECriterion, DistKLDivCriterion, MultiLabelSoftMarginCriterion
from nodegraph.nn.product import MM, MV, DotProduct
from nodegraph.nn.reduction import Max, Mean, Min, Sum
from nodegraph.nn.regression_losses import (
    AbsCriterion,
    L1Cost,
    MSECriterion,
    PointwiseCriterion,
    SmoothL1Criterion,
    SpatialAutoCropMSECriterion,
    WeightedMSECriterion,
)
from nodegraph.nn.regroup import FlattenTable, ZipTable, ZipTableOneToMany
from nodegraph.nn.regularisation import GradientReversal, L1Penalty, WhiteNoise, ZeroGrad
from nodegraph.nn.softmax import LogSoftMax, SoftMax, SoftMin, SpatialLogSoftMax, SpatialSoftMax
from nodegraph.nn.sparse import IndexLinear, SparseLinear
from nodegraph.nn.spatial_convolution import (
    SpatialConvolution,
    SpatialConvolutionMM,
    SpatialDepthWiseConvolution,
    SpatialDilatedConvolution,
    SpatialFullConvolution,
    SpatialSubSampling,
)
from nodegraph.nn.spatial_padding import (
    SpatialReflectionPadding,
    SpatialReplicationPadding,
    SpatialZeroPadding,
    VolumetricReplicationPadding,
)
from nodegraph.nn.steps import Last, Reverse
from nodegraph.nn.tables import (
    JoinTable,
    JustElement,
    JustTable,
    NarrowTable,
    Part,
    SelectTable,
    SplitTable,
    StackTable,
)
from nodegraph.nn.temporal_convolution import TemporalConvolution, TemporalRowConvolution, TemporalSubSampling
from nodegraph.nn.upsampling import PixelShuffle, SpatialUpSamplingBilinear, SpatialUpSamplingNearest, UpSampling
from nodegraph.nn.view import Contiguous, Identity, Narrow, Reshape, Select, View, ViewModule
from nodegraph.nn.volumetric_convolution import (
    VolumetricConvolution,
    VolumetricDilatedConvolution,
    VolumetricFullConvolution,
)
from nodegraph.nn.weight_norm import LinearWeightNorm, WeightNorm
from nodegraph.nn.where import Where

__all__ = [
    "Abs",
    "AbsCriterion",
    "Add",
    "AddConstant",
    "BatchNormalization",
    "BCECriterion",
    "Bilinear",
    "Bottle",
    "CAdd",
    "CAddTable",
    "CAddTensorTable",
    "Call",
    "CDivTable",
    "Clamp",
    "ClassCriterion",
    "ClassNLLCriterion",
    "ClassSimplexCriterion",
    "CMaxTable",
    "CMinTable",
    "CMul",
    "CMulTable",
    "Collapse",
    "Component",
    "CompositeCriterion",
    "Concat",
    "ConcatTable",
    "Constant",
    "Container",
    "Contiguous",
    "Convert",
    "Convolution",
    "Copy",
    "Cosine",
    "CosineDistance",
    "CosineEmbeddingCriterion",
    "CReLU",
    "Criterion",
    "CriterionTable",
    "CrossEntropyCriterion",
    "CSubTable",
    "Decorator",
    "DepthConcat",
    "DistanceRatioCriterion",
    "DistKLDivCriterion",
    "DontCast",
    "DotProduct",
    "Dropout",
    "ELU",
    "Euclidean",
    "Exp",
    "FeatureLPPooling",
    "FlattenTable",
    "full_connection_table",
    "FullConvolution",
    "GatedLinearUnit",
    "GradientReversal",
    "HardShrink",
    "HardTanh",
    "HingeEmbeddingCriterion",
    "Identity",
    "Index",
    "IndexLinear",
    "JoinTable",
    "JustElement",
    "JustTable",
    "Kmeans",
    "L1Cost",
    "L1HingeEmbeddingCriterion",
    "L1Penalty",
    "Last",
    "LayerNormalization",
    "LeakyReLU",
    "Linear",
    "LinearWeightNorm",
    "Log",
    "LogSigmoid",
    "LogSoftMax",
    "LookupTable",
    "LookupTableMaskZero",
    "MapTable",
    "MarginCriterion",
    "MarginRankingCriterion",
    "MaskedSelect",
    "MaskZero",
    "Max",
    "Maxout",
    "Mean",
    "Min",
    "MixtureTable",
    "MM",
    "Module",
    "ModuleCriterion",
    "ModuleFromCriterion",
    "MSECriterion",
    "Mul",
    "MulConstant",
    "MultiCriterion",
    "MultiLabelMarginCriterion",
    "MultiLabelSoftMarginCriterion",
    "MultiMarginCriterion",
    "MV",
    "NaN",
    "Narrow",
    "NarrowTable",
    "Normalize",
    "one_to_one_connection_table",
    "OneHot",
    "Padding",
    "PairCriterion",
    "PairwiseDistance",
    "Parallel",
    "ParallelCriterion",
    "ParallelTable",
    "Parameters",
    "Part",
    "PartialLinear",
    "PixelShuffle",
    "Pointwise",
    "PointwiseCriterion",
    "Power",
    "PReLU",
    "PrintSize",
    "Profile",
    "random_connection_table",
    "ReLU",
    "ReLU6",
    "Replicate",
    "Reshape",
    "Reverse",
    "RReLU",
    "Select",
    "SelectTable",
    "Sequential",
    "Sigmoid",
    "SmoothL1Criterion",
    "SoftMarginCriterion",
    "SoftMax",
    "SoftMin",
    "SoftPlus",
    "SoftShrink",
    "SoftSign",
    "SparseLinear",
    "SpatialAdaptiveAveragePooling",
    "SpatialAdaptiveMaxPooling",
    "SpatialAutoCropMSECriterion",
    "SpatialAveragePooling",
    "SpatialBatchNormalization",
    "SpatialClassNLLCriterion",
    "SpatialContrastiveNormalization",
    "SpatialConvolution",
    "SpatialConvolutionLocal",
    "SpatialConvolutionMap",
    "SpatialConvolutionMM",
    "SpatialCrossMapLRN",
    "SpatialDepthWiseConvolution",
    "SpatialDilatedConvolution",
    "SpatialDilatedMaxPooling",
    "SpatialDivisiveNormalization",
    "SpatialDropout",
    "SpatialFractionalMaxPooling",
    "SpatialFullConvolution",
    "SpatialFullConvolutionMap",
    "SpatialLogSoftMax",
    "SpatialLPPooling",
    "SpatialMaxPooling",
    "SpatialMaxUnpooling",
    "SpatialReflectionPadding",
    "SpatialReplicationPadding",
    "SpatialSoftMax",
    "SpatialSubSampling",
    "SpatialSubtractiveNormalization",
    "SpatialUpSamplingBilinear",
    "SpatialUpSamplingNearest",
    "SpatialZeroPadding",
    "SplitTable",
    "Sqrt",
    "Square",
    "Squeeze",
    "StackTable",
    "Sum",
    "Tanh",
    "TanhShrink",
    "TemporalConvolution",
    "TemporalDynamicKMaxPooling",
    "TemporalMaxPooling",
    "TemporalRowConvolution",
    "TemporalSubSampling",
    "Threshold",
    "Transpose",
    "Unsqueeze",
    "UpSampling",
    "View",
    "ViewModule",
    "VolumetricAveragePooling",
    "VolumetricBatchNormalization",
    "VolumetricConvolution",
    "VolumetricDilatedConvolution",
    "VolumetricDilatedMaxPooling",
    "VolumetricDropout",
    "VolumetricFractionalMaxPooling",
    "VolumetricFullConvolution",
    "VolumetricMaxPooling",
    "VolumetricMaxUnpooling",
    "VolumetricReplicationPadding",
    "WeightedEuclidean",
    "WeightedMSECriterion",
    "WeightNorm",
    "Where",
    "WhiteNoise",
    "ZeroGrad",
    "ZipTable",
    "ZipTableOneToMany",
]
