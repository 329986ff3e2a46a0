"""Every module in PyTorch: what it computes, its gradients, its names, against ours and against Torch7."""

import numpy as np
import pytest
from torch_judge import arrays, assert_close, assert_same, backward, gradients, tensors, to_torch, torch

import nodegraph
from nodegraph import nn, table
from nodegraph.errors import ExportError
from nodegraph.nn.dropout import RandomFactor

import oracle
from module_examples import EXAMPLES, example, numbers
from torch_arguments import INDEX_INPUTS, OURS_DIFFERS, RIGGED

NOISY = {"Dropout", "SpatialDropout", "VolumetricDropout", "RReLU", "WhiteNoise"}
NOT_EXPRESSED = {"Kmeans"}
CASES = [case for case in oracle.cases("modules.json", "module") if case["constructor"] not in OURS_DIFFERS]
CASES = [case for case in CASES if case["module"] not in NOT_EXPRESSED | set(RIGGED)]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NOT_EXPRESSED])
def test_it_computes_what_ours_does(name):
    module, input = example(name)
    if name in NOISY:
        module.evaluate()
    if "Fractional" in name:
        module.forward(input)  # which draws the windows
    assert_same(module, to_torch(module), input)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NOT_EXPRESSED | NOISY])
def test_in_single_precision(name):
    module, input = example(name)
    module.float()
    theirs = to_torch(module)
    input = table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, table.as_value(input))
    expected = module.forward(input)
    dtypes = [x.dtype for x in table.leaves(arrays(theirs(tensors(input))))]
    assert dtypes == [x.dtype for x in table.leaves(expected)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["constructor"])
def test_it_computes_what_torch7_did(case):
    module = oracle.build(case)
    for path, stored in {**case["params"], **case.get("stateBefore", {})}.items():
        oracle.set_array(module, path, stored)
    if not case["train"]:
        module.evaluate()
    input = oracle.value(case["input"])
    if case["module"] in INDEX_INPUTS:
        input = INDEX_INPUTS[case["module"]](input)
    try:
        theirs = to_torch(module)
    except ExportError as error:
        assert case["module"] == "IndexLinear" and module.normalize and "IndexLinear" in str(error)
        return
    given = tensors(table.as_value(input))
    output = theirs(given)
    oracle.assert_equal(arrays(output), case["output"], what="output")
    if "backwardError" in case:
        return
    backward(output, oracle.value(case["gradOutput"]))
    if case["module"] not in INDEX_INPUTS:
        oracle.assert_equal(gradients(given), case["gradInput"], what="gradInput")
    parameters = dict(theirs.named_parameters())
    found = {id(array): parameters[name] for name, array in module.named_parameters().items()}
    for path, stored in case["gradParams"].items():
        target, field = oracle.owner(module, path)
        if id(getattr(target, field)) in found:
            actual = gradients(found[id(getattr(target, field))])
            oracle.assert_equal(actual.reshape(oracle.value(stored).shape), stored, what=path)


@pytest.mark.parametrize("name", sorted(NOISY))
def test_noise_is_of_the_same_kind(name):
    """In training the mean and the standard deviation of the output, and the values that are possible, are ours."""
    module = example(name)[0]
    shape = (200, 200, 1, 1, 1)[: 5 if name == "VolumetricDropout" else 4]
    x = np.full(shape, -2.0)
    nodegraph.seed(1)
    torch.manual_seed(1)
    given = tensors(x)
    output = to_torch(module)(given)
    ours, theirs = module.forward(x), arrays(output)
    assert abs(ours.mean() - theirs.mean()) < 0.03 and abs(ours.std() - theirs.std()) < 0.03
    if name != "RReLU" and name != "WhiteNoise":
        assert set(np.unique(ours).round(9)) == set(np.unique(theirs).round(9))
    if isinstance(module, RandomFactor):
        output.sum().backward()
        assert_close(gradients(given) * x, theirs)


@pytest.mark.parametrize("options", [{"v1": True}, {"stochastic_inference": True}, {"p": 0.0}])
@pytest.mark.parametrize("train", [True, False])
def test_other_kinds_of_dropout(options, train):
    module = nn.Dropout(**options)
    module.train = train
    x = np.ones((300, 300))
    ours, theirs = module.forward(x), to_torch(module)(torch.ones(300, 300).double()).numpy()
    assert set(np.unique(ours)) == set(np.unique(theirs)) and abs(ours.mean() - theirs.mean()) < 0.03


def test_the_training_flag_is_kept_for_each_module():
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNormalization(3))
    module[1].evaluate()
    theirs = to_torch(module)
    assert theirs[0].training and not theirs[1].training
    assert not to_torch(module.evaluate())[0].training


def test_batch_normalisation_goes_on_as_ours_does():
    module = nn.BatchNormalization(3)
    theirs = to_torch(module)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(5, 3))
        assert_same(module, theirs, x)
    assert_same(module.evaluate(), theirs.eval(), x[0])
    assert_same(module.training(), theirs.train(), x[:1])


KINKS = np.array([-6.0, -1, -0.5, -0.0, 0, 1e-6, 0.5, 1, 6])


@pytest.mark.parametrize(
    "name", "Abs HardShrink HardTanh LeakyReLU PReLU ReLU ReLU6 Sqrt SoftShrink Threshold ELU CReLU".split()
)
def test_the_derivative_at_a_kink_is_ours(name):
    module = nn.CReLU(1) if name == "CReLU" else getattr(nn, name)()
    assert_same(module, to_torch(module), np.abs(KINKS) if name == "Sqrt" else KINKS)


@pytest.mark.parametrize("name", "Sigmoid Tanh SoftPlus LogSigmoid ELU".split())
def test_far_out_nothing_overflows(name):
    module = getattr(nn, name)()
    assert_same(module, to_torch(module), np.array([-1e3, -100, 100, 1e3]))


@pytest.mark.parametrize("name", ["CMaxTable", "CMinTable"])
def test_of_equal_values_the_first_gets_the_gradient(name):
    module = getattr(nn, name)()
    assert_same(module, to_torch(module), [np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), np.array([1.0, 3, 3])])


def test_arrays_of_equally_many_elements_count_as_equally_shaped():
    for module in (nn.CAddTable(), nn.CMulTable(), nn.CSubTable(), nn.CMaxTable()):
        assert_same(module, to_torch(module), [np.arange(3.0)[:, None], np.arange(3.0)[None] + 1])


def test_unpooling_follows_its_pooling_module():
    pooling = nn.SpatialMaxPooling(2, 2)
    module = nn.Sequential(pooling, nn.Square(), nn.SpatialMaxUnpooling(pooling))
    assert_same(module, to_torch(module), np.random.default_rng(0).normal(size=(2, 3, 4, 6)))


def test_a_criterion_on_nodes():
    x, t = nn.Identity()(), nn.Identity()()
    module = nodegraph.GModule([x, t], nn.MSECriterion()([nn.Linear(3, 2)(x), t]))
    assert_same(module, to_torch(module), [np.ones((4, 3)), np.ones((4, 2))])


def apart():
    module = nn.MapTable(nn.Linear(2, 2), False).resize(3)
    module.modules[1].weight += 1
    return module


SPECIAL = {
    "a map whose modules are not shared": (apart(), [numbers(3, 2, seed=i) for i in range(3)]),
    "fewer values than modules": (apart(), [numbers(3, 2, seed=i) for i in range(2)]),
    "Reverse of no steps": (nn.Reverse(), [np.zeros((0, 3, 2)), np.zeros(3, int)]),
    "Last of no steps": (nn.Last(), [np.zeros((0, 3, 2)), np.zeros((0, 3), bool)]),
    "WeightNorm of a layer of ours": (nn.WeightNorm(nn.TemporalConvolution(2, 3, 2)), numbers(4, 5, 2)),
    "MaskZero with zeros": (nn.MaskZero(nn.ConcatTable(nn.Linear(2, 3), nn.Tanh()), 1), np.diag([1.0, 2, 0])[:, :2]),
    "Reverse without lengths": (nn.Reverse(), numbers(4, 3, 2)),
    "Reverse along another axis": (nn.Reverse(1), numbers(4, 3, 2)),
    "Last without lengths": (nn.Last(), numbers(4, 3, 2)),
    "Last along another axis": (nn.Last(1), numbers(4, 3, 2)),
    "the first of each row": (nn.Convert("bt", "b"), numbers(4, 2)),
    "a row without a batch": (nn.Convert("bf", "b"), numbers(1)),
    "a criterion that takes no target": (nn.ModuleFromCriterion(nn.L1Cost()), numbers(4, 2)),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases(name):
    module, input = SPECIAL[name]
    assert_same(module, to_torch(module), input)


def test_random_windows_stay_where_they_are_fixed():
    module = nn.SpatialFractionalMaxPooling(2, 2, 0.6, 0.6)
    x = tensors(numbers(1, 1, 20, 20))
    torch.manual_seed(1)
    theirs = to_torch(module)
    assert (theirs(x) != theirs(x)).any()
    fixed = to_torch(module.fix_pooling_regions())
    assert (fixed(x) == fixed(x)).all()
