"""Pictures of models: `draw` gives a diagram that saves itself; `summary` and `print_graph` are for the terminal."""

from nodegraph.errors import DrawingError
from nodegraph.viz.diagram import Diagram
from nodegraph.viz.drawing import draw
from nodegraph.viz.graph_text import print_graph
from nodegraph.viz.summary import summary
