"""Products of numba's loops: NumPy's numbers for any number of rows and columns, and nothing written beside them."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs the extra nodegraph[fast]")

from numba import njit, types  # noqa: E402

from nodegraph.engine import numba_machine, products  # noqa: E402

rng = np.random.default_rng(0)
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}
ROWS = [*range(1, 14), 59, 60, 61, 121]
COLUMNS = [1, 7, 8, 9, 16, 17, 33]


def normal(dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE[got.dtype.type], atol=10 * TOLERANCE[got.dtype.type])


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


def laid_out(weight, transposed, bias):
    inner, columns = weight.shape[::-1] if transposed else weight.shape
    panels = products.panels(inner, columns, weight.dtype)
    for panel in range(len(panels)):  # as threads do, each a part
        products.lay_out(weight.dtype)(weight, transposed, bias, panels, panel, panel + 1)
    return panels


def test_a_panel_has_the_columns_of_one_cache_line(dtype):
    """And a row more than the matrix, for the bias."""
    n = 64 // np.dtype(dtype).itemsize
    for columns, count in [(1, 1), (n - 1, 1), (n, 1), (n + 1, 2), (2 * n, 2), (2 * n + 1, 3)]:
        made = products.panels(5, columns, dtype)
        assert made.shape == (count, 6, n) and made.dtype == dtype and not made.any()


@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_parts_of_rows(dtype, transposed):
    """Rows r0 to r1 of c = a b + bias, where a and c are parts of wider rows, and the rest of c stays as it is."""
    multiply = products.product(dtype)
    for rows in ROWS:
        for columns in COLUMNS:
            inner, first = 5, rows // 3
            a, c, bias = normal(dtype, rows, inner + 3), normal(dtype, rows + 6, columns + 4), normal(dtype, columns)
            b = normal(dtype, inner, columns)
            expected = c.copy()
            expected[first:rows, 3 : 3 + columns] = a[first:, 2 : 2 + inner] @ b + bias
            weight = np.ascontiguousarray(b.T) if transposed else b
            panels = laid_out(weight, transposed, bias)
            multiply(first, rows, a.reshape(-1), 2, inner + 3, panels, c.reshape(-1), 3, columns + 4, columns)
            close(c, expected)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_products_of_few_rows(dtype, transposed, with_bias):
    multiply = products.product_of_few(dtype)
    for rows, outputs, inputs in [(1, 1, 1), (2, 3, 5), (7, 17, 9)]:
        weight = normal(dtype, outputs, inputs)
        bias = normal(dtype, outputs if with_bias and transposed else 0)
        b = weight.T if transposed else weight
        a, c = normal(dtype, rows, len(b)), normal(dtype, rows, b.shape[1])
        multiply(0, rows, a.reshape(-1), 0, len(b), weight, transposed, bias, c.reshape(-1), 0, b.shape[1])
        close(c, a @ b + (bias if bias.size else 0))


def test_a_matrix_may_lie_in_memory_in_any_way(dtype):
    b = normal(dtype, 5, 17)
    unwritable = b.copy()
    unwritable.flags.writeable = False
    expected = laid_out(b, False, np.empty(0, dtype))
    for same in (np.asfortranarray(b), np.repeat(b, 2, 1)[:, ::2], unwritable):
        np.testing.assert_array_equal(laid_out(numba_machine._plain(same), False, np.empty(0, dtype)), expected)


@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_of_a_weight_add_up(dtype, with_bias):
    """More rows than go together, columns in shares, and a scale."""
    add = products.outer_product(dtype)
    for rows, columns, inner in [(1, 1, 1), (9, 17, 5), (300, 33, 16), (257, 8, 9)]:
        gradient, input = normal(dtype, rows, columns), normal(dtype, rows, inner)
        weight, bias = normal(dtype, columns, inner), normal(dtype, columns if with_bias else 0)
        expected = weight + 0.5 * (gradient.T @ input), bias + 0.5 * gradient.sum(0) if with_bias else bias
        width = products.lanes(dtype)
        for first in range(0, columns, width):
            add(gradient, input, dtype(0.5), weight, bias, first, min(first + width, columns))
        for got, wanted in zip((weight, bias), expected):
            np.testing.assert_allclose(got, wanted, rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-4)


@pytest.mark.parametrize("with_bias", [True, False])
def test_rows_that_are_looked_up(dtype, with_bias):
    """One-hot rows times a matrix are rows of it; the gradient of the matrix is a sum for each index."""
    indices, columns = np.array([3, 0, 3, 1, 2, 3, 0, 1, 2]), 17
    weight, bias = normal(dtype, columns, 4), normal(dtype, columns if with_bias else 0)
    expected = np.eye(4, dtype=dtype)[indices] @ weight.T + (bias if with_bias else 0)
    c = np.zeros((len(indices), columns), dtype)
    products.look_up(0, len(indices), indices, laid_out(weight, True, bias), c.reshape(-1), 0, columns, columns)
    close(c, expected)
    few = np.zeros_like(c)
    products.look_up_few(0, len(indices), indices, weight, bias, few.reshape(-1), 0, columns)
    close(few, expected)
    gradient, grad_weight, grad_bias = normal(dtype, len(indices), columns), np.zeros_like(weight), np.zeros_like(bias)
    for first, last in ((0, 9), (9, columns)):
        products.add_columns(dtype)(gradient, indices, dtype(0.5), grad_weight, grad_bias, first, last)
    close(grad_weight, 0.5 * gradient.T @ np.eye(4, dtype=dtype)[indices])
    close(grad_bias, 0.5 * gradient.sum(0) if with_bias else bias)


def test_what_lies_beside_a_weight_is_not_touched(dtype):
    """Its gradient may be a part of one array with other gradients, and infinity x what fills up a panel is NaN."""
    for columns, inner in [(9, 5), (17, 33)]:
        together = np.zeros(columns * inner + 16, dtype)
        weight, rest = together[: columns * inner].reshape(columns, inner), together[columns * inner :]
        gradient = np.zeros((2, columns), dtype)
        gradient[:, 1::2] = np.inf
        bias, input = np.zeros(columns, dtype), np.ones((2, inner), dtype)
        products.outer_product(dtype)(gradient, input, dtype(1), weight, bias, 0, columns)
        assert np.isinf(weight[1::2]).all() and not weight[::2].any() and not rest.any()
        gradient[:] = np.inf
        products.outer_product(dtype)(gradient, input, dtype(1), weight, bias, 0, columns)
        assert np.isinf(weight).all() and not rest.any()


def test_a_product_may_have_many_more_columns_than_terms(dtype):
    columns = products.lanes(dtype) ** 2 + 1
    a, b, bias = normal(dtype, 7, 1), normal(dtype, 1, columns), normal(dtype, columns)
    c = np.zeros((7, columns), dtype)
    products.product(dtype)(0, 7, a.reshape(-1), 0, 1, laid_out(b, False, bias), c.reshape(-1), 0, columns, columns)
    close(c, a @ b + bias)


def test_arrays_that_lie_otherwise_are_not_taken(dtype):
    """Machine code computes the addresses of what lies row after row."""
    n, number = products.lanes(dtype), dtype(1)
    matrix, row, indices = np.zeros((n, n), dtype), np.zeros(n, dtype), np.zeros(n, int)
    calls = [
        (products.lay_out(dtype), [matrix, False, row, products.panels(n, n, dtype), 0, 1]),
        (products.outer_product(dtype), [matrix, matrix, number, matrix, row, 0, n]),
        (products.add_columns(dtype), [matrix, indices, number, matrix, row, 0, n]),
    ]
    for function, arguments in calls:
        function(*arguments)
        for k, array in enumerate(arguments):
            if isinstance(array, np.ndarray):
                other = np.repeat(array, 2, -1)[..., ::2]
                with pytest.raises(TypeError, match="No matching definition"):
                    function(*arguments[:k], other, *arguments[k + 1 :])


def test_where_nothing_can_be_written_functions_are_compiled_all_the_same(monkeypatch):
    """As in an installation that belongs to somebody else, without a home folder."""
    from numba.core import caching

    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    assert products._kept(lambda x: x + 1, types.intp)(1) == 2


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A module in a file of its own, beside which numba keeps what it compiles."""
    (tmp_path / "written.py").write_text(
        "def halved(x):\n    return x[0] / 2\n\ndef calling():\n    return lambda x: called(x) + 1\n"
    )
    spec = importlib.util.spec_from_file_location("written", tmp_path / "written.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "written", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def halved(written):
    return written.halved


def test_what_is_on_disk_is_not_compiled_again(halved):
    kind = types.float64[::1]
    assert not products._kept(halved, kind).stats.cache_hits
    again = products._kept(halved, kind)
    assert list(again.stats.cache_hits) == [(kind,)] and again(np.array([3.0])) == 1.5


def test_what_calls_functions_of_its_own_is_not_compiled_again(written):
    """Every process has functions of its own within, which are as good as those of the one that compiled."""
    hits = []
    for _ in range(2):
        kept = products._kept(written.calling(), types.intp, called=njit(lambda x: 2 * x))
        hits.append(sum(kept.stats.cache_hits.values()))
        assert kept(3) == 7
    assert hits == [0, 1]


@pytest.mark.parametrize("make", [products.lay_out, products.add_columns, products.outer_product])
def test_no_closure_holds_what_every_process_has_anew(make, dtype):
    """Numba compares closures, byte by byte, to know what it finds on disk."""
    cells = make(dtype).py_func.__closure__ or ()
    assert not [cell for cell in cells if callable(cell.cell_contents) and not isinstance(cell.cell_contents, type)]


def test_machine_code_of_other_types_is_not_taken_for_that_asked_for(halved, tmp_path):
    """Two processes that compile at the same time may leave files behind that name one thing and hold another."""
    kinds = (types.float32[::1], np.float32), (types.float64[::1], np.float64)
    for kind, _ in kinds:
        products._kept(halved, kind)
    one, other = sorted((tmp_path / "__pycache__").glob("*.nbc"))
    one.rename(tmp_path / "kept")
    other.rename(one)
    (tmp_path / "kept").rename(other)
    for kind, dtype in kinds:
        assert products._kept(halved, kind)(np.array([3.0], dtype)) == 1.5


NETWORK = """
import sys
import numpy as np
from nodegraph import GModule, nn
from nodegraph.engine import machine

machine.WORTH_COMPILING = 0
for dtype in sys.argv[1:]:
    x, linear = nn.Identity()(), nn.Linear(20, 24)
    net, given = GModule(x, nn.Tanh()(linear(x))).astype(dtype).compile(), np.ones((9, 20), dtype)
    np.testing.assert_allclose(net.forward(given), np.tanh(given @ linear.weight.T + linear.bias), rtol=1e-4)
"""


def test_machine_code_of_two_types_from_two_processes_works_together(tmp_path):
    """Each names its functions by a count of its own, so functions of different types must differ in more than that."""
    environment = {**os.environ, "NODEGRAPH_CACHE": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    for dtypes in (["float32"], ["float64"], ["float32", "float64"]):
        subprocess.run([sys.executable, "-c", NETWORK, *dtypes], env=environment, check=True)
