"""Losses of real numbers against real numbers, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.criterion import Criterion, real, weight_array


class PointwiseCriterion(Criterion):
    """A criterion that adds up or averages a loss of each element.

    A subclass writes `loss(self, x, t)` and `derivative(self, x, t)`, its derivative by x, on arrays of one shape and
    type. The target has as many elements as the input; nothing is broadcast.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """The loss of each element."""
        raise NotImplementedError(f"{type(self).__name__} defines no loss")

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """The derivative of each element's loss by x."""
        raise NotImplementedError(f"{type(self).__name__} defines no derivative")

    def update_output(self, input: np.ndarray, target: np.ndarray) -> float:
        total = self.loss(input, target).sum()
        return total / input.size if self.size_average else total

    def update_grad_input(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        gradient = self.derivative(input, target)
        if self.size_average:
            gradient = gradient * (1 / input.size)
        return gradient.astype(input.dtype, copy=False)

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(shape, list) or isinstance(target_shape, list):
            raise ShapeError("expected an array and a target that is an array, not tables")
        if math.prod(shape) != math.prod(target_shape):
            raise ShapeError("expected a target of as many elements as the input")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, Any]:
        x = real(input)
        return x, target.reshape(x.shape).astype(x.dtype, copy=False)


class AbsCriterion(PointwiseCriterion):
    """The mean absolute error: mean |x - t|; the derivative at x = t is 1.

    >>> AbsCriterion().forward(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    1.5

    Source: torch/nn, AbsCriterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.abs(x - t)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(x - t >= 0, 1.0, -1.0)


class MSECriterion(PointwiseCriterion):
    """The mean square error: mean (x - t)^2.

    >>> MSECriterion().forward(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    2.5

    Source: torch/nn, MSECriterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return (x - t) ** 2

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return 2 * (x - t)


class SmoothL1Criterion(PointwiseCriterion):
    """Square near the target and linear far from it: 0.5 z^2 where z = |x - t| is below 1, else z - 0.5; the mean.

    >>> SmoothL1Criterion().forward(np.array([0.5, 3.0]), np.array([0.0, 0.0]))
    1.3125

    Source: torch/nn, SmoothL1Criterion.lua.
    """

    def loss(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        z = np.abs(x - t)
        return np.where(z < 1, 0.5 * z * z, z - 0.5)

    def derivative(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.clip(x - t, -1, 1)


class WeightedMSECriterion(MSECriterion):
    """The mean square error against a weighted target: mean (x - w t)^2.

    `weight` has the shape of the input, or of one sample of it: then each row of a batch is weighted alike.

    >>> WeightedMSECriterion(np.array([1.0, 0.5])).forward(np.array([[1.0, 1.0]]), np.array([[1.0, 4.0]]))
    0.5

    Source: torch/nn, WeightedMSECriterion.lua; there, too, the weight multiplies the target and not the error.
    """

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight_array(weight, "weight")

    def check(self, shape: Any, target_shape: Any) -> None:
        super().check(shape, target_shape)
        sample = shape[1:] if len(shape) - 1 == self.weight.ndim else shape
        if math.prod(sample) != self.weight.size:
            raise ShapeError(f"expected an input, or samples, of the weight's shape {self.weight.shape}")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, t = super().prepare(input, target)
        sample = x.shape[1:] if x.ndim - 1 == self.weight.ndim else x.shape
        return x, t * self.weight.reshape(sample).astype(x.dtype, copy=False)


class SpatialAutoCropMSECriterion(MSECriterion):
    """The mean square error against the middle of a target that is larger in height and width.

    (batch, planes, height, width) or (planes, height, width).
    Where the target is larger by an odd number, one row more is cut off at the end than at the start.

    >>> SpatialAutoCropMSECriterion().forward(np.zeros((1, 1, 1)), np.arange(9.0).reshape(1, 3, 3))
    16.0

    Source: torch/nn, SpatialAutoCropMSECriterion.lua. Torch7's backward refuses every target that is larger
    than the input; here it gives the gradient of the loss.
    """

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(shape, list) or isinstance(target_shape, list) or len(shape) not in (3, 4):
            raise ShapeError("expected arrays of 3 or 4 axes, the last two height and width")
        larger = all(size <= target_size for size, target_size in zip(shape[-2:], target_shape[-2:]))
        if len(shape) != len(target_shape) or shape[:-2] != target_shape[:-2] or not larger:
            raise ShapeError("expected a target of the input's shape, or of greater height and width")

    def prepare(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, Any]:
        (height, width), (target_height, target_width) = input.shape[-2:], target.shape[-2:]
        top, left = (target_height - height) // 2, (target_width - width) // 2
        return super().prepare(input, target[..., top : top + height, left : left + width])


class L1Cost(PointwiseCriterion):
    """The sum of absolute values, without a target and never averaged: sum |x|; the derivative at 0 is 0.

    >>> L1Cost().forward(np.array([1.0, -2.0]))
    3.0

    Source: torch/nn, L1Cost.lua.
    """

    takes_target = False
    size_average = False

    def __init__(self) -> None:
        pass

    def loss(self, x: np.ndarray, t: Any) -> np.ndarray:
        return np.abs(x)

    def derivative(self, x: np.ndarray, t: Any) -> np.ndarray:
        return np.sign(x)

    def check(self, shape: Any, target_shape: Any) -> None:
        if isinstance(shape, list):
            raise ShapeError("expected an array, not a table")

    def prepare(self, input: np.ndarray, target: Any) -> tuple[np.ndarray, Any]:
        return real(input), None
