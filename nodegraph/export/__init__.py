"""Models in other frameworks: `to_torch` and `load_torch` for PyTorch, `to_onnx` for ONNX.

A framework is imported when one of its functions is asked for, and not before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nodegraph.errors import ExportError

if TYPE_CHECKING:
    from nodegraph.export.onnx import to_onnx as to_onnx
    from nodegraph.export.torch import load_torch as load_torch
    from nodegraph.export.torch import to_torch as to_torch

HOMES = {"to_torch": "torch", "load_torch": "torch", "to_onnx": "onnx"}
"""Function -> the module of this package that has it."""

NEEDS = {"torch": ("torch", "torch"), "onnx": ("onnx", "onnx")}
"""Module of this package -> the package that it needs, and the extra of nodegraph that brings it."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, extra = NEEDS[HOMES[name]]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ExportError(f"{name} needs the package {package}: pip install 'nodegraph[{extra}]'") from error
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
