"""The loss of a walkthrough: where backward begins, and why with these gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nodegraph import nn, table
from nodegraph.errors import ArgumentError
from nodegraph.gmodule import GModule
from nodegraph.nn.criterion import Criterion
from nodegraph.over_time import merge
from nodegraph.recurrent import Recurrent

FORMULAS: dict[type, str] = {
    nn.MSECriterion: "(output − target)²",
    nn.AbsCriterion: "|output − target|",
    nn.ClassNLLCriterion: "(−output[target])",
    nn.CrossEntropyCriterion: "(−log softmax(output)[target])",
}


@dataclass
class Loss:
    """What the page tells of the loss, its value where it has one, and the gradients of the model's outputs."""

    sentence: str
    equation: str
    value: float | None
    grad_output: Any


def loss_of(model: GModule | Recurrent, output: Any, grad_output: Any, criterion: Any, target: Any) -> Loss:
    """The loss that a user's arguments mean, for this output of the model.

    A criterion takes the last output of a graph, or the first sequence of a Recurrent with the rows of all steps.
    Without anything given the loss is the sum of the outputs, of a Recurrent that of its sequences.
    """
    if criterion is not None and grad_output is not None:
        raise ArgumentError("a walkthrough takes grad_output or a criterion, not both")
    if target is not None and criterion is None:
        raise ArgumentError("a target needs a criterion")
    if criterion is not None:
        return _from_criterion(model, output, criterion, target)
    if grad_output is not None:
        sentence = "Backward starts from gradients that were given: how much the loss grows with each output."
        return Loss(sentence, "∂output is given", None, grad_output)
    outputs, counted = _outputs(model, output), _counted(model)
    gradients = [table.map(np.ones_like, table_) if i in counted else None for i, table_ in enumerate(outputs)]
    value = float(sum(np.sum(leaf) for i in counted for leaf in table.leaves(outputs[i])))
    sentence = "No loss was given, so the sum of all outputs stands in for one: each number counts once."
    return Loss(sentence, "L = Σ output,   ∂output = 1", value, _joined(gradients))


def _from_criterion(model: GModule | Recurrent, output: Any, criterion: Any, target: Any) -> Loss:
    if not isinstance(criterion, Criterion):
        raise ArgumentError(f"the criterion must be one, such as nn.MSECriterion(), got {criterion!r}")
    outputs = _outputs(model, output)
    gradients: list[Any] = [None] * len(outputs)
    if isinstance(model, Recurrent):
        place, steps = 0, len(outputs[0])
        rows = merge(outputs[0])
        flat = None if target is None else np.reshape(target, (-1, *np.shape(target)[2:]))
        value = criterion.forward(rows, flat)
        gradients[0] = table.map(lambda g: g.reshape(steps, -1, *g.shape[1:]), criterion.backward(rows, flat))
    else:
        place = len(outputs) - 1
        value = criterion.forward(outputs[place], target)
        gradients[place] = criterion.backward(outputs[place], target)
    name = type(criterion).__name__
    which = f" of output {place}" if len(outputs) > 1 and isinstance(model, GModule) else ""
    against = "" if target is None else " with the target"
    over = " over all steps" if isinstance(model, Recurrent) else ""
    sentence = f"{name} compares the output{which}{against}{over}: one number, which training makes small."
    return Loss(sentence, _equation(criterion, target is not None), value, _joined(gradients))


def _equation(criterion: Criterion, targeted: bool) -> str:
    """The loss as a formula where it is one of a line, else as a call."""
    formula = FORMULAS.get(type(criterion))
    if formula is None or getattr(criterion, "weights", None) is not None:
        return f"L = {type(criterion).__name__}(output{', target' * targeted})"
    return f"L = {'mean of' if criterion.size_average else 'Σ'} {formula}"


def _outputs(model: GModule | Recurrent, output: Any) -> list[Any]:
    n = len(model.outputs) if isinstance(model, GModule) else len(model.wiring.sequences + model.wiring.fed_from)
    return [output] if n == 1 else output


def _counted(model: GModule | Recurrent) -> range:
    return range(len(model.outputs) if isinstance(model, GModule) else len(model.wiring.sequences))


def _joined(gradients: list[Any]) -> Any:
    return gradients[0] if len(gradients) == 1 else gradients
