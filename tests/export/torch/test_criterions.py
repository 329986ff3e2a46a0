"""Every criterion in PyTorch, against Torch7."""

import pytest
from torch_judge import arrays, gradients, tensors, to_torch

from nodegraph import table

import oracle


@pytest.mark.parametrize("case", oracle.cases("criterions.json", "criterion"), ids=lambda case: case["constructor"])
def test_it_computes_what_torch7_did(case):
    criterion = oracle.criterion(case)
    input = tensors(table.as_value(oracle.value(case["input"])))
    target = oracle.criterion_target(case, oracle.value(case["target"]))
    loss = to_torch(criterion)(input, None if target is None else tensors(table.as_value(target)))
    assert loss.shape == ()
    oracle.assert_equal(float(arrays(loss)), case["loss"], what="loss")
    if "backwardError" not in case:
        loss.backward()
        oracle.assert_equal(gradients(input), case["gradInput"], what="gradInput")
