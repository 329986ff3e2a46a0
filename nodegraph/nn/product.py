"""Products of the two arrays of a table: matrix by matrix, matrix by vector, vector by vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph.errors import ShapeError
from nodegraph.nn.module import Module
from nodegraph.nn.pointwise import as_numbers, flag


def pair_of_shapes(shape: Any, expected: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The two shapes of a table of two arrays; ShapeError for anything else."""
    if not isinstance(shape, list) or len(shape) != 2 or any(isinstance(s, list) for s in shape):
        raise ShapeError(f"expected a table of two arrays, {expected}")
    return shape[0], shape[1]


def turned(matrix: np.ndarray, wanted: bool = True) -> np.ndarray:
    """The matrix, or each of a batch, transposed if that is wanted; booleans as numbers."""
    matrix = as_numbers(matrix)
    return matrix.swapaxes(-1, -2) if wanted else matrix


class MM(Module):
    """y = a b, the product of matrices: [(m, n), (n, p)] -> (m, p), or batches [(batch, m, n), (batch, n, p)].

    With `trans_a` or `trans_b` that matrix is transposed first.

    >>> MM(trans_b=True).forward([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
    (2, 3, 5)

    Source: torch/nn, MM.lua.
    """

    parameter_names = ()

    def __init__(self, trans_a: bool = False, trans_b: bool = False) -> None:
        self.trans_a, self.trans_b = flag(trans_a, "trans_a"), flag(trans_b, "trans_b")

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        return turned(input[0], self.trans_a) @ turned(input[1], self.trans_b)

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        a, b = turned(input[0], self.trans_a), turned(input[1], self.trans_b)
        return [turned(grad_output @ turned(b), self.trans_a), turned(turned(a) @ grad_output, self.trans_b)]

    def rowwise(self, shape: Any) -> bool:
        return len(shape[0]) == 3

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        expected = "matrices (m, n) and (n, p), or batches of them"
        a, b = pair_of_shapes(shape, expected)
        if len(a) not in (2, 3) or len(a) != len(b) or a[:-2] != b[:-2]:
            raise ShapeError(f"expected a table of two arrays, {expected}")
        (m, n), (other, p) = (a[:-3:-1] if self.trans_a else a[-2:]), (b[:-3:-1] if self.trans_b else b[-2:])
        if n != other:
            raise ShapeError(f"expected as many columns in the first matrix as rows in the second, not {n} and {other}")
        return (*a[:-2], m, p)


class MV(Module):
    """y = M v, a matrix by a vector: [(m, n), (n,)] -> (m,), or batches [(batch, m, n), (batch, n)] -> (batch, m).

    With `trans` the matrix is transposed first.

    >>> MV().forward([np.ones((2, 3, 4)), np.ones((2, 4))]).shape
    (2, 3)

    Source: torch/nn, MV.lua.
    """

    parameter_names = ()

    def __init__(self, trans: bool = False) -> None:
        self.trans = flag(trans, "trans")

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        return (turned(input[0], self.trans) @ input[1][..., None])[..., 0]

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        outer = grad_output[..., :, None] * input[1][..., None, :]
        return [turned(outer, self.trans), (turned(input[0], not self.trans) @ grad_output[..., None])[..., 0]]

    def rowwise(self, shape: Any) -> bool:
        return len(shape[0]) == 3

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        expected = "a matrix (m, n) and a vector (n,), or batches of them"
        matrix, vector = pair_of_shapes(shape, expected)
        if len(matrix) not in (2, 3) or len(matrix) != len(vector) + 1 or matrix[:-2] != vector[:-1]:
            raise ShapeError(f"expected a table of two arrays, {expected}")
        m, n = matrix[:-3:-1] if self.trans else matrix[-2:]
        if n != vector[-1]:
            raise ShapeError(f"expected a vector of {n} elements for the columns of the matrix")
        return (*matrix[:-2], m)


class PairModule(Module):
    """Base of modules that compare vectors in pairs: [(batch, n), (batch, n)] -> (batch,), or [(n,), (n,)] -> (1,).

    A subclass defines `compare(a, b)` for batches, and `derivatives(a, b, y)`, the derivatives of each y with respect
    to its rows of a and b.
    """

    parameter_names = ()

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The number for each pair of rows."""
        raise NotImplementedError

    def derivatives(self, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of y, (batch,), by the rows of a and of b."""
        raise NotImplementedError

    def update_output(self, input: list[np.ndarray]) -> np.ndarray:
        return self.compare(*map(np.atleast_2d, input))

    def update_grad_input(self, input: list[np.ndarray], grad_output: np.ndarray) -> list[np.ndarray]:
        a, b = map(np.atleast_2d, input)
        derivatives = self.derivatives(a, b, self.output)
        return [(grad_output[:, None] * d).reshape(x.shape) for d, x in zip(derivatives, input)]

    def rowwise(self, shape: Any) -> bool:
        return len(shape[0]) == 2

    def output_shape(self, shape: Any) -> tuple[int, ...]:
        expected = "both of one shape, (batch, n) or (n,)"
        a, b = pair_of_shapes(shape, expected)
        if a != b or len(a) not in (1, 2):
            raise ShapeError(f"expected a table of two arrays, {expected}")
        return a[:-1] or (1,)


class DotProduct(PairModule):
    """y = a . b for each pair of rows: [(batch, n), (batch, n)] -> (batch,), or [(n,), (n,)] -> (1,).

    >>> DotProduct().forward([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([11.])

    Source: torch/nn, DotProduct.lua.
    """

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a * b).sum(1)

    def derivatives(self, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return b, a
