"""Linear, PartialLinear, Bilinear, Maxout, and the weights by element: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, ShapeError

from module_examples import numbers


def gradients(module, input, grad_output, scale=1.0):
    module.zero_grad_parameters()
    output = module.forward(input)
    return output, module.backward(input, grad_output, scale), module.parameters()[1]


def test_linear_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    ours, theirs = nn.Linear(4, 3), torch.nn.Linear(4, 3).double()
    ours.weight[...], ours.bias[...] = theirs.weight.detach().numpy(), theirs.bias.detach().numpy()
    x = torch.tensor(numbers(5, 4), requires_grad=True)
    y = theirs(x)
    y.backward(torch.tensor(numbers(5, 3)))
    output, grad_input, (grad_weight, grad_bias) = gradients(ours, numbers(5, 4), numbers(5, 3))
    expected = y, x.grad, theirs.weight.grad, theirs.bias.grad
    for mine, other in zip((output, grad_input, grad_weight, grad_bias), expected):
        np.testing.assert_allclose(mine, other.detach(), rtol=1e-12, atol=1e-12)


def test_bilinear_agrees_with_pytorch_whatever_the_scale():
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    ours, theirs = nn.Bilinear(3, 4, 2), torch.nn.Bilinear(3, 4, 2).double()
    ours.weight[...], ours.bias[...] = theirs.weight.detach().numpy(), theirs.bias.detach().numpy()
    a, b, g = numbers(5, 3), numbers(5, 4), numbers(5, 2)
    ta, tb = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    y = theirs(ta, tb)
    y.backward(torch.tensor(g))
    output, (ga, gb), (grad_weight, grad_bias) = gradients(ours, [a, b], g, scale=0.5)
    for mine, other in ((output, y), (ga, ta.grad), (gb, tb.grad)):
        np.testing.assert_allclose(mine, other.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(grad_weight, 0.5 * theirs.weight.grad, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(grad_bias, 0.5 * theirs.bias.grad, rtol=1e-12, atol=1e-12)


def test_linear_takes_a_vector_as_it_takes_a_row():
    linear, x, g = nn.Linear(4, 3), numbers(4), numbers(3)
    output, grad_input, alone = gradients(linear, x, g)
    alone = [a.copy() for a in alone]
    outputs, grad_inputs, batched = gradients(linear, x[None], g[None])
    for a, b in ((output, outputs[0]), (grad_input, grad_inputs[0]), *zip(alone, batched)):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


def test_an_empty_batch_gives_an_empty_output_and_no_gradient():
    output, grad_input, (grad_weight, _) = gradients(nn.Linear(4, 3), np.zeros((0, 4)), np.zeros((0, 3)))
    assert output.shape == (0, 3) and grad_input.shape == (0, 4) and not grad_weight.any()


def test_share_makes_two_modules_learn_as_one():
    a, b = nn.Linear(4, 3), nn.Linear(4, 3)
    assert b.share(a, "weight", "grad_weight") is b
    assert b.weight is a.weight and b.grad_weight is a.grad_weight and b.bias is not a.bias
    b.forward(numbers(5, 4))
    b.backward(numbers(5, 4), numbers(5, 3))
    assert a.grad_weight.any() and not a.grad_bias.any()
    both = nn.Sequential(a, nn.Linear(3, 4), b)
    assert both.get_parameters()[0].size == 12 + 3 + 16 + 3 and a.weight is b.weight


def test_clone_shares_the_arrays_named_and_no_others():
    linear = nn.Linear(4, 3)
    twin = linear.clone("weight", "grad_weight")
    assert twin.weight is linear.weight and twin.grad_weight is linear.grad_weight
    assert twin.bias is not linear.bias and np.array_equal(twin.bias, linear.bias)


def test_without_bias():
    for linear in (nn.Linear(4, 3, False), nn.Linear(4, 3).no_bias(), nn.Linear(4, 3, bias=False)):
        assert linear.bias is None and len(linear.parameters()[0]) == 1
        np.testing.assert_array_equal(linear.forward(np.zeros(4)), np.zeros(3))


@pytest.mark.parametrize(
    "module, bound",
    [
        (lambda: nn.Linear(25, 900), 1 / 5),
        (lambda: nn.Bilinear(25, 30, 9), 1 / 5),
        (lambda: nn.Maxout(25, 90, 9)[0], 1 / 5),
        (lambda: nn.Add(2500), 1 / 50),
        (lambda: nn.CAdd(50, 50), 1 / 50),
        (lambda: nn.CMul(50, 50), 1 / 50),
        (lambda: nn.Cosine(900, 25), 1 / 5),
        (lambda: nn.Euclidean(25, 900), 1 / 5),
        (lambda: nn.LinearWeightNorm(25, 900), 1 / 5),
        (lambda: nn.Kmeans(25, 90), 1),
    ],
)
def test_parameters_are_drawn_evenly_from_torchs_bounds_and_anew_by_reset(module, bound):
    nodegraph.random.seed(3)
    module = module()
    values = module.parameters()[0][0]
    assert bound * 0.98 < np.abs(values).max() <= bound
    assert abs(values.std() * np.sqrt(3) / bound - 1) < 0.1
    before = values.copy()
    assert module.reset(2.0) is module
    assert module.parameters()[0][0] is values and np.abs(values).max() > 1.9 and not np.array_equal(values, before)


def test_reset_takes_torchs_standard_deviation():
    nodegraph.random.seed(3)
    for module in (nn.Linear(30, 90), nn.CMul(50, 50), nn.LinearWeightNorm(30, 90), nn.IndexLinear(90, 30)):
        values = module.reset(2.0).parameters()[0][0]
        assert abs(values.std() - 2) < 0.1 and 1.95 < np.abs(values).max() / np.sqrt(3) <= 2
    assert 1.9 < np.abs(nn.Kmeans(25, 90).reset(2.0).weight).max() <= 2, "here Torch takes the bound"
    with pytest.raises(ArgumentError, match="std must be a number"):
        nn.Linear(3, 2).reset("small")


def test_maxout_is_the_largest_of_its_linear_maps():
    maxout, x = nn.Maxout(4, 3, 2), numbers(5, 4)
    maps = [nn.Linear(4, 3) for _ in range(2)]
    for i, linear in enumerate(maps):
        linear.weight[...], linear.bias[...] = maxout[0].weight[3 * i : 3 * i + 3], maxout[0].bias[3 * i : 3 * i + 3]
    np.testing.assert_allclose(maxout.forward(x), np.maximum(*[m.forward(x) for m in maps]))
    check_gradients(nn.Maxout(4, 3, 2, nn.Tanh()), x)


def test_partial_linear_computes_the_outputs_asked_for():
    module, x = nn.PartialLinear(4, 6), numbers(3, 4)
    module.bias[...] = numbers(6)
    full = module.forward(x)
    for indices in ([5, 0], np.array([2.0]), [1, 1, 3]):
        assert module.set_partition(indices) is module
        np.testing.assert_allclose(module.forward(x), full[:, np.asarray(indices, int)], rtol=1e-12)
        np.testing.assert_allclose(module.forward(x[0]), full[0, np.asarray(indices, int)], rtol=1e-12)
        check_gradients(module, x)
    np.testing.assert_array_equal(module.reset_partition().forward(x), full)
    check_gradients(nn.PartialLinear(4, 6, False).set_partition([1]), x)


def test_backward_follows_the_partition_of_its_forward():
    module, x = nn.PartialLinear(4, 6).set_partition([1, 2]), numbers(3, 4)
    module.forward(x)
    module.set_partition([0, 3, 4])
    module.backward(x, np.ones((3, 2)))
    np.testing.assert_array_equal(np.flatnonzero(module.grad_bias), [1, 2])


@pytest.mark.parametrize("indices", [[6], [-1], [0.5], [], [[0]], [[1], [1, 2]], 0, ["a"]])
def test_a_partition_lists_outputs(indices):
    with pytest.raises(ArgumentError):
        nn.PartialLinear(4, 6).set_partition(indices)


@pytest.mark.parametrize("module", [nn.CAdd, nn.CMul])
@pytest.mark.parametrize(
    "sizes, shape, as_if",
    [
        ((4,), (4,), (4,)),
        ((4,), (3, 4), (1, 4)),
        ((4,), (3, 2, 2), (1, 2, 2)),
        ((3, 4), (2, 3, 4), (1, 3, 4)),
        ((1, 4), (3, 4), (1, 4)),
        ((3, 1), (3, 4), (3, 1)),
        ((1, 3, 1), (2, 3, 4), (1, 3, 1)),
        ((2, 1, 4), (2, 3, 4), (2, 1, 4)),
        ((1,), (2, 3), (1, 1)),
        ((1,), (5,), (1,)),
        ((4, 3), (3, 4), (3, 4)),
        ((12,), (3, 4), (3, 4)),
    ],
)
def test_sizes_meet_the_input_by_torchs_rules(module, sizes, shape, as_if):
    module, x = module(*sizes), numbers(*shape)
    parameter = module.parameters()[0][0]
    apply = np.add if isinstance(module, nn.CAdd) else np.multiply
    np.testing.assert_array_equal(module.forward(x), apply(x, parameter.reshape(as_if)))
    check_gradients(module, x)


@pytest.mark.parametrize("module", [nn.CAdd, nn.CMul])
@pytest.mark.parametrize(
    "sizes, shape", [((4,), (4, 3)), ((3, 4), (2, 4, 4)), ((3, 2), (3, 4)), ((3, 4), (4,)), ((2,), ())]
)
def test_sizes_that_do_not_fit_are_refused(module, sizes, shape):
    with pytest.raises(ShapeError, match="expected an array that the sizes"):
        module(*sizes).forward(np.zeros(shape))


@pytest.mark.parametrize(
    "sizes, rowwise", [((1, 4), True), ((4,), True), ((3, 4), False), ((3, 1), False), ((12,), False)]
)
def test_rows_are_independent_only_where_the_parameters_do_not_tell_them_apart(sizes, rowwise):
    assert nn.CMul(*sizes).rowwise((3, 4)) is rowwise
    assert nn.CMul(1).rowwise(()) is False and nn.CMul(1).forward(np.array(2.0)).shape == ()


@pytest.mark.parametrize(
    "add, shape, as_if",
    [
        ((4,), (4,), (4,)),
        ((4,), (3, 4), (1, 4)),
        ((4,), (3, 2, 2), (1, 2, 2)),
        ((1,), (3,), (1,)),
        ((4, True), (2, 3), (1, 1)),
        ((4, True), (), ()),
        ((None, True), (2, 3), (1, 1)),
    ],
)
def test_add_takes_samples_in_any_shape(add, shape, as_if):
    module, x = nn.Add(*add), numbers(*shape)
    np.testing.assert_array_equal(module.forward(x), x + module.bias.reshape(as_if))
    check_gradients(module, x)


def test_mul_takes_any_shape():
    for shape in ((), (3,), (2, 3, 4)):
        check_gradients(nn.Mul(), numbers(*shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(0, 3),
        lambda: nn.Linear(4, 2.5),
        lambda: nn.Linear("4", 3),
        lambda: nn.Linear(4, 3, "no"),
        lambda: nn.Bilinear(3, -4, 2),
        lambda: nn.Maxout(4, 3, 0),
        lambda: nn.PartialLinear(4, 0),
        lambda: nn.Maxout(4, 3, 2, "tanh"),
        lambda: nn.Add(0),
        lambda: nn.Add(None),
        lambda: nn.Kmeans(2, 3, "fast"),
        lambda: nn.Linear(4, 3).reset(-1),
        lambda: nn.PartialLinear(4, 3).reset("wide"),
        lambda: nn.CMul(),
        lambda: nn.CMul(0, 3),
        lambda: nn.CAdd(2, -1),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_construction(make):
    with pytest.raises(ArgumentError):
        make()


def test_the_weight_of_a_partial_linear_is_drawn_with_standard_deviation_1_unless_another_is_given():
    module = nn.PartialLinear(60, 50)
    np.testing.assert_allclose([module.weight.std(), module.reset(3).weight.std()], [1, 3], rtol=0.1)
    np.testing.assert_allclose(module.reset().weight.std(), 1, rtol=0.1)
    assert not module.bias.any()
