"""What every convolution does: gradients, types, batches, initialisation, and what it refuses."""

import numpy as np
import pytest

from nodegraph import check, nn
from nodegraph.errors import ArgumentError, ShapeError
from nodegraph.nn.windows import Windows

RNG = np.random.default_rng(3)

CASES = {
    "temporal": (lambda: nn.TemporalConvolution(3, 4, 3, 2), (8, 3)),
    "row": (lambda: nn.TemporalRowConvolution(3, 2, 2), (7, 3)),
    "row, features first": (lambda: nn.TemporalRowConvolution(3, 2, 1, True), (3, 5)),
    "temporal sub-sampling": (lambda: nn.TemporalSubSampling(3, 3, 2), (8, 3)),
    "spatial": (lambda: nn.SpatialConvolution(2, 3, 3, 2, 2, 1, 1, 0), (2, 4, 6)),
    "spatial, no bias": (lambda: nn.SpatialConvolution(2, 3, 2, 3, 1, 2, 1).no_bias(), (2, 6, 4)),
    "matrix": (lambda: nn.SpatialConvolutionMM(2, 3, 3, 2, 1, 2), (2, 5, 4)),
    "dilated": (lambda: nn.SpatialDilatedConvolution(2, 3, 3, 2, 2, 1, 2, 1, 2, 3), (2, 6, 5)),
    "depth-wise": (lambda: nn.SpatialDepthWiseConvolution(2, 3, 3, 2, 1, 2, 1, 0), (2, 5, 4)),
    "depth-wise, no bias": (lambda: nn.SpatialDepthWiseConvolution(2, 3, 2, 2).no_bias(), (2, 3, 4)),
    "local": (lambda: nn.SpatialConvolutionLocal(2, 3, 5, 4, 3, 2, 2, 1, 1, 0), (2, 4, 5)),
    "spatial sub-sampling": (lambda: nn.SpatialSubSampling(2, 3, 2, 2, 1), (2, 4, 6)),
    "map": (lambda: nn.SpatialConvolutionMap([[0, 1], [2, 0], [2, 1]], 3, 2, 2, 1), (3, 4, 6)),
    "map, planes left over": (lambda: nn.SpatialConvolutionMap([[0, 1], [1, 0]], 2, 2), (4, 3, 3)),
    "full": (lambda: nn.SpatialFullConvolution(2, 3, 3, 2, 2, 3, 1, 0, 1, 2), (2, 4, 3)),
    "full map": (lambda: nn.SpatialFullConvolutionMap([[0, 1], [2, 0], [2, 1]], 3, 2, 2, 1), (3, 4, 3)),
    "full map, planes left over": (lambda: nn.SpatialFullConvolutionMap([[0, 1], [1, 0]], 2, 2), (4, 3, 3)),
    "volumetric": (lambda: nn.VolumetricConvolution(2, 3, 2, 3, 2, 1, 2, 1, 1, 0, 1), (2, 3, 3, 5)),
    "volumetric, dilated": (
        lambda: nn.VolumetricDilatedConvolution(2, 2, 2, 3, 2, 1, 2, 1, 0, 1, 0, 2, 1, 3),
        (2, 4, 4, 5),
    ),
    "volumetric, full": (
        lambda: nn.VolumetricFullConvolution(2, 3, 2, 3, 2, 1, 3, 2, 0, 1, 0, 0, 2, 1),
        (2, 2, 3, 2),
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    build, shape = request.param
    return build(), shape


def run(module, input, grad_output):
    """Output, gradient of the input and gradients of the parameters."""
    module.zero_grad_parameters()
    output = module.forward(input)
    return [output, module.backward(input, grad_output), *(g.copy() for g in module.parameters()[1])]


def test_gradients_of_a_sample(case):
    module, shape = case
    check.check_gradients(module, RNG.standard_normal(shape))


def test_gradients_of_a_batch(case):
    module, shape = case
    check.check_gradients(module, RNG.standard_normal((3, *shape)))


def test_a_batch_is_its_samples(case, monkeypatch):
    module, shape = case
    batch = RNG.standard_normal((5, *shape))
    grad_output = RNG.standard_normal(module.output_shape(batch.shape))
    singly = [run(module, x, g) for x, g in zip(batch, grad_output)]
    for block_bytes in (1, 4000, 1 << 22):
        monkeypatch.setattr("nodegraph.nn.windows.BLOCK_BYTES", block_bytes)
        output, grad_input, *gradients = run(module, batch, grad_output)
        np.testing.assert_allclose(output, [each[0] for each in singly], atol=1e-12)
        np.testing.assert_allclose(grad_input, [each[1] for each in singly], atol=1e-12)
        for i, gradient in enumerate(gradients):
            np.testing.assert_allclose(gradient, sum(each[2 + i] for each in singly), atol=1e-12)


def test_an_empty_batch(case):
    module, shape = case
    expected = module.output_shape((0, *shape))
    output, grad_input, *gradients = run(module, np.zeros((0, *shape)), np.zeros(expected))
    assert output.shape == expected and grad_input.shape == (0, *shape)
    assert not any(gradient.any() for gradient in gradients)


def test_rowwise_with_a_batch_only(case):
    module, shape = case
    assert module.rowwise((3, *shape)) and not module.rowwise(shape)


def test_float32_stays_float32(case):
    module, shape = case
    input = RNG.standard_normal((2, *shape))
    grad_output = RNG.standard_normal(module.output_shape(input.shape))
    double = run(module, input, grad_output)
    module.float()
    for single, expected in zip(run(module, input.astype(np.float32), grad_output.astype(np.float32)), double):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, atol=1e-4)


def test_gradients_are_added_and_scaled(case):
    module, shape = case
    input = RNG.standard_normal((2, *shape))
    grad_output = RNG.standard_normal(module.output_shape(input.shape))
    once = run(module, input, grad_output)[2:]
    module.backward(input, grad_output, scale=0.5)
    for gradient, expected in zip(module.parameters()[1], once):
        np.testing.assert_allclose(gradient, 1.5 * expected, rtol=1e-12, atol=1e-12)


def test_nothing_of_the_callers_is_written_to_and_nothing_returned_is_reused(case):
    module, shape = case
    input = RNG.standard_normal((2, *shape))
    grad_output = RNG.standard_normal(module.output_shape(input.shape))
    input.flags.writeable = grad_output.flags.writeable = False
    first = run(module, input, grad_output)
    kept = [array.copy() for array in first]
    run(module, input + 1, grad_output + 1)
    for array, copy in zip(first, kept):
        np.testing.assert_array_equal(array, copy)


def test_any_memory_layout(case):
    module, shape = case
    input = RNG.standard_normal((2, *shape))
    grad_output = RNG.standard_normal(module.output_shape(input.shape))
    expected = run(module, input, grad_output)
    for actual, array in zip(run(module, np.asfortranarray(input), grad_output.T.copy().T), expected):
        np.testing.assert_allclose(actual, array, atol=1e-12)


def test_integers_are_taken(case):
    module, shape = case
    input = RNG.integers(-3, 4, (2, *shape))
    np.testing.assert_allclose(module.forward(input), module.forward(input.astype(float)))


def test_shapes_that_do_not_fit_are_refused(case):
    module, shape = case
    for wrong in [(), shape[1:], (2, 2, *shape), tuple(n + 7 for n in shape), [shape, shape, shape]]:
        if wrong == tuple(n + 7 for n in shape) and isinstance(module, nn.mapped_convolution.Mapped):
            continue
        with pytest.raises(ShapeError, match="expected"):
            module.output_shape(wrong)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("temporal", (2, 3)),
        ("row", (1, 3)),
        ("spatial", (2, 1, 6)),
        ("dilated", (2, 1, 5)),
        ("volumetric", (2, 3, 3, 2)),
        ("map", (3, 4, 2)),
        ("map", (2, 4, 6)),
        ("local", (2, 5, 4)),
        ("full", (2, 0, 3)),
    ],
)
def test_inputs_too_small_are_refused(name, shape):
    module = CASES[name][0]()
    with pytest.raises(ShapeError, match="expected"):
        module.forward(np.zeros(shape))
    with pytest.raises(ShapeError, match="expected"):
        module.forward(np.zeros((2, *shape)))


def test_what_the_smallest_input_is_called():
    with pytest.raises(ShapeError, match="a height of at least 2 and a width of at least 3, so that the kernel fits"):
        nn.SpatialConvolution(1, 1, 5, 4, 1, 1, 1).output_shape((1, 1, 9))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.SpatialConvolution(0, 1, 2, 2),
        lambda: nn.SpatialConvolution(1, 2.5, 2, 2),
        lambda: nn.SpatialConvolution(1, 1, 0, 2),
        lambda: nn.SpatialConvolution(1, 1, 2, 2, 0),
        lambda: nn.SpatialConvolution(1, 1, 2, 2, 1, 1, -1),
        lambda: nn.SpatialConvolution(1, 1, "2", 2),
        lambda: nn.SpatialConvolutionMM(1, None, 2, 2),
        lambda: nn.SpatialDilatedConvolution(1, 1, 2, 2, 1, 1, 0, 0, 0),
        lambda: nn.SpatialDepthWiseConvolution(1, -1, 2, 2),
        lambda: nn.SpatialConvolutionLocal(1, 1, 2, 3, 3, 3),
        lambda: nn.SpatialConvolutionLocal(1, 1, 2.0, 3, 1, 1),
        lambda: nn.SpatialFullConvolution(1, 1, 2, 2, 2, 2, 0, 0, 2),
        lambda: nn.SpatialFullConvolution(1, 1, 2, 2, 2, 2, 0, 0, 0, -1),
        lambda: nn.SpatialSubSampling(1.5, 2, 2),
        lambda: nn.TemporalConvolution(3, 4, 0),
        lambda: nn.TemporalRowConvolution(3, 2, "1"),
        lambda: nn.TemporalRowConvolution(3, 2, 1, "yes"),
        lambda: nn.VolumetricConvolution(1, 1, 1, 1, -1),
        lambda: nn.VolumetricFullConvolution(1, 1, 2, 2, 2, 1, 1, 1, 0, 0, 0, 1),
    ],
)
def test_arguments_without_sense_are_refused(build):
    with pytest.raises(ArgumentError):
        build()


@pytest.mark.parametrize(
    "build, fan_in",
    [
        (lambda: nn.SpatialConvolution(4, 500, 3, 2), 24),
        (lambda: nn.SpatialConvolutionMM(4, 500, 3, 2), 24),
        (lambda: nn.SpatialFullConvolution(4, 500, 3, 2), 24),
        (lambda: nn.SpatialDepthWiseConvolution(4, 500, 3, 2), 24),
        (lambda: nn.SpatialConvolutionLocal(4, 50, 6, 6, 3, 2), 24),
        (lambda: nn.SpatialSubSampling(500, 3, 2), 6),
        (lambda: nn.TemporalConvolution(4, 500, 3), 12),
        (lambda: nn.TemporalRowConvolution(500, 3), 1500),
        (lambda: nn.TemporalSubSampling(500, 3), 3),
        (lambda: nn.VolumetricConvolution(4, 500, 3, 2, 1), 24),
        (lambda: nn.VolumetricFullConvolution(4, 500, 3, 2, 1), 24),
        (lambda: nn.SpatialConvolutionMap(nn.full_connection_table(4, 500), 3, 2), 24),
        (lambda: nn.SpatialFullConvolutionMap(nn.full_connection_table(4, 500), 3, 2), 24),
    ],
)
def test_parameters_are_drawn_evenly_from_plus_minus_one_over_root_fan_in(build, fan_in):
    module = build()
    for parameter in (module.weight, module.bias):
        assert 0.97 * fan_in**-0.5 < np.abs(parameter).max() <= fan_in**-0.5
        assert abs(parameter.mean()) < 0.2 * fan_in**-0.5
    module.reset(2.0)  # the standard deviation, as in Torch
    assert 1.9 < np.abs(module.weight).max() / np.sqrt(3) <= 2.0


def test_paddings_not_given_follow_the_ones_given_in_convolutions_only():
    assert nn.SpatialConvolution(1, 1, 3, 3, 1, 1, 2).windows.padding == (2, 2)
    assert nn.SpatialFullConvolution(1, 1, 3, 3, 1, 1, 2).windows.padding == (0, 2)
    assert nn.VolumetricConvolution(1, 1, 3, 3, 3, 1, 1, 1, 2).windows.padding == (2, 2, 2)
    assert nn.VolumetricConvolution(1, 1, 3, 3, 3, 1, 1, 1, 2, 1).windows.padding == (2, 1, 1)
    assert nn.VolumetricFullConvolution(1, 1, 3, 3, 3, 1, 1, 1, 2).windows.padding == (2, 0, 0)


@pytest.mark.parametrize(
    "with_none, without",
    [
        (nn.SpatialConvolution(1, 1, 2, 3, None, 2, None, 1), nn.SpatialConvolution(1, 1, 2, 3, 1, 2, 0, 1)),
        (nn.SpatialConvolution(1, 1, 2, 3, 1, 1, 1, None), nn.SpatialConvolution(1, 1, 2, 3, 1, 1, 1, 1)),
        (
            nn.SpatialDilatedConvolution(1, 1, 2, 2, 2, None, None, 1, None, 2),
            nn.SpatialDilatedConvolution(1, 1, 2, 2, 2, 1, 0, 1, 1, 2),
        ),
        (
            nn.SpatialFullConvolution(1, 1, 3, 3, 2, 2, 1, None, None, 1),
            nn.SpatialFullConvolution(1, 1, 3, 3, 2, 2, 1, 0, 0, 1),
        ),
        (nn.SpatialConvolutionLocal(1, 1, 6, 6, 2, 3, None, 2), nn.SpatialConvolutionLocal(1, 1, 6, 6, 2, 3, 1, 2)),
        (nn.TemporalRowConvolution(1, 2, None, None), nn.TemporalRowConvolution(1, 2)),
        (
            nn.VolumetricConvolution(1, 1, 2, 2, 2, None, 2, 1, 1, None, 2),
            nn.VolumetricConvolution(1, 1, 2, 2, 2, 1, 2, 1, 1, 1, 2),
        ),
        (
            nn.VolumetricFullConvolution(1, 1, 3, 3, 3, 2, None, 2, 1, None, 0, 1, None, 1),
            nn.VolumetricFullConvolution(1, 1, 3, 3, 3, 2, 1, 2, 1, 0, 0, 1, 0, 1),
        ),
    ],
)
def test_none_stands_for_the_default(with_none, without):
    shape = (1, 6, 6, 6)[: 1 + len(without.axes)] if not without.features_last else (6, 1)
    assert vars(with_none.windows) == vars(without.windows)
    assert with_none.output_shape(shape) == without.output_shape(shape)


@pytest.mark.parametrize("stride, padding, dilation", [(1, 0, 1), (2, 1, 1), (3, 2, 2), (2, 0, 3)])
def test_spread_is_the_transpose_of_correlate(stride, padding, dilation):
    windows = Windows((2, 3), (stride, 1), (padding, 1), (dilation, 1))
    matrix = RNG.standard_normal((2, 3, 2 * 6))
    planes = RNG.standard_normal((2, 4, 9, 5))
    output = windows.correlate(planes, matrix)
    values = RNG.standard_normal(output.shape)
    product = (output * values).sum()
    assert output.shape == (2, 6, *windows.counts((9, 5)))
    assert (planes * windows.spread(values, matrix, (9, 5))).sum() == pytest.approx(product)
    assert (matrix * windows.correlation(planes, values, 2)).sum() == pytest.approx(product)
    assert windows.counts(windows.sizes((4, 5))) == (4, 5)
