"""The translations of criterions."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import (
    TABLE_IN,
    Part,
    component,
    empty,
    optional_tensor,
    pair_of_empty,
    row,
    same,
    tensor,
)
from nodegraph.io.t7.translation import register
from nodegraph.io.t7.values import Storage, Table

GRADIENT = Part(give=lambda criterion, exporter: {"gradInput": exporter.empty(), "output": 0})
"""What every criterion of Torch's has."""

AVERAGE = same("sizeAverage", default=True)
AVERAGE_LATE = same("sizeAverage", default=True, late=True)
WEIGHTS = optional_tensor("weights")
MARGIN = same("margin", default=1)


def criterion(name: str, *parts: Part) -> None:
    """Register a criterion, called the same here and there."""
    row(f"nn.{name}", getattr(nn, name), GRADIENT, *parts)


for _name in ("AbsCriterion", "MSECriterion", "SmoothL1Criterion", "SpatialAutoCropMSECriterion"):
    criterion(_name, AVERAGE)
for _name in ("DistKLDivCriterion", "SoftMarginCriterion", "DistanceRatioCriterion"):
    criterion(_name, AVERAGE_LATE)
criterion("MultiLabelMarginCriterion", AVERAGE_LATE, empty("isTarget"))
for _name in ("MarginCriterion", "HingeEmbeddingCriterion"):
    criterion(_name, MARGIN, AVERAGE_LATE)
criterion("L1Cost")
criterion("WeightedMSECriterion", tensor("weight"), AVERAGE_LATE)
criterion("CosineEmbeddingCriterion", same("margin", default=0), AVERAGE_LATE, pair_of_empty())
criterion("MarginRankingCriterion", MARGIN, AVERAGE_LATE, pair_of_empty())
criterion("L1HingeEmbeddingCriterion", MARGIN, pair_of_empty())
criterion("BCECriterion", WEIGHTS, AVERAGE)
criterion(
    "MultiLabelSoftMarginCriterion",
    WEIGHTS,
    AVERAGE,
    Part(give=lambda criterion, exporter: {"sigmoid": exporter.record(nn.Sigmoid())}),
)
criterion("MultiMarginCriterion", same("p", default=1), WEIGHTS, MARGIN, AVERAGE_LATE)

# Class labels

CLASS_BUFFERS = Part(
    give=lambda criterion, exporter: {
        "output_tensor": np.zeros(1, exporter.dtype),
        "total_weight_tensor": np.ones(1, exporter.dtype),
        "target": np.zeros(1, np.int64),
    }
)


def _ignored(fields: Fields) -> int:
    """The label that is left out; the default, which stands for none, is the same on both sides."""
    label = fields.get("ignoreIndex", NO_LABEL)
    return label if label == NO_LABEL else label - 1


def _give_ignored(criterion: nn.ClassNLLCriterion, exporter: Exporter) -> dict[str, Any]:
    label = criterion.ignore_index
    return {"ignoreIndex": label if label == NO_LABEL else label + 1}


NO_LABEL = -100
IGNORED = Part(_ignored, _give_ignored)
criterion("ClassNLLCriterion", WEIGHTS, AVERAGE, IGNORED, CLASS_BUFFERS)
criterion("SpatialClassNLLCriterion", WEIGHTS, AVERAGE, CLASS_BUFFERS)


def _cross_entropy(fields: Fields) -> nn.CrossEntropyCriterion:
    inner = fields.component("nll")
    return nn.CrossEntropyCriterion(inner.weights, fields.get("sizeAverage", inner.size_average), inner.ignore_index)


def _give_cross_entropy(criterion: nn.CrossEntropyCriterion, exporter: Exporter) -> dict[str, Any]:
    inner = nn.ClassNLLCriterion(criterion.weights, criterion.size_average, criterion.ignore_index)
    modules = {"lsm": exporter.record(nn.LogSoftMax()), "nll": exporter.record(inner)}
    average = {"sizeAverage": criterion.size_average, "oldSizeAverage": criterion.size_average}
    return {**GRADIENT.give(criterion, exporter), **modules, **average}


register("nn.CrossEntropyCriterion", _cross_entropy, nn.CrossEntropyCriterion, _give_cross_entropy)
register("cudnn.SpatialCrossEntropyCriterion", lambda fields: nn.CrossEntropyCriterion())


def _class_simplex(fields: Fields) -> nn.ClassSimplexCriterion:
    n = fields.get("nClasses")
    if fields.array("simplex").shape != (n, n):
        raise fields.fail(f"its simplex is no matrix of {n} x {n}")
    criterion = nn.ClassSimplexCriterion(n)
    criterion.simplex = fields.array("simplex")
    return criterion


def _give_class_simplex(criterion: nn.ClassSimplexCriterion, exporter: Exporter) -> dict[str, Any]:
    fields = {"nClasses": criterion.n_classes, "simplex": criterion.simplex, "sizeAverage": criterion.size_average}
    return {**GRADIENT.give(criterion, exporter), **fields, "_target": np.zeros(criterion.n_classes, exporter.dtype)}


register("nn.ClassSimplexCriterion", _class_simplex, nn.ClassSimplexCriterion, _give_class_simplex)

# Criterions made of criterions


def _composite(ours: type, *parts: Part, storage: bool) -> None:
    """MultiCriterion and ParallelCriterion, with a weight for each criterion, in a storage or in a table."""

    def build(fields: Fields) -> Any:
        made = ours(*[part.read(fields) for part in parts if part.read])
        weights = fields.get("weights")
        weights = weights.array if isinstance(weights, (Storage, Table)) else weights
        for child, weight in zip(fields.components("criterions"), weights, strict=True):
            made.add(child, float(weight))
        return made

    def give(composite: Any, exporter: Exporter) -> dict[str, Any]:
        weights = Storage(np.array(composite.weights, np.float64)) if storage else Table(list(composite.weights))
        own = {name: value for part in (GRADIENT, *parts) for name, value in part.give(composite, exporter).items()}
        return {**own, "criterions": exporter.records(composite.criterions), "weights": weights}

    register(f"nn.{ours.__name__}", build, ours, give)


_composite(nn.MultiCriterion, storage=True)
_composite(nn.ParallelCriterion, same("repeatTarget", default=False), TABLE_IN, storage=False)
criterion(
    "ModuleCriterion",
    component("criterion"),
    component("inputModule"),
    component("targetModule"),
    same("castTarget", default=True),
)
