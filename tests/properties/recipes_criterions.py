"""Recipes for criterions on nodes, and for the modules made of criterions."""

from __future__ import annotations

import numpy as np

from nodegraph import nn

from properties.growth import Growth


def compared(make, *ranks):
    """A recipe for an input and a target of one shape."""

    def recipe(g: Growth):
        x = g.of_rank(*ranks) if ranks else g.any()
        return make(g), [x, g.array(*x.shape)]

    return recipe


def to_signs(make):
    def recipe(g: Growth):
        x = g.any()
        return make(g), [x, g.signs(*x.shape)]

    return recipe


def to_classes(make, before=None):
    """A recipe for an input (batch, classes), which goes through `before`, and a class for each row."""

    def recipe(g: Growth):
        x = g.array(g.size(), g.integer(2, 4))
        batch, n = x.shape
        return make(n, g), [x if before is None else g.wire(before(), x), g.indices(n, batch)]

    return recipe


def to_pixels(g: Growth):
    x = g.array(g.size(), g.integer(2, 4), g.size(), g.size())
    batch, n, *sizes = x.shape
    return nn.SpatialClassNLLCriterion(None, g.choice(True, False)), [
        g.wire(nn.SpatialLogSoftMax(), x),
        g.indices(n, batch, *sizes),
    ]


def probabilities(cls, before):
    def recipe(g: Growth):
        x = g.array(g.size(), g.integer(2, 4))
        target = g.wire(nn.SoftMax(), g.array(*x.shape))
        return cls(*g.choice((), (None,))), [g.wire(before(), x) if before else x, target]

    return recipe


def distribution(g: Growth):
    x = g.array(g.size(), g.integer(2, 4))
    return nn.DistKLDivCriterion(), [g.wire(nn.LogSoftMax(), x), g.wire(nn.SoftMax(), g.array(*x.shape))]


def cropped(g: Growth):
    planes, height, width = g.sizes(3)
    return nn.SpatialAutoCropMSECriterion(), [g.array(planes, height, width), g.array(planes, height + 2, width + 1)]


def of_pairs(make, signs):
    """A recipe for two arrays (batch, n) and 1 or -1 for whatever `signs` says."""

    def recipe(g: Growth):
        shape = g.sizes(2)
        return make(g), [[g.array(*shape), g.array(*shape)], g.signs(*signs(shape))]

    return recipe


def ranking(g: Growth):
    n = g.size()
    return nn.MarginRankingCriterion(g.choice(0.5, 3)), [[g.array(n), g.array(n)], g.signs(n)]


def ratio(g: Growth):
    shape = g.sizes(2)
    return nn.DistanceRatioCriterion(), [g.array(*shape), g.array(*shape)]


def several(g: Growth):
    x = g.any()
    return nn.MultiCriterion().add(nn.MSECriterion(), 2).add(nn.SmoothL1Criterion()), [x, g.array(*x.shape)]


def in_parallel(g: Growth):
    x, y = g.any(), g.any()
    criterion = nn.ParallelCriterion().add(nn.MSECriterion()).add(nn.AbsCriterion(), 0.5)
    return criterion, [[x, y], [g.array(*x.shape), g.array(*y.shape)]]


def behind_modules(g: Growth):
    x = g.of_rank(2)
    criterion = nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(x.shape[1], 2), nn.Sigmoid())
    return criterion, [x, g.array(x.shape[0], 2)]


CRITERIONS = {
    "AbsCriterion": compared(lambda g: nn.AbsCriterion(g.choice(True, False))),
    "MSECriterion": compared(lambda g: nn.MSECriterion(g.choice(True, False))),
    "SmoothL1Criterion": compared(lambda g: nn.SmoothL1Criterion()),
    "WeightedMSECriterion": lambda g: (
        nn.WeightedMSECriterion(np.array([1.0, 2.0, 0.5])),
        [x := g.array(g.size(), 3), g.array(*x.shape)],
    ),
    "SpatialAutoCropMSECriterion": cropped,
    "L1Cost": lambda g: (nn.L1Cost(), g.any()),
    "BCECriterion": probabilities(nn.BCECriterion, nn.Sigmoid),
    "MultiLabelSoftMarginCriterion": probabilities(nn.MultiLabelSoftMarginCriterion, None),
    "DistKLDivCriterion": distribution,
    "ClassNLLCriterion": to_classes(lambda n, g: nn.ClassNLLCriterion(None, g.choice(True, False)), nn.LogSoftMax),
    "CrossEntropyCriterion": to_classes(lambda n, g: nn.CrossEntropyCriterion(g.choice(None, np.arange(1.0, n + 1)))),
    "SpatialClassNLLCriterion": to_pixels,
    "ClassSimplexCriterion": to_classes(lambda n, g: nn.ClassSimplexCriterion(n)),
    "MarginCriterion": to_signs(lambda g: nn.MarginCriterion(0.7)),
    "SoftMarginCriterion": to_signs(lambda g: nn.SoftMarginCriterion()),
    "HingeEmbeddingCriterion": to_signs(lambda g: nn.HingeEmbeddingCriterion()),
    "MultiMarginCriterion": to_classes(lambda n, g: nn.MultiMarginCriterion(g.integer(1, 2))),
    "MultiLabelMarginCriterion": lambda g: (
        nn.MultiLabelMarginCriterion(),
        [x := g.array(g.size(), g.integer(2, 4)), g.input(lambda rng: rng.integers(-1, x.shape[1], x.shape))],
    ),
    "CosineEmbeddingCriterion": of_pairs(lambda g: nn.CosineEmbeddingCriterion(-0.5), lambda shape: shape[:1]),
    "L1HingeEmbeddingCriterion": of_pairs(lambda g: nn.L1HingeEmbeddingCriterion(5), lambda shape: (1,)),
    "MarginRankingCriterion": ranking,
    "DistanceRatioCriterion": ratio,
    "MultiCriterion": several,
    "ParallelCriterion": in_parallel,
    "ModuleCriterion": behind_modules,
    "ModuleFromCriterion": compared(lambda g: nn.ModuleFromCriterion(nn.MSECriterion())),
    "CriterionTable": compared(lambda g: nn.CriterionTable(nn.MSECriterion())),
}
