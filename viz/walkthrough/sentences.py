"""What modules do, and what their backward does, each in a sentence for a learner."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

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
BIAS = "The gradient passes unchanged; a bias gets the sum of the gradients wherever it was added."
COPIED = "Each number gets the sum of the gradients of all its copies."
LARGEST = "Only the number that was taken gets the gradient; all others get zero."
SHARED = "Each number gets its share of the gradient of every mean that it has a part in."
CHAIN = (
    "Each number that went in gets the gradient of every output that it has a part in, times the slope between the "
    "two, all added up: the chain rule."
)

Sentences = tuple[str, str]


def _linear(module: nn.Linear) -> Sentences:
    if module.bias is None:
        return (
            "Multiplies its input by a matrix of weights: each output is a weighted sum of all inputs.",
            "An input gets, from every output, the gradient times the weight between the two; a weight gets the "
            "gradient times its input, summed over all rows.",
        )
    return (
        "Multiplies its input by a matrix of weights and adds a bias: each output is a weighted sum of all inputs, "
        "plus its bias.",
        "An input gets, from every output, the gradient times the weight between the two; a weight gets the gradient "
        "times its input, and a bias the gradient, summed over all rows.",
    )


def _dropout(module: nn.Dropout) -> Sentences:
    kept = f"{1 - module.p:.4g}"
    random = module.train or module.stochastic_inference
    if random and module.v1:
        return (
            "Sets some numbers, chosen at random, to zero, so that no unit relies on any single other.",
            "The gradient passes only where the number was kept.",
        )
    if random:
        return (
            "Sets some numbers, chosen at random, to zero, so that no unit relies on any single other. The rest are "
            f"divided by {kept}, so that the sum stays about the same.",
            f"The gradient passes only where the number was kept, and is divided by {kept}, too.",
        )
    if module.v1:
        return f"Multiplies every number by {kept}: so many were kept in training.", "The gradient is, too."
    return "Passes its input on as it is; only in training some numbers, chosen at random, are set to zero.", PASSES


def _batch_normalization(module: nn.BatchNormalization) -> Sentences:
    trained = ", then scales and shifts it by trained numbers" if module.affine else ""
    if module.train:
        return (
            f"Brings every feature to mean 0 and variance 1 over the batch{trained}.",
            "The gradient goes back through the mean and the variance, too, so each sample hears from all others.",
        )
    return (
        f"Takes off every feature the mean seen in training, and divides it by the spread seen there{trained}.",
        "Mean and spread are fixed now, so the gradient is only multiplied by the factor of its feature.",
    )


def _sum(module: nn.Sum) -> Sentences:
    if module.size_average:
        return "Takes the mean along an axis.", "Each number gets its share of the gradient of the mean."
    return "Adds up the numbers along an axis.", "Each number that was added up gets the sum's gradient."


SENTENCES: dict[type, Sentences | Callable[[Any], Sentences]] = {
    nn.Identity: ("Passes its input on as it is.", PASSES),
    nn.Linear: _linear,
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
    nn.SoftMin: (
        "Turns numbers into probabilities: all positive, their sum 1, the smallest number with the largest share.",
        "As that of a soft-max, but negative, since a number's share falls when the number grows.",
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
    nn.Add: (
        "Adds a trained bias to its input.",
        "The gradient passes unchanged; the bias gets its sum over all rows.",
    ),
    nn.CAdd: (
        "Adds a trained bias to its input, number by number.",
        "The gradient passes unchanged; a bias gets the sum of the gradients wherever it was added.",
    ),
    nn.Mul: (
        "Multiplies every number by one trained weight.",
        "The gradient is multiplied by the weight; the weight gets the gradient times the input, all added up.",
    ),
    nn.CMul: (
        "Multiplies every number by a trained weight of its own.",
        "The gradient is multiplied by the weights; a weight gets the gradient times each input it had, added up.",
    ),
    nn.Exp: ("Raises e to the power of every number.", "The slope of the exponential is its own value."),
    nn.Log: ("Takes the natural logarithm of every number.", "The gradient is divided by the input."),
    nn.Square: ("Squares every number.", "The gradient is multiplied by twice the input."),
    nn.Where: (
        "Chooses, number by number: the second input where the first is not 0, and the third elsewhere.",
        "Each gradient goes to the input that was chosen; the other gets zero.",
    ),
    nn.Dropout: _dropout,
    nn.DotProduct: (
        "Multiplies two vectors number by number, and sums up: large where they point the same way.",
        "Each vector gets the gradient times the other vector.",
    ),
    nn.Sum: _sum,
    nn.Mean: _sum,
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
    nn.SpatialAveragePooling: ("Takes the mean of each patch of an image.", SHARED),
    nn.BatchNormalization: _batch_normalization,
    nn.Bilinear: (
        "Each output is a weighted sum of all products of a number of the first input with one of the second.",
        "Each input gets the gradient times the other input and the weight between them; a weight gets the gradient "
        "times both inputs, summed over all rows.",
    ),
    nn.Cosine: ("Compares its input with each row of its weights: the cosine of the angle between them.", CHAIN),
    nn.CosineDistance: ("Compares two vectors: the cosine of the angle between them, 1 where they agree.", CHAIN),
    nn.Euclidean: ("Gives the distance from its input to each row of its weights.", CHAIN),
    nn.Kmeans: (
        "Gives the index of the centre that is nearest to its input.",
        "An index has no gradient; each centre is drawn to the mean of the inputs that are nearest to it.",
    ),
    nn.PReLU: (
        "Lets positive numbers through, and multiplies negative ones by a trained number.",
        "The gradient passes where the input was positive, and is multiplied by the trained number elsewhere; that "
        "number gets the gradient times the negative inputs, added up.",
    ),
    nn.StackTable: ("Puts its inputs on top of each other, along a new axis.", VIEW),
    nn.Replicate: ("Repeats its input along a new axis.", COPIED),
    nn.ZipTableOneToMany: ("Pairs its first value with each of the others.", VIEW + " The first adds up what comes."),
    nn.NarrowTable: ("Takes some neighbouring values of a table.", TAKEN),
    nn.Index: ("Takes, along an axis, the places that an index names.", TAKEN),
    nn.MaskedSelect: ("Takes the numbers where a mask is 1.", TAKEN),
    nn.Last: ("Takes the last step of each sequence.", TAKEN),
    nn.Reverse: ("Turns sequences round: the last step comes first.", VIEW),
    nn.Max: ("Takes the largest number along an axis.", LARGEST),
    nn.Min: ("Takes the smallest number along an axis.", LARGEST),
    nn.TemporalMaxPooling: ("Takes the largest number of each window in time.", LARGEST),
    nn.SpatialZeroPadding: (
        "Puts zeros around an image.",
        "Each number takes its gradient back, the border none.",
    ),
    nn.SpatialUpSamplingNearest: ("Makes an image larger: each number is repeated.", COPIED),
    nn.LayerNormalization: (
        "Brings the numbers of each sample to mean 0 and variance 1, then scales and shifts them by trained numbers.",
        "The gradient goes back through the mean and the variance, too, so each number hears from all of its sample.",
    ),
    nn.GradientReversal: (
        "Passes its input on as it is; what it changes is the gradient.",
        "The gradient changes its sign: what is below learns the opposite of what is above.",
    ),
    nn.ZeroGrad: (
        "Passes its input on as it is, but stops the gradient.",
        "The gradient ends here: it is zero.",
    ),
    nn.L1Penalty: (
        "Passes its input on as it is, and adds its size to the loss.",
        "The gradient passes, and the slope of the penalty is added: the same push towards 0 for every number.",
    ),
    nn.WhiteNoise: ("While training, adds random numbers to its input.", PASSES),
    nn.Constant: ("Gives a constant, whatever comes in.", "The input made no difference, so its gradient is zero."),
    nn.PrintSize: ("Passes its input on as it is, and prints its shape.", PASSES),
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


def sentences(module: Module | None) -> Sentences:
    """What a module does in a sentence, and what its backward does; without a module both are "".

    >>> sentences(nn.CAddTable())[0]
    'Adds its inputs, number by number.'
    """
    if module is None:
        return "", ""
    own = _first_line(module)
    for kind in type(module).__mro__:
        if kind in SENTENCES:
            told = SENTENCES[kind]
            forward, backward = told(module) if callable(told) else told
            if kind is nn.Container and own:
                forward = f"{own} It is shown folded into one box."
            elif kind is not type(module) and kind not in (nn.Container, GModule, nn.BatchNormalization):
                forward = own or forward
            return forward, backward
    if isinstance(module, nn.Pointwise):
        return own, SLOPE if module.arity == 1 else CHAIN
    return own, VIEW if isinstance(module, ViewModule) else CHAIN


def _first_line(module: Module) -> str:
    """The first line of the docstring that the module's own class has."""
    lines = inspect.cleandoc(type(module).__doc__ or "").splitlines()
    return lines[0].strip() if lines else ""
