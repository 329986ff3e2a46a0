"""The translations of modules with weights that are no convolutions: linear maps, lookups, normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import (
    TABLE_IN,
    Part,
    extent,
    given,
    long_storage,
    pair_of_empty,
    present,
    row,
    same,
    tensor,
)
from nodegraph.io.t7.translation import from_1, register, to_1
from nodegraph.io.t7.values import Table

row(
    "nn.Linear",
    nn.Linear,
    extent("weight", 1),
    extent("weight", 0),
    present("bias"),
    aliases=("nn.LinearNoBias",),
)
row(
    "nn.Bilinear",
    nn.Bilinear,
    extent("weight", 1),
    extent("weight", 2),
    extent("weight", 0),
    present("bias"),
    pair_of_empty(),
)
row("nn.Cosine", nn.Cosine, extent("weight", 1), extent("weight", 0))
row("nn.Euclidean", nn.Euclidean, extent("weight", 0), extent("weight", 1), given(fastBackward=True))
row("nn.WeightedEuclidean", nn.WeightedEuclidean, extent("weight", 0), extent("weight", 1), given(fastBackward=True))
row("nn.Mul", nn.Mul)
row(
    "nn.PReLU",
    nn.PReLU,
    Part(lambda fields: fields.get("nOutputPlane", 0) and fields.array("weight").size),
    Part(give=lambda module, _: {"nOutputPlane": module.n_output_plane}),
)
row(
    "nn.Add",
    nn.Add,
    extent("bias", 0),
    Part(lambda fields: bool(fields.get("scalar")), lambda module, _: {"scalar": module.scalar or None}),
    Part(give=lambda module, exporter: {"_ones": np.ones(1, exporter.dtype)}),
)


def _componentwise(parameter: str, ours: type) -> None:
    """CAdd and CMul, whose sizes are those of the parameter."""

    def build(fields: Fields) -> Any:
        return ours(*fields.array(parameter).shape)

    register(f"nn.{ours.__name__}", build, ours, lambda module, _: {"size": long_storage(module.size)})


_componentwise("bias", nn.CAdd)
_componentwise("weight", nn.CMul)


def _parameters(fields: Fields) -> nn.Parameters:
    return nn.Parameters(*fields.array("weight").shape)


register("nnop.Parameters", _parameters, nn.Parameters, lambda module, _: {})

# Lookups


def _padding_index(fields: Fields) -> int | None:
    padding = fields.get("paddingValue", 0)
    return None if padding == 0 else from_1(padding)


LOOKUP = (
    same("maxNorm"),
    same("normType"),
    same("shouldScaleGradByFreq", "should_scale_grad_by_freq", default=False, late=True),
    Part(give=lambda module, _: {"_count": np.empty(0, np.int32), "_input": np.empty(0, np.int64)}),
)
row(
    "nn.LookupTable",
    nn.LookupTable,
    extent("weight", 0),
    extent("weight", 1),
    Part(_padding_index, lambda module, _: {"paddingValue": (to_1(module.padding_index) or 0)}),
    *LOOKUP,
    version=4,
    aliases=("nn.Dictionary",),
)


def _masked_lookup(fields: Fields) -> nn.LookupTableMaskZero:
    rows, columns = fields.array("weight").shape
    lookup = nn.LookupTableMaskZero(rows - 1, columns)
    return lookup.set_max_norm(fields.get("maxNorm")).set_norm_type(fields.get("normType"))


def _give_masked_lookup(module: nn.LookupTableMaskZero, exporter: Exporter) -> dict[str, Any]:
    fields = {name: value for part in LOOKUP for name, value in part.give(module, exporter).items()}
    return {**fields, "paddingValue": 0}


register("nn.LookupTableMaskZero", _masked_lookup, nn.LookupTableMaskZero, _give_masked_lookup, version=4)

# Sparse input

row(
    "nn.SparseLinear",
    nn.SparseLinear,
    extent("weight", 1),
    extent("weight", 0),
    same("doGradInput", default=False),
    same("weightDecay", default=0, late=True),
    TABLE_IN,
    given(sparseUpdate=0),
)


def _index_linear(fields: Fields) -> nn.IndexLinear:
    normalize = fields.get("normalize", 0) > 0
    weight, bias = fields.array("weight"), fields.array("bias")
    offset = fields.get("offset", -1) + 1
    return nn.IndexLinear(None, None, fields.get("doGradInput", False), offset, weight, bias, normalize)


def _give_index_linear(module: nn.IndexLinear, exporter: Exporter) -> dict[str, Any]:
    names = ("gradWeight", "gradWeightBuffer", "valuesBuffer", "normalizedValues")
    buffers = {name: exporter.empty() for name in names}
    running = Table(hash={"cumSumSizes": Table(), "keys": Table(), "gradWeight": Table(), "counter": 1})
    caches = {"running": running, "sizesCache": Table(), "cumSumSizesCache": Table()}
    sizes = {"inputSize": module.input_size, "outputSize": module.output_size, "normalize": module.normalize}
    options = {"weightDecay": 0, "doGradInput": module.do_grad_input, "offset": module.keys_offset - 1}
    return {**buffers, **caches, **sizes, **options}


register("nn.IndexLinear", _index_linear, nn.IndexLinear, _give_index_linear)

row(
    "nn.Kmeans",
    nn.Kmeans,
    extent("weight", 0),
    extent("weight", 1),
    same("scale"),
    same("loss", default=0, late=True),
    tensor("clusterSampleCount", late=True),
    Part(give=lambda module, _: {"k": module.k, "dim": module.dim}),
)

# Normalisation


def _running_variance(fields: Fields) -> np.ndarray:
    """The running variance; models of version 1 hold 1 / sqrt(variance + eps) instead."""
    if fields.get("running_std") is None:
        return fields.fitting("running_var", fields.array("running_mean").shape)
    return fields.fitting("running_std", fields.array("running_mean").shape) ** -2.0 - fields.get("eps", 1e-5)


def _normalisation(ours: type, *aliases: str) -> None:
    row(
        f"nn.{ours.__name__}",
        ours,
        extent("running_mean", 0),
        same("eps", default=1e-5),
        same("momentum", default=0.1),
        Part(lambda fields: fields.get("weight") is not None, lambda module, _: {"affine": module.affine}),
        tensor("running_mean", late=True),
        Part(_running_variance, lambda module, _: {"running_var": module.running_var}, "running_var", late=True),
        version=2,
        aliases=aliases,
    )


_normalisation(nn.BatchNormalization, "cudnn.BatchNormalization")
_normalisation(nn.SpatialBatchNormalization, "cudnn.SpatialBatchNormalization")
_normalisation(nn.VolumetricBatchNormalization, "cudnn.VolumetricBatchNormalization")


def _linear_weight_norm(fields: Fields) -> nn.LinearWeightNorm:
    outputs, inputs = fields.array("v").shape
    return nn.LinearWeightNorm(inputs, outputs, fields.get("bias") is not None, fields.get("eps", 1e-16))


def _give_linear_weight_norm(module: nn.LinearWeightNorm, exporter: Exporter) -> dict[str, Any]:
    sizes = {"inputSize": module.input_size, "outputSize": module.output_size, "eps": module.eps}
    lengths = np.linalg.norm(module.v, axis=1, keepdims=True)
    return {**sizes, "weight": module.weight_matrix(), "norm": lengths, "scale": module.g / lengths}


register("nn.LinearWeightNorm", _linear_weight_norm, nn.LinearWeightNorm, _give_linear_weight_norm)

# Several modules there, one here


def _partial_linear(fields: Fields) -> nn.PartialLinear:
    network = fields.get("network")
    lookup = network.fields["modules"].get(1).fields["modules"].get(2)
    inner = Fields(lookup, fields.importer)
    outputs, inputs = inner.array("weight").shape
    module = nn.PartialLinear(inputs, outputs, fields.get("bias") is not None)
    module.weight = inner.fitting("weight", (outputs, inputs))
    module.grad_weight = np.zeros_like(module.weight)
    fields.settled = ("weight",)
    return module.set_partition(fields.array("partition").astype(np.int64) - 1)


def _give_partial_linear(module: nn.PartialLinear, exporter: Exporter) -> dict[str, Any]:
    lookup = nn.LookupTable(module.output_size, module.input_size)
    lookup.weight, lookup.grad_weight = module.weight, module.grad_weight
    network = nn.Sequential(nn.ParallelTable(nn.Identity(), lookup), nn.MM(False, True))
    fields: dict[str, Any] = {"network": exporter.record(network), "weight": None, "gradWeight": None}
    if module.bias is not None:
        fields |= {"bias": module.bias.reshape(1, -1), "gradBias": module.grad_bias.reshape(1, -1)}
    fields["allcolumns"] = np.arange(1, module.output_size + 1, dtype=exporter.dtype)
    fields |= {"inputsize": module.input_size, "outputsize": module.output_size}
    return {**fields, "partition": (module.partition + 1).astype(exporter.dtype)}


register("nn.PartialLinear", _partial_linear, nn.PartialLinear, _give_partial_linear)


def _layer_normalization(fields: Fields) -> nn.LayerNormalization:
    steps = [Fields(part, fields.importer) for part in fields.get("modules").array]
    scale, affine = steps[3].get("constant_scalar"), len(steps) > 4
    n = steps[4].array("weight").size if affine else round(scale**2)
    module = nn.LayerNormalization(n, 0.0, steps[2].get("eps", 1e-10), affine)
    fields.settled = module.parameter_names
    if affine:
        for name, step in (("weight", steps[4]), ("bias", steps[5])):
            setattr(module, name, step.fitting(name, (n,)))
            setattr(module, "grad_" + name, np.zeros_like(getattr(module, name)))
    return module


def _give_layer_normalization(module: nn.LayerNormalization, exporter: Exporter) -> dict[str, Any]:
    n = module.n_output
    mean = nn.Sequential(nn.Mean(0, 1), nn.Replicate(n, 0, 1))
    steps = [nn.ConcatTable(nn.Identity(), mean), nn.CSubTable(), nn.Normalize(2, module.eps)]
    steps.append(nn.MulConstant(math.sqrt(n)))
    if module.affine:
        gain, shift = nn.CMul(n), nn.Add(n)
        gain.weight, gain.grad_weight = module.weight, module.grad_weight
        shift.bias, shift.grad_bias = module.bias, module.grad_bias
        steps += [gain, shift]
    own = dict.fromkeys(("weight", "bias", "gradWeight", "gradBias"))
    return {**own, "modules": exporter.records(steps)}


register("nn.LayerNormalization", _layer_normalization, nn.LayerNormalization, _give_layer_normalization)
