"""Every criterion against Torch7: loss and gradient, and that input and target are left as they were."""

import copy

import numpy as np
import pytest

from nodegraph import nn, table

import oracle

CASES = oracle.cases("criterions.json", "criterion")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["constructor"])
def test_criterion(case):
    criterion = oracle.criterion(case)
    input, target = oracle.value(case["input"]), oracle.criterion_target(case, oracle.value(case["target"]))
    before = copy.deepcopy([input, target])

    loss = criterion.forward(input, target)
    assert type(loss) is float
    oracle.assert_equal(loss, case["loss"], what="loss")
    if "backwardError" not in case:
        oracle.assert_equal(criterion.backward(input, target), case["gradInput"], what="gradInput")
        oracle.assert_equal(
            oracle.criterion(case).backward(input, target), case["gradInput"], what="backward without a forward"
        )
    for a, b in zip(table.leaves(before), table.leaves([input, target]), strict=True):
        np.testing.assert_array_equal(a, b, err_msg="input or target was written to")


def test_all_criterions_of_torch_are_there():
    assert not {case["criterion"] for case in oracle.cases("criterions.json")} - set(vars(nn))
