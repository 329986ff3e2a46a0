"""The translations of modules without parameters: pointwise functions, views, tables, reductions, products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import T7Error
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import (
    TABLE_IN,
    TABLE_OUT,
    Part,
    axis,
    empty,
    empty_longs,
    empty_table,
    given,
    index,
    long_storage,
    pair_of_empty,
    row,
    same,
    tensor,
)
from nodegraph.io.t7.translation import from_1, register, to_1
from nodegraph.io.t7.values import Table

INPLACE = same("inplace", default=False)
MIXTURE = given(batchSize=0, backwardSetup=False)


def number_or_tensor(name: str) -> Part:
    """A constant, which may be a number for all elements or one for each."""
    return Part(
        lambda fields: fields.array(name) if isinstance(fields.get(name), np.ndarray) else fields.get(name),
        lambda module, _: {name: getattr(module, name)},
    )


# Pointwise functions

for _name in ("Abs", "Exp", "Log", "Square", "SoftSign", "SoftMin", "ZeroGrad", "Contiguous", "Identity"):
    row(f"nn.{_name}", getattr(nn, _name))
row("nn.Sigmoid", nn.Sigmoid, aliases=("cudnn.Sigmoid",))
row("nn.Tanh", nn.Tanh, aliases=("cudnn.Tanh",))
row("nn.LogSigmoid", nn.LogSigmoid, empty("buffer"))
row("nn.TanhShrink", nn.TanhShrink, Part(give=lambda module, exporter: {"tanh": exporter.record(nn.Tanh())}))
row("nn.SoftMax", nn.SoftMax, aliases=("cudnn.SoftMax",))
row("nn.LogSoftMax", nn.LogSoftMax, aliases=("cudnn.LogSoftMax",))
row("nn.SpatialSoftMax", nn.SpatialSoftMax, aliases=("cudnn.SpatialSoftMax",))
row("nn.SpatialLogSoftMax", nn.SpatialLogSoftMax, aliases=("cudnn.SpatialLogSoftMax",))
row("nn.Sqrt", nn.Sqrt, same("eps", default=0))
row("nn.Power", nn.Power, same("pow"))
row("nn.SoftPlus", nn.SoftPlus, same("beta", default=1), same("threshold", default=20, late=True))
row("nn.ELU", nn.ELU, same("alpha", default=1), INPLACE)
row("nn.AddConstant", nn.AddConstant, number_or_tensor("constant_scalar"), INPLACE)
row("nn.MulConstant", nn.MulConstant, same("constant_scalar"), INPLACE)
row("nn.Threshold", nn.Threshold, same("threshold"), same("val"), INPLACE)
row("nn.ReLU", nn.ReLU, INPLACE, given(threshold=0, val=0), aliases=("cudnn.ReLU",))
row("nn.ReLU6", nn.ReLU6, INPLACE)
row("nn.HardTanh", nn.HardTanh, same("min_val"), same("max_val"), INPLACE)
row("nn.Clamp", nn.Clamp, same("min_val"), same("max_val"), given(inplace=False))
row("nn.SoftShrink", nn.SoftShrink, same("lambda", "lam"))
row("nn.HardShrink", nn.HardShrink, same("lambda", "lam"))
row("nn.LeakyReLU", nn.LeakyReLU, same("negval"), INPLACE)
row("nn.RReLU", nn.RReLU, same("lower"), same("upper"), INPLACE, empty("noise"))
row("nn.GradientReversal", nn.GradientReversal, same("lambda", "lam", default=1), version=2)
register("cudnn.ClippedReLU", lambda fields: nn.Clamp(0, fields.get("ceiling")))

# Randomness and penalties

row(
    "nn.Dropout",
    nn.Dropout,
    same("p"),
    # Models from before v2 dropped without scaling, and have no such field.
    Part(lambda fields: not fields.get("v2", False), lambda module, _: {"v2": not module.v1}),
    INPLACE,
    same("stochastic_inference", default=False),
    empty("noise"),
)
for _name in ("SpatialDropout", "VolumetricDropout"):
    row(f"nn.{_name}", getattr(nn, _name), same("p"), same("stochastic_inference", default=False), empty("noise"))
row("nn.WhiteNoise", nn.WhiteNoise, same("mean"), same("std"), empty("noise"))
row("nn.L1Penalty", nn.L1Penalty, same("l1weight"), same("sizeAverage"), same("provideOutput"))

# Tables

for _name in ("CSubTable", "CMulTable", "CDivTable", "CAddTensorTable"):
    row(f"nn.{_name}", getattr(nn, _name), TABLE_IN)
row("nn.CAddTable", nn.CAddTable, INPLACE, TABLE_IN)
row("nn.CMaxTable", nn.CMaxTable, TABLE_IN, empty("maxIdx", "mask", "maxVals", "gradMaxVals"))
row("nn.CMinTable", nn.CMinTable, TABLE_IN, empty("minIdx", "mask", "minVals", "gradMaxVals"))
row("nn.FlattenTable", nn.FlattenTable, TABLE_OUT, empty_table("gradInput", "input_map"))
row("nn.ZipTable", nn.ZipTable, TABLE_OUT, TABLE_IN)
row("nn.ZipTableOneToMany", nn.ZipTableOneToMany, TABLE_OUT, TABLE_IN, empty("gradInputEl"))
row("nn.SelectTable", nn.SelectTable, index("index"), TABLE_IN)
row("nn.NarrowTable", nn.NarrowTable, index("offset"), same("length", default=1), TABLE_OUT, TABLE_IN)
row("nn.JoinTable", nn.JoinTable, axis(), same("nInputDims"), TABLE_IN, empty_longs("size"))
row("nn.SplitTable", nn.SplitTable, axis(), same("nInputDims"))
row("nn.MixtureTable", nn.MixtureTable, axis("dim"), TABLE_IN, empty_longs("size", "size2"), MIXTURE)
row("nngraph.JustTable", nn.JustTable, TABLE_OUT)
row("nngraph.JustElement", nn.JustElement, TABLE_IN)

# Views


def _read_narrow(fields: Fields) -> nn.Narrow:
    dimension, start, length = fields.get("dimension"), fields.get("index"), fields.get("length", 1)
    if start < 0:
        # Torch7 takes a negative offset for the first place, and the length for what is left out at the end.
        return nn.Narrow(from_1(dimension), 0, -length - 1 if length >= 0 else start - length - 2)
    return nn.Narrow(from_1(dimension), from_1(start), length)


def _give_narrow(module: nn.Narrow, exporter: Exporter) -> dict[str, Any]:
    if module.start < 0:
        raise T7Error(f"Torch7's Narrow cannot count its start from the end, as {module!r} does")
    return {"dimension": to_1(module.axis), "index": module.start + 1, "length": module.length}


def _read_reshape(fields: Fields) -> nn.Reshape:
    return nn.Reshape(*fields.integers("size"), batch_mode=fields.get("batchMode"))


def _give_reshape(module: nn.Reshape, exporter: Exporter) -> dict[str, Any]:
    sizes = {"size": long_storage(module.sizes), "batchsize": long_storage([0, *module.sizes])}
    return {**sizes, "nelement": math.prod(module.sizes), "batchMode": module.batch_mode}


def _read_view(fields: Fields) -> nn.View:
    return nn.View(*fields.integers("size")).set_num_input_dims(fields.get("numInputDims"))


def _give_view(module: nn.View, exporter: Exporter) -> dict[str, Any]:
    elements = math.prod(size for size in module.sizes if size != -1)
    return {"size": long_storage(module.sizes), "numElements": elements, "numInputDims": module.num_input_dims}


def _read_transpose(fields: Fields) -> nn.Transpose:
    pairs = [(from_1(pair.get(1)), from_1(pair.get(2))) for pair in fields.get("permutations", Table()).array]
    return nn.Transpose(*pairs).set_num_input_dims(fields.get("numInputDims"))


def _give_transpose(module: nn.Transpose, exporter: Exporter) -> dict[str, Any]:
    pairs = Table([Table([to_1(a), to_1(b)]) for a, b in module.pairs])
    return {"permutations": pairs, "numInputDims": module.num_input_dims}


NUM_INPUT_DIMS = same("numInputDims")
register("nn.Narrow", _read_narrow, nn.Narrow, _give_narrow)
register("nn.Reshape", _read_reshape, nn.Reshape, _give_reshape)
register("nn.View", _read_view, nn.View, _give_view)
register("nn.Transpose", _read_transpose, nn.Transpose, _give_transpose)
row("nn.Select", nn.Select, axis(), index("index"))
row("nn.Unsqueeze", nn.Unsqueeze, axis("pos"), NUM_INPUT_DIMS)
row("nn.Squeeze", nn.Squeeze, axis("dim"), NUM_INPUT_DIMS)
row("nn.Replicate", nn.Replicate, same("nfeatures", "n"), axis("dim", default=1), same("ndim", "n_input_dims"))
row("nn.Collapse", nn.Collapse, same("nInputDim", "n_input_dims"))
row(
    "nn.Padding",
    nn.Padding,
    axis("dim"),
    same("pad"),
    same("nInputDim", "n_input_dims"),
    same("value", default=0),
    index("index", default=1),
    empty_longs("outputSize"),
)

# Reductions, products, distances

for _name in ("Max", "Min"):
    row(f"nn.{_name}", getattr(nn, _name), axis(default=1), same("nInputDims"))
row(
    "nn.Sum",
    nn.Sum,
    axis(default=1),
    same("nInputDims"),
    same("sizeAverage", default=False),
    same("squeeze", default=True),
)
row("nn.Mean", nn.Mean, axis(default=1), same("nInputDims"), given(sizeAverage=True, squeeze=True))
row("nn.MM", nn.MM, same("transA", default=False), same("transB", default=False), pair_of_empty())
row("nn.MV", nn.MV, same("trans", default=False), pair_of_empty())
row("nn.DotProduct", nn.DotProduct, pair_of_empty())
row("nn.CosineDistance", nn.CosineDistance, pair_of_empty())
row("nn.PairwiseDistance", nn.PairwiseDistance, same("norm"), TABLE_IN, empty("diff"))
row("nn.Normalize", nn.Normalize, same("p"), same("eps", default=1e-10))
row(
    "nn.GatedLinearUnit",
    nn.GatedLinearUnit,
    Part(
        lambda fields: from_1(fields.get("dim")),
        lambda module, _: {"dim": None if module.axis == -1 else to_1(module.axis)},
    ),
)
row("nn.Index", nn.Index, axis(), pair_of_empty())
row(
    "nn.MaskedSelect",
    nn.MaskedSelect,
    Part(
        give=lambda module, exporter: {
            "_maskIndices": np.empty(0, np.int64),
            "_maskIndexBuffer": np.empty(0, np.int64),
            "_maskIndexBufferCPU": np.empty(0, np.float32),
            "_gradBuffer": exporter.empty(),
            "_gradMask": np.empty(0, np.uint8),
        }
    ),
)

# Others

row("nn.OneHot", nn.OneHot, same("outputSize"), aliases=("OneHot",))
row("nn.Constant", nn.Constant, tensor("value"), same("nInputDim"))
row("nn.PrintSize", nn.PrintSize, same("prefix", default="PrintSize"))
row(
    "nn.PixelShuffle",
    nn.PixelShuffle,
    same("upscaleFactor"),
    Part(give=lambda module, _: {"upscaleFactorSquared": module.upscale_factor**2}),
)


def _give_convert(module: nn.Convert, exporter: Exporter) -> dict[str, Any]:
    source, target = module.input_axes, module.output_axes
    fields = {"inputShape": source, "outputShape": target, "modules": Table()}
    fields |= {"inputBatchDim": source.index("b") + 1, "outputBatchDim": target.index("b") + 1}
    if "*" in source:
        return {**fields, "nInputDim": -1, "nOutputDim": -1, "transposition": True}
    fields |= {"nInputDim": len(source), "nOutputDim": len(target)}
    return {**fields, "transposition": set(source) <= set(target)} if len(source) == len(target) else fields


row(
    "nn.Convert",
    nn.Convert,
    Part(lambda fields: fields.get("inputShape")),
    Part(lambda fields: fields.get("outputShape")),
    Part(give=_give_convert),
)


def _read_copy(fields: Fields) -> nn.Copy:
    # Between equal types Torch7 replaces the two methods by functions that pass on, which it saves, too.
    types = [getattr(fields.get(name), "dtype", None) for name in ("gradInput", "output")]
    return nn.Copy(*types, "updateOutput" not in fields.record.fields, fields.get("dontCast", False))


def _give_copy(module: nn.Copy, exporter: Exporter) -> dict[str, Any]:
    types = [np.result_type(like) for like in (module.input_like, module.output_like)]
    dont_cast = None if isinstance(module.input_like, np.ndarray) else True
    return {"gradInput": np.empty(0, types[0]), "output": np.empty(0, types[1]), "dontCast": dont_cast}


register("nn.Copy", _read_copy, nn.Copy, _give_copy)
