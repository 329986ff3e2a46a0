"""Normalisation of images by their surroundings: neighbouring planes, or the places around a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.module import Call, Module
from nodegraph.nn.parametric import size
from nodegraph.nn.pointwise import number
from nodegraph.nn.view import integer


class ImageModule(Module):
    """Base of the modules for (batch, planes, height, width) or one image without the batch; keeps the shape."""

    parameter_names = ()
    n_input_plane: int | None = None
    """How many planes the images must have, where that is given."""

    def rowwise(self, shape: Any) -> bool:
        return len(shape) == 4

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        n = self.n_input_plane
        if isinstance(shape, list) or len(shape) not in (3, 4) or n not in (None, shape[-3]):
            planes = "planes" if n is None else n
            raise ShapeError(f"expected an array of shape (batch, {planes}, height, width) or without the batch")
        return shape


class SpatialCrossMapLRN(ImageModule):
    """y_c = x_c / (k + alpha / size * sum of x_d^2 over the `size` planes d around c)^beta, at each place.

    (batch, planes, height, width), or without the batch; planes beyond the first and the last count as zero. `size` is
    odd; Torch7 fails at an even one in the middle of the computation, here it is an ArgumentError.

    >>> SpatialCrossMapLRN(3, alpha=3.0, beta=1.0).forward(np.ones((3, 1, 1))).ravel().round(3)
    array([0.333, 0.25 , 0.333])

    Source: torch/nn, SpatialCrossMapLRN.lua; Krizhevsky et al. 2012, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = integer(size, "size")
        if self.size < 1 or self.size % 2 == 0:
            raise ArgumentError(f"size must be positive and odd, got {self.size}")
        self.alpha, self.beta, self.k = number(alpha, "alpha"), number(beta, "beta"), number(k, "k")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.saved = self.k + self.alpha / self.size * self._around(input * input)
        return input * self.saved**-self.beta

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        scale = self.saved
        along = self._around(grad_output * self.output / scale)
        return grad_output * scale**-self.beta - 2 * self.alpha * self.beta / self.size * input * along

    def _around(self, x: np.ndarray) -> np.ndarray:
        """The sum over the planes around each plane."""
        return correlate(x, np.ones((self.size, 1, 1), x.dtype))


class KernelNormalization(ImageModule):
    """Base of the modules that compare each place with a weighted mean over all planes and the places around it.

    The weights are a kernel (rows, columns), or one vector that is used along the rows and along the columns; its sizes
    are odd, its sum is not 0 (ArgumentError). It is scaled so that the weights add up to 1; `kernel` is the scaled one.
    Places beyond the border count as zero, which `coefficient` makes up for.
    """

    buffer_names = ("kernel",)

    def __init__(self, n_input_plane: int = 1, kernel: Any = None) -> None:
        self.n_input_plane = size(n_input_plane, "n_input_plane")
        self.kernel = kernel_of(kernel)
        self.kernel /= self.kernel.sum() * self.n_input_plane ** (1 / (3 - self.kernel.ndim))

    def mean(self, x: np.ndarray) -> np.ndarray:
        """The weighted mean around each place, the same for all planes: (..., planes, h, w) -> (..., 1, h, w)."""
        return self._through(x.sum(-3, keepdims=True), self.kernel)

    def mean_backward(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient of a plane of `mean`'s input for that of its output; both are (..., 1, h, w)."""
        return self._through(gradient, np.flip(self.kernel))

    def _through(self, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        if kernel.ndim == 2:
            return correlate(x, kernel)
        return correlate(correlate(x, kernel[np.newaxis, :]), kernel[:, np.newaxis])

    def coefficient(self, input: np.ndarray) -> np.ndarray:
        """How much of the weights lies inside the image, at each place: (1, h, w)."""
        return self.mean(np.ones(input.shape[-3:], self.kernel.dtype))


class SpatialSubtractiveNormalization(KernelNormalization):
    """y = x - m, with m the weighted mean over all planes around each place: (batch, planes, height, width).

    Or one image without the batch. Near the border the mean is over what lies inside the image. `kernel` holds the
    weights, (rows, columns) or one vector for both; by default 9 x 9 ones. ArgumentError unless its sizes are odd.

    >>> SpatialSubtractiveNormalization(1, np.ones((3, 3))).forward(np.ones((1, 2, 2)))[0]
    array([[0., 0.],
           [0., 0.]])

    Source: torch/nn, SpatialSubtractiveNormalization.lua. Torch7 scales the caller's kernel, here a copy.
    """

    def update_output(self, input: np.ndarray) -> np.ndarray:
        self.saved = self.coefficient(input)
        return input - self.mean(input) / self.saved

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return grad_output - self.mean_backward(grad_output.sum(-3, keepdims=True) / self.saved)


class SpatialDivisiveNormalization(KernelNormalization):
    """y = x / s, with s the root of the weighted mean of x^2 around each place: (batch, planes, height, width).

    Or one image without the batch. The mean is over all planes; near the border the root is divided by the weights
    inside the image. Where s is not above `threshold`, `thresval` takes its place, by default the threshold. `kernel`
    holds the weights, (rows, columns) or one vector for both; by default 9 x 9 ones. ArgumentError unless its sizes
    are odd.

    >>> SpatialDivisiveNormalization(1, np.ones(1)).forward(np.array([[[3.0, -2.0, 0.0]]]))
    array([[[ 1., -1.,  0.]]])

    Source: torch/nn, SpatialDivisiveNormalization.lua. Torch7 scales the caller's kernel, here a copy.
    """

    def __init__(
        self, n_input_plane: int = 1, kernel: Any = None, threshold: float = 1e-4, thresval: float | None = None
    ) -> None:
        super().__init__(n_input_plane, kernel)
        self.threshold = number(threshold, "threshold")
        self.thresval = self.threshold if thresval is None else number(thresval, "thresval")

    def update_output(self, input: np.ndarray) -> np.ndarray:
        deviation, coefficient = np.sqrt(self.mean(input * input)), self.coefficient(input)
        adjusted = deviation / coefficient
        kept = adjusted > self.threshold
        divisor = np.where(kept, adjusted, self.thresval)
        self.saved = divisor, coefficient * deviation, kept
        return input / divisor

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        divisor, factor, kept = self.saved
        along = (self.output * grad_output).sum(-3, keepdims=True) / divisor
        return grad_output / divisor - input * self.mean_backward(np.where(kept, along / factor, 0))


class SpatialContrastiveNormalization(ImageModule):
    """SpatialSubtractiveNormalization, then SpatialDivisiveNormalization: (batch, planes, height, width).

    Or one image without the batch; the arguments are those of SpatialDivisiveNormalization.

    >>> SpatialContrastiveNormalization(1, np.ones((1, 3))).forward(np.array([[[0.0, 2.0]]])).round(3)
    array([[[-0.816,  0.816]]])

    Source: torch/nn, SpatialContrastiveNormalization.lua. Torch7 scales the caller's kernel, here a copy.
    """

    def __init__(
        self, n_input_plane: int = 1, kernel: Any = None, threshold: float = 1e-4, thresval: float | None = None
    ) -> None:
        self.subtractive = SpatialSubtractiveNormalization(n_input_plane, kernel)
        self.divisive = SpatialDivisiveNormalization(n_input_plane, kernel, threshold, thresval)
        self.n_input_plane = self.subtractive.n_input_plane
        self.kernel = self.divisive.kernel = self.subtractive.kernel

    def children(self) -> list[Module]:
        return [self.subtractive, self.divisive]

    def update_output(self, input: np.ndarray) -> np.ndarray:
        centred = Call(self.subtractive, input)
        self.saved = centred, Call(self.divisive, centred.output)
        return self.saved[1].output

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        for call in reversed(self.saved):
            grad_output = call.update_grad_input(grad_output)
        return grad_output


def correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The sum of what lies around each place, weighted by the kernel, over the last axes of x, as many as the kernel's.

    The kernel's sizes are odd; beyond the border there is zero. With `np.flip(kernel)` this is its own transpose.

    >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 10.0]))
    array([21., 32.,  3.])
    """
    border = [(0, 0)] * (x.ndim - kernel.ndim) + [(n // 2, n // 2) for n in kernel.shape]
    padded = np.pad(x, border)
    output = np.zeros(x.shape, np.result_type(x, kernel))
    for place in np.ndindex(kernel.shape):
        window: Any = (..., *(slice(i, i + n) for i, n in zip(place, x.shape[x.ndim - kernel.ndim :])))
        output += kernel[place] * padded[window]
    return output


def kernel_of(given: Any) -> np.ndarray:
    """A copy of the weights, by default 9 x 9 ones; ArgumentError unless they make sense as a kernel."""
    try:
        kernel = np.ones((9, 9)) if given is None else np.array(given, float)
    except (TypeError, ValueError):
        raise ArgumentError(f"kernel must be an array of numbers, got {given!r}") from None
    if kernel.ndim not in (1, 2) or any(n % 2 == 0 for n in kernel.shape):
        raise ArgumentError(f"kernel must have one or two axes of odd length, got the shape {kernel.shape}")
    if not (np.isfinite(kernel.sum()) and kernel.sum() != 0):
        raise ArgumentError("the numbers in kernel must not add up to 0")
    return kernel
