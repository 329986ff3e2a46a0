"""The translations of pooling, padding and up-sampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.io.t7.convolutions import PLANAR, windows
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import Part, component, empty_longs, given, row, same
from nodegraph.io.t7.translation import register

# Pooling

CEIL = same("ceil_mode", default=False, late=True)
INDICES = given(indices=np.empty(0, np.int64))
POOL = [*windows("kW kH dW dH"), *windows("padW padH", 0), CEIL]
CUBIC_POOL = [*windows("kT kW kH dT dW dH"), *windows("padT padW padH", 0), CEIL]

row("nn.SpatialMaxPooling", nn.SpatialMaxPooling, *POOL, INDICES, aliases=("cudnn.SpatialMaxPooling",))
row(
    "nn.SpatialDilatedMaxPooling",
    nn.SpatialDilatedMaxPooling,
    *POOL,
    *windows("dilationW dilationH", 1),
    INDICES,
)
row(
    "nn.VolumetricMaxPooling",
    nn.VolumetricMaxPooling,
    *CUBIC_POOL,
    INDICES,
    version=2,
    aliases=("cudnn.VolumetricMaxPooling",),
)
row(
    "nn.VolumetricDilatedMaxPooling",
    nn.VolumetricDilatedMaxPooling,
    *CUBIC_POOL,
    *windows("dilationT dilationW dilationH", 1),
    INDICES,
    version=2,
)
row("nn.TemporalMaxPooling", nn.TemporalMaxPooling, *windows("kW dW"))


def _average(fields: Fields) -> Any:
    pooling = nn.SpatialAveragePooling(*[part.read(fields) for part in POOL if not part.late])
    pooling.ceil_mode = fields.get("ceil_mode", False)
    pooling.count_include_pad = fields.get("count_include_pad", True)
    if fields.get("divide", False) or fields.record.name.startswith("cudnn."):
        return pooling
    # Models from before the field `divide` hold sums.
    return nn.Sequential(pooling, nn.MulConstant(fields.get("kW") * fields.get("kH")))


def _give_average(module: nn.SpatialAveragePooling, exporter: Exporter) -> dict[str, Any]:
    fields = {name: value for part in POOL for name, value in part.give(module, exporter).items()}
    return {**fields, "count_include_pad": module.count_include_pad, "divide": True}


register("nn.SpatialAveragePooling", _average, nn.SpatialAveragePooling, _give_average)
register("cudnn.SpatialAveragePooling", _average)
row(
    "nn.VolumetricAveragePooling",
    nn.VolumetricAveragePooling,
    *windows("kT kW kH dT dW dH"),
    aliases=("cudnn.VolumetricAveragePooling",),
)
for _name in ("SpatialMaxUnpooling", "VolumetricMaxUnpooling"):
    row(f"nn.{_name}", getattr(nn, _name), component("pooling"))


def _adaptive(name: str, axis: int) -> Part:
    return Part(lambda fields: fields.get(name), lambda module, _: {name: module.counts[axis]})


for _name in ("SpatialAdaptiveMaxPooling", "SpatialAdaptiveAveragePooling"):
    row(f"nn.{_name}", getattr(nn, _name), _adaptive("W", 1), _adaptive("H", 0))


def _fractional(ours: type, axes: str) -> None:
    """Fractional pooling, which has a field for each axis, from the last to the first."""

    def build(fields: Fields) -> Any:
        what = "out" if fields.get("outW") is not None else "ratio"
        module = ours(*[fields.get("poolSize" + axis) for axis in axes], *[fields.get(what + axis) for axis in axes])
        module.fixed = fields.get("newRandomPool", False)
        module.random_samples = None if fields.get("randomSamples") is None else fields.array("randomSamples")
        return module

    def give(module: Any, exporter: Exporter) -> dict[str, Any]:
        what = "ratio" if module.counts is None else "out"
        sizes = zip(axes, reversed(module.pool_sizes), reversed(module.counts or module.ratios))
        fields = {name: value for axis, p, n in sizes for name, value in (("poolSize" + axis, p), (what + axis, n))}
        return {**fields, "newRandomPool": module.fixed, "randomSamples": module.random_samples}

    register(f"nn.{ours.__name__}", build, ours, give)


_fractional(nn.SpatialFractionalMaxPooling, "WH")
_fractional(nn.VolumetricFractionalMaxPooling, "TWH")
row("nn.TemporalDynamicKMaxPooling", nn.TemporalDynamicKMaxPooling, same("minK"), same("factor", default=0))
row(
    "nn.FeatureLPPooling",
    nn.FeatureLPPooling,
    same("width"),
    same("stride"),
    same("power"),
    same("batch_mode", default=False),
)


def _lp_pooling(fields: Fields) -> nn.Module:
    first, second = fields.get("modules").get(1), fields.get("modules").get(2)
    if second.name == "nn.SpatialSubSampling":  # The first versions could weight the places of a window.
        return nn.Sequential(*fields.components())
    power = 2 if first.name == "nn.Square" else first.fields["pow"]
    return nn.SpatialLPPooling(1, power, *[fields.get(name) for name in ("kW", "kH", "dW", "dH")])


def _give_lp_pooling(module: nn.SpatialLPPooling, exporter: Exporter) -> dict[str, Any]:
    fields = {name: value for part in PLANAR for name, value in part.give(module, exporter).items()}
    average, p = nn.SpatialAveragePooling(*fields.values()), module.power
    inner, outer = (nn.Square(), nn.Sqrt()) if p == 2 else (nn.Power(p), nn.Power(1 / p))
    steps = [inner, average, nn.MulConstant(fields["kW"] * fields["kH"]), outer]
    return {**fields, "modules": exporter.records(steps)}


register("nn.SpatialLPPooling", _lp_pooling, nn.SpatialLPPooling, _give_lp_pooling)

# Padding and up-sampling


def _pads(names: str) -> list[Part]:
    """The fields of a padding module: two for each axis, from the last axis to the first."""

    def pad(i: int, name: str) -> Part:
        return Part(
            lambda fields: fields.get(name),
            lambda module, _: {name: module.pads[len(module.pads) - 1 - i // 2][i % 2]},
        )

    return [pad(i, name) for i, name in enumerate(names.split())]


for _name in ("SpatialZeroPadding", "SpatialReflectionPadding", "SpatialReplicationPadding"):
    row(f"nn.{_name}", getattr(nn, _name), *_pads("pad_l pad_r pad_t pad_b"))
row(
    "nn.VolumetricReplicationPadding",
    nn.VolumetricReplicationPadding,
    *_pads("pleft pright ptop pbottom pfront pback"),
)


def _params(fields: Fields) -> Any:
    """A factor, or the sizes of the output."""
    sizes = {name: fields.get(name) for name in ("odepth", "oheight", "owidth") if fields.get(name) is not None}
    return sizes if fields.get("scale_factor") is None else fields.get("scale_factor")


def _give_params(module: Any, exporter: Exporter) -> dict[str, Any]:
    return {"scale_factor": module.scale_factor, **{"o" + n: v for n, v in (module.output_sizes or {}).items()}}


PARAMS = Part(_params, _give_params)
SIZES = empty_longs("inputSize", "outputSize", size=4)
row("nn.SpatialUpSamplingNearest", nn.SpatialUpSamplingNearest, PARAMS, SIZES)
row("nn.SpatialUpSamplingBilinear", nn.SpatialUpSamplingBilinear, PARAMS, SIZES)
row(
    "nn.UpSampling",
    nn.UpSampling,
    PARAMS,
    Part(lambda fields: fields.get("mode"), lambda module, _: {"mode": "linear" if module.linear else "nearest"}),
    empty_longs("inputSize", "outputSize", size=5),
)
