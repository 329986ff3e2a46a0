"""Dropout, and the base of modules that multiply their input by random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import random
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape, flag, number


class RandomFactor(Module):
    """A module that multiplies its input by numbers it draws: y = noise x, dy/dx = noise.

    A subclass defines `factor(input)`: the array of the numbers, or one number for all, or None to pass the input on.
    The backward of a run uses what that run drew, whatever the mode is by then.
    """

    parameter_names = ()

    def factor(self, input: np.ndarray) -> np.ndarray | float | None:
        """What this run multiplies the input by, drawn anew; None for 1."""
        raise NotImplementedError

    @property
    def noise(self) -> np.ndarray | None:
        """The factors of the last run; None if it drew none."""
        return self.saved if isinstance(self.saved, np.ndarray) else None

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.saved = self.factor(input)
        return self._multiplied(input)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return self._multiplied(grad_output)

    def _multiplied(self, x: np.ndarray) -> np.ndarray:
        return x if self.saved is None else np.asarray(x * self.saved)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return array_shape(shape)


def noise_dtype(input: np.ndarray) -> np.dtype:
    """The dtype of random numbers for an input: the input's own, float64 for whole numbers."""
    return input.dtype if input.dtype.kind == "f" else np.dtype(float)


class Dropout(RandomFactor):
    """In training y = 0 with probability `p` and x / (1 - p) otherwise, for each element; in evaluation y = x.

    With `v1`, y is 0 or x in training and (1 - p) x in evaluation. With `stochastic_inference` elements are dropped in
    evaluation, too. `noise` is the last run's mask, of zeros and 1 / (1 - p).

    >>> Dropout(0.5).evaluate().forward(np.array([1.0, 2.0]))
    array([1., 2.])
    >>> bool(np.isin(Dropout(0.5).forward(np.ones(100)), [0, 2]).all())
    True

    Source: torch/nn, Dropout.lua; Srivastava et al. 2014. Torch7 forgets the mask in the backward of a stochastic
    evaluation; here it is applied. ArgumentError unless 0 <= p < 1.
    """

    def __init__(
        self, p: float = 0.5, v1: bool = False, inplace: bool = False, stochastic_inference: bool = False
    ) -> None:
        self.v1, self.inplace = flag(v1, "v1"), flag(inplace)
        self.stochastic_inference = flag(stochastic_inference, "stochastic_inference")
        self.setp(p)

    def setp(self, p: float) -> Dropout:
        """Change the probability of dropping."""
        self.p = number(p, "p")
        if not 0 <= self.p < 1:
            raise ArgumentError(f"p must be at least 0 and below 1, got {p}")
        return self

    def factor(self, input: np.ndarray) -> np.ndarray | float | None:
        if self.p == 0:
            return None
        if self.train or self.stochastic_inference:
            return kept(input.shape, self.p, noise_dtype(input), 1 if self.v1 else 1 / (1 - self.p))
        return 1 - self.p if self.v1 else None


def kept(shape: tuple[int, ...], p: float, dtype: np.dtype, value: float = 1) -> np.ndarray:
    """An array that is 0 with probability `p` and `value` otherwise; the same places for any dtype."""
    mask = (random.generator().random(shape) >= p).astype(dtype)
    return np.asarray(mask if value == 1 else mask * value)


class SpatialDropout(RandomFactor):
    """In training each feature map is 0 as a whole with probability `p` and x otherwise; in evaluation y = (1 - p) x.

    (batch, features, height, width) or (features, height, width), the shape unchanged. With `stochastic_inference`
    maps are dropped in evaluation, too. `noise` is the last run's mask, (batch, features, 1, 1) or (features, 1, 1).

    >>> SpatialDropout(0.5).evaluate().forward(np.ones((1, 1, 2)))
    array([[[0.5, 0.5]]])

    Source: torch/nn, SpatialDropout.lua; Tompson et al. 2015, arXiv:1411.4280. Torch7 refuses the backward of an
    evaluation; here it is what the forward's formula says. ArgumentError unless 0 <= p <= 1.
    """

    map_axes: tuple[str, ...] = ("height", "width")

    def __init__(self, p: float = 0.5, stochastic_inference: bool = False) -> None:
        self.stochastic_inference = flag(stochastic_inference, "stochastic_inference")
        self.setp(p)

    def setp(self, p: float) -> SpatialDropout:
        """Change the probability of dropping."""
        self.p = number(p, "p")
        if not 0 <= self.p <= 1:
            raise ArgumentError(f"p must be between 0 and 1, got {p}")
        return self

    def factor(self, input: np.ndarray) -> np.ndarray | float:
        if self.train or self.stochastic_inference:
            axes = len(self.map_axes)
            return kept(input.shape[:-axes] + (1,) * axes, self.p, noise_dtype(input))
        return 1 - self.p

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if len(array_shape(shape)) - len(self.map_axes) not in (1, 2):
            sample = f"features, {', '.join(self.map_axes)}"
            raise ShapeError(f"expected an array of shape (batch, {sample}) or ({sample})")
        return shape


class VolumetricDropout(SpatialDropout):
    """SpatialDropout for (batch, features, time, height, width) or (features, time, height, width).

    >>> VolumetricDropout(0.5).evaluate().forward(np.ones((1, 1, 1, 2)))
    array([[[[0.5, 0.5]]]])

    Source: torch/nn, VolumetricDropout.lua.
    """

    map_axes = ("time", "height", "width")
