"""The translations of normalisation over neighbouring places, which is made of convolutions there and computed here."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.parts import Part, row, same
from nodegraph.nn.mapped_convolution import one_to_one_connection_table

row(
    "nn.SpatialCrossMapLRN",
    nn.SpatialCrossMapLRN,
    same("size"),
    same("alpha", default=1e-4),
    same("beta", default=0.75),
    same("k", default=1),
    aliases=("cudnn.SpatialCrossMapLRN",),
)

PLANES = same("nInputPlane", default=1)
KERNEL = Part(lambda fields: fields.array("kernel"), lambda module, _: {"kernel": module.kernel})
THRESHOLDS = [same("threshold", default=1e-4), same("thresval")]


def estimator(module: Any, exporter: Exporter, *first: nn.Module) -> Any:
    """The Torch object that averages with the kernel over all planes, after the modules given."""
    kernel, n = module.kernel, module.n_input_plane
    height, width = kernel.shape if kernel.ndim == 2 else (len(kernel),) * 2
    steps = [nn.SpatialZeroPadding(width // 2, width // 2, height // 2, height // 2)]
    if kernel.ndim == 2:
        steps.append(nn.SpatialConvolution(n, 1, width, height))
        steps[-1].weight[...] = kernel
    else:
        steps.append(nn.SpatialConvolutionMap(one_to_one_connection_table(n), width, 1))
        steps.append(nn.SpatialConvolution(n, 1, 1, height))
        steps[-2].weight[...] = kernel
        steps[-1].weight[...] = kernel[:, None]
    for convolution in steps[1:]:
        convolution.bias.fill(0)
    return exporter.record(nn.Sequential(*first, *steps, nn.Replicate(n, 0, 3)).astype(exporter.dtype))


def _buffers(module: Any, exporter: Exporter) -> dict[str, Any]:
    coefficients = {"coef": np.ones((1, 1, 1), exporter.dtype), "divider": exporter.record(nn.CDivTable())}
    return {"meanestimator": estimator(module, exporter), **coefficients}


def _give_deviation(module: Any, exporter: Exporter) -> dict[str, Any]:
    steps = estimator(module, exporter, nn.Square())
    steps.fields["modules"].array.append(exporter.record(nn.Sqrt()))
    thresholder = nn.Threshold(module.threshold, module.thresval)
    modules = {"normalizer": exporter.record(nn.CDivTable()), "thresholder": exporter.record(thresholder)}
    return {"stdestimator": steps, **modules}


def _give_contrast(module: Any, exporter: Exporter) -> dict[str, Any]:
    limits = {"threshold": module.divisive.threshold, "thresval": module.divisive.thresval}
    return {**limits, "normalizer": exporter.record(nn.Sequential(module.subtractive, module.divisive))}


row(
    "nn.SpatialSubtractiveNormalization",
    nn.SpatialSubtractiveNormalization,
    PLANES,
    KERNEL,
    Part(give=_buffers),
    Part(give=lambda module, exporter: {"subtractor": exporter.record(nn.CSubTable())}),
)
row(
    "nn.SpatialDivisiveNormalization",
    nn.SpatialDivisiveNormalization,
    PLANES,
    KERNEL,
    *THRESHOLDS,
    Part(give=_buffers),
    Part(give=_give_deviation),
)
row(
    "nn.SpatialContrastiveNormalization",
    nn.SpatialContrastiveNormalization,
    PLANES,
    KERNEL,
    *[Part(part.read) for part in THRESHOLDS],
    Part(give=_give_contrast),
)
