"""Every criterion against Torch7: loss and gradient, and that input and target are left as they were."""

import copy

import numpy as np
import pytest

from nodegraph import nn, table

import oracle
from torch_arguments import CLASS_TARGETS

CASES = oracle.cases("criterions.json", "criterion")


def build(case):
    """The criterion of a case with its fields and its children set."""
    criterion = oracle.build({"module": case["criterion"], "args": case["args"]})
    for field, stored in case.get("fields", {}).items():
        owner, name = oracle.owner(criterion, field)
        setattr(owner, name, stored)
    (weights,) = case.get("childWeights", {"none": []}).values()
    for child, weight in zip(case.get("children", []), weights, strict=True):
        criterion.add(oracle.build(child), weight)
    for path, stored in case["params"].items():
        if path.startswith("inputModule."):
            oracle.set_array(criterion.input_module, path.partition(".")[2], stored)
        else:
            oracle.assert_equal(getattr(criterion, path), stored, what=path)
    return criterion


def from_0(description, target):
    """The target with its class labels, if it has any, counted from 0."""
    name, children = description.get("criterion") or description["module"], description.get("children", [])
    if name in CLASS_TARGETS:
        return target - 1
    if name == "ParallelCriterion" and table.is_table(target):
        return [from_0(child, part) for child, part in zip(children, target, strict=True)]
    if name == "ModuleCriterion":
        return from_0(description["args"][0], target)
    return from_0(children[0], target) if children else target


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["constructor"])
def test_criterion(case):
    criterion = build(case)
    input, target = oracle.value(case["input"]), from_0(case, oracle.value(case["target"]))
    before = copy.deepcopy([input, target])

    loss = criterion.forward(input, target)
    assert type(loss) is float
    oracle.assert_equal(loss, case["loss"], what="loss")
    if "backwardError" not in case:
        oracle.assert_equal(criterion.backward(input, target), case["gradInput"], what="gradInput")
        oracle.assert_equal(build(case).backward(input, target), case["gradInput"], what="backward without a forward")
    for a, b in zip(table.leaves(before), table.leaves([input, target]), strict=True):
        np.testing.assert_array_equal(a, b, err_msg="input or target was written to")


def test_all_criterions_of_torch_are_there():
    assert not {case["criterion"] for case in oracle.cases("criterions.json")} - set(vars(nn))
