"""Optimisers, gradient clipping and learning-rate schedules."""

from nodegraph.optim.adaptive import Adadelta, Adagrad, Adam, Adamax, RMSprop
from nodegraph.optim.cg import CG
from nodegraph.optim.clipping import clip_gradient_norm, clip_gradients
from nodegraph.optim.lbfgs import LBFGS
from nodegraph.optim.line_search import lswolfe
from nodegraph.optim.optimizer import Optimizer
from nodegraph.optim.rprop import Rprop
from nodegraph.optim.schedule import Schedule, cosine, exponential, step_decay, warm_up
from nodegraph.optim.sgd import ASGD, NAG, SGD

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "ASGD",
    "CG",
    "clip_gradient_norm",
    "clip_gradients",
    "cosine",
    "exponential",
    "LBFGS",
    "lswolfe",
    "NAG",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "Schedule",
    "SGD",
    "step_decay",
    "warm_up",
]
