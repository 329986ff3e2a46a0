"""Functions of the elements, normalisation, regularisation and losses with operators of their own in ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.export.onnx.arrays import StandIn
from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.layout import as_given, on_rows
from nodegraph.export.onnx.recording import NotRecordable


def exact(conversion: Conversion, attribute: float) -> bool:
    """Whether an attribute, which is a float32, loses nothing that the graph's numbers have."""
    return not conversion.recorder.double or float(np.float32(attribute)) == attribute


@converts(nn.ELU)
def elu(conversion: Conversion, module: nn.ELU, x: StandIn) -> StandIn:
    return conversion.apply("Elu", x, alpha=module.alpha) if exact(conversion, module.alpha) else module.formula(x)


@converts(nn.LeakyReLU)
def leaky_relu(conversion: Conversion, module: nn.LeakyReLU, x: StandIn) -> StandIn:
    slope = module.negval
    return conversion.apply("LeakyRelu", x, alpha=slope) if exact(conversion, slope) else module.formula(x)


@converts(nn.PReLU)
def p_relu(conversion: Conversion, module: nn.PReLU, x: StandIn) -> StandIn:
    plain = module.n_output_plane == 0 or x.ndim <= 2
    return conversion.apply("PRelu", x, module.weight if plain else module._slopes(x))


@converts(nn.SoftSign)
def soft_sign(conversion: Conversion, module: nn.SoftSign, x: StandIn) -> StandIn:
    return conversion.apply("Softsign", x)


@converts(nn.GatedLinearUnit)
def gated_linear_unit(conversion: Conversion, module: nn.GatedLinearUnit, x: StandIn) -> StandIn:
    values, gate = np.split(x, 2, module.axis)
    return values * conversion.apply("Sigmoid", gate)


@converts(nn.SoftMax)
def soft_max(conversion: Conversion, module: nn.SoftMax, x: StandIn) -> StandIn:
    return conversion.apply("Softmax", x, axis=module.axis(x.ndim))


@converts(nn.SoftMin)
def soft_min(conversion: Conversion, module: nn.SoftMin, x: StandIn) -> StandIn:
    return conversion.apply("Softmax", -x, axis=module.axis(x.ndim))


@converts(nn.LogSoftMax)
def log_soft_max(conversion: Conversion, module: nn.LogSoftMax, x: StandIn) -> StandIn:
    return conversion.apply("LogSoftmax", x, axis=module.axis(x.ndim))


@converts(nn.CAddTable)
def add_table(conversion: Conversion, module: nn.CAddTable, xs: list[StandIn]) -> StandIn:
    return variadic(conversion, "Sum", module, xs)


@converts(nn.CMaxTable)
def max_table(conversion: Conversion, module: nn.CMaxTable, xs: list[StandIn]) -> StandIn:
    return variadic(conversion, "Max", module, xs)


@converts(nn.CMinTable)
def min_table(conversion: Conversion, module: nn.CMinTable, xs: list[StandIn]) -> StandIn:
    return variadic(conversion, "Min", module, xs)


def variadic(conversion: Conversion, kind: str, module: nn.Pointwise, xs: list[StandIn]) -> StandIn:
    """The formula for one or two arrays, else one operator for all."""
    xs = module._operands(xs)
    if len(xs) < 3 or len({x.dtype for x in xs}) > 1:
        return module.formula(*xs)
    return conversion.apply(kind, *xs)


@converts(nn.Mul)
def mul(conversion: Conversion, module: nn.Mul, x: StandIn) -> StandIn:
    return x * module.weight if x.ndim else (x * module.weight).reshape(())


@converts(nn.BatchNormalization)
def batch_normalization(conversion: Conversion, module: nn.BatchNormalization, x: StandIn) -> StandIn:
    n_axes = 1 + len(module.spatial)
    rows, n = on_rows(x, n_axes), module.n_output
    weight, bias = (module.weight, module.bias) if module.affine else (np.ones(n), np.zeros(n))
    variance = module.running_var
    if not exact(conversion, module.eps):
        variance = variance + (module.eps - float(np.float32(module.eps)))
    vectors = [conversion.recorder.cast(v, x.dtype) for v in (weight, bias, module.running_mean, variance)]
    return as_given(conversion.apply("BatchNormalization", rows, *vectors, epsilon=module.eps), x, n_axes)


@converts(nn.LayerNormalization)
def layer_normalization(conversion: Conversion, module: nn.LayerNormalization, x: StandIn) -> StandIn:
    n = module.n_output
    weight, bias = (module.weight, module.bias) if module.affine else (np.ones(n), np.zeros(n))
    vectors = [conversion.recorder.cast(v, x.dtype) for v in (weight, bias)]
    return conversion.apply("LayerNormalization", x, *vectors, axis=-1, epsilon=module.eps / n)


@converts(nn.Normalize)
def normalize(conversion: Conversion, module: nn.Normalize, x: StandIn) -> StandIn:
    magnitude = np.abs(x)
    if module.p == math.inf:
        return x / (magnitude.max(-1, keepdims=True) + module.eps)
    powers = x * x if module.p == 2 else magnitude**module.p
    total = powers.sum(-1, keepdims=True) + module.eps
    return x / (np.sqrt(total) if module.p == 2 else total ** (1 / module.p))


@converts(nn.L1Penalty, nn.PrintSize, nn.NaN, nn.Profile)
def passed_on(conversion: Conversion, module: nn.Module, x: Any) -> Any:
    """What only prints, watches or changes the training."""
    return conversion.call(module.children()[0], x) if module.children() else x


@converts(nn.Dropout)
def dropout(conversion: Conversion, module: nn.Dropout, x: StandIn) -> StandIn:
    if module.p and module.stochastic_inference:
        raise NotRecordable("random numbers")
    return x * (1 - module.p) if module.v1 and module.p else x


@converts(nn.SpatialDropout)
def spatial_dropout(conversion: Conversion, module: nn.SpatialDropout, x: StandIn) -> StandIn:
    if module.stochastic_inference:
        raise NotRecordable("random numbers")
    return x * (1 - module.p)


CLASS_LOSSES = {
    nn.ClassNLLCriterion: "NegativeLogLikelihoodLoss",
    nn.CrossEntropyCriterion: "SoftmaxCrossEntropyLoss",
}


@converts(nn.ModuleFromCriterion)
def loss(conversion: Conversion, module: nn.ModuleFromCriterion, input: Any) -> StandIn:
    criterion, (x, target) = module.criterion, module._pair(input)
    kind = CLASS_LOSSES.get(type(criterion))
    if kind is None:
        return np.reshape(criterion.update_output(*criterion.prepare(x, target)), module.shape)
    x = x.reshape(criterion.rows(x.shape, target.shape))
    classes = conversion.recorder.index(target.reshape(x.shape[:1] + x.shape[2:]))
    weights = [] if criterion.weights is None else [conversion.recorder.number(criterion.weights, x)]
    reduction = "mean" if criterion.size_average else "sum"
    attributes = {"reduction": reduction, "ignore_index": criterion.ignore_index}
    return conversion.apply(kind, x, classes, *weights, shape=(), **attributes).reshape(module.shape)
