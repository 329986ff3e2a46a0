"""Draws the pictures in this folder anew: `python viz/gallery/make.py [FOLDER]`.

They are rendered by graphviz-pure, whose output is the same on every computer.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable

from nodegraph import GModule, Recurrent, annotate_nodes, nn, unroll
from nodegraph.models import gru, lstm
from nodegraph.viz import draw
from nodegraph.viz.diagram import Diagram
from nodegraph.viz.renderers import graphviz_pure, render
from nodegraph.viz.saving import save_whole
from nodegraph.viz.svg import finished


def mlp() -> GModule:
    """nngraph's README: a network with one hidden layer."""
    h1 = nn.Linear(20, 10)()
    h2 = nn.Linear(10, 1)(nn.Tanh()(nn.Linear(10, 10)(nn.Tanh()(h1))))
    annotate_nodes()
    return GModule(h1, h2)


def two_inputs() -> GModule:
    """nngraph's README: two inputs and two outputs."""
    h1, h2 = nn.Linear(20, 20)(), nn.Linear(10, 10)()
    hh1, hh2 = nn.Linear(20, 1)(nn.Tanh()(h1)), nn.Linear(10, 1)(nn.Tanh()(h2))
    madd = nn.CAddTable()([hh1, hh2])
    oA, oB = nn.Sigmoid()(madd), nn.Tanh()(madd)
    annotate_nodes()
    return GModule([h1, h2], [oA, oB])


def containers() -> GModule:
    """nngraph's README: a container in a graph."""
    m = nn.Sequential(nn.SplitTable(0), nn.ParallelTable(nn.Linear(10, 20), nn.Linear(10, 30)))
    input = nn.Identity()()
    input1, input2 = m(input).split(2)
    m3 = nn.JoinTable(0)([input1, input2])
    annotate_nodes()
    return GModule(input, m3)


def skips() -> GModule:
    """nngraph's README: every layer sees the one before and the one before that."""
    input = nn.Identity()()
    L1 = nn.Tanh()(nn.Linear(10, 20)(input))
    L2 = nn.Tanh()(nn.Linear(30, 60)(nn.JoinTable(0)([input, L1])))
    L3 = nn.Tanh()(nn.Linear(80, 16)(nn.JoinTable(0)([L1, L2])))
    annotate_nodes()
    return GModule(input, L3)


PICTURES: dict[str, Callable[[], Diagram]] = {
    "lstm": lambda: draw(lstm.create(3, 2)),
    "lstm_dark": lambda: draw(lstm.create(3, 2), theme="dark"),
    "lstm_recurrent": lambda: draw(Recurrent(lstm.create(3, 2))),
    "gru": lambda: draw(gru.gru(65, 128, 1)),
    "char_rnn_unrolled": lambda: draw(unroll(lstm.lstm(65, 128, 2), 3)),
    "nngraph_mlp": lambda: draw(mlp()),
    "nngraph_mlp_backward": lambda: draw(mlp(), direction="backward"),
    "nngraph_two_inputs": lambda: draw(two_inputs()),
    "nngraph_containers": lambda: draw(containers(), detail="shapes", input_shapes=(2, 10)),
    "nngraph_skips": lambda: draw(skips(), detail="shapes", input_shapes=(10,)),
}


def make(folder: pathlib.Path) -> None:
    """Draw all pictures into a folder."""
    for name, picture in PICTURES.items():
        svg = finished(render(picture().dot, "svg", graphviz_pure()).decode())
        save_whole(folder / f"{name}.svg", svg)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
