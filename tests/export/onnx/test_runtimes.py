"""Models run the same in all versions of onnxruntime from 1.20: what a version lacks in float64 or does wrongly is not
written. These tests look at the operators, for the version that is installed may lack nothing.
"""

import numpy as np
import pytest

from nodegraph import nn

from module_examples import numbers
from onnx_judge import Own, assert_same, kinds

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nodegraph.export.onnx import onnx_model  # noqa: E402


def planes(x):
    return x.reshape(-1, 2, 2)


PRODUCTS = {
    "with a transpose": lambda x: x @ x.T,
    "of a transpose": lambda x: x.T @ x,
    "of two": lambda x: x.T @ (x @ x.T),
    "with a vector": lambda x: np.tanh(x.T).T @ np.arange(4).astype(x.dtype),
    "from a vector": lambda x: np.arange(4).astype(x.dtype) @ x.T,
    "sample by sample": lambda x: planes(x) @ np.swapaxes(planes(x), 1, 2),
    "of a matrix and planes": lambda x: x @ np.swapaxes(x.reshape(-1, 2, 4), 1, 2)[0],
    "with transposes joined": lambda x: x @ np.concatenate([x.T, x.T], 1),
    "with what was transposed before": lambda x: x @ np.tanh(x.T),
    "planes with a matrix": lambda x: np.moveaxis(planes(x), 0, 1) @ np.array([[1, 2], [3, 4]], x.dtype),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_in_float64_no_product_follows_a_transpose_with_which_it_could_be_joined(name):
    module, x = Own(PRODUCTS[name]), numbers(6, 4)
    double, single = onnx_model(module, x), onnx_model(module, x.astype(np.float32))
    written = kinds(double)
    assert "MatMul" not in written[written.index("Transpose") :] and "Einsum" in written
    assert "MatMul" in kinds(single) and "Einsum" not in kinds(single)
    assert_same(module, double, x, 1e-12)
    assert_same(module, single, x.astype(np.float32), 1e-5)


def test_a_product_with_a_transposed_weight_stays_one():
    linear = nn.Linear(4, 3)
    module = Own(lambda x: np.tanh(x) @ linear.weight.T)
    model = onnx_model(module, ("batch", 4))
    assert kinds(model) == ["Tanh", "MatMul"]
    assert_same(module, model, numbers(5, 4), 1e-12)


def test_a_cosine_in_float64_is_written_by_sines():
    module = Own(np.cos)
    x = np.concatenate([numbers(5, 4), [[0, np.pi / 2, np.pi, 1e6], [1e-9, -3, 700, 0.5]]])
    double, single = onnx_model(module, x), onnx_model(module, x.astype(np.float32))
    assert "Cos" not in kinds(double) and kinds(single) == ["Cos"]
    assert_same(module, double, x, 4e-16)
    assert_same(module, single, x.astype(np.float32), 1e-6)
    whole = Own(lambda x: np.cos(np.argmax(x, 1)))
    assert_same(whole, onnx_model(whole, x), x, 4e-16)


def test_a_sequence_of_no_steps_is_reversed_as_one_of_one_step():
    module = nn.Reverse()
    model = onnx_model(module, [("steps", "batch", 2), ("batch",)])
    written = kinds(model)
    assert written.index("Max") < written.index("ReverseSequence")
    assert_same(module, model, [numbers(4, 3, 2), np.array([4, 0, 1])])
