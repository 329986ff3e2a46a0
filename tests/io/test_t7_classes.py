"""Every class that Torch7 has, written to a .t7 file and read again: the same module, the same numbers."""

import inspect

import numpy as np
import pytest

import nodegraph
from nodegraph import nn, table
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.translation import BY_CLASS

import oracle
from module_examples import EXAMPLES, example

BASES = {
    *("ClassCriterion", "CompositeCriterion", "Container", "Convolution", "Criterion", "FullConvolution", "Module"),
    *("PairCriterion", "Pointwise", "PointwiseCriterion", "ViewModule"),
}
WITHOUT_COUNTERPART = {"Last", "Part", "Reverse", "StackTable", "Where"}
CANNOT_BE_SAVED = {"Profile"}
"""Torch7 itself fails to save them."""
NAMES = sorted(name for name in EXAMPLES if hasattr(nn, name) and name not in WITHOUT_COUNTERPART | CANNOT_BE_SAVED)
CRITERIONS = oracle.cases("criterions.json", "criterion")


def again(value, tmp_path, **options):
    return t7.load(t7.save(value, tmp_path / "file.t7", **options))


def assert_same(a, b, tolerance=1e-12):
    assert table.shape(a) == table.shape(b)
    for x, y in zip(table.leaves(a), table.leaves(b)):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def run(module, input):
    module.zero_grad_parameters()
    output = module.forward(input)
    grad_input = table.fill(module.backward(input, table.map(np.cos, output)), input)
    return [output, grad_input, module.parameters()[1]]


def test_every_class_has_a_translation_or_a_reason():
    classes = {n for n, c in vars(nn).items() if inspect.isclass(c) and issubclass(c, nn.Component)} - {"Component"}
    assert classes - {c.__name__ for c in BY_CLASS} == BASES | WITHOUT_COUNTERPART


@pytest.mark.parametrize("name", NAMES)
def test_a_module_comes_back_as_it_was(name, tmp_path):
    nodegraph.seed(1)
    module, input = example(name)
    module.evaluate().forward(input)
    twin = again(module, tmp_path)
    assert type(twin) is type(module)
    assert not any(inner.train for inner in twin.list_modules())
    assert_same(twin.parameters()[0], module.parameters()[0], 0)
    assert_same(run(twin, input), run(module, input))
    third = again(twin, tmp_path, ascii=True)
    assert_same(run(third, input), run(module, input))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"Copy", "DontCast"}))
def test_a_module_in_single_precision_stays_so(name, tmp_path):
    module, input = example(name)
    input = table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, input)
    module.float().evaluate().forward(input)
    twin = again(module, tmp_path)
    assert all(p.dtype == np.float32 for p in twin.parameters()[0] + twin.parameters()[1])
    theirs, ours = module.forward(input), twin.forward(input)
    if twin.parameters()[0]:
        assert [x.dtype for x in table.leaves(ours)] == [x.dtype for x in table.leaves(theirs)]
    assert_same(ours, theirs, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_loading_draws_no_random_numbers(name, tmp_path):
    module, _ = example(name)
    path = t7.save(module, tmp_path / "file.t7")
    before = nodegraph.random.get_state()
    t7.load(path)
    assert nodegraph.random.get_state() == before


@pytest.mark.parametrize("case", CRITERIONS, ids=lambda case: case["constructor"])
def test_a_criterion_comes_back_as_it_was(case, tmp_path):
    criterion = oracle.build({"module": case["criterion"], "args": case["args"]})
    for child in case.get("children", []):
        criterion.add(oracle.build(child), 0.5)
    twin = again(criterion, tmp_path)
    assert type(twin) is type(criterion)

    for ours, theirs in zip(twin.list_modules(), criterion.list_modules(), strict=True):
        for name in vars(ours).keys() | vars(theirs).keys():
            value = getattr(theirs, name)
            if isinstance(value, (bool, int, float, str, np.ndarray, type(None))):
                np.testing.assert_array_equal(getattr(ours, name), value, err_msg=name)


@pytest.mark.parametrize("name", sorted(CANNOT_BE_SAVED))
def test_what_torch_cannot_save_is_refused(name, tmp_path):
    with pytest.raises(T7Error, match="cannot save"):
        t7.save(example(name)[0], tmp_path / "file.t7")


def test_what_torch_does_not_have_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(T7Error, match="no counterpart to StackTable"):
        t7.save(nn.Sequential(nn.Tanh(), nn.StackTable(0)), tmp_path / "file.t7")
    with pytest.raises(T7Error, match="cannot count its start from the end"):
        t7.save(nn.Narrow(1, -2, 1), tmp_path / "file.t7")
    assert not list(tmp_path.iterdir())
