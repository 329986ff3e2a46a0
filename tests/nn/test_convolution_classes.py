"""Each convolution by itself: against PyTorch, and what only this class does."""

import numpy as np
import pytest

from nodegraph import nn, random
from nodegraph.errors import ArgumentError, ShapeError

import oracle

RNG = np.random.default_rng(4)


def assert_like_torch(module, function, input, **options):
    """Forward and all gradients of the module are those of the PyTorch function of (input, weight, bias)."""
    torch = pytest.importorskip("torch", reason="PyTorch is the judge here")
    output = module.forward(input)
    grad_output = RNG.standard_normal(output.shape)
    module.zero_grad_parameters()
    ours = [output, module.backward(input, grad_output), *module.parameters()[1]]
    leaves = [torch.from_numpy(np.array(a)).requires_grad_() for a in (input, *module.parameters()[0])]
    result = function(torch.nn.functional)(*leaves, **options)
    result.backward(torch.from_numpy(grad_output))
    for actual, expected in zip(ours, [result.detach(), *(leaf.grad for leaf in leaves)]):
        np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 7, 5), (4, 2, 7, 5)])
@pytest.mark.parametrize(
    "k_w, k_h, d_w, d_h, pad_w, pad_h",
    [
        (1, 1, 1, 1, 0, 0),
        (3, 2, 1, 1, 0, 0),
        (2, 3, 2, 3, 1, 2),
        (5, 7, 1, 1, 0, 0),
        (3, 3, 1, 1, 1, 1),
        (2, 2, 4, 4, 0, 3),
    ],
)
def test_spatial_convolution(shape, bias, k_w, k_h, d_w, d_h, pad_w, pad_h):
    module = nn.SpatialConvolution(2, 3, k_w, k_h, d_w, d_h, pad_w, pad_h)
    module = module if bias else module.no_bias()
    options = {"stride": (d_h, d_w), "padding": (pad_h, pad_w)}
    assert_like_torch(module, lambda f: f.conv2d, RNG.standard_normal(shape), **options)


@pytest.mark.parametrize("dilation_w, dilation_h, d_w, d_h", [(1, 1, 1, 1), (2, 3, 1, 1), (3, 1, 2, 1), (2, 2, 3, 2)])
def test_spatial_dilated_convolution(dilation_w, dilation_h, d_w, d_h):
    module = nn.SpatialDilatedConvolution(2, 3, 3, 2, d_w, d_h, 1, 2, dilation_w, dilation_h)
    options = {"stride": (d_h, d_w), "padding": (2, 1), "dilation": (dilation_h, dilation_w)}
    assert_like_torch(module, lambda f: f.conv2d, RNG.standard_normal((3, 2, 8, 9)), **options)


@pytest.mark.parametrize(
    "d_w, d_h, pad_w, pad_h, adj_w, adj_h",
    [
        (1, 1, 0, 0, 0, 0),
        (2, 3, 0, 0, 1, 2),
        (2, 1, 1, 0, 0, 0),
        (3, 2, 1, 2, 2, 1),
    ],
)
def test_spatial_full_convolution(d_w, d_h, pad_w, pad_h, adj_w, adj_h):
    module = nn.SpatialFullConvolution(2, 3, 3, 4, d_w, d_h, pad_w, pad_h, adj_w, adj_h)
    options = {"stride": (d_h, d_w), "padding": (pad_h, pad_w), "output_padding": (adj_h, adj_w)}
    assert_like_torch(module, lambda f: f.conv_transpose2d, RNG.standard_normal((3, 2, 4, 5)), **options)


def test_volumetric_convolutions():
    input = RNG.standard_normal((2, 2, 5, 6, 7))
    module = nn.VolumetricConvolution(2, 3, 2, 3, 4, 1, 2, 3, 1, 0, 2)
    assert_like_torch(module, lambda f: f.conv3d, input, stride=(1, 3, 2), padding=(1, 2, 0))
    module = nn.VolumetricDilatedConvolution(2, 3, 2, 3, 2, 1, 1, 2, 1, 0, 2, 3, 1, 2)
    assert_like_torch(module, lambda f: f.conv3d, input, stride=(1, 2, 1), padding=(1, 2, 0), dilation=(3, 2, 1))
    module = nn.VolumetricFullConvolution(2, 3, 2, 3, 4, 1, 2, 3, 1, 0, 2, 0, 1, 2)
    options = {"stride": (1, 3, 2), "padding": (1, 2, 0), "output_padding": (0, 2, 1)}
    assert_like_torch(module, lambda f: f.conv_transpose3d, input, **options)


def test_temporal_convolution_takes_frames_of_features():
    def convolution(functional):
        def apply(input, weight, bias):
            kernels = weight.reshape(5, 3, 4).transpose(1, 2)
            return functional.conv1d(input.transpose(1, 2), kernels, bias, stride=2).transpose(1, 2)

        return apply

    assert_like_torch(nn.TemporalConvolution(4, 5, 3, 2), convolution, RNG.standard_normal((2, 8, 4)))


def test_temporal_row_convolution_is_a_convolution_of_each_feature():
    module = nn.TemporalRowConvolution(4, 3, 2, True)
    assert_like_torch(module, lambda f: f.conv1d, RNG.standard_normal((2, 4, 8)), stride=2, groups=4)
    frames_first = nn.TemporalRowConvolution(4, 3, 2)
    frames_first.weight, frames_first.bias = module.weight, module.bias
    input = RNG.standard_normal((2, 4, 8))
    np.testing.assert_allclose(frames_first.forward(input.swapaxes(1, 2)), module.forward(input).swapaxes(1, 2))


def test_matrix_and_planes_are_the_same_convolution():
    a, b = nn.SpatialConvolution(2, 3, 3, 2, 1, 2, 1), nn.SpatialConvolutionMM(2, 3, 3, 2, 1, 2, 1)
    b.weight[...], b.bias[...] = a.weight.reshape(3, -1), a.bias
    input = RNG.standard_normal((2, 5, 4))
    np.testing.assert_array_equal(a.forward(input), b.forward(input))


def test_sub_sampling_adds_up():
    input = RNG.standard_normal((2, 3, 5, 6))
    module = nn.SpatialSubSampling(3, 3, 2, 1, 2)
    sums = [[input[:, :, i : i + 2, j : j + 3].sum((2, 3)) for j in range(4)] for i in (0, 2)]
    expected = np.transpose(sums, (2, 3, 0, 1)) * module.weight[:, None, None] + module.bias[:, None, None]
    np.testing.assert_allclose(module.forward(input), expected)
    module = nn.TemporalSubSampling(3, 2, 3)
    frames = RNG.standard_normal((7, 3))
    expected = [module.weight * frames[t : t + 2].sum(0) + module.bias for t in (0, 3)]
    np.testing.assert_allclose(module.forward(frames), expected)


# Depth-wise: where Torch7 is wrong


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 2, 7, 4)])
def test_depth_wise_convolution_of_images_that_are_not_square(shape):
    def convolution(functional):
        def apply(input, weight, bias):
            kernels = weight.reshape(3, 2, 3, 2).transpose(0, 1).reshape(6, 1, 3, 2)
            return functional.conv2d(input, kernels, bias.t().reshape(6), stride=(2, 1), padding=(1, 0), groups=2)

        return apply

    assert_like_torch(nn.SpatialDepthWiseConvolution(2, 3, 2, 3, 1, 2, 0, 1), convolution, RNG.standard_normal(shape))


def test_depth_wise_convolution_takes_height_for_height():
    """Torch7 reads an image of height 3 and width 4 as if it were one of height 4 and width 3."""
    [case] = [c for c in oracle.cases("modules.json") if c["constructor"] == "nn.SpatialDepthWiseConvolution(2,2,2,2)"]
    module = oracle.build(case)
    for path, stored in case["params"].items():
        oracle.set_array(module, path, stored)
    input = oracle.value(case["input"])
    assert input.shape == (2, 3, 4) and module.forward(input).shape == (4, 2, 3)
    oracle.assert_equal(module.forward(input.reshape(2, 4, 3)), case["output"])


# Local


def test_local_convolution_has_a_kernel_for_each_place():
    module = nn.SpatialConvolutionLocal(2, 3, 5, 4, 3, 2, 2, 1, 1, 1)
    input = RNG.standard_normal((2, 2, 4, 5))
    padded = np.pad(input, [(0, 0), (0, 0), (1, 1), (1, 1)])
    output = module.forward(input)
    assert module.weight.shape == (5, 3, 3, 2, 2, 3) and output.shape == (2, 3, 5, 3)
    for i, j in np.ndindex(5, 3):
        window = padded[:, :, i : i + 2, 2 * j : 2 * j + 3]
        expected = np.tensordot(window, module.weight[i, j], ((1, 2, 3), (1, 2, 3))) + module.bias[:, i, j]
        np.testing.assert_allclose(output[:, :, i, j], expected)


def test_local_convolution_with_one_kernel_everywhere_is_a_convolution():
    local, shared = nn.SpatialConvolutionLocal(2, 3, 5, 4, 3, 2), nn.SpatialConvolution(2, 3, 3, 2)
    local.weight[...], local.bias[...] = shared.weight, shared.bias[:, None, None]
    input = RNG.standard_normal((2, 4, 5))
    np.testing.assert_allclose(local.forward(input), shared.forward(input))


def test_local_convolution_takes_images_of_its_size_only():
    with pytest.raises(ShapeError, match="expected images of height 4 and width 5"):
        nn.SpatialConvolutionLocal(2, 3, 5, 4, 3, 2).forward(np.zeros((2, 5, 4)))


# Full: a target that gives the size


@pytest.mark.parametrize("target", [(6, 5), (1, 5, 6), (2, 7, 5, 5), (2, 1, 6, 6)])
def test_full_convolution_gives_the_size_of_the_target(target):
    module = nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 0, 0, 1, 1)
    input = [RNG.standard_normal((2, 2, 2, 2)), RNG.standard_normal(target)]
    output = module.forward(input)
    assert output.shape == (2, 3, *target[-2:]) == module.output_shape([(2, 2, 2, 2), target])
    adjusted = nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 0, 0, target[-1] - 5, target[-2] - 5)
    adjusted.share(module, "weight", "bias")
    np.testing.assert_array_equal(output, adjusted.forward(input[0]))
    grad_output = RNG.standard_normal(output.shape)
    grad_input, grad_target = module.backward(input, grad_output)
    np.testing.assert_array_equal(grad_input, adjusted.backward(input[0], grad_output))
    assert grad_target.shape == target and not grad_target.any()


def test_a_target_that_the_strides_cannot_reach_gives_a_size_with_the_same_remainder():
    module = nn.SpatialFullConvolution(1, 1, 3, 3, 2, 2)
    assert module.forward([np.zeros((1, 2, 2)), np.zeros((1, 10, 11))]).shape == (1, 6, 5)


def test_volumetric_full_convolution_gives_the_size_of_the_target():
    module = nn.VolumetricFullConvolution(1, 2, 3, 3, 3, 2, 3, 2, 1, 1, 1)
    target = np.zeros((6, 5, 9))
    assert module.forward([np.zeros((4, 1, 3, 3, 3)), target]).shape == (4, 2, 6, 5, 9)


@pytest.mark.parametrize("shape", [[(2, 2, 2)], [(2, 2, 2), (4,)], [(2, 2, 2), [(4, 4)]], [(3, 2, 2), (4, 4)]])
def test_tables_without_a_target_are_refused(shape):
    with pytest.raises(ShapeError, match="expected"):
        nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2).output_shape(shape)


def test_full_convolution_whose_padding_leaves_nothing():
    with pytest.raises(ShapeError, match="the padding leaves nothing of the output"):
        nn.SpatialFullConvolution(1, 1, 2, 2, 1, 1, 1, 1).forward(np.zeros((1, 1, 1)))


def test_rows_of_a_table_are_samples_when_both_have_a_batch():
    module = nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2)
    assert module.rowwise([(5, 2, 2, 2), (5, 1, 6, 6)]) and not module.rowwise([(5, 2, 2, 2), (6, 6)])


# Maps


def test_a_map_of_all_planes_is_a_convolution():
    mapped = nn.SpatialConvolutionMap(nn.full_connection_table(2, 3), 3, 2, 1, 2)
    full = nn.SpatialConvolution(2, 3, 3, 2, 1, 2)
    full.weight[...], full.bias[...] = mapped.weight.reshape(3, 2, 2, 3), mapped.bias
    input = RNG.standard_normal((4, 2, 6, 5))
    output = mapped.forward(input)
    np.testing.assert_allclose(output, full.forward(input))
    grad_output = RNG.standard_normal(output.shape)
    np.testing.assert_allclose(mapped.backward(input, grad_output), full.backward(input, grad_output))
    np.testing.assert_allclose(mapped.grad_weight, full.grad_weight.reshape(6, 2, 3))


def test_a_full_map_of_all_planes_is_a_full_convolution():
    mapped = nn.SpatialFullConvolutionMap(nn.full_connection_table(2, 3), 3, 2, 2, 3)
    full = nn.SpatialFullConvolution(2, 3, 3, 2, 2, 3)
    full.weight[...], full.bias[...] = mapped.weight.reshape(3, 2, 2, 3).swapaxes(0, 1), mapped.bias
    input = RNG.standard_normal((4, 2, 6, 5))
    np.testing.assert_allclose(mapped.forward(input), full.forward(input))


def test_a_connection_that_stands_twice_counts_twice():
    module = nn.SpatialConvolutionMap([[0, 0], [0, 0]], 1, 1)
    input = RNG.standard_normal((1, 3, 3))
    np.testing.assert_allclose(module.forward(input), module.weight.sum() * input + module.bias)


def test_planes_that_the_table_leaves_out():
    module = nn.SpatialConvolutionMap([[1, 2]], 1, 1)
    input = RNG.standard_normal((2, 4, 3, 3))
    output = module.forward(input)
    np.testing.assert_allclose(output[:, 2], module.weight[0, 0, 0] * input[:, 1] + module.bias[2])
    np.testing.assert_allclose(output[:, 0], module.bias[0])
    grad_input = module.backward(input, np.ones(output.shape))
    np.testing.assert_allclose(grad_input[:, 1], module.weight[0, 0, 0])
    assert not grad_input[:, [0, 2, 3]].any() and np.isfinite(module.bias).all()


def test_decay_shrinks_the_parameters():
    module = nn.SpatialConvolutionMap([[0, 0]], 2, 2)
    weight, bias = module.weight.copy(), module.bias.copy()
    module.decay_parameters(0.25)
    np.testing.assert_allclose(module.weight, 0.75 * weight)
    np.testing.assert_allclose(module.bias, 0.75 * bias)


def test_a_map_without_bias_is_drawn_anew_like_one_with():
    module = nn.SpatialConvolutionMap([[0, 0], [1, 0]], 3, 3).no_bias()
    before = module.weight.copy()
    assert module.reset() is module and module.bias is None
    bound = (9 * 2) ** -0.5
    assert (module.weight != before).all() and (abs(module.weight) <= bound).all()


def test_the_table_is_kept_with_the_model():
    module = nn.SpatialConvolutionMap(nn.random_connection_table(4, 5, 2), 2, 2)
    assert list(module.named_parameters("buffer")) == ["conn_table"]
    assert module.conn_table.shape == (10, 2) and module.float().conn_table.dtype.kind == "i"


def test_connection_tables():
    assert nn.full_connection_table(2, 3).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]
    assert nn.one_to_one_connection_table(2).tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("n_in, n_out, n_to", [(6, 9, 2), (7, 5, 3), (3, 4, 3), (4, 1, 1)])
def test_random_connections_are_different_and_evenly_spread(n_in, n_out, n_to):
    random.seed(5)
    connections = nn.random_connection_table(n_in, n_out, n_to)
    assert connections[:, 1].tolist() == np.repeat(np.arange(n_out), n_to).tolist()
    chosen = connections[:, 0].reshape(n_out, n_to)
    assert all(len(set(row)) == n_to for row in chosen) and 0 <= chosen.min() and chosen.max() < n_in
    chunks = n_in // n_to
    for start in range(0, n_out, chunks):
        together = chosen[start : start + chunks].ravel()
        assert len(set(together)) == len(together)


@pytest.mark.parametrize(
    "conn_table",
    [
        [],
        [0, 1],
        [[0, 1, 2]],
        [[0, -1]],
        [[0.5, 1]],
        [[np.nan, 1]],
        [["a", "b"]],
        None,
        [[0, 1], [2]],
    ],
)
def test_tables_that_are_none_are_refused(conn_table):
    with pytest.raises(ArgumentError, match="connection table"):
        nn.SpatialConvolutionMap(conn_table, 2, 2)


@pytest.mark.parametrize("arguments", [(2, 3, 3), (0, 3, 1), (2, 3, 0), (2, 1.5, 1)])
def test_random_tables_that_cannot_be(arguments):
    with pytest.raises(ArgumentError):
        nn.random_connection_table(*arguments)
