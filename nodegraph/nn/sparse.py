"""Linear layers for inputs of which most features are zero: they are listed by index and value."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import table
from nodegraph.errors import ArgumentError, InputError, ShapeError
from nodegraph.nn.init import floating
from nodegraph.nn.lookup import add_rows, whole
from nodegraph.nn.parametric import Parametric, size, times
from nodegraph.nn.pointwise import flag
from nodegraph.nn.view import integer


class SparseLayer(Parametric):
    """Base of the linear layers whose input lists features by index and value.

    A subclass defines `entries(input)`, which gives for each feature present the row of the batch, the index and the
    value; `by_feature(weights)`, a view that has the weights of each feature in a row; and `gradient(input, values)`,
    which puts the gradients of the values into the structure of the input.
    """

    def __init__(self, input_size: int | None, output_size: int | None, do_grad_input: bool) -> None:
        self.input_size, self.output_size = size(input_size, "input_size"), size(output_size, "output_size")
        self.do_grad_input = flag(do_grad_input, "do_grad_input")

    def reset(self, std: float | None = None) -> SparseLayer:
        """Draw the weight from the uniform distribution as other layers do, and the bias from a millionth of that."""
        super().reset(std)
        self.bias *= 1e-6
        return self

    def entries(self, input: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows, features and values of all entries of the input."""
        raise NotImplementedError

    def by_feature(self, weights: np.ndarray) -> np.ndarray:
        """The weight, or its gradient, as (features, outputs)."""
        raise NotImplementedError

    def gradient(self, input: Any, values: np.ndarray) -> Any:
        """The gradient of the input, for that of the values."""
        raise NotImplementedError

    def update_output(self, input: Any) -> np.ndarray:
        rows, columns, values = self.saved = self.entries(input)
        shape = self.output_shape(table.shape(input))
        output = np.zeros((shape[0] if len(shape) == 2 else 1, self.output_size), np.result_type(values, self.weight))
        add_rows(output, rows, values[:, None] * self.by_feature(self.weight)[columns])
        return (output + self.bias).reshape(shape)

    def update_grad_input(self, input: Any, grad_output: np.ndarray) -> Any:
        if not self.do_grad_input:
            return table.zeros_like(input)
        rows, columns, _ = self.saved
        products = np.atleast_2d(grad_output)[rows] * self.by_feature(self.weight)[columns]
        return self.gradient(input, products.sum(1))

    def acc_grad_parameters(self, input: Any, grad_output: np.ndarray, scale: float = 1.0) -> None:
        rows, columns, values = self.saved
        gradients = np.atleast_2d(grad_output)
        add_rows(self.by_feature(self.grad_weight), columns, times(values[:, None] * gradients[rows], scale))
        self.grad_bias += times(gradients.sum(0), scale)


class SparseLinear(SparseLayer):
    """y = sum_i v_i weight[:, k_i] + b for features k_i, counted from 0, of value v_i.

    A single input is an array (nnz, 2) of pairs (k_i, v_i) and gives (out,). A batch is a table of such arrays, of any
    lengths, or an array (batch, nnz, 2), and gives (batch, out). Pairs of value 0 count as not there, whatever the
    index. `weight` (out, in) is drawn from the uniform distribution on +-1/sqrt(in), `bias` (out,) from a millionth of
    that.

    With `do_grad_input` the gradient of the input has, in the place of each pair, 0 and the gradient of the value;
    otherwise it is zero. If the attribute `weight_decay` is set, each backward adds that times the weight to the
    weight's gradient.

    >>> sparse = SparseLinear(1000, 2)
    >>> sparse.forward(np.array([[7, 0.5], [999, 1.0]])).shape
    (2,)

    InputError for an index that is out of range, not whole or NaN.

    Source: torch/nn, SparseLinear.lua. Torch7 gives the gradient of all features, not only of those present.
    """

    def __init__(self, input_size: int, output_size: int, do_grad_input: bool = False) -> None:
        super().__init__(input_size, output_size, do_grad_input)
        self.spread, self.weight_decay = self.input_size, 0.0
        self.allocate(weight=(self.output_size, self.input_size), bias=(self.output_size,))
        self.reset()

    def entries(self, input: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs, lengths = self._pairs(input)
        present = pairs[:, 1] != 0
        rows, pairs = np.repeat(np.arange(len(lengths)), lengths)[present], pairs[present]
        return rows, whole(pairs[:, 0], self.input_size), pairs[:, 1]

    def _pairs(self, input: Any) -> tuple[np.ndarray, list[int]]:
        """All pairs one below the other, and how many each sample has."""
        if table.is_table(input):
            return np.concatenate([np.zeros((0, 2), self.weight.dtype), *input]), [len(x) for x in input]
        return input.reshape(-1, 2), [input.shape[-2]] * (len(input) if input.ndim == 3 else 1)

    def by_feature(self, weights: np.ndarray) -> np.ndarray:
        return weights.T

    def gradient(self, input: Any, values: np.ndarray) -> Any:
        pairs, lengths = self._pairs(input)
        gradient = np.zeros(pairs.shape, values.dtype)
        gradient[pairs[:, 1] != 0, 1] = values
        return split(gradient, lengths) if table.is_table(input) else gradient.reshape(input.shape)

    def acc_grad_parameters(self, input: Any, grad_output: np.ndarray, scale: float = 1.0) -> None:
        super().acc_grad_parameters(input, grad_output, scale)
        if self.weight_decay:
            self.grad_weight += self.weight_decay * self.weight

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list):
            if all(isinstance(s, tuple) and len(s) == 2 and s[1] == 2 for s in shape):
                return (len(shape), self.output_size)
        elif len(shape) in (2, 3) and shape[-1] == 2:
            return (*shape[:-2], self.output_size)
        raise ShapeError("expected an array (nnz, 2) of pairs of index and value, a table of such, or (batch, nnz, 2)")


class IndexLinear(SparseLayer):
    """y = sum_i v_i weight[k_i] + b for features of key k_i, counted from 0, and value v_i.

    The input is a table [keys, values] of two arrays (n,), giving (out,); or [[keys, ...], [values, ...]], two tables
    of such arrays, one of each for a sample, giving (batch, out); or [keys, values, sizes], where the samples' keys and
    values lie one after the other and `sizes` (batch,) tells how many each sample has, giving (batch, out).
    `keys_offset` is added to the keys. `weight` (in, out) and `bias` (out,) start at zero, or are the arrays given;
    `reset` draws them from the uniform distribution on +-1/sqrt(out), the bias from a millionth of that.

    With `normalize`, each value is divided by the largest absolute value that its feature has had in training, limited
    to +-1, and a learned bias of the feature is added. Then `weight` (in, 4 + out) has for each feature first that
    largest value, its inverse, a placeholder and the bias; `reset` sets these to zero.

    With `do_grad_input` the gradient of the input has that of the values, otherwise it is zero; it cannot go together
    with `normalize`.

    >>> index = IndexLinear(1000, 2)
    >>> index.forward([np.array([7, 999]), np.array([0.5, 1.0])]).shape
    (2,)

    InputError for a key that is out of range, not whole or NaN, and for sizes that do not add up.

    Source: torch/nn, IndexLinear.lua. Torch7 keeps the gradient of the weight for the keys of the last batches only;
    here `grad_weight` is an array like any other. Torch7 gives the gradient of all features, not only of those present,
    and is in training only once `training()` was called.
    """

    def __init__(
        self,
        input_size: int | None,
        output_size: int | None,
        do_grad_input: bool = False,
        keys_offset: int | None = None,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
        normalize: bool = False,
    ) -> None:
        self.normalize = 4 if flag(normalize, "normalize") else 0
        if normalize and do_grad_input:
            raise ArgumentError("do_grad_input and normalize cannot go together")
        if weight is not None:
            if floating(weight).ndim != 2:
                raise ArgumentError(f"weight must be an array of two axes, got shape {weight.shape}")
            input_size, output_size = weight.shape[0], weight.shape[1] - self.normalize
        super().__init__(input_size, output_size, do_grad_input)
        self.keys_offset = 0 if keys_offset is None else integer(keys_offset, "keys_offset")
        self.spread = self.output_size + self.normalize
        self.allocate(weight=(self.input_size, self.spread), bias=(self.output_size,))
        if weight is not None:
            self.weight, self.grad_weight = weight, np.zeros_like(weight)
        if bias is not None:
            if floating(bias).shape != self.bias.shape:
                raise ArgumentError(f"bias must be an array of shape {self.bias.shape}, got shape {bias.shape}")
            self.bias, self.grad_bias = bias, np.zeros_like(bias)

    def reset(self, std: float | None = None) -> IndexLinear:
        """Draw weight and bias, and forget the normalisation."""
        super().reset(std)
        self.weight[:, : self.normalize] = 0
        return self

    def entries(self, input: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        keys, values, lengths = self._listed(input)
        columns = whole(keys, self.input_size, -self.keys_offset) + self.keys_offset
        if self.normalize:
            values = self._normalised(columns, values)
        return np.repeat(np.arange(len(lengths)), lengths), columns, values

    def _listed(self, input: Any) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """The keys and values of all samples, and how many each sample has."""
        if len(input) == 3:
            lengths = whole(input[2], len(input[0]) + 1).reshape(-1)
            if lengths.sum() != len(input[0]):
                raise InputError(f"expected sizes that add up to the {len(input[0])} keys, they make {lengths.sum()}")
            return input[0], input[1], list(lengths)
        if table.is_table(input[0]):
            keys, values = (np.concatenate([np.zeros(0, self.weight.dtype), *arrays]) for arrays in input)
            return keys, values, [len(k) for k in input[0]]
        return input[0], input[1], [len(input[0])]

    def _normalised(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The values scaled to +-1, plus the feature's bias.

        A feature that occurs several times meets the largest value of its occurrences so far, as in Torch: the first
        occurrences of all features are dealt with together, then the second ones, and so on.
        """
        order = np.argsort(columns, kind="stable")
        found = columns[order]
        is_first = np.concatenate([[True], found[1:] != found[:-1]])
        starts = np.flatnonzero(is_first)
        occurrence = np.arange(len(found)) - np.repeat(starts, np.diff([*starts, len(found)]))
        scaled = np.empty(len(values), np.result_type(values, self.weight))
        for i in range(occurrence.max(initial=-1) + 1):
            now = order[occurrence == i]
            features, size = columns[now], np.abs(values[now])
            if self.train:
                larger = size > self.weight[features, 0]
                self.weight[features[larger], 0] = size[larger]
                self.weight[features[larger], 1] = 1 / size[larger]
                self.weight[features, 2] = 1
            beyond = size > self.weight[features, 0]
            scaled[now] = np.where(beyond, np.sign(values[now]), values[now] * self.weight[features, 1])
        return scaled + self.weight[columns, 3]

    def by_feature(self, weights: np.ndarray) -> np.ndarray:
        return weights[:, self.normalize :]

    def gradient(self, input: Any, values: np.ndarray) -> Any:
        if not table.is_table(input[0]):
            return [np.zeros(input[0].shape, values.dtype), values, *(np.zeros(np.shape(x)) for x in input[2:])]
        return [table.zeros_like(input[0]), split(values, [len(keys) for keys in input[0]])]

    def acc_grad_parameters(self, input: Any, grad_output: np.ndarray, scale: float = 1.0) -> None:
        super().acc_grad_parameters(input, grad_output, scale)
        if self.normalize:
            rows, columns, _ = self.saved
            products = np.atleast_2d(grad_output)[rows] * self.by_feature(self.weight)[columns]
            add_rows(self.grad_weight[:, 3], columns, times(products.sum(1), scale))

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        if isinstance(shape, list) and len(shape) in (2, 3) and _same_lengths(shape[0], shape[1]):
            if len(shape) == 3 and isinstance(shape[0], tuple) and isinstance(shape[2], tuple) and len(shape[2]) < 2:
                return (*(shape[2] or (1,)), self.output_size)
            if len(shape) == 2:
                return (len(shape[0]), self.output_size) if isinstance(shape[0], list) else (self.output_size,)
        raise ShapeError("expected a table [keys, values], arrays (n,) or tables of them, or [keys, values, sizes]")


def split(array: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    """The array cut along its first axis into parts of these lengths."""
    return [array[end - n : end] for n, end in zip(lengths, np.cumsum(lengths, dtype=int))]


def _same_lengths(keys: Any, values: Any) -> bool:
    """Whether both are shapes (n,), or lists of such, and the same."""
    parts = keys if isinstance(keys, list) else [keys]
    return keys == values and all(isinstance(part, tuple) and len(part) == 1 for part in parts)
