"""Modules that leave the values alone, or nearly so, and act on the training: penalties, reversed gradients, noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import random, table
from nodegraph.errors import ArgumentError
from nodegraph.nn.dropout import noise_dtype
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import array_shape, flag, number


class PassThrough(Module):
    """A module that passes on the input, an array or a table, and the gradient; a subclass changes one of the two."""

    parameter_names = ()

    def update_output(self, input: Any) -> Any:
        return input

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return grad_output

    def rowwise(self, shape: Any) -> bool:
        return True

    def output_shape(self, shape: Any) -> Any:
        return shape


class GradientReversal(PassThrough):
    """y = x, but the gradient is multiplied by -lam: what is below learns the opposite of what is above.

    >>> reversal = GradientReversal(0.5)
    >>> reversal.forward(np.array([1.0, 2.0]))
    array([1., 2.])
    >>> reversal.backward(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([-0.5, -0.5])

    Source: torch/nn, GradientReversal.lua; Ganin et al. 2016, arXiv:1505.07818.
    """

    def __init__(self, lam: float = 1) -> None:
        self.set_lambda(lam)

    def set_lambda(self, lam: float) -> GradientReversal:
        """Change the factor."""
        self.lam = number(lam, "lam")
        return self

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return table.map(lambda gradient: np.asarray(-self.lam * gradient), grad_output)


class ZeroGrad(PassThrough):
    """y = x, but the gradient is zero: nothing below learns.

    >>> ZeroGrad().forward(np.array([1.0, 2.0]))
    array([1., 2.])

    Source: torch/nn, ZeroGrad.lua.
    """

    def update_grad_input(self, input: Any, grad_output: Any) -> Any:
        return table.zeros_like(input)


class L1Penalty(PassThrough):
    """y = x, with a penalty on its size: l1weight sum |x| is added to the loss by way of the gradient.

    The gradient is grad_output + l1weight sign(x), or without `provide_output` the second term alone. With
    `size_average` the sum is divided by the number of elements. `loss` is the penalty of the last run.

    >>> penalty = L1Penalty(0.1)
    >>> y = penalty.forward(np.array([1.0, -2.0]))
    >>> round(penalty.loss, 6)
    0.3

    Source: torch/nn, L1Penalty.lua.
    """

    loss: float | None = None

    def __init__(self, l1weight: float, size_average: bool = False, provide_output: bool = True) -> None:
        self.l1weight = number(l1weight, "l1weight")
        self.size_average = flag(size_average, "size_average")
        self.provide_output = flag(provide_output, "provide_output")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.loss = self._weight(input) * float(np.abs(input).sum())
        return input

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        penalty = self._weight(input) * np.sign(input)
        return np.asarray(grad_output + penalty if self.provide_output else penalty)

    def _weight(self, input: np.ndarray) -> float:
        return self.l1weight / max(input.size, 1) if self.size_average else self.l1weight

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0 and not self.size_average

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return array_shape(shape)


class WhiteNoise(PassThrough):
    """y = x + e in training, where e is drawn from the normal distribution; y = x + mean in evaluation.

    `std` is the standard deviation. `noise` is what the last run drew.

    >>> WhiteNoise(0.5, 0.1).evaluate().forward(np.array([1.0, 2.0]))
    array([1.5, 2.5])

    Source: torch/nn, WhiteNoise.lua. Torch7 refuses the backward of an evaluation; here it is that of a training.
    """

    def __init__(self, mean: float = 0, std: float = 0.1) -> None:
        self.mean, self.std = number(mean, "mean"), number(std, "std")
        if self.std < 0:
            raise ArgumentError(f"std must not be negative, got {std}")

    @property
    def noise(self) -> np.ndarray | None:
        """What the last run added; None if it drew nothing."""
        return self.saved

    def update_output(self, input: np.ndarray) -> np.ndarray:
        if not self.train:
            self.saved = None
            return np.asarray(input + self.mean)
        drawn = random.generator().normal(self.mean, self.std, input.shape)
        self.saved = drawn.astype(noise_dtype(input))
        return np.asarray(input + self.saved)

    def rowwise(self, shape: Any) -> bool:
        return len(shape) > 0

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        return array_shape(shape)
