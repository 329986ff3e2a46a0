"""Criterions: the loss of an input and a target, a tensor without axes."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nodegraph import nn, table
from nodegraph.export.torch.conversion import Converter, register
from nodegraph.export.torch.elementwise import with_derivative
from nodegraph.export.torch.layer import Layer, function


def total(losses: Tensor, size_average: bool) -> Tensor:
    """The mean of the losses, or their sum."""
    return losses.mean() if size_average else losses.sum()


def alike(x: Tensor, target: Tensor) -> Tensor:
    """The target in the input's shape and type."""
    return target.reshape(x.shape).to(x.dtype)


# Real numbers


@function(nn.AbsCriterion, settings="size_average")
def absolute(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    difference = x - alike(x, target)
    return total(torch.where(difference >= 0, difference, -difference), size_average)


@function(nn.MSECriterion, settings="size_average")
def mean_square(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    return total((x - alike(x, target)) ** 2, size_average)


@function(nn.SmoothL1Criterion, settings="size_average")
def smooth_l1(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    return F.smooth_l1_loss(x, alike(x, target), reduction="mean" if size_average else "sum")


@function(nn.WeightedMSECriterion, settings="weight size_average")
def weighted_mean_square(x: Tensor, target: Tensor, weight: Tensor, size_average: bool) -> Tensor:
    sample = x.shape[1:] if x.dim() - 1 == weight.dim() else x.shape
    return total((x - alike(x, target) * weight.reshape(sample).to(x.dtype)) ** 2, size_average)


@function(nn.SpatialAutoCropMSECriterion, settings="size_average")
def cropped_mean_square(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    for axis in (-2, -1):
        n = x.shape[axis]
        target = target.narrow(axis, (target.shape[axis] - n) // 2, n)
    return mean_square(x, target, size_average)


@function(nn.L1Cost)
def sum_of_sizes(x: Tensor, target: None = None) -> Tensor:
    return x.abs().sum()


# Probabilities


@function(nn.BCECriterion, settings="weights size_average")
def binary_cross_entropy(x: Tensor, target: Tensor, weights: Tensor | None, size_average: bool) -> Tensor:
    """As in Torch7 with 1e-12 added to each probability, in float64, and with Torch7's derivative."""
    x = x if weights is None else x.reshape(target.shape)
    p, t = x.double(), alike(x, target).double()
    losses = -(torch.log(p + 1e-12) * t + torch.log(1 - p + 1e-12) * (1 - t))
    losses = with_derivative(losses, p, (p - t) / ((1 - p + 1e-12) * (p + 1e-12)))
    return total(losses if weights is None else losses * weights, size_average).to(x.dtype)


@function(nn.MultiLabelSoftMarginCriterion, settings="weights size_average")
def soft_margins(x: Tensor, target: Tensor, weights: Tensor | None, size_average: bool) -> Tensor:
    x = x if weights is None else x.reshape(target.shape)
    losses = -F.logsigmoid(-x) - alike(x, target) * x
    return total(losses if weights is None else losses * weights.to(x.dtype), size_average)


@function(nn.DistKLDivCriterion, settings="size_average")
def divergence(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    t = alike(x, target)
    return total(torch.where(t > 0, t * (torch.log(torch.where(t > 0, t, 1.0)) - x), 0.0), size_average)


# Classes


@function(nn.ClassNLLCriterion, nn.SpatialClassNLLCriterion, settings="weights size_average ignore_index")
def negative_log_likelihood(
    x: Tensor, target: Tensor, weights: Tensor | None, size_average: bool, ignore_index: int
) -> Tensor:
    """-sum w_t x_t / sum w_t, and 0 where nothing counts."""
    rows = x.unsqueeze(0) if x.dim() == 1 else x
    classes = target.reshape(rows.shape[:1] + rows.shape[2:]).long()
    kept = classes != ignore_index
    classes = torch.where(kept, classes, 0)
    shares = kept.to(x.dtype) if weights is None else kept * weights.to(x.dtype)[classes]
    losses = torch.where(shares == 0, 0.0, shares * rows.gather(1, classes.unsqueeze(1)).squeeze(1)).sum()
    whole = shares.sum()
    return -losses / torch.where(whole == 0, 1.0, whole) if size_average else -losses


@function(nn.CrossEntropyCriterion, settings="weights size_average ignore_index")
def cross_entropy(x: Tensor, target: Tensor, weights: Tensor | None, size_average: bool, ignore_index: int) -> Tensor:
    if not (x.dim() == 1 or (x.dim() == 2 and target.numel() == x.shape[0])):
        x = x.reshape([n for n in x.shape if n != 1] or [1])
    return negative_log_likelihood(torch.log_softmax(x, -1), target, weights, size_average, ignore_index)


@function(nn.ClassSimplexCriterion, settings="simplex size_average")
def simplex_distance(x: Tensor, target: Tensor, simplex: Tensor, size_average: bool) -> Tensor:
    return mean_square(x, simplex[target.reshape(-1).long()], size_average)


# Margins


@function(nn.MarginCriterion, settings="margin size_average")
def hinge(x: Tensor, target: Tensor, margin: float, size_average: bool) -> Tensor:
    return total(torch.relu(margin - x * alike(x, target)), size_average)


@function(nn.SoftMarginCriterion, settings="size_average")
def soft_margin(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    return total(-F.logsigmoid(x * alike(x, target)), size_average)


@function(nn.MultiMarginCriterion, settings="p weights margin size_average")
def multi_margin(
    x: Tensor, target: Tensor, p: int, weights: Tensor | None, margin: float, size_average: bool
) -> Tensor:
    rows = torch.atleast_2d(x)
    right = target.reshape(-1, 1).long()
    excess = torch.relu(margin - rows.gather(1, right) + rows) ** p
    excess = torch.where(F.one_hot(right[:, 0], rows.shape[1]).bool(), 0.0, excess)
    if weights is not None:
        excess = excess * weights.to(x.dtype)[right]
    return excess.sum() / (rows.numel() if size_average else rows.shape[1])


@function(nn.MultiLabelMarginCriterion, settings="size_average")
def multi_label_margin(x: Tensor, target: Tensor, size_average: bool) -> Tensor:
    """Over all pairs of a right class, listed in the target up to the first -1, and a wrong one."""
    rows, classes = torch.atleast_2d(x), torch.atleast_2d(target).long()
    listed = (classes >= 0).cumprod(1).bool()
    places = torch.where(listed, classes, 0)
    is_right = torch.zeros_like(rows).scatter_add(1, places, listed.to(x.dtype)) > 0
    excess = torch.relu(1 - rows.gather(1, places).unsqueeze(2) + rows.unsqueeze(1))
    excess = torch.where(listed.unsqueeze(2) & ~is_right.unsqueeze(1), excess, 0.0)
    return excess.sum() / (rows.numel() if size_average else rows.shape[1])


@function(nn.HingeEmbeddingCriterion, settings="margin size_average")
def hinge_embedding(x: Tensor, target: Tensor, margin: float, size_average: bool) -> Tensor:
    far = torch.where(x > margin, 0.0, margin - x)
    return total(torch.where(alike(x, target) == 1, x, far), size_average)


# Pairs


@function(nn.CosineEmbeddingCriterion, settings="margin size_average")
def cosine_embedding(pair: list[Tensor], target: Tensor, margin: float, size_average: bool) -> Tensor:
    a, b = map(torch.atleast_2d, pair)
    cosine = (a * b).sum(1) / torch.sqrt(((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12))
    return total(torch.where(target.reshape(-1) == 1, 1 - cosine, torch.relu(cosine - margin)), size_average)


@function(nn.L1HingeEmbeddingCriterion, settings="margin")
def l1_hinge(pair: list[Tensor], target: Tensor, margin: float) -> Tensor:
    distance = (pair[0] - pair[1]).abs().sum()
    far = torch.where(distance > margin, 0.0, margin - distance)
    return torch.where(target.reshape(()) == 1, distance, far)


@function(nn.MarginRankingCriterion, settings="margin size_average")
def ranking(pair: list[Tensor], target: Tensor, margin: float, size_average: bool) -> Tensor:
    """The mean is over the first axis of the target; where the margin is just met the gradient is not 0."""
    t = torch.atleast_1d(target).to(pair[0].dtype)
    excess = margin - t * (pair[0].reshape(t.shape) - pair[1].reshape(t.shape))
    losses = torch.where(excess >= 0, excess, 0.0).sum()
    return losses / len(t) if size_average else losses


@function(nn.DistanceRatioCriterion, settings="size_average")
def distance_ratio(pair: list[Tensor], target: None, size_average: bool) -> Tensor:
    losses = -F.logsigmoid(pair[1] - pair[0]).sum()
    return losses / len(pair[0]) if size_average else losses


# Criterions of criterions


class Weighted(Layer):
    """Base of the weighted sums of criterions, which are the children 0, 1, ..."""

    settings = "weights"

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        """Input and target of each criterion."""
        raise NotImplementedError

    def forward(self, input: Any, target: Any = None) -> Tensor:
        criterions = self._modules.values()
        losses = [
            weight * criterion(x, t)
            for weight, criterion, (x, t) in zip(self.weights, criterions, self.parts(input, target))
        ]
        return functools.reduce(torch.add, losses)


@register(nn.MultiCriterion)
class MultiCriterion(Weighted):
    """All on the same input and target."""

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        return [(input, target)] * len(self.weights)


@register(nn.ParallelCriterion)
class ParallelCriterion(Weighted):
    """Each on its own part of two tables."""

    settings = "weights repeat_target"

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        repeated = self.repeat_target or target is None
        return list(zip(input, [target] * len(self.weights) if repeated else target, strict=True))


@register(nn.ModuleCriterion)
class ModuleCriterion(Layer):
    """A criterion on the output of a module, which may also be put before the target."""

    def __init__(self, criterion: nn.ModuleCriterion, converter: Converter) -> None:
        super().__init__(criterion)
        for name in ("criterion", "input_module", "target_module"):
            part = getattr(criterion, name)
            self.add_module(name, None if part is None else converter.convert(part))

    def forward(self, input: Any, target: Any = None) -> Tensor:
        if self.input_module is not None:
            input = self.input_module(input)
        if self.target_module is not None:
            target = table.map(torch.detach, self.target_module(target))
        return self.criterion(input, target)


@register(nn.ModuleFromCriterion, nn.CriterionTable)
class ModuleFromCriterion(Layer):
    """A criterion as a module: [input, target] -> the loss. The target's gradient is zero."""

    settings = "shape"

    def __init__(self, module: nn.ModuleFromCriterion, converter: Converter) -> None:
        super().__init__(module)
        self.takes_target = module.criterion.takes_target
        self.add_module("criterion", converter.convert(module.criterion))

    def forward(self, input: Any) -> Tensor:
        if not self.takes_target:
            return self.criterion(input, None).reshape(self.shape)
        return self.criterion(input[0], table.map(torch.detach, input[1])).reshape(self.shape)
