"""Every criterion in PyTorch, against Torch7."""

import numpy as np
import pytest
from torch_judge import arrays, gradients, tensors, to_torch

from nodegraph import nn, table

import oracle
from module_examples import numbers


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


def test_axes_of_length_1_do_not_count_for_a_cross_entropy():
    criterion, x, target = nn.CrossEntropyCriterion(), numbers(2, 5, 1, 1), np.array([1, 2])
    loss = to_torch(criterion)(tensors(x), tensors(target))
    assert loss.item() == pytest.approx(criterion.forward(x, target), 1e-12)


@pytest.mark.parametrize("before", [(), (nn.Tanh(),), (nn.Tanh(), nn.Sigmoid())], ids=len)
def test_modules_before_a_criterion(before):
    criterion = nn.ModuleCriterion(nn.MSECriterion(), *before)
    x, target = numbers(3, 2), numbers(3, 2, seed=1)
    given = tensors(x)
    loss = to_torch(criterion)(given, tensors(target))
    assert loss.item() == pytest.approx(criterion.forward(x, target), 1e-12)
    loss.backward()
    np.testing.assert_allclose(gradients(given), criterion.backward(x, target), rtol=1e-12)


def test_it_shows_its_settings():
    shown = repr(to_torch(nn.ClassNLLCriterion(np.array([1.0, 2.0, 3.0]))))
    assert shown == "ClassNLLCriterion(weights=(3,), size_average=True, ignore_index=-100)"
