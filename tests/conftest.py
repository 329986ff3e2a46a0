"""Where NODEGRAPH_NO_SKIPS is set, as in continuous integration, a test that skips for a missing extra is an error."""

import importlib.util
import os

import pytest

EXTRAS = ["numba", "matplotlib", "sklearn", "torch", "onnx", "onnxruntime"]


def pytest_configure():
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("NODEGRAPH_NO_SKIPS"):
        raise pytest.UsageError(f"NODEGRAPH_NO_SKIPS is set, but these extras are not installed: {', '.join(missing)}")
