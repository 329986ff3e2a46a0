"""Criterions made of criterions and modules, and CriterionTable, the module."""

from __future__ import annotations

from typing import Any

from nodegraph import table
from nodegraph.errors import ArgumentError, ShapeError, StateError
from nodegraph.nn.criterion import Criterion, ModuleFromCriterion, a_criterion, as_target, both, scaled
from nodegraph.nn.module import Call, Module, locate
from nodegraph.nn.pointwise import flag, number


class CompositeCriterion(Criterion):
    """Base of the weighted sums of criterions; `add(criterion, weight)` appends one.

    After a forward `criterions[i].output` is the loss of each, without its weight.
    """

    size_average = False

    def __init__(self) -> None:
        self.criterions: list[Criterion] = []
        self.weights: list[float] = []

    def add(self, criterion: Criterion, weight: float = 1) -> CompositeCriterion:
        """Append a criterion; returns the whole. ArgumentError for something else than a criterion."""
        a_criterion(criterion, f"{type(self).__name__}.add")
        if self in criterion.list_modules():
            raise ArgumentError(f"{type(self).__name__} cannot contain itself")
        self.weights.append(number(weight, "weight"))
        self.criterions.append(criterion)
        self.clear_own_state()
        return self

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        """What each criterion takes, of the values or of their shapes."""
        raise NotImplementedError

    def joined(self, gradients: list[Any]) -> Any:
        """The gradient, made of those that the criterions give."""
        raise NotImplementedError

    @property
    def takes_target(self) -> bool:
        """Whether any of the criterions takes a target."""
        return any(criterion.takes_target for criterion in self.criterions)

    def ready(self, input: Any, target: Any) -> tuple[Any, Any]:
        return table.as_value(input), as_target(target)

    def check(self, shape: Any, target_shape: Any) -> None:
        self._each(self.criterions, "check", shape, target_shape)

    def update_output(self, input: Any, target: Any) -> float:
        self.saved = self._each(self.criterions, "run", input, target)
        return sum(weight * frame.output for weight, frame in zip(self.weights, self.saved))

    def update_grad_input(self, input: Any, target: Any) -> Any:
        gradients = self._each(self.saved or self.criterions, "gradient", input, target)
        return self.joined([scaled(gradient, weight) for gradient, weight in zip(gradients, self.weights)])

    def _each(self, criterions: list[Criterion], method: str, input: Any, target: Any) -> list[Any]:
        """What a method of each criterion gives for its part; an error says which criterion it was."""
        if not criterions:
            raise StateError("it has no criterions; add one first")
        results = []
        for i, (criterion, (x, t)) in enumerate(zip(criterions, self.parts(input, target))):
            try:
                results.append(getattr(criterion, method)(x, t))
            except Exception as error:
                got = "these shapes" if method == "check" else both(x, t)
                raise locate(error, f"{criterion.describe()}, criterion {i} of {type(self).__name__},", got)
        return results

    def children(self) -> list[Criterion]:
        return list(self.criterions)

    def describe(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        lines = [
            f"  ({i}): {weight:g} x {criterion!r}".replace("\n", "\n  ")
            for i, (weight, criterion) in enumerate(zip(self.weights, self.criterions))
        ]
        return "\n".join([super().__repr__()[:-1], *lines, ")"]) if lines else super().__repr__()


class MultiCriterion(CompositeCriterion):
    """The weighted sum of several criterions on the same input and target.

    >>> criterion = MultiCriterion().add(nn.MSECriterion()).add(nn.AbsCriterion(), 0.5)
    >>> criterion.forward(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.5

    Source: torch/nn, MultiCriterion.lua.
    """

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        return [(input, target)] * len(self.criterions)

    def joined(self, gradients: list[Any]) -> Any:
        total = gradients[0]
        for gradient in gradients[1:]:
            total = table.add(total, gradient)
        return total


class ParallelCriterion(CompositeCriterion):
    """The weighted sum of several criterions, each on its own part of two tables, the inputs and the targets.

    With `repeat_target` one target serves all. ShapeError unless there is one input, and one target, for each.

    >>> criterion = ParallelCriterion().add(nn.MSECriterion()).add(nn.ClassNLLCriterion(), 0.5)
    >>> criterion.forward([np.array([1.0, 2.0]), np.log([0.25, 0.75])], [np.array([1.0, 4.0]), np.array(1)])
    2.1438410362258904

    Source: torch/nn, ParallelCriterion.lua. Torch7 lets more inputs pass than there are criterions.
    """

    def __init__(self, repeat_target: bool = False) -> None:
        super().__init__()
        self.repeat_target = flag(repeat_target, "repeat_target")

    def parts(self, input: Any, target: Any) -> list[tuple[Any, Any]]:
        n = len(self.criterions)
        if not isinstance(input, list) or len(input) != n:
            raise ShapeError(f"expected a table of {n} inputs, one for each criterion")
        if self.repeat_target or target is None:
            target = [target] * n
        if not isinstance(target, list) or len(target) != n:
            raise ShapeError(f"expected a table of {n} targets, one for each criterion")
        return list(zip(input, target))

    def joined(self, gradients: list[Any]) -> Any:
        return gradients


class ModuleCriterion(Criterion):
    """A criterion on the output of a module: criterion(input_module(x), target_module(t)); None leaves a side as it is.

    `backward` goes back through the last `forward`, to x. Neither module is trained: they are not among the parameters
    of a graph that holds this criterion, and their gradients are left alone. With `cast_target` False `float`,
    `double`, `training` and `evaluate` pass over the target module.

    >>> criterion = ModuleCriterion(nn.MSECriterion(), nn.Exp())
    >>> criterion.forward(np.array([0.0, 0.0]), np.array([1.0, 3.0]))
    2.0

    Source: torch/nn, ModuleCriterion.lua, which adds to the gradients of the input module.
    """

    size_average = False

    def __init__(
        self,
        criterion: Criterion,
        input_module: Module | None = None,
        target_module: Module | None = None,
        cast_target: bool = True,
    ) -> None:
        self.criterion = a_criterion(criterion, "ModuleCriterion")
        for module in (input_module, target_module):
            if module is not None and not isinstance(module, Module):
                raise ArgumentError(f"ModuleCriterion takes modules for input and target, got {module!r}")
        self.input_module, self.target_module = input_module, target_module
        self.cast_target = flag(cast_target, "cast_target")

    @property
    def takes_target(self) -> bool:
        """Whether the criterion inside takes a target."""
        return self.criterion.takes_target

    def children(self) -> list[Any]:
        inside = [self.criterion, self.input_module, self.target_module if self.cast_target else None]
        return [component for component in inside if component is not None]

    def ready(self, input: Any, target: Any) -> tuple[Any, Any]:
        if target is None and self.takes_target:
            raise ShapeError("expected a target, too")
        return table.as_value(input), as_target(target)

    def check(self, shape: Any, target_shape: Any) -> None:
        shape = self.input_module.output_shape(shape) if self.input_module else shape
        if self.target_module and target_shape is not None:
            target_shape = self.target_module.output_shape(target_shape)
        self.criterion.check(shape, target_shape)

    def update_output(self, input: Any, target: Any) -> float:
        self.saved = self._through(input, target)
        return self.saved[-1].output

    def update_grad_input(self, input: Any, target: Any) -> Any:
        call, x, target, frame = self.saved or self._through(input, target)
        gradient = frame.gradient(x, target)
        return call.update_grad_input(gradient) if call else gradient

    def _through(self, input: Any, target: Any) -> tuple[Call | None, Any, Any, Criterion]:
        """Run the modules and the criterion: the input module's call, what the criterion got, and its frame."""
        call = Call(self.input_module, input) if self.input_module else None
        target = Call(self.target_module, target).output if self.target_module else target
        x = call.output if call else input
        return call, x, target, self.criterion.run(x, target)


class CriterionTable(ModuleFromCriterion):
    """A criterion as a module whose output is a number: [input, target] -> (), the loss.

    The gradient is a table, too; that of the target is zero.

    >>> CriterionTable(nn.MSECriterion()).forward([np.array([1.0, 2.0]), np.array([1.0, 4.0])])
    array(2.)

    Source: torch/nn, CriterionTable.lua. Torch7 leaves the gradient of the target out of the table and does not
    multiply by the gradient that comes in.
    """

    shape = ()
