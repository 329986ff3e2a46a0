"""The elementary functions of compiled kernels: right for every float32 number, and fit for vector instructions."""

import re
from functools import cache

import numpy as np
import pytest

from nodegraph.errors import ArgumentError

numba = pytest.importorskip("numba", reason="needs the extra nodegraph[fast]")
elementary = pytest.importorskip("nodegraph.engine.elementary")
FUNCTIONS, function, njit = elementary.FUNCTIONS, elementary.function, numba.njit

NAMES = sorted(FUNCTIONS[np.dtype(np.float32)])
INFINITY = np.inf


def sigmoid(x):
    return np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))


@cache
def kernel(name, dtype, **options):
    called = function(name, dtype)

    @njit(error_model="numpy", **options)
    def loop(x, y):
        for i in range(x.size):
            y[i] = called(x[i])

    return loop


def computed(name, x, **options):
    x = np.asarray(x)
    y = np.empty_like(x)
    kernel(name, x.dtype, **options)(x, y)
    return y


def reference(name, x):
    with np.errstate(all="ignore"):
        return (sigmoid if name == "sigmoid" else getattr(np, name))(x.astype(np.float64))


def float32_numbers(step=4099):
    """Every `step`-th of all bit patterns: both signs, all exponents, denormals and NaN."""
    return np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_two_units_in_the_last_place(name):
    x = np.concatenate([float32_numbers(), np.linspace(-20, 20, 500_001, dtype=np.float32)])
    y, true = computed(name, x), reference(name, x)
    with np.errstate(all="ignore"):
        rounded = true.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    unit = np.spacing(np.abs(rounded[finite]))
    assert np.max(np.abs(y[finite] - true[finite]) / unit) <= 2
    zero = rounded == 0
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(rounded[zero]))


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("exp", [-INFINITY, -104, -0.0, 0, 88.8, INFINITY], [0, 0, 1, 1, INFINITY, INFINITY]),
        ("expm1", [-INFINITY, -18, -0.0, 0, 88.8, INFINITY], [-1, -1, -0.0, 0, INFINITY, INFINITY]),
        ("log", [-INFINITY, -1, -0.0, 0, 1, INFINITY], [np.nan, np.nan, -INFINITY, -INFINITY, 0, INFINITY]),
        ("log1p", [-INFINITY, -2, -1, -0.0, 0, INFINITY], [np.nan, np.nan, -INFINITY, -0.0, 0, INFINITY]),
        ("sigmoid", [-INFINITY, -105, -0.0, 0, 20, INFINITY], [0, 0, 0.5, 0.5, 1, 1]),
        ("sqrt", [-INFINITY, -1, -0.0, 0, 4, INFINITY], [np.nan, np.nan, -0.0, 0, 2, INFINITY]),
        ("tanh", [-INFINITY, -10, -0.0, 0, 10, INFINITY], [-1, -1, -0.0, 0, 1, 1]),
    ],
)
def test_zero_infinity_and_nan(name, x, y):
    found, expected = computed(name, np.float32([*x, np.nan])), np.float32([*y, np.nan])
    np.testing.assert_array_equal(found, expected)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sqrt"}))
def test_a_kernel_s_fastmath_does_not_reach_them(name):
    x = np.float32([np.nan, INFINITY, -INFINITY, -0.0, 1])
    np.testing.assert_array_equal(computed(name, x, fastmath=True), computed(name, x))


def test_denormal_results():
    tiny = np.float32(2) ** -140
    np.testing.assert_allclose(computed("exp", [np.log(tiny)]), tiny, rtol=1e-3)
    np.testing.assert_allclose(computed("sigmoid", [np.log(tiny)]), tiny, rtol=1e-3)
    for name in ("tanh", "expm1", "log1p"):
        assert computed(name, [tiny]) == tiny


def test_tanh_is_odd():
    x = float32_numbers(65521)
    np.testing.assert_array_equal(computed("tanh", -x), -computed("tanh", x))


@pytest.mark.parametrize(
    ("name", "start", "stop", "least", "most"),
    [
        ("tanh", 7, 12, 0.999, 1),
        ("sigmoid", 12, 20, 0.999, 1),
        ("sigmoid", -106, -85, 0, 1e-36),
        ("exp", -106, -85, 0, 1e-36),
        ("exp", 88, 90, 1e38, INFINITY),
        ("expm1", -20, -15, -1, -0.999),
    ],
)
def test_the_ends_are_reached_from_one_side(name, start, stop, least, most):
    y = computed(name, np.linspace(start, stop, 100_001, dtype=np.float32))
    assert (y[1:] >= y[:-1]).all() and least <= y[0] and y[-1] <= most


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_is_vectorised(name):
    computed(name, np.ones(1, np.float32))
    (code,) = kernel(name, np.dtype(np.float32)).inspect_llvm().values()
    assert re.search(r"store <\d+ x float>", code)
    called = re.findall(r"call \w*\s*float @([\w.]+)\(", code)
    assert set(called) <= {"llvm.fabs.f32", "llvm.copysign.f32", "sqrtf"}  # each is one instruction


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_the_c_library_s(name):
    x = np.linspace(0.01, 20, 1001)
    np.testing.assert_allclose(computed(name, x), reference(name, x), rtol=1e-15)


def test_the_functions_of_float32_take_nothing_else():
    """A float64 is not cut short in silence, nor a fraction taken for bits."""
    with pytest.raises(numba.TypingError):
        elementary.log32(np.float64(2))
    with pytest.raises(numba.TypingError):
        njit(lambda: elementary._from_bits(1.5))()


def test_what_there_is_not():
    with pytest.raises(ArgumentError, match="there is no compiled 'gamma' for float32"):
        function("gamma", np.float32)
    with pytest.raises(ArgumentError, match="there is no compiled 'tanh' for float16"):
        function("tanh", np.float16)
