"""Every class that Torch7 has, written to a .t7 file and read again: the same module, the same numbers."""

import inspect

import numpy as np
import pytest

import nodegraph
from nodegraph import GModule, nn, table
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import recorded, translated
from nodegraph.io.t7.translation import BY_CLASS
from nodegraph.models import lstm

import oracle
from module_examples import EXAMPLES, example

BASES = {
    *("ClassCriterion", "CompositeCriterion", "Container", "Convolution", "Criterion", "FullConvolution", "Module"),
    *("PairCriterion", "Pointwise", "PointwiseCriterion", "ViewModule"),
}
WITHOUT_COUNTERPART = {"Last", "Part", "Reverse", "Where"}
WRITTEN_AS_OTHERS = {"StackTable"}
NOT_AS_THEMSELVES = WITHOUT_COUNTERPART | WRITTEN_AS_OTHERS
NAMES = sorted(name for name in EXAMPLES if hasattr(nn, name) and name not in NOT_AS_THEMSELVES)
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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stack_is_written_as_what_does_the_same(axis, tmp_path):
    x = [np.full((2, 3), float(i)) for i in range(4)]
    twin = again(nn.StackTable(axis), tmp_path)
    assert_same(run(twin, x)[:2], run(nn.StackTable(axis), x)[:2])


def test_a_graph_in_which_a_table_is_split_into_one_part():
    x = nn.Identity()()
    record = recorded(GModule(x, nn.CAddTable()(list(nn.SplitTable(0)(x).split(2)))))
    for node in record.fields["forwardnodes"].array:
        for name in ("nSplitOutputs", "selectindex"):
            if node.fields["data"].get(name) is not None:
                node.fields["data"].set(name, 1)
    assert translated(record).forward(np.ones((1, 3))).tolist() == [2, 2, 2]


def test_an_unrolled_cell_is_written(tmp_path):
    module, x = nodegraph.unroll(lstm.create(3, 2), 4), [np.ones((4, 2, 3)), np.zeros((2, 2)), np.ones((2, 2))]
    assert_same(run(again(module, tmp_path), x), run(module, x))


def test_what_torch_does_not_have_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(T7Error, match="no counterpart to Reverse; nodegraph.io.t7.register can give it one"):
        t7.save(nn.Sequential(nn.Tanh(), nn.Reverse(0)), tmp_path / "file.t7")
    with pytest.raises(T7Error, match="cannot count the new axis from the end"):
        t7.save(nn.StackTable(-1), tmp_path / "file.t7")
    with pytest.raises(T7Error, match="cannot count its start from the end"):
        t7.save(nn.Narrow(1, -2, 1), tmp_path / "file.t7")
    deep = nn.Tanh()
    for _ in range(100):
        deep = nn.Sequential(deep)
    with pytest.raises(T7Error, match="modules are nested more than 100 deep"):
        t7.save(deep, tmp_path / "file.t7")
    value = [nn.Tanh()]
    for _ in range(2000):
        value = [value]
    with pytest.raises(T7Error, match="values with modules in them are nested too deep"):
        t7.save(value, tmp_path / "file.t7")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("affine", [False, True])
def test_a_layer_normalisation_with_and_without_gain(affine, tmp_path):
    module, input = nn.LayerNormalization(4, affine=affine), np.random.default_rng(0).normal(size=(3, 4))
    twin = again(module, tmp_path)
    assert len(twin.parameters()[0]) == 2 * affine
    assert_same(run(twin, input), run(module, input))


def test_a_partial_linear_without_bias(tmp_path):
    module, input = nn.PartialLinear(4, 5, False).set_partition([3, 1]), np.random.default_rng(0).normal(size=(2, 4))
    twin = again(module, tmp_path)
    assert twin.bias is None
    assert_same(run(twin, input), run(module, input))


def test_buffers_that_torch_counts_with_are_there_and_those_that_it_fills_are_empty(tmp_path):
    modules = nn.Add(3), nn.PartialLinear(4, 2), nn.JoinTable(1)
    adding, partial, joining = (t7.read(t7.save(module, tmp_path / "a.t7")) for module in modules)
    assert adding.fields["_ones"].tolist() == [1] and partial.fields["allcolumns"].tolist() == [1, 2]
    assert joining.fields["size"].tolist() == []


@pytest.mark.parametrize("name", ["Subtractive", "Divisive", "Contrastive"])
def test_a_normalisation_with_a_kernel_for_each_direction(name, tmp_path):
    module = getattr(nn, f"Spatial{name}Normalization")(2, np.array([1.0, 2.0, 1.0]))
    input = np.random.default_rng(0).normal(size=(2, 5, 6))
    twin = again(module, tmp_path)
    assert twin.kernel.shape == (3,)
    assert_same(run(twin, input), run(module, input))


def test_the_parts_of_such_a_normalisation_are_those_of_torch():
    """There the mean is a sum over rows of each plane by itself, and then one over columns and planes."""
    module = nn.SpatialSubtractiveNormalization(2, np.array([1.0, 2.0, 1.0]))
    twin = translated(recorded(module).fields["meanestimator"])
    assert [type(step).__name__ for step in twin.modules] == [
        *("SpatialZeroPadding", "SpatialConvolutionMap", "SpatialConvolution", "Replicate"),
    ]
    image = np.random.default_rng(0).normal(size=(2, 5, 6))
    padded = np.pad(image.sum(0), 1)
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    mean = rows[:-2] + 2 * rows[1:-1] + rows[2:]
    scale = module.kernel[0] ** 2
    np.testing.assert_allclose(twin.forward(image)[:, 0], scale * np.array([mean, mean]))


def test_a_conversion_that_takes_whatever_axes_come(tmp_path):
    record = recorded(nn.Convert())
    assert (record.fields["nInputDim"], record.fields["nOutputDim"], record.fields["transposition"]) == (-1, -1, True)
    input = np.arange(24).reshape(2, 3, 4)
    output = again(nn.Convert(), tmp_path).forward(input)
    np.testing.assert_array_equal(output, input)
    assert output.dtype == float


def test_a_map_whose_modules_are_not_shared(tmp_path):
    module = nn.MapTable(nn.Linear(2, 2), False)
    input = list(np.random.default_rng(0).normal(size=(3, 1, 2)))
    module.forward(input)
    module.modules[1].weight += 1
    twin = again(module, tmp_path)
    assert len(twin.modules) == 3 and not twin.shared
    assert_same(run(twin, input), run(module, input))
