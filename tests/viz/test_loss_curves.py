"""loss_curves: which curves there are, what stands beside them, and the files."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph import History
from nodegraph.errors import ArgumentError, DrawingError
from nodegraph.viz import loss_curves
from nodegraph.viz.curve_labels import spread

matplotlib = pytest.importorskip("matplotlib", reason="needs the extra nodegraph[plot]")


def history(last=1.0, iterations=200, every=20, seed=0):
    random, history = np.random.default_rng(seed), History()
    for i in range(1, iterations + 1):
        loss = last + 3 * math.exp(-i / 20) + random.normal() / 20
        history.add(i, loss=loss, epoch=i / 50, seconds=i * 0.1, learning_rate=0.1, gradient_norm=loss)
        if i % every == 0:
            history.add(i, validation_loss=loss + 0.1)
    return history


def texts(chart):
    return [text.get_text() for text in chart.figure.axes[0].texts]


def curves(chart, panel=0):
    """The curves, without the lines that join them to their labels."""
    axes = chart.figure.axes[panel]
    return [line for line in axes.lines if line.get_transform() == axes.transData]


def test_a_single_training_shows_training_and_validation():
    one = history()
    chart = loss_curves(one, unit="nats per character")
    training, validation = curves(chart)
    np.testing.assert_array_equal(np.sort(validation.get_xdata()), one["validation_loss"][0])
    assert training.get_color() != validation.get_color()
    last = one.smoothed()[1][-1], one["validation_loss"][1][-1]
    assert texts(chart) == [f"training  {last[0]:.3f}", f"validation  {last[1]:.3f}"]
    assert chart.figure.axes[0].get_ylabel() == "loss (nats per character)"
    assert chart.figure.axes[0].get_xlabel() == "iteration"


def test_a_list_of_losses_from_any_loop():
    chart = loss_curves({"mine": [4, 3.5, 3.1], "yours": [4.0, 2.0, 1.5]})
    assert [text.split("  ")[0] for text in texts(chart)] == ["mine training", "yours training"]
    assert len(curves(chart)) == 2


def test_many_runs_show_validation_alone_and_differ_in_colour_or_dashes():
    chart = loss_curves({f"run {k}": history(seed=k) for k in range(12)})
    lines = curves(chart)
    assert len(lines) == 12 and len({(line.get_color(), str(line.get_linestyle())) for line in lines}) == 12
    assert texts(chart)[3].startswith("run 3  ")


def test_seeds_of_one_name_give_mean_and_range():
    runs = [history(last=last, seed=1) for last in (1.0, 2.0, 6.0)]
    chart = loss_curves({"lstm": runs, "a": history(), "b": history(), "c": history()})
    mean = np.mean([run["validation_loss"][1] for run in runs], axis=0)
    np.testing.assert_allclose(np.sort(curves(chart)[0].get_ydata()), np.sort(mean))
    (band,) = chart.figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(runs[2]["validation_loss"][1].max())
    assert heights.min() == pytest.approx(runs[0]["validation_loss"][1].min())


def test_seeds_that_were_measured_at_different_places():
    early, late = history(iterations=100, every=10), history(iterations=210, every=30)
    chart = loss_curves({"lstm": [early, late]})
    x = curves(chart)[1].get_xdata()
    assert (x.min(), x.max()) == (30, 100)


@pytest.mark.parametrize("against, label, last", [("epoch", "epoch", 4), ("seconds", "training time (s)", 20)])
def test_what_goes_to_the_right(against, label, last):
    chart = loss_curves(history(), against=against)
    assert chart.figure.axes[-1].get_xlabel() == label
    assert curves(chart)[1].get_xdata().max() == pytest.approx(last)


def test_long_times_are_in_minutes_and_hours():
    for factor, unit in ((10, "min"), (1000, "h")):
        long = history()
        for i, seconds in zip(*long["seconds"]):
            long.add(i, seconds=seconds * factor)
        assert loss_curves(long, against="seconds").figure.axes[0].get_xlabel() == f"training time ({unit})"


def test_other_quantities_get_panels():
    chart = loss_curves(history(), also=["learning_rate", "gradient_norm"])
    assert [axes.get_ylabel() for axes in chart.figure.axes] == ["loss", "learning rate", "gradient norm"]
    assert curves(chart, 1)[0].get_ydata() == pytest.approx(0.1)


def test_neither_the_steep_beginning_nor_single_batches_squeeze_the_rest():
    one = history(iterations=1000)
    one.add(600, loss=8.0)
    low, high = loss_curves(one).figure.axes[0].get_ylim()
    assert 0.8 < low < 1 and 1.2 < high < 2.5


def test_of_many_runs_one_that_explodes_does_not_squeeze_the_others():
    wrong, right = history(), {f"run {k}": history(seed=k) for k in range(4)}
    wrong.add(200, validation_loss=50.0)
    assert loss_curves({"wrong": wrong, **right}).figure.axes[0].get_ylim()[1] < 4
    assert loss_curves({"wrong": wrong}).figure.axes[0].get_ylim()[1] > 50


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("suffix, start", [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_files(tmp_path, theme, suffix, start):
    chart = loss_curves({"a": history(), "$_x": history()}, theme=theme, title="$title", unit="$")
    path = chart.save(tmp_path / f"losses.{suffix}")
    assert path.read_bytes().startswith(start)


def test_the_same_picture_is_the_same_file_and_its_text_is_text(tmp_path):
    first, second = (loss_curves(history()).save(tmp_path / name).read_text() for name in ("a.svg", "b.svg"))
    assert first == second and "validation" in first and "iteration" in first
    assert loss_curves(history())._repr_svg_() == first


@pytest.mark.parametrize("run", [[2.0], [2.0, 2.0], [math.nan, 3.0, math.inf]])
def test_hardly_anything_to_draw(tmp_path, run):
    loss_curves(run).save(tmp_path / "a.png")


def test_what_is_no_number_is_left_out(tmp_path):
    one = History([3.0, 2.0])
    one.add(1, validation_loss=2.5)
    one.add(2, validation_loss=math.nan)
    assert texts(loss_curves(one))[1] == "validation  2.500"
    assert texts(loss_curves([3e-5]))[0] == "training  3e-05"


def of(**quantities):
    history = History()
    for name, (iteration, value) in quantities.items():
        history.add(iteration, **{name: value})
    return history


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(runs={"a": [of(loss=(1, 2.0)), of(loss=(2, 2.0))]}), "must have a part in common"),
        (dict(runs={"a": [of(loss=(1, 2.0)), of(validation_loss=(1, 2.0))]}), "trainings of a were not all measured"),
        (dict(runs={}), "no losses to draw"),
        (dict(runs=[]), "no losses to draw"),
        (dict(runs={"a": [math.nan]}), "no losses to draw in a"),
        (dict(runs=3), "a History or a list of losses, got 3"),
        (dict(runs=[1.0], against="moon"), "against must be one of iteration, epoch, seconds"),
        (dict(runs=[1.0], against="epoch"), "no epoch was measured"),
        (dict(runs={"a": [1.0]}, also=["learning_rate"]), "no learning_rate was measured in a"),
        (dict(runs=[1.0], theme="pink"), "theme must be one of light, dark"),
    ],
)
def test_what_cannot_be_drawn(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        loss_curves(**arguments)


def test_files_that_cannot_be_written(tmp_path):
    chart = loss_curves([2.0, 1.0])
    with pytest.raises(ArgumentError, match=r"\.svg, \.png, \.pdf, got 'a.gif'"):
        chart.save(tmp_path / "a.gif")
    with pytest.raises(DrawingError, match="cannot write"):
        chart.save(tmp_path / "none" / "a.svg")


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(DrawingError, match=r"nodegraph\[plot\]"):
        loss_curves([1.0])


# Labels


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.05))
def test_labels_do_not_overlap_and_stay_in_order_and_in_sight(places, gap):
    moved = np.array(spread(places, gap))
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-9).all()
    if gap * (len(places) - 1) <= 1:
        assert -1e-9 <= moved.min() and moved.max() <= 1 + 1e-9


@given(st.lists(st.integers(0, 10), min_size=1, max_size=11, unique=True))
def test_labels_that_are_far_enough_apart_stay(places):
    places = [place / 10 for place in places]
    assert spread(places, 0.1) == pytest.approx(places)


def test_what_is_no_number_at_all_has_no_curve():
    broken = History([4.0, 3.0])
    broken.add(1, validation_loss=math.nan)
    broken.add(2, validation_loss=math.inf)
    chart = loss_curves(broken)
    assert len(curves(chart)) == 1 and texts(chart) == [f"training  {broken.smoothed()[1][-1]:.3f}"]


def test_the_range_of_a_quantity_is_shown_for_a_single_run_alone():
    single, several = (
        loss_curves(history(), also="gradient_norm"),
        loss_curves({"a": history(), "b": history(seed=1)}, also="gradient_norm"),
    )
    assert len(single.figure.axes[1].collections) == 1 and len(several.figure.axes[1].collections) == 0
    assert len(several.figure.axes[1].lines) == 2
