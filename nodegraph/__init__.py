"""nodegraph: wire neural networks from small modules, close the graph into a GModule, run it forward and backward."""

from nodegraph import nn, optim
from nodegraph.check import check_gradients
from nodegraph.debug import debug
from nodegraph.errors import NodegraphError
from nodegraph.gmodule import GModule
from nodegraph.history import History
from nodegraph.io.files import load, save
from nodegraph.node import Node, annotate_nodes, nest
from nodegraph.random import seed
from nodegraph.recurrent import Recurrent
from nodegraph.sequences import pad_sequences, sequence_lengths, sequence_mask
from nodegraph.unroll import unroll

__all__ = [
    "annotate_nodes",
    "check_gradients",
    "debug",
    "GModule",
    "History",
    "load",
    "nest",
    "nn",
    "Node",
    "NodegraphError",
    "optim",
    "pad_sequences",
    "Recurrent",
    "save",
    "seed",
    "sequence_lengths",
    "sequence_mask",
    "unroll",
]
