"""Pictures: `draw` gives a diagram of a model, `loss_curves` a chart of its training, `walkthrough` a page to step
through a run; they save themselves.

`summary`, `schedule` and `print_graph` are for the terminal.
"""

from nodegraph.errors import DrawingError
from nodegraph.viz.diagram import Diagram
from nodegraph.viz.drawing import draw
from nodegraph.viz.graph_text import print_graph
from nodegraph.viz.loss_curves import loss_curves
from nodegraph.viz.schedule import schedule
from nodegraph.viz.summary import summary
from nodegraph.viz.walkthrough import Walkthrough, walkthrough

__all__ = [
    "Diagram",
    "draw",
    "DrawingError",
    "loss_curves",
    "print_graph",
    "schedule",
    "summary",
    "Walkthrough",
    "walkthrough",
]
