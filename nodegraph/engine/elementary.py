"""exp, tanh and their kin for numba's loops, in a form that LLVM turns into vector instructions.

A loop that calls the C library's `expf` computes one element at a time. The float32 functions here are straight-line
arithmetic without a branch, a table or a call, so a loop over them is vectorised as a whole:

    @njit(error_model="numpy")
    def kernel(x, y):
        for i in range(x.size):
            y[i] = tanh32(x[i])

What such a kernel needs: arrays whose type says that they are contiguous; no `boundscheck`; and float32 numbers
throughout, because to numba a Python number beside a float32 makes a float64. `error_model="numpy"` is for divisions of
the kernel's own, which else raise ZeroDivisionError. It needs no `fastmath`: these functions keep the flags that they
are compiled with here, which allow a multiplication and an addition to become one instruction and nothing else, so NaN
and infinity come out right.

How the numbers are found. With n = round(x / log 2), r = x - n log 2, |r| <= log(2) / 2:

    exp(x) = 2^n (1 + p),    expm1(x) = 2^n p + (2^n - 1),    p = expm1(r) = r + r^2 q(r);

so that sigmoid(-x) = 2^-n / (1 + p + 2^-n). With x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2):

    log(x) = k log 2 + log1p(f),    log1p(f) = f + f^2 q(f).

These q, and the one in tanh(x) = x + x^3 q(x^2) for |x| < atanh(1/2), are the polynomials of least relative error in
p, in log1p(f) and in tanh(x): 1.4e-8, 4e-9 and 1e-9. They were fitted on Chebyshev points by Lawson's reweighted least
squares to values of 40 digits; the coefficients were rounded to float32 one by one, from the lowest, and those above
fitted again. Over all float32 numbers the results are within 2 units in the last place of the true ones: exp 1.1,
expm1 1.7, log 1.0, log1p 1.5, sigmoid 2.0, tanh 1.4.

This module needs numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from nodegraph.errors import ArgumentError

_inlined = njit(forceinline=True, fastmath={"contract"}, error_model="numpy")

ZERO, QUARTER, HALF, ONE, TWO = map(np.float32, (0, 0.25, 0.5, 1, 2))
NAN, INFINITY = np.float32(np.nan), np.float32(np.inf)

LOG2_HIGH = np.float32(355 / 512)  # nine bits, so that a multiple of it by n is exact
LOG2_LOW = np.float32(math.log(2) - 355 / 512)
LOG2_INVERSE = np.float32(1 / math.log(2))

ROUND = np.float32(1.5 * 2**23)
"""Floats of this size are integers, so adding this number and taking it away again rounds to an integer."""

ROUND_BIASED = np.float32(1.5 * 2**23 + 127)
"""The same with the bias of a float's exponent: the lowest bits of this number plus n are those of n + 127."""

MANTISSA_BITS = 23
EXPONENT = np.int32(-(2**MANTISSA_BITS))
"""The bits of a float's sign and exponent."""

SQRT_HALF_BITS, FOUR_BITS = (int(np.float32(x).view(np.int32)) for x in (math.sqrt(0.5), 4))

SMALLEST_NORMAL = np.float32(2.0**-126)
DENORMAL_SCALE = np.float32(2.0**MANTISSA_BITS)
EXPONENT_UNIT = np.float32(2.0**-MANTISSA_BITS)

# Beyond these the results are those at plus and minus infinity.
EXP_LEAST, EXP_MOST = np.float32(-104), np.float32(89)
EXPM1_LEAST = np.float32(-18)
TANH_MOST = np.float32(10)
SIGMOID_MOST = np.float32(104)

TANH_NEAR = np.float32(math.atanh(0.5))
"""Up to here tanh(x) is a polynomial."""

SIGMOID_SHIFT, SIGMOID_UNSHIFT = np.float32(24), np.float32(2.0**-24)

EXPM1_LINEAR = np.float32(2.0**-25)
"""Below this expm1(x) is x."""

E2, E3, E4, E5, E6 = map(np.float32, (0.49999997, 0.166665465, 0.0416674353, 0.00836626161, 0.00138706574))
T3, T5, T7, T9, T11 = map(np.float32, (-0.333333164, 0.133325443, -0.0538475476, 0.021050714, -0.0062428494))
L2, L3, L4, L5, L6 = map(np.float32, (-0.499999881, 0.333333224, -0.250016034, 0.200022072, -0.166088715))
L7, L8, L9, L10 = map(np.float32, (0.141773954, -0.132399529, 0.129300937, -0.0766009837))


@intrinsic
def _bits(typing_context: Any, x: types.Type) -> Any:
    """The bits of a float32 as an int32."""
    if x == types.float32:
        return types.int32(x), lambda context, builder, signature, args: builder.bitcast(args[0], ir.IntType(32))


@intrinsic
def _from_bits(typing_context: Any, bits: types.Type) -> Any:
    """The float32 of the lowest 32 bits of an integer (numba's arithmetic on int32 gives int64)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(context.cast(builder, args[0], bits, types.int32), ir.FloatType())

    if isinstance(bits, types.Integer):
        return types.float32(bits), generate


@_inlined
def _power_of_two(n):
    """2^n, for an integer -126 <= n <= 127."""
    return _from_bits(_bits(n + ROUND_BIASED) << MANTISSA_BITS)


@_inlined
def _reduced(x):
    """n and r of x = n log 2 + r."""
    n = (x * LOG2_INVERSE + ROUND) - ROUND
    return n, (x - n * LOG2_HIGH) - n * LOG2_LOW


@_inlined
def _expm1_near_zero(r):
    """expm1(r) for |r| <= log(2) / 2."""
    return r + r * r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * E6))))


@_inlined
def exp32(x):
    """exp(x); results below 2^-126 are denormal, as they should be."""
    x = EXP_MOST if x > EXP_MOST else x  # in this form, and not its mirror image, a NaN remains
    x = EXP_LEAST if x < EXP_LEAST else x
    n, r = _reduced(x)
    half = (n * HALF + ROUND) - ROUND  # 2^n itself may be too large or too small for a float
    return (ONE + _expm1_near_zero(r)) * _power_of_two(half) * _power_of_two(n - half)


@_inlined
def expm1_32(x):
    """exp(x) - 1."""
    bounded = EXP_MOST if x > EXP_MOST else x
    bounded = EXPM1_LEAST if bounded < EXPM1_LEAST else bounded
    n, r = _reduced(bounded)
    scale = _power_of_two(n - ONE)  # half of it, since 2^128 is too large for a float
    y = TWO * (scale * _expm1_near_zero(r) + (scale - HALF))
    return x if abs(x) < EXPM1_LINEAR else y


@_inlined
def tanh32(x):
    """tanh(x) = 1 - 2 / (1 + exp(2 |x|)) with the sign of x; near 0, where that would lose digits, x + x^3 q(x^2)."""
    size = abs(x)
    bounded = TANH_MOST if size > TANH_MOST else size
    n, r = _reduced(bounded + bounded)
    scale = _power_of_two(-n)
    far = ONE - TWO * (scale / (ONE + (_expm1_near_zero(r) + scale)))  # both sides times 2^-n
    square = size * size
    near = size + size * square * (T3 + square * (T5 + square * (T7 + square * (T9 + square * T11))))
    return math.copysign(far if size > TANH_NEAR else near, x)


@_inlined
def sigmoid32(x):
    """1 / (1 + exp(-x)), for a positive x as 1 - sigmoid(-x)."""
    size = abs(x)
    n, r = _reduced(SIGMOID_MOST if size > SIGMOID_MOST else size)
    scale = _power_of_two(SIGMOID_SHIFT - n)  # 2^-n alone may be too small for a float
    y = scale / (ONE + (_expm1_near_zero(r) + scale * SIGMOID_UNSHIFT)) * SIGMOID_UNSHIFT
    return y if x < ZERO else ONE - y


@_inlined
def _log_product(k, f):
    """log(2^k (1 + f))."""
    q = L2 + f * (L3 + f * (L4 + f * (L5 + f * (L6 + f * (L7 + f * (L8 + f * (L9 + f * L10)))))))
    return k * LOG2_HIGH + ((f + f * f * q) + k * LOG2_LOW)


@_inlined
def _exponent(x):
    """k of x = 2^k (1 + f), as the bits that it has in a float."""
    return (_bits(x) - SQRT_HALF_BITS) & EXPONENT


@_inlined
def _as_number(exponent):
    return np.float32(np.int32(exponent)) * EXPONENT_UNIT


@_inlined
def log32(x):
    """log(x): -inf at 0, NaN below."""
    denormal = x < SMALLEST_NORMAL
    scaled = x * DENORMAL_SCALE if denormal else x
    exponent = _exponent(scaled)
    k = _as_number(exponent) - (np.float32(MANTISSA_BITS) if denormal else ZERO)
    y = _log_product(k, _from_bits(_bits(scaled) - exponent) - ONE)
    y = y if x < INFINITY else x
    return y if x > ZERO else (-INFINITY if x == ZERO else NAN)


@_inlined
def log1p32(x):
    """log(1 + x): -inf at -1, NaN below."""
    exponent = _exponent(ONE + x)
    f = _from_bits(_bits(x) - exponent) + (QUARTER * _from_bits(FOUR_BITS - exponent) - ONE)  # 2^-k x + (2^-k - 1)
    y = _log_product(_as_number(exponent), f)
    y = y if x < INFINITY and x != ZERO else x  # infinity and the sign of zero
    return y if x > -ONE else (-INFINITY if x == -ONE else NAN)


@njit(error_model="numpy")
def sigmoid64(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


FUNCTIONS: dict[np.dtype, dict[str, Callable[..., Any]]] = {
    np.dtype(np.float32): {
        "exp": exp32,
        "expm1": expm1_32,
        "log": log32,
        "log1p": log1p32,
        "sigmoid": sigmoid32,
        "sqrt": np.sqrt,
        "tanh": tanh32,
    },
    np.dtype(np.float64): {
        "exp": np.exp,
        "expm1": np.expm1,
        "log": np.log,
        "log1p": np.log1p,
        "sigmoid": sigmoid64,
        "sqrt": np.sqrt,
        "tanh": np.tanh,
    },
}
"""dtype -> name -> what a kernel calls. Those of float64 are the C library's, one element at a time."""


def function(name: str, dtype: Any) -> Callable[..., Any]:
    """The function of one number of type `dtype`, float32 or float64, that a numba kernel may call for `name`.

    Raises ArgumentError where there is none.

    >>> from numba import njit
    >>> tanh = function("tanh", np.float32)
    >>> @njit(error_model="numpy")
    ... def kernel(x, y):
    ...     for i in range(x.size):
    ...         y[i] = tanh(x[i])
    >>> y = np.empty(3, np.float32)
    >>> kernel(np.array([-1, 0, np.inf], np.float32), y)
    >>> y
    array([-0.7615942,  0.       ,  1.       ], dtype=float32)
    """
    try:
        return FUNCTIONS[np.dtype(dtype)][name]
    except KeyError:
        raise ArgumentError(f"there is no compiled {name!r} for {np.dtype(dtype)}")
