"""Every class and the whole oracle as ONNX: the checker takes it, onnxruntime comes to our numbers, for any batch."""

import numpy as np
import pytest

from nodegraph import GModule, nn, table
from nodegraph.errors import ExportError

import oracle
from module_examples import EXAMPLES, example, numbers
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


POOLING = nn.SpatialMaxPooling(2, 2)
POOLING.forward(np.ones((1, 1, 4, 4)))
OVER_PADDING = nn.SpatialMaxPooling(3, 3, 3, 3, 1, 1)
KERNEL = np.ones((3, 3))
REFUSED = [
    (nn.Dropout(0.5, stochastic_inference=True), (5, 4), "random numbers"),
    (nn.SpatialDropout(0.5, stochastic_inference=True), (2, 3, 5, 4), "random numbers"),
    (nn.IndexLinear(8, 3, normalize=True), [(4,), (4,)], "normalised by what the module has seen"),
    (nn.IndexLinear(8, 3), [(4,), (4,), (2,)], "samples whose sizes are an input"),
    (nn.SpatialFullConvolution(2, 3, 2, 2), (1, 2, "height", "width"), "open sizes in float64; make the module float"),
    (nn.SpatialSubtractiveNormalization(1, KERNEL), (1, 1, "height", 4), r"\(planes of open sizes\)"),
    (nn.SpatialDivisiveNormalization(1, KERNEL), (1, 1, "height", 4), r"\(planes of open sizes\)"),
    (nn.TemporalDynamicKMaxPooling(2), ("batch", "frames", 3), "a number of frames that is open"),
    (nn.SpatialMaxUnpooling(POOLING), (1, 1, 2, 2), "its pooling module does not run before it"),
    (nn.Sequential(OVER_PADDING, nn.SpatialMaxUnpooling(OVER_PADDING)), (1, 1, 5, 5), "over padding"),
    (nn.Reverse(), [(5, 4, 3), (5, 4)], "a mask, where the lengths of the sequences would do"),
    (nn.Last(), [(5, 4, 3), (5, 4)], "a mask, where the lengths of the sequences would do"),
]


@pytest.mark.parametrize("module, shapes, reason", REFUSED, ids=lambda part: type(part).__name__)
def test_what_onnx_has_not_is_refused_with_the_reason(module, shapes, reason):
    with pytest.raises(ExportError, match=reason):
        onnx_model(module, shapes)


def with_a_row_of_zeros():
    module = nn.LookupTableMaskZero(7, 3)
    module.weight[0] = 1  # which stands for padding, and is never looked up
    return module


def unpooled_twice():
    x, pooling = nn.Identity()(), nn.SpatialMaxPooling(2, 2)
    pooled = pooling(x)
    back = [nn.SpatialMaxUnpooling(pooling)(node) for node in (pooled, nn.Square()(pooled))]
    return GModule(x, nn.CAddTable()(back))


SPECIAL = {
    "Reverse without lengths": (nn.Reverse(), ("steps", "batch", 3), numbers(5, 4, 3)),
    "Last without lengths": (nn.Last(), ("steps", "batch", 3), numbers(5, 4, 3)),
    "a lookup of padding": (with_a_row_of_zeros(), ("n",), np.array([-1, 0, 3, 6])),
    "places of maxima used twice": (unpooled_twice(), ("batch", 1, 4, 4), numbers(2, 1, 4, 4)),
    "windows that reach further than padding may": (
        nn.SpatialDilatedMaxPooling(2, 2, 3, 3, 0, 0, 3, 3).ceil(), ("batch", 1, 8, 8), numbers(2, 1, 8, 8)
    ),
    "a size that stays": (
        nn.SpatialUpSamplingBilinear({"owidth": 4, "oheight": 8}), ("batch", 1, 4, 4), numbers(2, 1, 4, 4)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases(name):
    module, shape, input = SPECIAL[name]
    assert_same(module, onnx_model(module, shape), input)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("bounded", [nn.HardTanh(), nn.ReLU6(), nn.Clamp(-0.5, 2)], ids=repr)
def test_bounds_after_a_rectifier(bounded, dtype):
    """onnxruntime makes one operator of the two, and in float64 failed over it."""
    module, input = nn.Sequential(nn.ReLU(), bounded).astype(np.dtype(dtype)), as_type(3 * numbers(4, 3), dtype)
    assert_same(module, onnx_model(module, input), input)


@pytest.mark.parametrize("name", sorted(INEXPRESSIBLE))
def test_random_windows_are_refused(name):
    module, input = example(name)
    with pytest.raises(ExportError, match=f"{name}.*random places"):
        onnx_model(module, table.shape(input))
