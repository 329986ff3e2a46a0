"""Every module, one call each, against Torch7: output, gradients, state, and that the input is left as it was."""

import copy

import numpy as np
import pytest

from nodegraph import table

import oracle
from torch_arguments import INDEX_INPUTS, INDEX_OUTPUTS, OURS_DIFFERS, RIGGED, SHAPE_BY_VALUE

CASES = [case for case in oracle.cases("modules.json", "module") if case["constructor"] not in OURS_DIFFERS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["constructor"])
def test_module(case, monkeypatch):
    module = oracle.build(case)
    for path, stored in {**case["params"], **case.get("stateBefore", {})}.items():
        oracle.set_array(module, path, stored)
    if not case["train"]:
        module.evaluate()
    if case["module"] in RIGGED:
        RIGGED[case["module"]](monkeypatch, module, {k: oracle.value(v) for k, v in case.get("state", {}).items()})
    input = oracle.value(case["input"])
    if case["module"] in INDEX_INPUTS:
        input = INDEX_INPUTS[case["module"]](input)
    before = copy.deepcopy(input)
    module.zero_grad_parameters()

    output = module.forward(input)
    oracle.assert_equal(output + 1 if case["module"] in INDEX_OUTPUTS else output, case["output"], what="output")
    if case["module"] not in SHAPE_BY_VALUE:
        assert module.output_shape(table.shape(table.as_value(input))) == table.shape(output)

    if "backwardError" not in case:
        grad_input = module.backward(input, oracle.value(case["gradOutput"]))
        if case["module"] not in INDEX_INPUTS:
            oracle.assert_equal(grad_input, case["gradInput"], what="gradInput")
        for path, stored in case["gradParams"].items():
            target, field = oracle.owner(module, path)
            expected = oracle.value(stored)
            actual = getattr(target, "grad_" + field)
            np.testing.assert_allclose(actual.reshape(expected.shape), expected, 1e-10, 1e-10, err_msg=path)
    for path, stored in case.get("paramsAfter", {}).items():
        target, field = oracle.owner(module, path)
        oracle.assert_equal(getattr(target, field), stored, what=path)
    for path, stored in case.get("state", {}).items():
        target, field = oracle.owner(module, path)
        if field in (*target.buffer_names, "loss", "noise"):
            oracle.assert_equal(getattr(target, field), stored, what=path)
    for a, b in zip(table.leaves(before), table.leaves(input)):
        np.testing.assert_array_equal(a, b, err_msg="the input was written to")
