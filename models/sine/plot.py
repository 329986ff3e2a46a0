"""The plot: a sine curve, its noisy samples, and what the network makes of them."""

from __future__ import annotations

import numpy as np

from nodegraph.gmodule import GModule
from nodegraph.models.sine.forecaster import NOISE_WIDTH, SEEN, Options, curves, predict, run_free
from nodegraph.viz.chart import Chart


def plot(network: GModule, options: Options, theme: str = "light") -> Chart:
    """Three panels over one curve that the network never saw: predictions one step ahead, the free run, their errors.

    In the first each value is predicted from the 30 samples before it; in the second from the 30 samples at the
    beginning and from the predictions that follow them. Raises DrawingError without matplotlib, which the extra
    `nodegraph[plot]` brings.
    """
    chart = Chart(9.0, 8.0, theme)
    (true,), (noisy,) = curves(1, SEEN + options.ahead, options, np.random.default_rng([options.seed, 2]))
    (one_step,) = predict(network, noisy[None])
    (free,) = run_free(network, noisy[None, :SEEN], options.ahead)

    time, faint = np.arange(len(true)), chart.theme.faint
    (curve, _), (first, _), (second, _) = chart.styles(3)
    panels = chart.figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    panels[0].set_title("One step ahead: each value from the 30 samples before it", loc="left", fontsize=11)
    panels[1].set_title("Free run: from 30 samples, then from its own predictions", loc="left", fontsize=11)
    panels[2].set_title("Predicted minus true", loc="left", fontsize=11)
    for axes, values, colour, name, shown in (
        (panels[0], one_step, first, "one step ahead", len(time)),
        (panels[1], free, second, "free run", SEEN),
    ):
        axes.axvspan(-0.5, SEEN - 0.5, color=faint, alpha=0.1, linewidth=0)
        axes.plot(time, true, color=curve, linewidth=1.4, label="true curve")
        axes.plot(time[:shown], noisy[:shown], "o", color=faint, markersize=3, label="noisy samples")
        axes.plot(time[SEEN:], values, color=colour, linewidth=2, linestyle=(0, (5, 2)), label=f"predicted, {name}")
        panels[2].plot(time[SEEN:], values - true[SEEN:], color=colour, linewidth=1.4)
    half = NOISE_WIDTH / 2
    panels[2].axhspan(-half, half, color=faint, alpha=0.15, linewidth=0, label="width of the noise")
    panels[2].set_xlabel("sample")
    for axes in panels:
        chart.prepare(axes)
        axes.margins(x=0.01)
    by_label = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    chart.figure.legend(
        by_label.values(), by_label.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=9,
        labelcolor=chart.theme.text,
    )  # fmt: skip
    return chart
