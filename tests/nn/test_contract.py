"""What holds for every module class, whatever it computes; checked with the examples in module_examples.py."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest

import nodegraph
from nodegraph import NodegraphError, nn, table
from nodegraph.check import check_gradients
from nodegraph.errors import ModuleError, ShapeError

from module_examples import EXAMPLES, example

NAMES = sorted(name for name in EXAMPLES if hasattr(nn, name))

BASES = {"Container", "Convolution", "FullConvolution", "Module", "Pointwise", "ViewModule"}
NEED_MORE_THAN_AN_INPUT = {"Parameters", "Part", "SpatialMaxUnpooling", "VolumetricMaxUnpooling"}
"""Classes without an example: they take no input, or need another module's run; their families' tests cover them."""

INTEGER_OUTPUT = {"Kmeans"}
INDEX_INPUT = {"SparseLinear", "IndexLinear"}
"""Modules whose floating-point input holds indices, too, so that no central differences can be taken."""
OTHER_GRADIENT = {"CriterionTable", "GradientReversal", "Kmeans", "L1Penalty", "ModuleFromCriterion", "ZeroGrad"}
"""Modules whose gradient is by intention not the derivative of their output."""
PASSES_TYPE_THROUGH = {"Copy", "DontCast"}
"""Modules that are there to do something else with the type of numbers."""


def made(name):
    """The example of a class, in evaluation mode, its parameters always the same."""
    nodegraph.random.seed(1)
    module, input = example(name)
    return module.evaluate(), input


def leaves(value):
    return list(table.leaves(value))


def like(value, seed=9):
    """Random numbers in the structure of a value, and of its type if that is a floating-point one."""
    rng = np.random.default_rng(seed)
    return table.map(lambda y: rng.standard_normal(y.shape).astype(np.result_type(y.dtype, np.float32)), value)


def assert_same(a, b, tolerance=0.0):
    assert table.shape(a) == table.shape(b)
    for x, y in zip(leaves(a), leaves(b)):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def run(module, input):
    """Output, gradient of the input and gradients of the parameters."""
    module.zero_grad_parameters()
    output = module.forward(input)
    grad_input = table.fill(module.backward(input, like(output)), input)
    return output, grad_input, [g.copy() for g in module.parameters()[1]]


def each(names=NAMES):
    return pytest.mark.parametrize("name", names)


def test_every_class_has_an_example():
    concrete = {n for n, c in vars(nn).items() if inspect.isclass(c) and issubclass(c, nn.Module)}
    assert concrete - BASES - NEED_MORE_THAN_AN_INPUT <= set(EXAMPLES)


@each()
def test_repr_reads_as_the_call_that_makes_it(name):
    module, _ = made(name)
    text = repr(module)
    assert text.startswith(name + "(") and "object at" not in text
    if not module.children() and "array(" not in text:
        again = eval(text, dict(vars(nn)))
        assert type(again) is type(module) and repr(again) == text


@each()
def test_output_shape_is_that_of_the_output(name):
    module, input = made(name)
    if name != "MaskedSelect":  # its output's shape depends on values
        assert module.output_shape(table.shape(input)) == table.shape(module.forward(input))


@each()
def test_what_was_returned_stays_as_it_is(name):
    module, input = made(name)
    output, grad_input, _ = run(module, input)
    before = copy.deepcopy([output, grad_input])
    other = table.map(lambda x: x * 1.5 if x.dtype.kind == "f" and name not in INDEX_INPUT else x.copy(), input)
    run(module, other)
    module.update_parameters(0.1)
    assert_same([output, grad_input], before)
    for array in leaves([output, grad_input]):
        assert not any(np.shares_memory(array, p) for arrays in module.parameters() for p in arrays)


@each()
@pytest.mark.parametrize("train", [True, False])
def test_the_callers_arrays_are_left_alone(name, train):
    module, input = made(name)
    module.train = train
    module.apply(lambda inner: setattr(inner, "train", train))
    before = copy.deepcopy(input)
    output = module.forward(input)
    grad_output = like(output)
    grad_before = copy.deepcopy(grad_output)
    module.backward(input, grad_output)
    assert_same(input, before)
    assert_same(grad_output, grad_before)


@each(sorted(set(NAMES) - PASSES_TYPE_THROUGH))
def test_float_keeps_float32(name):
    module, input = made(name)
    module.float()
    input = table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, input)
    output, grad_input, gradients = run(module, input)
    assert all(p.dtype == np.float32 for p in module.parameters()[0] + gradients)
    assert all(y.dtype == np.float32 for y in leaves(output)) or name in INTEGER_OUTPUT
    for x, g in zip(leaves(input), leaves(grad_input)):
        assert g.dtype == np.float32 or x.dtype.kind != "f"


@each()
def test_a_forward_in_float32_is_close_to_one_in_float64(name):
    module, input = made(name)
    expected = run(module, input)
    module.float()
    rounded = table.map(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x, input)
    for wide, narrow in zip(expected, run(module, rounded)):
        assert_same(wide, narrow, 1e-3)


@each()
@pytest.mark.parametrize("duplicate", [lambda m: m.clone(), copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_equal_and_independent(name, duplicate):
    module, input = made(name)
    expected = run(module, input)
    twin = duplicate(module)
    assert repr(twin) == repr(module)
    for a, b in zip(run(twin, input), expected):
        assert_same(a, b)
    for parameter in twin.parameters()[0] + twin.parameters()[1]:
        parameter += 1
    for a, b in zip(run(module, input), expected):
        assert_same(a, b)


@each()
def test_training_and_evaluation_reach_every_module_inside(name):
    module, _ = made(name)
    assert all(inner.train for inner in module.training().list_modules())
    assert not any(inner.train for inner in module.evaluate().list_modules())


@each()
def test_gradients_of_parameters_add_up_and_follow_the_scale(name):
    module, input = made(name)
    output, _, whole = run(module, input)
    module.zero_grad_parameters()
    for scale in (0.25, 0.5, 0.25):
        module.backward(input, like(output), scale)
    assert_same(module.parameters()[1], whole, 1e-12)


@each(sorted(set(NAMES) - OTHER_GRADIENT - INDEX_INPUT))
def test_gradients_agree_with_central_differences(name):
    module, input = made(name)
    check_gradients(module, input)


def joined(a, b):
    return table.map(lambda x, y: np.concatenate([x, y]), a, b)


@each()
def test_rowwise_modules_take_many_batches_at_once(name):
    module, input = made(name)
    if not module.rowwise(table.shape(input)):
        return
    other = table.map(lambda x: x[::-1].copy(), input)
    both = joined(input, other)
    module.zero_grad_parameters()
    outputs, inputs = [], []
    for part in (input, other):
        outputs.append(module.forward(part))
        inputs.append(table.fill(module.backward(part, like(outputs[-1], len(outputs))), part))
    apart = [g.copy() for g in module.parameters()[1]]
    module.zero_grad_parameters()
    together = module.forward(both)
    grad_input = module.backward(both, joined(like(outputs[0], 1), like(outputs[1], 2)))
    assert_same(together, joined(*outputs), 1e-12)
    assert_same(table.fill(grad_input, both), joined(*inputs), 1e-12)
    assert_same(module.parameters()[1], apart, 1e-12)


def spoilt(input):
    """Inputs of other shapes: an axis more or less, other sizes, nothing in it, a table for an array or the reverse."""
    if table.is_table(input):
        yield from (input[:-1], [*input, input[-1]], [], leaves(input)[0], [input, input])
        for i, part in enumerate(input):
            for other in spoilt(part):
                yield [*input[:i], other, *input[i + 1 :]]
    else:
        yield from (input[None], input[..., None], input[:0], [input], [input, input], [], np.zeros(()), input[0])
        for axis in range(input.ndim):
            yield np.concatenate([input, input[(slice(None),) * axis + (slice(1),)]], axis)
            yield input[(slice(None),) * axis + (slice(1, None),)]
        yield np.ones((1,) * 7)


@each()
@pytest.mark.parametrize("train", [True, False])
def test_a_wrong_shape_gives_a_result_of_the_told_shape_or_our_error(name, train):
    module, input = made(name)
    module.apply(lambda inner: setattr(inner, "train", train))
    refused = 0
    for other in spoilt(input):
        try:
            output = module.forward(other)
            if name != "MaskedSelect":
                assert module.output_shape(table.shape(other)) == table.shape(output)
            grad_input = module.backward(other, like(output))
            assert table.shape(table.fill(grad_input, other)) == table.shape(other)
        except NodegraphError as error:
            assert not isinstance(error, ModuleError), f"{table.describe(other)}: {error}"
            assert "expected" in str(error) or not isinstance(error, ShapeError), error
            refused += 1
    assert refused or name in {"Identity", "FlattenTable", "JustTable", "PrintSize", "ZeroGrad", "GradientReversal"}


@each()
def test_a_senseless_argument_is_taken_or_refused_with_our_error(name):
    """Each argument of the example in turn is replaced."""
    module, _ = made(name)
    args, kwargs = module.arguments
    for i, bad in itertools.product(range(len(args)), [None, "text", -1, 0, 2.5, float("nan"), [], (1, "x"), object]):
        try:
            type(module)(*args[:i], bad, *args[i + 1 :], **kwargs)
        except NodegraphError as error:
            assert str(error)
        except Exception as error:
            raise AssertionError(f"argument {i} is {bad!r}") from error


@each()
def test_no_class_swallows_an_argument_too_many(name):
    """`nn.Tanh(x)` is mostly a `nn.Tanh()(x)` with the second parentheses forgotten."""
    module, _ = made(name)
    args, kwargs = module.arguments
    if not kwargs and not args and not module.children():
        with pytest.raises((NodegraphError, TypeError)):
            type(module)(*["surplus"] * 12)


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_an_input_is_no_source(name):
    assert made(name)[0].source is False


def test_a_class_of_ones_own_that_lacks_a_method_says_so():
    class Unfinished(nn.Module):
        parameter_names = ()

    class Forward(Unfinished):
        def update_output(self, input):
            return 2 * input

    with pytest.raises(ModuleError, match="Unfinished defines no update_output"):
        Unfinished().forward(np.ones(3))
    module = Forward()
    assert module.forward(np.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(ModuleError, match="Forward defines no update_grad_input"):
        module.backward(np.ones(3), np.ones(3))
