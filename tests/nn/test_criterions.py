"""Criterions: gradients by central differences, PyTorch as second judge, types, edge values, graphs, copies."""

import cProfile
import pstats

import numpy as np
import pytest

import nodegraph
from nodegraph import nn, table

rng = np.random.default_rng(0)


def real(*shape):
    return rng.standard_normal(shape)


def probabilities(*shape):
    return rng.uniform(0.05, 0.95, shape)


def log_probabilities(*shape):
    return nn.LogSoftMax().forward(real(*shape))


def signs(*shape):
    return rng.choice([-1.0, 1.0], shape)


WEIGHTS = np.array([1.0, 2.0, 0.5, 3.0])
CLASSES = np.array([3, 0, 2])

# name: criterion, input, target
EXAMPLES = {
    "Abs": (nn.AbsCriterion(), real(3, 4), real(3, 4)),
    "MSE": (nn.MSECriterion(), real(3, 4), real(3, 4)),
    "MSE, another shape": (nn.MSECriterion(False), real(3, 4), real(2, 6)),
    "SmoothL1": (nn.SmoothL1Criterion(), 2 * real(3, 4), real(3, 4)),
    "WeightedMSE, row": (nn.WeightedMSECriterion(WEIGHTS), real(3, 4), real(3, 4)),
    "WeightedMSE, whole": (nn.WeightedMSECriterion(real(3, 4)), real(3, 4), real(3, 4)),
    "SpatialAutoCropMSE": (nn.SpatialAutoCropMSECriterion(), real(2, 3, 3), real(2, 6, 5)),
    "SpatialAutoCropMSE, batch": (nn.SpatialAutoCropMSECriterion(False), real(2, 1, 2, 3), real(2, 1, 4, 4)),
    "L1Cost": (nn.L1Cost(), real(3, 4), None),
    "BCE": (nn.BCECriterion(WEIGHTS), probabilities(3, 4), probabilities(3, 4)),
    "MultiLabelSoftMargin": (nn.MultiLabelSoftMarginCriterion(WEIGHTS), real(3, 4), probabilities(3, 4)),
    "DistKLDiv": (nn.DistKLDivCriterion(), log_probabilities(3, 4), probabilities(3, 4)),
    "ClassNLL": (nn.ClassNLLCriterion(WEIGHTS, True, 2), log_probabilities(3, 4), CLASSES),
    "ClassNLL, one": (nn.ClassNLLCriterion(WEIGHTS, False), log_probabilities(4), 1),
    "CrossEntropy": (nn.CrossEntropyCriterion(WEIGHTS), real(3, 4), CLASSES),
    "CrossEntropy, ignored": (nn.CrossEntropyCriterion(None, True, 0), real(3, 4), CLASSES),
    "CrossEntropy, one": (nn.CrossEntropyCriterion(), real(4), 3),
    "CrossEntropy, picture": (nn.CrossEntropyCriterion(), real(3, 4, 1, 1), CLASSES.reshape(3, 1, 1)),
    "SpatialClassNLL": (nn.SpatialClassNLLCriterion(WEIGHTS), real(2, 4, 2, 3), rng.integers(0, 4, (2, 2, 3))),
    "ClassSimplex": (nn.ClassSimplexCriterion(4), real(3, 4), CLASSES),
    "Margin": (nn.MarginCriterion(0.7), real(3, 4), signs(3, 4)),
    "SoftMargin": (nn.SoftMarginCriterion(), real(3, 4), signs(3, 4)),
    "MultiMargin": (nn.MultiMarginCriterion(1, WEIGHTS, 0.8), real(3, 4), CLASSES),
    "MultiMargin, square": (nn.MultiMarginCriterion(2, WEIGHTS), real(3, 4), CLASSES),
    "MultiLabelMargin": (nn.MultiLabelMarginCriterion(), real(2, 4), np.array([[3, 0, -1, 2], [-1, 1, 1, 1]])),
    "MultiLabelMargin, all": (nn.MultiLabelMarginCriterion(), real(3), np.array([0, 2, 0])),
    "CosineEmbedding": (nn.CosineEmbeddingCriterion(-0.9), [real(5, 3), real(5, 3)], np.array([1, -1, 1, -1, -1])),
    "CosineEmbedding, one": (nn.CosineEmbeddingCriterion(-0.9), [real(3), real(3)], -1),
    "HingeEmbedding": (nn.HingeEmbeddingCriterion(), real(3, 4), signs(3, 4)),
    "L1HingeEmbedding, alike": (nn.L1HingeEmbeddingCriterion(), [real(3, 4), real(3, 4)], 1),
    "L1HingeEmbedding, unlike": (nn.L1HingeEmbeddingCriterion(99), [real(3, 4), real(3, 4)], -1),
    "MarginRanking": (nn.MarginRankingCriterion(), [real(5), real(5)], signs(5)),
    "MarginRanking, one": (nn.MarginRankingCriterion(9), [real(1), real(1)], 1),
    "DistanceRatio": (nn.DistanceRatioCriterion(), [real(3, 2), real(3, 2)], None),
    "Multi": (nn.MultiCriterion().add(nn.MSECriterion(), 3).add(nn.L1Cost()), real(3, 4), real(3, 4)),
    "Multi, tables": (
        nn.MultiCriterion().add(nn.MarginRankingCriterion()).add(nn.MarginRankingCriterion(2), 0.5),
        [real(5), real(5)],
        signs(5),
    ),
    "Parallel": (
        nn.ParallelCriterion().add(nn.MarginRankingCriterion()).add(nn.CrossEntropyCriterion(), 2).add(nn.L1Cost()),
        [[real(5), real(5)], real(3, 4), real(2)],
        [signs(5), CLASSES, real(2)],
    ),
    "Parallel, one target": (
        nn.ParallelCriterion(True).add(nn.MSECriterion()).add(nn.AbsCriterion(), 2),
        [real(3), real(3)],
        real(3),
    ),
    "Module": (nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(4, 2), nn.Sigmoid()), real(3, 4), real(3, 2)),
    "Module, without target": (nn.ModuleCriterion(nn.L1Cost(), nn.Tanh()), real(3, 4), None),
}
each = pytest.mark.parametrize(("criterion", "input", "target"), EXAMPLES.values(), ids=EXAMPLES)


def copies(value, dtype=float):
    return table.map(lambda x: np.array(x, dtype if np.asarray(x).dtype.kind == "f" else None), value)


def numeric_gradient(criterion, input, target, step=1e-6):
    input = copies(input)

    def differences(x):
        gradient = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            value = x[place]
            x[place] = value + step
            above = criterion.forward(input, target)
            x[place] = value - step
            gradient[place] = (above - criterion.forward(input, target)) / (2 * step)
            x[place] = value
        return gradient

    return table.map(differences, input)


@each
def test_gradient_is_that_of_central_differences(criterion, input, target):
    numeric = numeric_gradient(criterion, input, target)
    criterion.forward(input, target)
    analytic = criterion.backward(input, target)
    assert table.shape(analytic) == table.shape(input)
    for a, b in zip(table.leaves(analytic), table.leaves(numeric), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@each
def test_float32_stays_float32(criterion, input, target):
    criterion = criterion.clone().float()
    inputs32 = copies(input, np.float32)
    loss = criterion.forward(inputs32, target)
    assert type(loss) is float
    assert loss == pytest.approx(criterion.clone().double().forward(input, target), rel=1e-4)
    assert {g.dtype for g in table.leaves(criterion.backward(inputs32, target))} == {np.dtype(np.float32)}


@each
def test_a_node_gives_the_loss_and_its_scaled_gradient(criterion, input, target):
    value = [input, target] if criterion.takes_target else input
    module = nn.ModuleFromCriterion(criterion)
    assert module.output_shape(table.shape(table.as_value(value))) == (1,)
    np.testing.assert_allclose(module.forward(value), [criterion.forward(input, target)])
    gradient = module.backward(value, np.array([3.0]))
    if criterion.takes_target:
        gradient, target_gradient = gradient
        assert table.shape(target_gradient) == table.shape(target)
        assert not any(leaf.any() for leaf in table.leaves(target_gradient))
    for a, b in zip(table.leaves(gradient), table.leaves(criterion.backward(input, target)), strict=True):
        np.testing.assert_allclose(a, 3 * b)


summed_divergence = nn.DistKLDivCriterion()
summed_divergence.size_average = False
SCORES, OTHERS, LISTS = real(3, 4), real(3, 4), np.array([[3, 0, -1, -1], [1, -1, -1, -1], [0, 1, 2, 3]])


@pytest.mark.parametrize(
    ("criterion", "input", "target", "name"),
    [
        (nn.AbsCriterion(), SCORES, OTHERS, "l1_loss"),
        (nn.MSECriterion(), SCORES, OTHERS, "mse_loss"),
        (nn.SmoothL1Criterion(), SCORES, OTHERS, "smooth_l1_loss"),
        (nn.BCECriterion(WEIGHTS), probabilities(3, 4), probabilities(3, 4), "binary_cross_entropy"),
        (summed_divergence, log_probabilities(3, 4), probabilities(3, 4), "kl_div"),
        (nn.ClassNLLCriterion(WEIGHTS, True, 2), log_probabilities(3, 4), CLASSES, "nll_loss"),
        (nn.CrossEntropyCriterion(WEIGHTS, False), 50 * SCORES, CLASSES, "cross_entropy"),
        (nn.SpatialClassNLLCriterion(WEIGHTS), real(2, 4, 2, 3), rng.integers(0, 4, (2, 2, 3)), "nll_loss"),
        (nn.SoftMarginCriterion(), SCORES, signs(3, 4), "soft_margin_loss"),
        (nn.MultiMarginCriterion(2, WEIGHTS, 0.5), SCORES, CLASSES, "multi_margin_loss"),
        (nn.MultiLabelMarginCriterion(), SCORES, LISTS, "multilabel_margin_loss"),
        (nn.MultiLabelSoftMarginCriterion(WEIGHTS), SCORES, probabilities(3, 4), "multilabel_soft_margin_loss"),
        (nn.HingeEmbeddingCriterion(0.5), SCORES, signs(3, 4), "hinge_embedding_loss"),
        (nn.CosineEmbeddingCriterion(0.1), [SCORES, OTHERS], signs(3), "cosine_embedding_loss"),
        (nn.MarginRankingCriterion(0.1), [SCORES[0], OTHERS[0]], signs(4), "margin_ranking_loss"),
    ],
)
def test_pytorch_gives_the_same(criterion, input, target, name):
    torch = pytest.importorskip("torch", reason="PyTorch is the second judge")
    names = {"weights": "weight", "ignore_index": "ignore_index", "margin": "margin", "p": "p"}
    settings = {theirs: getattr(criterion, ours, None) for ours, theirs in names.items()}
    settings = {k: torch.tensor(v) if k == "weight" else v for k, v in settings.items() if v is not None}
    xs = [torch.tensor(x, requires_grad=True) for x in table.leaves(input)]
    reduction = "mean" if criterion.size_average else "sum"
    loss = getattr(torch.nn.functional, name)(*xs, torch.tensor(target), reduction=reduction, **settings)
    loss.backward()
    assert criterion.forward(input, target) == pytest.approx(loss.item(), rel=1e-9)
    for ours, theirs in zip(table.leaves(criterion.backward(input, target)), xs, strict=True):
        np.testing.assert_allclose(ours, theirs.grad, rtol=1e-7, atol=1e-9)


def test_integer_input_is_taken_as_real():
    criterion = nn.MSECriterion()
    assert criterion.forward(np.array([1, 2]), np.array([0, 4])) == 2.5
    np.testing.assert_array_equal(criterion.backward(np.array([1, 2]), np.array([0, 4])), [1.0, -2.0])


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_class_labels_of_any_type(dtype):
    x = real(3, 4)
    criterion = nn.CrossEntropyCriterion()
    assert criterion.forward(x, CLASSES.astype(dtype)) == criterion.forward(x, CLASSES)


def test_extreme_scores_stay_finite():
    for criterion in (nn.SoftMarginCriterion(), nn.MultiLabelSoftMarginCriterion()):
        x, t = np.array([-1e4, 1e4]), np.array([1.0, 1.0])
        assert criterion.forward(x, t) == 5000
        np.testing.assert_array_equal(criterion.backward(x, t), [-0.5, 0])
    far = [np.array([1e4]), np.array([0.0])]
    assert nn.DistanceRatioCriterion().forward(far) == 1e4
    np.testing.assert_array_equal(nn.DistanceRatioCriterion().backward(far), [[1], [-1]])
    assert nn.CrossEntropyCriterion().forward(np.array([1e4, 0, -1e4]), 1) == 1e4
    saturated = np.array([0, 1], np.float32)
    assert nn.BCECriterion().forward(saturated, 1 - saturated) == pytest.approx(-np.log(1e-12))


def test_ignored_samples_have_no_part():
    x = log_probabilities(3, 4)
    x[1, 0] = -np.inf
    criterion = nn.ClassNLLCriterion()
    some = np.array([1, -100, 2])
    assert criterion.forward(x, some) == pytest.approx(criterion.forward(x[[0, 2]], some[[0, 2]]))
    assert not criterion.backward(x, some)[1].any()
    assert criterion.forward(x, np.full(3, -100)) == 0
    assert not criterion.backward(x, np.full(3, -100)).any()


@pytest.mark.parametrize("kind", [nn.BCECriterion, nn.MultiLabelSoftMarginCriterion])
def test_weights_go_by_the_targets_labels_whatever_the_inputs_shape(kind):
    criterion, x, t = kind(np.array([0.5, 1, 2, 3])), np.array([0.1, 0.4, 0.7, 0.2]), np.array([1.0, 0, 1, 0])
    loss, gradient = criterion.forward(x, t), criterion.backward(x, t)
    for column in (x[:, None], x.reshape(2, 2)):
        assert criterion.forward(column, t) == loss
        np.testing.assert_array_equal(criterion.backward(column, t), gradient.reshape(column.shape))


def test_nan_in_is_nan_out():
    pair = [np.array([np.nan, 1.0]), np.zeros(2)]
    for target in (1, -1):
        assert np.isnan(nn.L1HingeEmbeddingCriterion().forward(pair, np.array(target)))


def test_a_batch_of_one_column_is_a_batch():
    assert nn.CrossEntropyCriterion().forward(np.array([[1.0], [5.0]]), np.array([0, 0])) == 0


def test_derivatives_at_the_edge():
    zero, one = np.zeros(2), np.ones(2)
    np.testing.assert_array_equal(nn.AbsCriterion().backward(zero, zero), [0.5, 0.5])
    np.testing.assert_array_equal(nn.L1Cost().backward(zero), zero)
    np.testing.assert_array_equal(nn.MarginCriterion().backward(one, one), zero)
    np.testing.assert_array_equal(nn.HingeEmbeddingCriterion().backward(one, -one), [-0.5, -0.5])
    np.testing.assert_array_equal(nn.MarginRankingCriterion(0).backward([zero, zero], one), [[-0.5] * 2, [0.5] * 2])
    np.testing.assert_array_equal(nn.L1HingeEmbeddingCriterion().backward([zero, zero], 1), [zero, zero])
    np.testing.assert_array_equal(nn.L1HingeEmbeddingCriterion(1).backward([one[:1], zero[:1]], -1), [[-1], [1]])


def test_the_simplex_has_unit_corners_equally_far_apart():
    simplex = nn.ClassSimplexCriterion(5).simplex
    np.testing.assert_allclose(simplex @ simplex.T, np.eye(5) * 1.25 - 0.25, atol=1e-12)
    np.testing.assert_array_equal(nn.ClassSimplexCriterion(5).get_top_prediction(simplex + 0.1), range(5))


a43, a4 = real(4, 3), real(4)


# In graphs


def test_wiring_a_criterion_into_a_graph():
    x, t = nn.Identity()(), nn.Identity()()
    linear, criterion = nn.Linear(3, 2), nn.CrossEntropyCriterion()
    loss = criterion([linear(x), t])
    graph = nodegraph.GModule([x, t], loss)
    classes = np.array([0, 1, 1, 0])
    np.testing.assert_allclose(graph.forward([a43, classes]), [criterion.forward(linear.forward(a43), classes)])
    graph.zero_grad_parameters()
    graph.backward([a43, classes], np.ones(1))
    expected = criterion.backward(linear.forward(a43), classes).T @ a43
    np.testing.assert_allclose(linear.grad_weight, expected)


def test_one_criterion_at_two_nodes_keeps_both_runs():
    dropped = nn.ModuleCriterion(nn.L1Cost(), nn.Dropout(0.5))
    x = nn.Identity()()
    graph = nodegraph.GModule(x, nn.CAddTable()([dropped(x), dropped(x)]))
    ones = np.ones(1000)
    loss = graph.forward(ones)
    np.testing.assert_allclose((graph.backward(ones, np.ones(1)) * ones).sum(), loss)


def test_a_criterion_without_target_is_wired_to_its_input():
    x, y = nn.Identity()(), nn.Identity()()
    graph = nodegraph.GModule([x, y], nn.CAddTable()([nn.L1Cost()(x), nn.DistanceRatioCriterion()([x, y])]))
    expected = abs(a4).sum() + nn.DistanceRatioCriterion().forward([a4, a4])
    np.testing.assert_allclose(graph.forward([a4, a4]), [expected])


def test_none_stands_for_the_target_of_a_criterion_without():
    parallel = nn.ParallelCriterion().add(nn.MSECriterion()).add(nn.L1Cost())
    assert parallel.forward([a4, a4], [a4, None]) == pytest.approx(abs(a4).sum())


# As objects


def test_repr_reads_like_the_construction():
    assert repr(nn.ClassNLLCriterion(WEIGHTS, size_average=False)) == "ClassNLLCriterion(array(4,), size_average=False)"
    both = nn.MultiCriterion().add(nn.MSECriterion()).add(nn.L1Cost(), 0.5)
    assert repr(both) == "MultiCriterion(\n  (0): 1 x MSECriterion()\n  (1): 0.5 x L1Cost()\n)"
    assert repr(nn.ParallelCriterion(True)) == "ParallelCriterion(True)"


def test_conversion_reaches_all_inside():
    criterion = nn.MultiCriterion().add(nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(3, 2)))
    graph = nn.Sequential(nn.ModuleFromCriterion(criterion))
    inner = graph[0].criterion.criterions[0].input_module
    assert graph.float()[0].criterion.criterions[0].input_module is inner
    assert inner.weight.dtype == np.float32
    assert graph.double() is graph and inner.weight.dtype == np.float64


def test_the_target_module_is_converted_unless_told_otherwise():
    for cast in (True, False):
        criterion = nn.ModuleCriterion(nn.MSECriterion(), None, nn.Linear(3, 3), cast).float()
        assert criterion.target_module.weight.dtype == (np.float32 if cast else np.float64)


def test_modules_in_a_criterion_are_not_trained():
    network = nn.Linear(3, 2)
    module = nn.ModuleFromCriterion(nn.ModuleCriterion(nn.MSECriterion(), network))
    assert module.parameters() == ([], [])
    network.zero_grad_parameters()
    input = [a43, real(4, 2)]
    module.forward(input)
    module.backward(input, np.ones(1))
    assert not network.grad_weight.any()


def test_a_clone_is_independent():
    criterion = nn.ClassNLLCriterion(WEIGHTS)
    clone = criterion.clone()
    clone.weights[0] = 7
    clone.size_average = False
    assert criterion.weights[0] == 1 and criterion.size_average
    assert WEIGHTS[0] == 1


def test_the_last_results_are_kept():
    both = nn.MultiCriterion().add(nn.MSECriterion()).add(nn.AbsCriterion(), 10)
    loss = both.forward(np.array([3.0]), np.array([1.0]))
    assert both.output == loss == 24 and [c.output for c in both.criterions] == [4, 2]
    assert both.backward(np.array([3.0]), np.array([1.0])) is both.grad_input
    both.clear_state()
    assert both.output is both.grad_input is both.saved is None


def test_criterion_table_gives_a_number_and_obeys_its_gradient():
    module = nn.CriterionTable(nn.MSECriterion())
    x, t = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    assert module.forward([x, t]).shape == () and float(module.output) == 2
    np.testing.assert_array_equal(module.backward([x, t], np.array(10.0)), [[0, -20], [0, 0]])


def test_a_criterion_of_ones_own_needs_two_methods():
    class Fourth(nn.Criterion):
        def update_output(self, input, target):
            return ((input - target) ** 4).sum()

        def update_grad_input(self, input, target):
            return 4 * (input - target) ** 3

    np.testing.assert_allclose(Fourth().backward(a4, a43[:, 0]), numeric_gradient(Fourth(), a4, a43[:, 0]), rtol=1e-5)


def test_many_rows_take_no_more_python_than_few():
    def calls(rows):
        x, t = real(rows, 65), rng.integers(0, 65, rows)
        profile, criterion = cProfile.Profile(), nn.CrossEntropyCriterion()
        profile.runcall(criterion.forward, x, t)
        profile.runcall(criterion.backward, x, t)
        return pstats.Stats(profile).total_calls

    assert calls(2500) <= calls(3) + 10
