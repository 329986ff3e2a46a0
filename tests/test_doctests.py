"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import nodegraph
import nodegraph.models
import nodegraph.viz

PACKAGES = [nodegraph, nodegraph.models, nodegraph.viz]
MODULES = sorted(
    {m.name for p in PACKAGES for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".") if "__main__" not in m.name}
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs the extra that brings {error.name}")
    names = {"np": np, "nn": nodegraph.nn}
    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
