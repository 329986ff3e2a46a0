"""What modules do, and what their backward does, each in a sentence for a learner."""

from __future__ import annotations

import inspect

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.nn.criterion import ModuleFromCriterion
from nodegraph.nn.module import Module
from nodegraph.nn.tables import Part
from nodegraph.nn.view import ViewModule
from nodegraph.recurrent import Recurrent

PASSES = "The gradient passes through unchanged."
SLOPE = "The gradient is multiplied, number by number, by the slope of the curve at this input."
VIEW = "Nothing was computed on the way, so each number's gradient goes back to where the number came from."
TAKEN = "Each number's gradient goes back to where the number was taken from; what was not taken gets zero."

SENTENCES: dict[type, tuple[str, str]] = {
    nn.Identity: ("Passes its input on as it is.", PASSES),
    nn.Linear: (
        "Multiplies its input by a matrix of weights and adds a bias: each output is a weighted sum of all inputs.",
        "An input gets, from every output, the gradient times the weight between the two; a weight gets the gradient "
        "times its input, summed over all rows.",
    ),
    nn.CAddTable: (
        "Adds its inputs, number by number.",
        "A sum hands its gradient to each of its inputs, unchanged.",
    ),
    nn.CSubTable: (
        "Subtracts its second input from its first, number by number.",
        "The first input gets the gradient, the second its negative.",
    ),
    nn.CMulTable: (
        "Multiplies its inputs, number by number: where one is near 0, next to nothing of the other gets through.",
        "Each input gets the gradient times the other input: what let little through lets little gradient back.",
    ),
    nn.CDivTable: (
        "Divides its first input by its second, number by number.",
        "Each input gets the gradient times the slope of the quotient in its direction.",
    ),
    nn.CMaxTable: ("Takes the largest of its inputs, number by number.", "Only the largest gets the gradient."),
    nn.CMinTable: ("Takes the smallest of its inputs, number by number.", "Only the smallest gets the gradient."),
    nn.Sigmoid: (
        "Squeezes every number into the range from 0 to 1: a probability, or a gate that is shut at 0 and open at 1.",
        "The gradient is multiplied by the curve's slope y (1 − y): at most a quarter, near 0 where y is near 0 or 1.",
    ),
    nn.Tanh: (
        "Squeezes every number into the range from −1 to 1.",
        "The gradient is multiplied by the curve's slope 1 − y²: 1 in the middle, near 0 where the curve is flat.",
    ),
    nn.ReLU: (
        "Lets positive numbers through and makes negative ones 0.",
        "The gradient passes where the input was positive, and nowhere else.",
    ),
    nn.SoftMax: (
        "Turns numbers into probabilities: all positive, their sum 1, the largest number with the largest share.",
        "Probabilities compete: what raises one lowers all others, so their weighted mean gradient is taken off.",
    ),
    nn.LogSoftMax: (
        "Turns numbers into logarithms of probabilities; the probabilities sum to 1.",
        "Probabilities compete: each gradient loses its probability's share of the sum of all gradients.",
    ),
    nn.OneHot: (
        "Turns an index into a row of zeros with a single 1 at that index.",
        "An index has no gradient: one cannot change it by a little.",
    ),
    nn.LookupTable: (
        "Takes, for each index, that row of its table of weights.",
        "The gradient is added to the rows that were taken; an index itself has none.",
    ),
    nn.Narrow: ("Takes a slice of its input: some neighbouring places along one axis.", TAKEN),
    nn.Select: ("Takes one place along an axis of its input.", TAKEN),
    nn.SplitTable: ("Cuts its input into pieces along an axis.", VIEW),
    nn.JoinTable: ("Puts its inputs side by side, along an axis.", VIEW),
    nn.Reshape: ("Gives the same numbers another shape.", VIEW),
    nn.View: ("Gives the same numbers another shape.", VIEW),
    nn.SelectTable: ("Takes one value of a table.", TAKEN),
    Part: (
        "Takes one value of the table that comes in, and gives it a name.",
        "The gradient goes back to its place in the table; the other places hear from their own parts.",
    ),
    nn.AddConstant: ("Adds a constant to every number.", PASSES),
    nn.MulConstant: ("Multiplies every number by a constant.", "The gradient is multiplied by the same constant."),
    nn.Add: ("Adds a trained bias to its input.", "The gradient passes unchanged; the bias gets it, too."),
    nn.CMul: (
        "Multiplies every number by a trained weight of its own.",
        "The gradient is multiplied by the weights; each weight gets the gradient times its input.",
    ),
    nn.Exp: ("Raises e to the power of every number.", "The slope of the exponential is its own value."),
    nn.Log: ("Takes the natural logarithm of every number.", "The gradient is divided by the input."),
    nn.Square: ("Squares every number.", "The gradient is multiplied by twice the input."),
    nn.Dropout: (
        "While training, sets some numbers, chosen at random, to zero, so that no unit relies on any single other.",
        "The gradient passes only where the number was kept.",
    ),
    nn.DotProduct: (
        "Multiplies two vectors number by number, and sums up: large where they point the same way.",
        "Each vector gets the gradient times the other vector.",
    ),
    nn.Sum: ("Adds up the numbers along an axis.", "Each number that was added up gets the sum's gradient."),
    nn.Mean: ("Takes the mean along an axis.", "Each number gets its share of the gradient of the mean."),
    nn.MM: (
        "Multiplies two matrices.",
        "Each matrix gets the gradient times the other matrix, transposed.",
    ),
    nn.SpatialConvolution: (
        "Moves a small window of weights over the image: each output is a weighted sum of what the window sees there.",
        "Each number gets the gradients of all windows that saw it, times their weights; a weight gets the gradient "
        "times what it saw, summed over all places.",
    ),
    nn.SpatialMaxPooling: (
        "Takes the largest number of each patch of an image.",
        "Only the largest gets the gradient.",
    ),
    nn.BatchNormalization: (
        "Brings every feature to mean 0 and variance 1 over the batch, then scales and shifts it by trained numbers.",
        "The gradient goes back through the mean and the variance, too, so each sample hears from all others.",
    ),
    GModule: ("A graph of its own, shown folded into one box.", "The gradient runs backward through the graph inside."),
    Recurrent: (
        "Runs a cell over the steps of a sequence; shown folded into one box.",
        "The gradient runs backward through the steps in time, from the last one to the first.",
    ),
    nn.Container: ("Holds modules of its own, shown folded into one box.", "The gradient runs backward through them."),
    ModuleFromCriterion: (
        "Compares a prediction with its target and gives one number, the loss.",
        "Here the gradient begins: how much the loss grows with each predicted number.",
    ),
}
INPUT = ("An input of the graph: a value that was given.", "The gradient for the input: where backward ends.")


def sentences(module: Module | None) -> tuple[str, str]:
    """What a module does in a sentence, and what its backward does; "" for what nobody wrote down.

    >>> sentences(nn.CAddTable())[0]
    'Adds its inputs, number by number.'
    """
    for kind in type(module).__mro__:
        if kind in SENTENCES:
            exact = kind is type(module) or kind in (nn.Container, GModule)
            return SENTENCES[kind] if exact else (_first_line(module) or SENTENCES[kind][0], SENTENCES[kind][1])
    if isinstance(module, nn.Pointwise) and module.arity == 1:
        return _first_line(module), SLOPE
    return _first_line(module), VIEW if isinstance(module, ViewModule) else ""


def _first_line(module: Module | None) -> str:
    """The first line of the docstring that the module's own class has."""
    text = type(module).__doc__ if module is not None else None
    lines = inspect.cleandoc(text or "").splitlines()
    return lines[0].strip() if lines else ""
