"""What the convolutions share: a class says how its weight makes a matrix, the rest is here, for any dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.parametric import Parametric, size, times
from nodegraph.nn.view import integer
from nodegraph.nn.windows import Windows


class Convolution(Parametric):
    """Base of the convolutions: output planes that are, at each window, a matrix times what the window shows.

    For a stride, padding, dilation or adjustment None will do, too, and stands for its default, as nil does in Torch.
    The input is (batch, planes, *sizes) or one sample; a class with `features_last` takes (batch, *sizes, planes).
    With `plane_by_plane` an output plane depends on one input plane only, so that each of these is a group of its own.
    `matrix` gives the weight as (groups, out, in x kernel); `weight_gradient` takes the gradient of that matrix and
    gives that of the weight. `plane_bias` and `bias_gradient` do the same for the bias, which is one number a plane
    unless a class says otherwise.
    """

    axes: tuple[str, ...] = ("height", "width")
    features_last = False
    plane_by_plane = False

    def __init__(self, n_input_plane: int, n_output_plane: int, windows: Windows) -> None:
        self.n_input_plane = size(n_input_plane, "the number of input planes")
        self.n_output_plane = size(n_output_plane, "the number of output planes")
        self.windows = windows
        self.spread = self.fan_in()
        self.allocate(weight=self.weight_shape(), bias=self.bias_shape())
        self.reset()

    def weight_shape(self) -> tuple[int, ...]:
        """The shape of the weight."""
        return (self.n_output_plane, self.n_input_plane, *self.windows.kernel)

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.n_output_plane,)

    @property
    def groups(self) -> int:
        """How many groups of planes there are, none of which sees the others."""
        return self.n_input_plane if self.plane_by_plane else 1

    def fan_in(self) -> int:
        """The n of the bound 1/sqrt(n) from which parameters are drawn."""
        return self.n_input_plane * math.prod(self.windows.kernel)

    def no_bias(self) -> Convolution:
        """Do without the bias."""
        self.bias = self.grad_bias = None
        return self

    # The weight as a matrix, the bias as an array to add to the output planes

    def matrix(self) -> np.ndarray:
        """The weight as (groups, out, in x kernel)."""
        return self.weight.reshape(self.groups, len(self.weight) // self.groups, -1)

    def weight_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient of the weight, for that of the matrix."""
        return gradient

    def plane_bias(self) -> np.ndarray:
        """The bias in a shape that can be added to the output planes."""
        return self.bias.reshape(-1, *[1] * len(self.axes))

    def bias_gradient(self, values: np.ndarray) -> np.ndarray:
        """The gradient of the bias, for that of the output planes."""
        return values.sum((0, *range(2, values.ndim)))

    # The computation

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return self.as_given(self.add_bias(self.windows.correlate(self.planes(input), self.matrix())), input.ndim)

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        planes = self.windows.spread(self.planes(grad_output), self.matrix(), self.sizes_of(input.shape))
        return self.as_given(planes, input.ndim)

    def acc_grad_parameters(self, input: np.ndarray, grad_output: np.ndarray, scale: float = 1.0) -> None:
        values = self.planes(grad_output)
        self.add_gradients(self.windows.correlation(self.planes(input), values, self.groups), values, scale)

    def add_bias(self, output: np.ndarray) -> np.ndarray:
        """The output with the bias added in place, where there is one."""
        if self.bias is not None:
            output += self.plane_bias()
        return output

    def add_gradients(self, gradient: np.ndarray, values: np.ndarray, scale: float) -> None:
        """Add what the gradients of the matrix and of the output's planes give for weight and bias."""
        self.grad_weight += times(self.weight_gradient(gradient).reshape(self.weight.shape), scale)
        if self.bias is not None:
            self.grad_bias += times(self.bias_gradient(values), scale)

    # Shapes

    def planes(self, values: np.ndarray) -> np.ndarray:
        """An array as the user gives it, as (batch, planes, *sizes)."""
        if self.features_last:
            values = np.ascontiguousarray(np.moveaxis(values, -1, -1 - len(self.axes)))
        return values if values.ndim == 2 + len(self.axes) else values[None]

    def as_given(self, planes: np.ndarray, ndim: int) -> np.ndarray:
        """The inverse of `planes`, for an array of `ndim` axes."""
        if ndim < planes.ndim:
            planes = planes[0]
        if self.features_last:
            planes = np.ascontiguousarray(np.moveaxis(planes, -1 - len(self.axes), -1))
        return planes

    def sizes_of(self, shape: Any) -> tuple[int, ...]:
        """The sizes of the planes in an input's shape; ShapeError unless that fits the class."""
        n = len(self.axes)
        place = -1 if self.features_last else -1 - n
        if isinstance(shape, list) or len(shape) not in (1 + n, 2 + n) or not self.takes_planes(shape[place]):
            planes = str(self.n_input_plane)
            named = ", ".join((*self.axes, planes) if self.features_last else (planes, *self.axes))
            raise ShapeError(f"expected an array of shape (batch, {named}) or ({named})")
        return shape[-1 - n : -1] if self.features_last else shape[-n:]

    def takes_planes(self, n: int) -> bool:
        """Whether the input may have so many planes."""
        return n == self.n_input_plane

    def output_planes(self) -> int:
        """How many planes the output has."""
        return self.n_output_plane

    def shape_like(self, shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an output with planes of these sizes, for an input of this shape."""
        planes = self.output_planes()
        sample = (*sizes, planes) if self.features_last else (planes, *sizes)
        return (*shape[: len(shape) - len(sample)], *sample)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        counts = self.windows.counts(self.sizes_of(shape))
        if min(counts) < 1:
            least = (f"{a} of at least {max(n, 1)}" for a, n in zip(self.axes, self.windows.sizes((1,) * len(counts))))
            raise ShapeError(f"expected a {' and a '.join(least)}, so that the kernel fits in")
        return self.shape_like(shape, counts)

    def rowwise(self, shape: Any) -> bool:
        return not isinstance(shape, list) and len(shape) == 2 + len(self.axes)


class FullConvolution(Convolution):
    """Base of the transposed convolutions: each input number adds its weights to a window of the output.

    An input of some size can come from convolutions of planes of several sizes, as many as the stride is long; the
    adjustment chooses among them. With a table [input, target] it is chosen so that the output has the target's size,
    or if no choice gives that, one that differs from it by a multiple of the stride. The target's gradient is zero.
    """

    def __init__(self, n_input_plane: int, n_output_plane: int, windows: Windows, adjustment: tuple[int, ...]) -> None:
        self.adjustment = tuple(0 if a is None else integer(a, "an adjustment") for a in adjustment)
        if any(not 0 <= a < s for a, s in zip(self.adjustment, windows.stride)):
            raise ArgumentError(f"an adjustment must be from 0 to the stride less 1, got {self.adjustment}")
        super().__init__(n_input_plane, n_output_plane, windows)

    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_input_plane, self.n_output_plane, *self.windows.kernel)

    def output_sizes(self, sizes: tuple[int, ...], target: tuple[int, ...] | None) -> tuple[int, ...]:
        """The sizes of the output planes, for those of the input's and the target's shape, if there is one."""
        adjustment = self.adjustment
        if target is not None:
            remainders = zip(target[-len(self.axes) :], self.windows.sizes((1,) * len(self.axes)), self.windows.stride)
            adjustment = tuple((t - least) % s for t, least, s in remainders)
        return tuple(n + a for n, a in zip(self.windows.sizes(sizes), adjustment))

    def update_output(self, input: Any) -> np.ndarray:
        input, target = (input[0], input[1].shape) if table.is_table(input) else (input, None)
        planes = self.planes(input)
        output = self.windows.spread(planes, self.matrix(), self.output_sizes(planes.shape[2:], target))
        return self.as_given(self.add_bias(output), input.ndim)

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        grad_input = self.windows.correlate(self.planes(grad_output), self.matrix())
        grad_input = self.as_given(grad_input, grad_output.ndim)
        return [grad_input, table.zeros_like(input[1])] if table.is_table(input) else grad_input

    def acc_grad_parameters(self, input: Any, grad_output: np.ndarray, scale: float = 1.0) -> None:
        planes = self.planes(input[0] if table.is_table(input) else input)
        values = self.planes(grad_output)
        self.add_gradients(self.windows.correlation(values, planes), values, scale)

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        target = None
        if isinstance(shape, list):
            if len(shape) != 2 or isinstance(shape[1], list) or len(shape[1]) < len(self.axes):
                axes = " and ".join(self.axes)
                raise ShapeError(f"expected a table [input, target], where the target's last axes are {axes}")
            shape, target = shape
        sizes = self.sizes_of(shape)
        if min(sizes) < 1 or min(self.output_sizes(sizes, target)) < 1:
            raise ShapeError(f"expected a larger {' and '.join(self.axes)}: the padding leaves nothing of the output")
        return self.shape_like(shape, self.output_sizes(sizes, target))

    def rowwise(self, shape: Any) -> bool:
        return all(super(FullConvolution, self).rowwise(s) for s in (shape if isinstance(shape, list) else [shape]))
