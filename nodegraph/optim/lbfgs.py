"""L-BFGS: Newton's method with a Hessian estimated from the last few moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph.errors import ArgumentError, InputError
from nodegraph.optim.flat import FlatOptimizer
from nodegraph.optim.line_search import lswolfe
from nodegraph.optim.optimizer import Parameters, fitting
from nodegraph.optim.settings import Setting, count, nonnegative, positive

LINE_SEARCHES = {"lswolfe": lswolfe}

LineSearch = str | Callable[..., Any] | None


class WolfeOptions:
    """The options of `lswolfe`, with their rules."""

    c1 = positive()
    c2 = positive()
    tol_x = nonnegative()
    max_iter = count()


class LBFGS(FlatOptimizer):
    """Limited-memory BFGS, for losses with little noise: the same data, or large batches.

    Each of the `max_iter` iterations of a call of `step(closure)` moves along -H g, where the inverse Hessian H is
    built from the last `n_correction` moves and changes of the gradient, which are remembered from call to call.
    Without a line search the move is `learning_rate` times that direction (the very first one at most of
    length 1 in the sum of absolute values); with `line_search="lswolfe"` this is the first step tried.
    `line_search_options` are keyword arguments of the line search, which may also be a function that takes and returns
    what `lswolfe` does.

    A call ends early after `max_eval` evaluations (by default 1.25 `max_iter`), when the gradient's absolute values add
    up to at most `tol_fun`, or when the slope, the move or the change of the loss is below `tol_x`.

    >>> x, gradient = np.array([3.0, -2.0]), np.zeros(2)
    >>> def loss():
    ...     gradient[:] = [2 * x[0], 20 * x[1]]
    ...     return x[0] ** 2 + 10 * x[1] ** 2
    >>> optimizer = LBFGS((x, gradient), line_search="lswolfe")
    >>> optimizer.step(loss), bool(loss() < 1e-8)
    (49.0, True)

    Source: torch/optim, lbfgs.lua, after M. Schmidt's minFunc; Nocedal 1980.
    """

    learning_rate = nonnegative()
    max_iter = count()
    max_eval = positive(optional=True)
    tol_fun = nonnegative()
    tol_x = nonnegative()
    n_correction = count()

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1.0,
        max_iter: int = 20,
        max_eval: float | None = None,
        tol_fun: float = 1e-5,
        tol_x: float = 1e-9,
        n_correction: int = 100,
        line_search: LineSearch = None,
        line_search_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            max_iter=max_iter,
            max_eval=max_eval,
            tol_fun=tol_fun,
            tol_x=tol_x,
            n_correction=n_correction,
        )
        self.line_search, self.line_search_options = _line_search(line_search, line_search_options)
        self.iterations = 0
        self._moves: list[np.ndarray] = []
        self._changes: list[np.ndarray] = []
        self._last_move: np.ndarray | None = None
        self._last_gradient: np.ndarray | None = None
        self._scale = 1.0

    def minimize(self, x: np.ndarray) -> tuple[np.ndarray, list[float]]:
        first = self.evaluations
        max_eval = 1.25 * self.max_iter if self.max_eval is None else self.max_eval
        self._convert(x.dtype)
        loss, gradient = self.loss_at(x)
        losses = [loss]
        if _size(gradient) <= self.tol_fun:
            return x, losses
        for iteration in range(1, self.max_iter + 1):
            self.iterations += 1
            self._remember(gradient)
            direction = self._direction(gradient)
            slope = float(gradient @ direction)
            if slope > -self.tol_x:
                break
            step = self.learning_rate
            if self.iterations == 1:
                step *= min(1.0, 1.0 / float(_size(gradient)))
            loss_before = loss
            if self.line_search is not None:
                search: Any = self.line_search
                search = LINE_SEARCHES.get(search, search)
                found = search(self.loss_at, x, step, direction, loss, gradient, slope, **self.line_search_options)
                loss, gradient, x, step = found[:4]
                losses.append(loss)
            else:
                x = x + step * direction
                if iteration < self.max_iter:
                    loss, gradient = self.loss_at(x)
                    losses.append(loss)
            self._last_move = step * direction
            if (
                self.evaluations - first >= max_eval
                or _size(gradient) <= self.tol_fun
                or _size(self._last_move) <= self.tol_x
                or abs(loss - loss_before) < self.tol_x
            ):
                break
        return x, losses

    def _remember(self, gradient: np.ndarray) -> None:
        """Take the last move and what it did to the gradient into the memory, if the loss is convex along it."""
        if self._last_move is not None:
            change = gradient - self._last_gradient
            curvature = float(change @ self._last_move)
            if curvature > 1e-10:
                self._moves.append(self._last_move)
                self._changes.append(change)
                del self._moves[: -self.n_correction], self._changes[: -self.n_correction]
                self._scale = curvature / float(change @ change)
        self._last_gradient, self._last_move = gradient, None

    def _direction(self, gradient: np.ndarray) -> np.ndarray:
        """-H g, by Nocedal's two loops over the memory."""
        direction = -gradient
        pairs = [(move, change, 1 / float(change @ move)) for move, change in zip(self._moves, self._changes)]
        shares = []
        for move, change, inverse in reversed(pairs):
            shares.append(inverse * float(move @ direction))
            direction -= shares[-1] * change
        direction *= self._scale
        for move, change, inverse in pairs:
            direction += (shares.pop() - inverse * float(change @ direction)) * move
        return direction

    def _convert(self, dtype: Any) -> None:
        """Bring what is remembered to the parameters' dtype."""
        for arrays in (self._moves, self._changes):
            arrays[:] = [array.astype(dtype, copy=False) for array in arrays]
        if self._last_gradient is not None:
            self._last_gradient = self._last_gradient.astype(dtype, copy=False)
        if self._last_move is not None:
            self._last_move = self._last_move.astype(dtype, copy=False)

    # State

    def memory(self) -> dict[str, Any]:
        """The moves, one a row, and the line search; of a function of the user's own only that there is one."""
        memory: dict[str, Any] = {"iterations": self.iterations, "scale": self._scale}
        if self._moves:
            memory |= {"moves": np.stack(self._moves), "changes": np.stack(self._changes)}
        if self._last_gradient is not None:
            memory["last_gradient"] = self._last_gradient.copy()
        if self._last_move is not None:
            memory["last_move"] = self._last_move.copy()
        if self.line_search is not None:
            memory["line_search"] = self.line_search if isinstance(self.line_search, str) else "function"
            memory["line_search_options"] = dict(self.line_search_options)
        return memory

    def recalled(self, memory: dict[str, Any]) -> dict[str, Any]:
        size = sum(p.size for p in self.parameters)
        dtype = np.result_type(*self.parameters)
        line_search = memory.get("line_search")
        if line_search == "function":
            line_search = self.line_search
            if not callable(line_search):
                raise InputError("it was made with a line search of the user's own, which is to be given again")
        line_search, options = _line_search(line_search, memory.get("line_search_options"))
        rows = {name: memory.get(name, np.zeros((0, size))) for name in ("moves", "changes")}
        last = {name: memory.get(name) for name in ("last_move", "last_gradient")}
        arrays: dict[str, Any] = {n: list(fitting(a, (len(rows["moves"]), size), dtype, n)) for n, a in rows.items()}
        arrays |= {n: None if a is None else fitting(a, (size,), dtype, n) for n, a in last.items()}
        numbers = {"iterations": int(memory["iterations"]), "_scale": float(memory["scale"])}
        return {
            **numbers,
            **{"_" + name: value for name, value in arrays.items()},
            "line_search": line_search,
            "line_search_options": options,
        }


def _line_search(search: LineSearch, options: dict[str, Any] | None) -> tuple[LineSearch, dict[str, Any]]:
    """The line search and its options as they are kept; ArgumentError if they make no sense."""
    options = {} if options is None else options
    if not isinstance(options, dict):
        raise ArgumentError(f"LBFGS: line_search_options must be a dictionary, got {options!r}")
    search = "lswolfe" if search is lswolfe else search
    if search is None:
        if options:
            raise ArgumentError("LBFGS: line_search_options are given, but no line_search")
    elif isinstance(search, str):
        if search not in LINE_SEARCHES:
            raise ArgumentError(f"LBFGS: line_search must be 'lswolfe', a function or None, got {search!r}")
        for name in options:
            if not isinstance(vars(WolfeOptions).get(name), Setting):
                raise ArgumentError(f"LBFGS: lswolfe has no option {name}")
        options = {name: vars(WolfeOptions)[name].checked(value) for name, value in options.items()}
    elif not callable(search):
        raise ArgumentError(f"LBFGS: line_search must be 'lswolfe', a function or None, got {search!r}")
    return search, dict(options)


def _size(vector: np.ndarray) -> np.floating:
    return np.abs(vector).sum()
