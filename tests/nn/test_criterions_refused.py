"""What criterions refuse, and in which words: shapes, values, arguments, wiring."""

import numpy as np
import pytest

import nodegraph
from nodegraph import errors, nn

rng = np.random.default_rng(0)


def real(*shape):
    return rng.standard_normal(shape)


WEIGHTS = np.ones(4)
a43, a4, pair = real(4, 3), real(4), [real(4, 3), real(4, 3)]
labels = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("criterion", "input", "target", "words"),
    [
        (nn.MSECriterion(), a43, real(4), "as many elements"),
        (nn.MSECriterion(), a43, real(1, 3), "as many elements"),
        (nn.MSECriterion(), a43, None, "expected a target, too"),
        (nn.MSECriterion(), a43, [a43], "not tables"),
        (nn.MSECriterion(), real(0, 3), real(0, 3), "at least one element"),
        (nn.DistKLDivCriterion(), a43, real(3, 4), "of the input's shape"),
        (nn.WeightedMSECriterion(WEIGHTS), a43, a43, "weight's shape"),
        (nn.BCECriterion(WEIGHTS), abs(a43) % 1, a43, "4 labels in a row"),
        (nn.BCECriterion(WEIGHTS), np.array(0.5), np.array(0.5), "4 labels in a row"),
        (nn.BCECriterion(WEIGHTS), np.full(4, 0.5), np.ones((4, 1)), "4 labels in a row"),
        (nn.SpatialAutoCropMSECriterion(), real(1, 3, 3), real(1, 2, 4), "greater height and width"),
        (nn.SpatialAutoCropMSECriterion(), real(1, 3, 3), real(2, 4, 4), "greater height and width"),
        (nn.SpatialAutoCropMSECriterion(), a43, a43, "3 or 4 axes"),
        (nn.ClassNLLCriterion(), real(2, 4, 3), labels, r"\(batch, classes\)"),
        (nn.ClassNLLCriterion(), a43, labels[:3], "one class for each row"),
        (nn.ClassNLLCriterion(), a43, labels.reshape(4, 1), "one class for each row"),
        (nn.ClassNLLCriterion(WEIGHTS), a43, labels, "expected 4 classes, as many as there are weights"),
        (nn.CrossEntropyCriterion(), [a43], labels, r"\(batch, classes\)"),
        (nn.CrossEntropyCriterion(), real(4, 3, 2), labels, r"\(batch, classes\)"),
        (nn.CrossEntropyCriterion(), a43, [0, 1, 2, 0], "an array, not a table"),
        (nn.SpatialClassNLLCriterion(), real(2, 4, 2, 3), np.zeros((2, 3, 2)), r"target of shape \(2, 2, 3\)"),
        (nn.SpatialClassNLLCriterion(), a43, labels, "height, width"),
        (nn.ClassSimplexCriterion(4), a43, labels, "4 numbers in a row"),
        (nn.MultiMarginCriterion(), a43, labels[:3], "one class for each row"),
        (nn.MultiLabelMarginCriterion(), a43, labels, "a target of that shape"),
        (nn.CosineEmbeddingCriterion(), a43, labels, "two arrays of one shape"),
        (nn.CosineEmbeddingCriterion(), [a43, a4], labels, "two arrays of one shape"),
        (nn.CosineEmbeddingCriterion(), pair, 1, "one number for each pair"),
        (nn.CosineEmbeddingCriterion(), pair, [1, 1], "a target that is an array, not a table"),
        (nn.CosineEmbeddingCriterion(), [real(2, 3, 4)] * 2, np.ones(2), r"two arrays of shape \(batch, n\) or \(n,\)"),
        (nn.L1HingeEmbeddingCriterion(), pair, a4, "one number, 1 or -1"),
        (nn.MarginRankingCriterion(), pair, a4, "one number for each pair of elements"),
        (nn.DistanceRatioCriterion(), a43, None, "two arrays of one shape"),
        (nn.DistanceRatioCriterion(), [np.array(1.0)] * 2, None, "two arrays with at least one axis"),
        (nn.ParallelCriterion().add(nn.L1Cost()), pair, None, "table of 1 inputs"),
        (nn.ParallelCriterion().add(nn.MSECriterion()), [a43], [a43, a43], "table of 1 targets"),
        (nn.MultiCriterion().add(nn.L1Cost()).add(nn.MSECriterion()), a43, a4, "criterion 1 of MultiCriterion"),
        (nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(2, 2)), a43, a43, r"\(batch, 2\)"),
        (nn.ModuleCriterion(nn.MSECriterion(), None, nn.Exp()), a43, None, "expected a target, too"),
    ],
)
def test_wrong_shapes_are_refused(criterion, input, target, words):
    for method in (criterion.forward, criterion.backward):
        with pytest.raises(errors.ShapeError, match=words) as caught:
            method(input, target)
        assert type(criterion).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("criterion", "input", "target", "words"),
    [
        (nn.ClassNLLCriterion(), a43, labels + 1, "class 3 is out of range: the 3 classes are 0 to 2"),
        (nn.CrossEntropyCriterion(), a43, np.array([0, 1, -1, 0]), "class -1 is out of range"),
        (nn.CrossEntropyCriterion(), a43, np.array([0, 1.5, 1, 0]), "1.5 .* whole number"),
        (nn.CrossEntropyCriterion(), a43, np.array([0, np.nan, 1, 0]), "nan .* whole number"),
        (nn.CrossEntropyCriterion(), a43, np.array([0, np.inf, 1, 0]), "inf .* whole number"),
        (nn.SpatialClassNLLCriterion(), real(1, 2, 1, 1), np.full((1, 1, 1), 2), "the 2 classes are 0 to 1"),
        (nn.MultiLabelMarginCriterion(), a4, np.array([0, -2, -1, -1]), "class -2 is out of range"),
        (nn.BCECriterion(), np.array([0.5, 1.5]), np.ones(2), "1.5 .* between 0 and 1"),
        (nn.BCECriterion(), np.array([np.nan]), np.ones(1), "nan .* between 0 and 1"),
        (nn.HingeEmbeddingCriterion(), a4, labels, "0.0 .* 1 or -1"),
        (nn.CosineEmbeddingCriterion(), pair, labels, "1 or -1"),
        (nn.L1HingeEmbeddingCriterion(), pair, 0, "1 or -1"),
        (nn.MSECriterion(), "text", a4, "NumPy array"),
    ],
)
def test_wrong_values_are_refused(criterion, input, target, words):
    with pytest.raises(errors.InputError, match=words):
        criterion.forward(input, target)


@pytest.mark.parametrize(
    "construct",
    [
        lambda: nn.MSECriterion("no"),
        lambda: nn.ClassNLLCriterion(np.ones((2, 2))),
        lambda: nn.ClassNLLCriterion("weights"),
        lambda: nn.ClassNLLCriterion(ignore_index=0.5),
        lambda: nn.BCECriterion(True),
        lambda: nn.WeightedMSECriterion(None),
        lambda: nn.MultiMarginCriterion(3),
        lambda: nn.MarginCriterion("wide"),
        lambda: nn.ClassSimplexCriterion(1),
        lambda: nn.ModuleCriterion(nn.Tanh()),
        lambda: nn.ModuleCriterion(nn.MSECriterion(), nn.MSECriterion()),
        lambda: nn.MultiCriterion().add(nn.Tanh()),
        lambda: nn.MultiCriterion().add(nn.L1Cost(), "heavy"),
        lambda: (m := nn.MultiCriterion()).add(nn.MultiCriterion().add(m)),
        lambda: nn.ParallelCriterion(1),
        lambda: nn.ModuleFromCriterion(nn.Tanh()),
        lambda: nn.Sequential(nn.MSECriterion()),
    ],
)
def test_wrong_arguments_are_refused_at_once(construct):
    with pytest.raises(errors.ArgumentError):
        construct()


def test_a_simplex_predicts_from_rows_of_its_width():
    with pytest.raises(errors.ShapeError, match="4 numbers in a row"):
        nn.ClassSimplexCriterion(4).get_top_prediction(a43)


def test_a_sum_of_no_criterions_is_refused():
    with pytest.raises(errors.StateError, match="add one first"):
        nn.MultiCriterion().forward(a4, a4)


@pytest.mark.parametrize("parents", [None, [], 3, [nn.Identity()(), None], [nn.Identity()(), nn.Tanh()]])
def test_wrong_wiring_names_the_criterion_and_the_line(parents):
    with pytest.raises(errors.WiringError, match=r"MSECriterion\(\.\.\.\) at test_criterions_refused.py:\d+ got"):
        nn.MSECriterion()(parents)


def test_a_wrong_target_in_a_graph_is_refused_at_its_node():
    x, t = nn.Identity()(), nn.Identity()()
    graph = nodegraph.GModule([x, t], nn.MSECriterion()([x, t]))
    with pytest.raises(errors.ShapeError, match=r"MSECriterion at \S+:\d+ .*as many elements"):
        graph.forward([a43, a4])


@pytest.mark.parametrize("base, missing", [(nn.Criterion, "update_output"), (nn.PointwiseCriterion, "loss")])
def test_a_class_of_ones_own_that_lacks_a_method_says_so(base, missing):
    class Unfinished(base):
        pass

    with pytest.raises(errors.ModuleError, match=f"Unfinished defines no {missing}"):
        Unfinished().forward(a43, a43)


@pytest.mark.parametrize("base, missing", [(nn.Criterion, "update_grad_input"), (nn.PointwiseCriterion, "derivative")])
def test_one_without_a_derivative_has_a_loss_all_the_same(base, missing):
    class Forward(base):
        def loss(self, x, t):
            return abs(x - t)

        def update_output(self, x, t):
            return float(self.loss(x, t).sum())

    assert Forward().forward(a43, 0 * a43) == pytest.approx(abs(a43).sum())
    with pytest.raises(errors.ModuleError, match=f"Forward defines no {missing}"):
        Forward().backward(a43, a43)
