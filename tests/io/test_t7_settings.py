"""Settings that come back from a .t7 file as they were written: axes from the end, small numbers that matter."""

import numpy as np
import pytest

from nodegraph import GModule, nn, table
from nodegraph.errors import ArgumentError
from nodegraph.io import t7
from nodegraph.io.t7.translation import from_1, to_1
from nodegraph.io.t7.values import Table

rng = np.random.default_rng(0)
X = rng.standard_normal((2, 3, 4))


@pytest.mark.parametrize(
    "module, input",
    [
        (nn.JoinTable(-1), [X, X[..., :1]]),
        (nn.SelectTable(-1), [X, X[0]]),
        (nn.Select(-1, 2), X),
        (nn.Narrow(-1, 1, 2), X),
        (nn.Sum(-1), X),
        (nn.Mean(-2), X),
        (nn.Max(-1), X),
        (nn.SplitTable(-1), X),
        (nn.Squeeze(-1), X[..., :1]),
        (nn.Unsqueeze(-1), X),
        (nn.Padding(-1, -2), X),
        (nn.LayerNormalization(4, eps=3.0), X[0]),
        (nn.LayerNormalization(4, eps=3.0, affine=False), X[0]),
    ],
    ids=repr,
)
def test_what_comes_back_computes_the_same(tmp_path, module, input):
    again = t7.load(t7.save(module, tmp_path / "module.t7"))
    assert type(again) is type(module)
    for a, b in zip(table.leaves(again.forward(input)), table.leaves(module.forward(input)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_split_into_one_part(tmp_path):
    x = nn.Identity()()
    graph = GModule(x, nn.Tanh()(x.split(1)))
    again = t7.load(t7.save(graph, tmp_path / "graph.t7"))
    np.testing.assert_array_equal(again.forward([X]), np.tanh(X))


def test_a_table_counts_from_1():
    table = Table(["first", "last"], {0: "zero", -1: "minus"})
    assert [table.get(key) for key in (1, 2, 0, -1, 3)] == ["first", "last", "zero", "minus", None]
    assert Table(["first"]).get(0) is None and Table(["first"]).get(0, "none") == "none"


@pytest.mark.parametrize("wrong", [0, True, 1.5, "1"])
def test_torch_counts_dimensions_from_1(wrong):
    assert [from_1(number) for number in (1, 3, -1, -2, None)] == [0, 2, -1, -2, None]
    assert [to_1(number) for number in (0, 2, -1, -2, None)] == [1, 3, -1, -2, None]
    with pytest.raises(ArgumentError, match="counts from 1, found"):
        from_1(wrong)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, float])
def test_arrays_that_run_backwards(tmp_path, dtype):
    array = np.arange(6, dtype=dtype)
    for given in array[::-1], array[::-2], array.reshape(2, 3)[:, ::-1]:
        np.testing.assert_array_equal(t7.load(t7.save({"array": given}, tmp_path / "array.t7"))["array"], given)
