"""Every class and the whole oracle as ONNX: the checker takes it, onnxruntime comes to our numbers, for any batch."""

import numpy as np
import pytest

from nodegraph import table
from nodegraph.errors import ExportError

import oracle
from module_examples import EXAMPLES, example
from onnx_judge import as_type, assert_same, larger, open_axes
from torch_arguments import INDEX_INPUTS, OURS_DIFFERS, RIGGED

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nodegraph.export.onnx import onnx_model  # noqa: E402

INEXPRESSIBLE = {"SpatialFractionalMaxPooling", "VolumetricFractionalMaxPooling"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in INEXPRESSIBLE])
def test_every_class(name, dtype):
    module, input = example(name)
    module.astype(np.dtype(dtype)).evaluate()
    input = as_type(input, dtype)
    model = onnx_model(module, table.map(lambda x: x if x.dtype.kind == "f" else x.shape, input))
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    assert_same(module, model, input, tolerance)
    assert_same(module, model, larger(model, input), tolerance)


def test_the_batch_of_nearly_every_class_is_open():
    closed = set()
    for name in EXAMPLES.keys() - INEXPRESSIBLE:
        module, input = example(name)
        if not any(open_axes(onnx_model(module, table.shape(input)))):
            closed.add(name)
    # Without batch, or with a table whose length is that of the batch.
    assert closed <= {"Parallel", "SplitTable", "Reverse", "Last", "Maxout"}, closed


GRAPHS = [case for file in ("graphs.json", "graphs_more.json") for case in oracle.cases(file)]


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case["name"])
def test_every_graph_of_the_oracle(case):
    gmodule, _ = oracle.prepared_graph(case)
    input = oracle.graph_input(case)
    gmodule.evaluate()
    model = onnx_model(gmodule, table.shape(table.as_value(input)))
    assert_same(gmodule, model, table.as_value(input))
    assert_same(gmodule, model, larger(model, table.as_value(input)))


def test_every_module_of_the_oracle():
    cases = [case for case in oracle.cases("modules.json", "module") if case["module"] not in RIGGED]
    for case in cases:
        if case["constructor"] in OURS_DIFFERS:
            continue
        module = oracle.build(case)
        for path, stored in {**case["params"], **case.get("stateBefore", {})}.items():
            oracle.set_array(module, path, stored)
        input = oracle.value(case["input"])
        input = table.as_value(INDEX_INPUTS[case["module"]](input) if case["module"] in INDEX_INPUTS else input)
        if case["constructor"] == "nn.IndexLinear(8,2)" and len(input) == 3:
            continue  # how many keys a sample has is an input there
        module.evaluate()
        model = onnx_model(module, table.shape(input))
        assert_same(module, model, input)
        assert_same(module, model, larger(model, input))


@pytest.mark.parametrize("name", sorted(INEXPRESSIBLE))
def test_random_windows_are_refused(name):
    module, input = example(name)
    with pytest.raises(ExportError, match=f"{name}.*random places"):
        onnx_model(module, table.shape(input))
