"""Walkthroughs: a run of a model, forward and backward, as a page on which one goes through it step by step."""

from nodegraph.viz.walkthrough.page import Walkthrough
from nodegraph.viz.walkthrough.walking import walkthrough

__all__ = ["Walkthrough", "walkthrough"]
