"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import nodegraph

MODULES = sorted(m.name for m in pkgutil.walk_packages(nodegraph.__path__, "nodegraph.") if "__main__" not in m.name)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    names = {"np": np, "nn": nodegraph.nn}
    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
