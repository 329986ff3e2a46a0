"""What a single call of a module adds to the gradients of its parameters."""

from __future__ import annotations

import numpy as np

from nodegraph.nn.module import Call, Module
from nodegraph.over_time import separate, step
from nodegraph.viz.walkthrough.recording import Record


def parameter_gradients(record: Record, t: int) -> dict[str, np.ndarray] | None:
    """The gradients of a module's own parameters from its call at step t alone; None where they cannot be told apart.

    The module's gradients are left as they were.
    """
    calls, module = record.calls, record.module
    if isinstance(calls, Call) and record.steps is not None:
        if calls._frame.saved is not None or calls.grad_output is None:
            return None
        input, grad_output = (step(separate(value, record.steps), t) for value in (calls.input, calls.grad_output))
        return _added(module, lambda: calls.accumulate(input, grad_output, 1.0))
    call = calls[t] if isinstance(calls, list) else calls
    return None if call is None or call.grad_output is None else _added(module, call.acc_grad_parameters)


def total_gradients(record: Record) -> dict[str, np.ndarray] | None:
    """The same for all steps of a run over time."""
    calls = [record.calls] if isinstance(record.calls, Call) else record.calls or []
    if not calls or any(call.grad_output is None for call in calls):
        return None
    return _added(record.module, lambda: [call.acc_grad_parameters() for call in calls])


def _added(module: Module, accumulate: object) -> dict[str, np.ndarray]:
    """What a function adds to the gradients of a module's own parameters."""
    gradients = {name: getattr(module, "grad_" + name) for name in module.own_parameter_names()}
    before = {name: gradient.copy() for name, gradient in gradients.items()}
    for gradient in gradients.values():
        gradient.fill(0)
    try:
        accumulate()
        return {name: gradient.copy() for name, gradient in gradients.items()}
    finally:
        for name, gradient in gradients.items():
            gradient[...] = before[name]
