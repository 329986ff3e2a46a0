"""Lists of sequences of different lengths as one array, and what tells the sequences in it from the padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, DataError
from nodegraph.nn.steps import valid_steps
from nodegraph.nn.view import optional_count


def pad_sequences(
    sequences: Iterable[Any],
    maxlen: int | None = None,
    dtype: Any = None,
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0,
    time_first: bool = False,
) -> np.ndarray:
    """The sequences as one array (samples, steps, ...), the shorter ones filled up with `value`, the longer ones cut.

    A sequence is a list or an array of numbers (length,) or of rows (length, features). There are `maxlen` steps, by
    default as many as the longest sequence has. `padding` says whether a sequence is filled up before its first
    element ("pre") or after its last ("post"), `truncating` at which end it is cut. With `time_first` the array is
    (steps, samples, ...), as `Recurrent` takes it unless it is `batch_first`. The type is that of the elements unless
    `dtype` is given. `sequence_lengths` and `sequence_mask` tell a masked `Recurrent` what is padding.

    >>> pad_sequences([[1, 2, 3], [4]])
    array([[1, 2, 3],
           [0, 0, 4]])
    >>> pad_sequences([[1, 2, 3], [4]], maxlen=2, padding="post", truncating="post", value=-1)
    array([[ 1,  2],
           [ 4, -1]])

    Raises ArgumentError for an argument that makes no sense, DataError for sequences that do not fit together.
    Source: Keras, `pad_sequences`, with its arguments and defaults; there `dtype` is int32 unless given.
    """
    _check_side(padding, "padding")
    _check_side(truncating, "truncating")
    arrays = _arrays(sequences)
    steps = _steps([len(array) for array in arrays], maxlen)
    filled = [array for array in arrays if len(array)]
    rest = filled[0].shape[1:] if filled else ()
    try:
        if dtype is None:
            like = int(value) if value == value // 1 else value  # so that 0.0 leaves integers what they are
            dtypes: list[Any] = [array.dtype for array in filled] or [float]
            dtype = np.result_type(*dtypes, like)
        if np.dtype(dtype).kind not in "fiub":
            raise TypeError("expected a type of real numbers")
        with np.errstate(invalid="raise", over="raise"):  # NaN is no integer
            result = np.full((len(arrays), steps, *rest), value, dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ArgumentError(f"value {value!r} and dtype {dtype!r} make no array: {error}") from error
    for i, (row, array) in enumerate(zip(result, arrays)):
        n = min(len(array), steps)
        if n:
            row[_side(padding, n, steps)] = _cast(array[_side(truncating, n, len(array))], result.dtype, i)
    return result.swapaxes(0, 1) if time_first else result


def sequence_lengths(sequences: Iterable[Any], maxlen: int | None = None) -> np.ndarray:
    """The number of elements of each sequence, as far as `pad_sequences` with this `maxlen` keeps them: (samples,).

    >>> sequence_lengths([[1, 2, 3], [4]])
    array([3, 1])
    """
    lengths = [len(array) for array in _arrays(sequences)]
    return np.minimum(np.array(lengths, np.intp), _steps(lengths, maxlen))


def sequence_mask(
    lengths: Iterable[int], steps: int | None = None, padding: str = "pre", time_first: bool = False
) -> np.ndarray:
    """Where `pad_sequences` has put the sequences of these lengths: (samples, steps), False for padding.

    There are `steps` steps, by default as many as the largest length; `padding` and `time_first` are as there. Where a
    value such as 0 stands for padding and for nothing else, `indices != 0` is the mask as well.

    >>> sequence_mask([3, 1]).astype(int)
    array([[1, 1, 1],
           [0, 0, 1]])

    Raises ArgumentError for an argument that makes no sense, InputError for lengths that are not within the steps.
    """
    _check_side(padding, "padding")
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" and lengths.size:
        raise ArgumentError(f"lengths must be whole numbers with one axis, got {lengths!r}")
    mask = valid_steps(lengths, _steps(lengths.tolist(), steps), len(lengths))
    mask = mask[::-1] if padding == "pre" else mask
    return mask if time_first else mask.T


def _cast(array: np.ndarray, dtype: np.dtype[Any], i: int) -> np.ndarray:
    """Elements of sequence i in another type, fractions cut off; DataError for a number beyond its range."""
    if dtype.kind in "iu" and array.size:
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        outside = ~((array >= least) & (array <= most))
        if outside.any():
            raise DataError(f"sequence {i} has {array[outside][0]}, which is no {dtype}")
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind == "f" and array.dtype.kind != "b" and (np.isinf(cast) & np.isfinite(array)).any():
        raise DataError(f"sequence {i} has numbers too large for {dtype}")
    return cast


def _arrays(sequences: Iterable[Any]) -> list[np.ndarray]:
    """The sequences as arrays; DataError unless the elements are all numbers, or all rows of one shape."""
    if not isinstance(sequences, Iterable):
        raise DataError(f"expected a list of sequences, got {sequences!r:.100}")
    arrays: list[np.ndarray] = []
    shape: tuple[int, ...] | None = None
    for i, sequence in enumerate(sequences):
        try:
            array = np.asarray(sequence)
        except ValueError:
            raise DataError(f"sequence {i} has elements of different shapes") from None
        if array.ndim == 0 or array.dtype.kind not in "fiub":
            raise DataError(f"expected sequences as lists or arrays of numbers, sequence {i} is {sequence!r:.100}")
        if len(array):
            shape = array.shape[1:] if shape is None else shape
            if array.shape[1:] != shape:
                raise DataError(
                    f"expected elements of one shape, {shape}; those of sequence {i} have {array.shape[1:]}"
                )
        arrays.append(array)
    return arrays


def _steps(lengths: list[int], maxlen: int | None) -> int:
    maxlen = optional_count(maxlen, "the number of steps")
    return max(lengths, default=0) if maxlen is None else maxlen


def _side(side: str, n: int, steps: int) -> slice:
    """Where n elements stand among the steps when the others come before them, or after them."""
    return slice(steps - n, steps) if side == "pre" else slice(n)


def _check_side(value: Any, what: str) -> None:
    if value not in ("pre", "post"):
        raise ArgumentError(f'{what} must be "pre" or "post", got {value!r}')
