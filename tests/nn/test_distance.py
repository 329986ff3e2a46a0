"""Distances and similarities: what Torch7's stored cases do not cover."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, InputError

import oracle
from module_examples import numbers, two


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 4.5])
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_pairwise_distance_is_the_norm_and_its_derivative_for_every_p(p, shape):
    a, b = two(*shape)
    expected = (np.abs(a - b) ** p).sum(-1) ** (1 / p)
    np.testing.assert_allclose(nn.PairwiseDistance(p).forward([a, b]), np.atleast_1d(expected), rtol=1e-12)
    check_gradients(nn.PairwiseDistance(p), [a, b], tolerance=1e-5)


@pytest.mark.parametrize("p", [0.5, 1, 2, 3])
def test_equal_vectors_have_distance_and_gradient_zero(p):
    x = numbers(2, 3)
    module = nn.PairwiseDistance(p)
    assert not module.forward([x, x]).any()
    assert not np.any(module.backward([x, x], np.ones(2)))


@pytest.mark.parametrize("module", [nn.Cosine(4, 3), nn.Euclidean(4, 3), nn.WeightedEuclidean(4, 3)])
def test_gradients_of_a_single_vector_are_those_of_a_batch_of_one(module):
    x, g = numbers(4), numbers(3)
    found = []
    for input, grad_output in ((x, g), (x[None], g[None])):
        module.zero_grad_parameters()
        output = module.forward(input)
        grad_input = module.backward(input, grad_output, 0.5)
        found.append([a.copy().reshape(-1) for a in (output, grad_input, *module.parameters()[1])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    check_gradients(module, x)


def test_at_a_weight_the_distance_and_its_gradient_are_zero():
    for module in (nn.Euclidean(3, 2), nn.WeightedEuclidean(3, 2)):
        module.weight[:, 1] = module.weight[:, 0]
        x = module.weight[:, 0].copy()
        assert not module.forward(x).any()
        assert not module.backward(x, np.ones(2)).any()


def test_weighted_euclidean_starts_as_euclidean_and_may_have_factors_of_zero():
    weighted, plain, x = nn.WeightedEuclidean(4, 3), nn.Euclidean(4, 3), numbers(5, 4)
    plain.weight[...] = weighted.weight
    np.testing.assert_array_equal(weighted.forward(x), plain.forward(x))
    weighted.diag_cov[0] = 0
    check_gradients(weighted, x)


def test_cosine_of_zero_is_zero():
    cosine = nn.Cosine(3, 2)
    assert not cosine.forward(np.zeros((1, 3))).any()
    assert np.isfinite(cosine.backward(np.zeros((1, 3)), np.ones((1, 2)))).all()
    assert nn.CosineDistance().forward([np.zeros(3), np.ones(3)]) == [0]


def test_distances_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    a, b = two(3, 4)
    x, w = numbers(5, 4), numbers(4, 3)
    cosine, euclidean = nn.Cosine(4, 3), nn.Euclidean(4, 3)
    cosine.weight[...], euclidean.weight[...] = w.T, w
    ta, tb, tx, tw = map(torch.tensor, (a, b, x, w))
    similarity = torch.nn.functional.cosine_similarity
    for ours, theirs in (
        (nn.CosineDistance().forward([a, b]), similarity(ta, tb)),
        (nn.PairwiseDistance(3).forward([a, b]), torch.nn.functional.pairwise_distance(ta, tb, 3, eps=0)),
        (cosine.forward(x), similarity(tx[:, None], tw.T[None], dim=2)),
        (euclidean.forward(x), torch.cdist(tx, tw.T)),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


# Kmeans


def test_kmeans_keeps_the_loss_and_the_counts_as_torch_does():
    case = next(case for case in oracle.cases("modules.json", "module") if case["module"] == "Kmeans")
    kmeans, input = oracle.build(case), oracle.value(case["input"])
    oracle.set_array(kmeans, "weight", case["params"]["weight"])
    kmeans.forward(input)
    assert kmeans.loss == pytest.approx(case["state"]["loss"], rel=1e-12)
    kmeans.backward(input, None)
    np.testing.assert_array_equal(kmeans.cluster_sample_count, oracle.value(case["state"]["clusterSampleCount"]))


def test_a_whole_step_moves_each_centre_to_the_mean_of_its_rows():
    x = np.array([[0.0, 0], [0, 2], [10, 10], [12, 10], [11, 13]])
    kmeans = nn.Kmeans(3, 2)
    kmeans.weight[...] = [[1, 1], [9, 9], [-50, -50]]
    np.testing.assert_array_equal(kmeans.forward(x), [0, 0, 1, 1, 1])
    assert not kmeans.backward(x, None).any()
    kmeans.update_parameters(1)
    np.testing.assert_allclose(kmeans.weight, [[0, 1], [11, 11], [-50, -50]], atol=1e-5)


def test_kmeans_own_scale_takes_the_place_of_backwards():
    x, gradients = numbers(6, 4), []
    for scale, given in ((None, 0.5), (0.5, 1.0), (0.5, 7.0)):
        nodegraph.random.seed(0)
        kmeans = nn.Kmeans(3, 4, scale)
        kmeans.forward(x)
        kmeans.backward(x, None, given)
        gradients.append(kmeans.grad_weight)
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_array_equal(gradients[0], gradients[2])


def test_kmeans_starts_from_different_rows_of_the_data():
    x = np.arange(12.0).reshape(6, 2)
    for start in (nn.Kmeans(6, 2).init_random(x), nn.Kmeans(6, 2).init_kmeans_plus(x, p=1)):
        np.testing.assert_array_equal(np.sort(start.weight[:, 0]), x[:, 0])


def test_kmeans_plus_takes_far_rows():
    x = np.array([[0.0], [0.1], [0.2], [100], [100.1], [1000]])
    for _ in range(5):
        assert sorted(np.round(nn.Kmeans(3, 1).init_kmeans_plus(x, p=1).weight[:, 0], -2)) == [0, 100, 1000]


def test_kmeans_refuses_what_makes_no_sense():
    with pytest.raises(InputError, match="at least 3 rows"):
        nn.Kmeans(3, 2).init_random(np.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="k must be"):
        nn.Kmeans(0, 2)
    with pytest.raises(ArgumentError, match="scale must be"):
        nn.Kmeans(2, 2, -1)
    with pytest.raises(ArgumentError, match="p must lie"):
        nn.Kmeans(1, 1).init_kmeans_plus(np.zeros((2, 1)), 2)
    with pytest.raises(ArgumentError, match="array of numbers"):
        nn.Kmeans(1, 1).init_random([[1], [2, 3]])


@pytest.mark.parametrize("p", [0, -1, np.inf, np.nan, "2", True])
def test_a_norm_needs_a_positive_number(p):
    with pytest.raises(ArgumentError, match="p must be"):
        nn.PairwiseDistance(p)
