"""The translations of convolutions, whose windows Torch has in fields such as kW, dW and padW."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import Part, empty, row, same
from nodegraph.io.t7.translation import TRANSLATIONS, register

# What the fields of a window mean: the name begins with what it is and ends with the axis.

AXES = {"W": -1, "H": -2, "T": 0}


def window(name: str, default: Any = None) -> Part:
    """A field such as kW, dH, padT or dilationW."""
    axis = AXES[name[-1]]
    what = {"k": "kernel", "d": "stride", "pad": "padding", "dilation": "dilation"}[name[:-1]]
    return Part(
        lambda fields: fields.get(name, default),
        lambda module, _: {name: getattr(module.windows, what)[axis]},
    )


def windows(names: str, default: Any = None) -> list[Part]:
    return [window(name, default) for name in names.split()]


def _padding(name: str) -> Part:
    """The padding of a convolution; in old models one field `padding` stands for both, or none of them is there."""
    return Part(lambda fields: fields.get(name, fields.get("padding", 0)), window(name).give)


def _adjustment(name: str) -> Part:
    axis = AXES[name[-1]]
    return Part(lambda fields: fields.get(name, 0), lambda module, _: {name: module.adjustment[axis]})


PLANES = [same("nInputPlane"), same("nOutputPlane")]
PLANAR = [*windows("kW kH"), *windows("dW dH", 1)]
PADDED = [*PLANAR, _padding("padW"), _padding("padH")]
CUBIC = [*windows("kT kW kH"), *windows("dT dW dH", 1)]
CUBIC_PADDED = [*CUBIC, *windows("padT padW padH", 0)]
PLANAR_WEIGHT = ("nOutputPlane", "nInputPlane", "kH", "kW")
CUBIC_WEIGHT = ("nOutputPlane", "nInputPlane", "kT", "kH", "kW")
BUFFERS = empty("finput", "fgradInput")

# Convolutions

row("nn.SpatialConvolution", nn.SpatialConvolution, *PLANES, *PADDED, elements=PLANAR_WEIGHT)
row("nn.SpatialConvolutionMM", nn.SpatialConvolutionMM, *PLANES, *PADDED, BUFFERS, elements=PLANAR_WEIGHT)
row(
    "nn.SpatialDilatedConvolution",
    nn.SpatialDilatedConvolution,
    *PLANES,
    *PADDED,
    *windows("dilationW dilationH", 1),
    elements=PLANAR_WEIGHT,
)
row(
    "nn.SpatialFullConvolution",
    nn.SpatialFullConvolution,
    *PLANES,
    *PADDED,
    _adjustment("adjW"),
    _adjustment("adjH"),
    BUFFERS,
    empty("ones"),
    elements=PLANAR_WEIGHT,
    aliases=("cudnn.SpatialFullConvolution",),
)
row("nn.SpatialDepthWiseConvolution", nn.SpatialDepthWiseConvolution, *PLANES, *PADDED, elements=PLANAR_WEIGHT)


def _subsampling_weight(fields: Fields) -> Any:
    """The number of planes; in old models each place of the window may have the plane's weight to itself."""
    planes, weight = fields.get("nInputPlane"), fields.array("weight")
    if weight.shape == (planes, fields.get("kH"), fields.get("kW")) and (weight == weight[:, :1, :1]).all():
        fields.record.fields["weight"] = weight[:, 0, 0]
    fields.elements("weight", planes)
    return planes


row(
    "nn.SpatialSubSampling",
    nn.SpatialSubSampling,
    Part(_subsampling_weight, PLANES[0].give),
    *PLANAR,
)
row("nn.VolumetricConvolution", nn.VolumetricConvolution, *PLANES, *CUBIC_PADDED, BUFFERS, elements=CUBIC_WEIGHT)
row(
    "nn.VolumetricDilatedConvolution",
    nn.VolumetricDilatedConvolution,
    *PLANES,
    *CUBIC_PADDED,
    *windows("dilationT dilationW dilationH", 1),
    BUFFERS,
    elements=CUBIC_WEIGHT,
)
row(
    "nn.VolumetricFullConvolution",
    nn.VolumetricFullConvolution,
    *PLANES,
    *CUBIC_PADDED,
    *[_adjustment(name) for name in ("adjT", "adjW", "adjH")],
    BUFFERS,
    empty("ones"),
    elements=CUBIC_WEIGHT,
    aliases=("cudnn.VolumetricFullConvolution",),
)


def _grouped(torch: str, ours: type, parts: list[Part], kernel: tuple[str, ...]) -> None:
    """A convolution of cuDNN's, which may keep groups of planes apart: one convolution for each of them here."""
    plain, axis = TRANSLATIONS[torch.replace("cudnn", "nn")], -1 - len(kernel)

    def build(fields: Fields) -> Any:
        groups = fields.get("groups", 1)
        if groups == 1:
            return plain.build(fields)
        inside, outside = fields.get("nInputPlane"), fields.get("nOutputPlane")
        if groups < 1 or inside % groups or outside % groups:
            raise ArgumentError(f"{inside} input and {outside} output planes do not make {groups} groups")
        n, m = inside // groups, outside // groups
        fields.elements("weight", outside, n, *kernel)
        sizes = [part.read(fields) for part in parts]
        weight = fields.fitting("weight", (outside, n, *[fields.get(name) for name in kernel]))
        concat = nn.Concat(axis)
        for i in range(groups):
            convolution = ours(n, m, *sizes)
            convolution.weight = weight[i * m : (i + 1) * m]
            if fields.get("bias") is None:
                convolution.no_bias()
            else:
                convolution.bias = fields.fitting("bias", (outside,))[i * m : (i + 1) * m]
            for name in convolution.own_parameter_names():
                setattr(convolution, "grad_" + name, np.zeros_like(getattr(convolution, name)))
            concat.add(nn.Sequential(nn.Narrow(axis, i * n, n), convolution))
        return concat

    register(torch, build)


_grouped("cudnn.SpatialConvolution", nn.SpatialConvolution, PADDED, PLANAR_WEIGHT[2:])
_grouped("cudnn.VolumetricConvolution", nn.VolumetricConvolution, CUBIC_PADDED, CUBIC_WEIGHT[2:])


def _frames(*names: str) -> list[Part]:
    """The sizes of frames, which are planes here."""
    attributes = {"inputFrameSize": "n_input_plane", "outputFrameSize": "n_output_plane"}
    return [same(name, attributes[name]) for name in names]


row(
    "nn.TemporalConvolution",
    nn.TemporalConvolution,
    *_frames("inputFrameSize", "outputFrameSize"),
    *windows("kW"),
    *windows("dW", 1),
    elements=("outputFrameSize", "inputFrameSize", "kW"),
)
row(
    "nn.TemporalSubSampling",
    nn.TemporalSubSampling,
    *_frames("inputFrameSize"),
    *windows("kW"),
    *windows("dW", 1),
    elements=("inputFrameSize",),
)
row(
    "nn.TemporalRowConvolution",
    nn.TemporalRowConvolution,
    *_frames("inputFrameSize"),
    *windows("kW"),
    *windows("dW", 1),
    Part(lambda fields: fields.get("featFirst", False), lambda module, _: {"featFirst": not module.features_last}),
    BUFFERS,
    elements=("inputFrameSize", "kW"),
)


def _local(fields: Fields) -> nn.SpatialConvolutionLocal:
    sizes = [part.read(fields) for part in PADDED]
    inside = fields.get("iW"), fields.get("iH")
    counts = [(n + 2 * pad - k) // d + 1 for n, k, d, pad in zip(inside, sizes[:2], sizes[2:4], sizes[4:])]
    fields.elements("weight", *counts, *PLANAR_WEIGHT)
    return nn.SpatialConvolutionLocal(fields.get("nInputPlane"), fields.get("nOutputPlane"), *inside, *sizes)


def _give_local(module: nn.SpatialConvolutionLocal, exporter: Exporter) -> dict[str, Any]:
    fields = {name: value for part in (*PLANES, *PADDED) for name, value in part.give(module, exporter).items()}
    (in_height, in_width), (out_height, out_width) = module.input_sizes, module.output_sizes
    return {**fields, "iW": in_width, "iH": in_height, "oW": out_width, "oH": out_height}


register("nn.SpatialConvolutionLocal", _local, nn.SpatialConvolutionLocal, _give_local)


def _connections(fields: Fields) -> np.ndarray:
    table = fields.array("connTable")
    fields.elements("bias", int(table[:, 1].max()))
    fields.elements("weight", len(table), "kH", "kW")
    return table - 1


def _give_connections(module: Any, exporter: Exporter) -> dict[str, Any]:
    table = (module.conn_table + 1).astype(exporter.dtype)
    return {"connTable": table, "nInputPlane": module.n_input_plane, "nOutputPlane": module.n_output_plane}


for _name in ("SpatialConvolutionMap", "SpatialFullConvolutionMap"):
    row(f"nn.{_name}", getattr(nn, _name), Part(_connections, _give_connections), *PLANAR)
